"""Runs of the gas feeds: the operators in Airflow, the twin, a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pendulum
import psycopg
import pytest

from energy_ingest import catalog, settings
from energy_ingest.calendars import ending_in
from energy_ingest.catalog import TRANSWESTERN_CAPACITY
from energy_ingest.operators.postings import IngestPostingsOperator
from include.twin.client import Twin
from tests.dags.harness import AIRFLOW_3, parse, run

GAS, TW = "national_gas_quality", "transwestern_capacity"
Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(autouse=True)
def connections(
    metadata: None, twin: Twin, warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", warehouse_url)
    for name in ("NATIONAL_GAS", "ENERGY_TRANSFER"):
        connection = {"conn_type": "http", "host": twin.url}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}_DEFAULT", json.dumps(connection))
    monkeypatch.setenv(settings.ARCHIVE_URL.env, (tmp_path / "archive").as_uri())
    monkeypatch.setenv(settings.UNTIL.env, "2024-10-31")
    monkeypatch.setenv(settings.START.env, "2024-10-24")


@pytest.fixture
def ask(owner_url: str) -> Ask:
    def answer(query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(owner_url) as connection:
            return connection.execute(query).fetchall()  # type: ignore[arg-type]

    return answer


def half_hour(hour: int, day: int = 26) -> tuple[datetime, datetime]:
    start = pendulum.datetime(2024, 10, day, hour)
    return start, start.add(minutes=30)


def posting(hour: int, minute: int = 0, day: int = 26) -> tuple[datetime, datetime]:
    """What a trigger timetable gives on Airflow 3; on 2.11 an interval ends at that time."""
    at = pendulum.datetime(2024, 10, day, hour, minute, tz="America/Chicago")
    return (at, at) if AIRFLOW_3 else (at.subtract(minutes=30), at)


def test_the_first_run_of_a_date_loads_it_and_the_others_ask_for_nothing(ask: Ask, twin: Twin):
    first, second = run(GAS, half_hour(3)), run(GAS, half_hour(9))
    assert (first.state, second.state) == ("success", "success")
    assert first.result["windows"] == 48 and second.result["windows"] == 0
    assert ask("SELECT label, state, count(*) FROM ledger.window GROUP BY 1, 2") == [
        (date(2024, 10, 26), "complete", 48)
    ]
    assert twin.stats()["requests"] == 1


def test_a_day_long_outage_fills_itself(ask: Ask, twin: Twin, monkeypatch: pytest.MonkeyPatch):
    """Runs fail while the source is away; the first one after it fetches the whole date, for those that failed too."""
    monkeypatch.setattr("energy_ingest.retrying._wait", lambda state: 0.0)
    twin.add_fault("down", path="gasquality")
    failed = [run(GAS, half_hour(hour)) for hour in (0, 12, 23)]
    assert [each.state for each in failed] == ["failed"] * 3
    twin.clear_faults()
    first, *others = [run(GAS, half_hour(hour)) for hour in (23, 22, 12, 0)]
    assert first.result["windows"] == 48 and [each.result["windows"] for each in others] == [0, 0, 0]
    assert ask("SELECT state, count(*) FROM ledger.window GROUP BY 1") == [("complete", 48)]
    assert ask("SELECT count(*), count(DISTINCT published_at) FROM energy.gas_quality") == [(120 * 11, 120)]


def test_clearing_such_a_run_and_a_backfill_load_its_own_window_again(ask: Ask, twin: Twin):
    first = run(GAS, half_hour(3))
    cleared = run(GAS, half_hour(3), clear=first)
    again = run(GAS, half_hour(5), kind="backfill")
    assert (cleared.result["windows"], again.result["windows"]) == (1, 1)
    assert twin.stats()["requests"] == 3


def test_the_sweep_reads_two_days_again(ask: Ask, twin: Twin):
    run(GAS, half_hour(3))
    six = pendulum.datetime(2024, 10, 26, 6)
    swept = run("national_gas_quality_sweep", (six, six.add(days=1)))
    assert (swept.state, swept.result["windows"]) == ("success", 96)
    assert ask("SELECT count(DISTINCT label), count(*) FROM ledger.window WHERE state = 'complete'") == [(3, 96)]


@pytest.mark.parametrize(
    ("at", "label", "part"),
    [
        ((17, 0), date(2024, 10, 27), "Timely"),
        ((21, 0), date(2024, 10, 27), "Evening"),
        ((13, 0), date(2024, 10, 26), "Intraday 1"),
        ((17, 30), date(2024, 10, 26), "Intraday 2"),
        ((22, 0), date(2024, 10, 26), "Intraday 3"),
        ((9, 30), date(2024, 10, 25), "Final"),
    ],
)
def test_a_run_loads_the_cycle_that_was_due_at_its_time(ask: Ask, at: tuple[int, int], label: date, part: str):
    ran = run(TW, posting(*at))
    assert (ran.state, ran.errors) == ("success", [])
    assert (ran.result["windows"], ran.result["inserted"]) == (1, 299)
    assert ask("SELECT label, part, state FROM ledger.window") == [(label, part, "complete")]


def test_a_cycle_never_posted_is_no_failure(ask: Ask, twin: Twin):
    twin.set_now("2024-10-26T12:00:00Z")
    ran = run(TW, posting(13))
    assert ran.state == "success"
    assert ask("SELECT state FROM ledger.window") == [("abandoned",)]
    (again,) = ask("SELECT next_due_at IS NULL, reason LIKE 'never posted%' FROM ledger.window")
    assert again == (True, True), "long past all dates on which it is read again"


def test_a_cycle_not_posted_yet_is_looked_for_again(
    ask: Ask, twin: Twin, monkeypatch: pytest.MonkeyPatch, warehouse_url: str
):
    """The posting that was due last, and is not there yet: the task asks to be rescheduled, then has it."""
    monkeypatch.delenv(settings.UNTIL.env)
    now = datetime.now(UTC)
    posted = now - timedelta(minutes=10)  # as long after its time the twin has posted it for certain
    newest = ending_in(TRANSWESTERN_CAPACITY.calendar, posted - timedelta(days=1), posted)[-1]
    twin.set_now(f"{newest.end - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}")
    seen = []
    poke = IngestPostingsOperator.poke

    def look(self: Any, context: Any) -> Any:
        found = poke(self, context)
        seen.append(found.is_done)
        if not found.is_done:
            twin.set_now(None)
            found = poke(self, context)
            seen.append(found.is_done)
        return found

    monkeypatch.setattr(IngestPostingsOperator, "poke", look)
    end = pendulum.instance(newest.end)
    ran = run(TW, (end, end) if AIRFLOW_3 else (end.subtract(minutes=30), end), kind="backfill")
    assert (ran.state, seen) == ("success", [False, True])
    assert ask("SELECT state FROM ledger.window") == [("complete",)]


def test_assets_that_are_not_switched_on_cost_nothing(ask: Ask, twin: Twin, monkeypatch: pytest.MonkeyPatch):
    assert run("energy_transfer_capacity", posting(13)).state == "success"
    assert twin.stats()["requests"] == 0
    monkeypatch.setenv(settings.TRANSFER_ASSETS.env, "FGT,ROVER")
    assert run("energy_transfer_capacity", posting(17)).result["inserted"] == 2 * 299


def test_an_unknown_asset_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(settings.TRANSFER_ASSETS.env, "FGT,XYZ")
    ran = run("energy_transfer_capacity", posting(13))
    assert "ENERGY_ENERGY_TRANSFER_ASSETS names 'XYZ': use some of TGC, FEP, PEPL" in str(ran.errors[0])


def test_only_the_cycles_that_count_have_runs_and_windows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(settings.CAPACITY_CYCLES.env, "1,3,4,7")
    day = date(2024, 10, 26)
    assert [w.part for w in TRANSWESTERN_CAPACITY.windows(day, day)] == [
        "Evening",
        "Intraday 1",
        "Intraday 2",
        "Intraday 3",
    ]
    monkeypatch.delenv(settings.UNTIL.env)
    timetable = parse().dags[TW].timetable
    assert "9" not in str(timetable.serialize().get("expressions", "21 22 13"))


def test_each_feed_may_start_at_a_date_of_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(settings.NATIONAL_GAS_START.env, "2024-10-28")
    monkeypatch.setenv(settings.CAPACITY_START.env, "2024-10-30")
    dags = parse().dags
    assert dags[GAS].start_date == pendulum.datetime(2024, 10, 28)
    assert dags[TW].start_date < pendulum.datetime(2024, 10, 29, 17, tz="America/Chicago")
    later = datetime(2024, 11, 5, tzinfo=UTC)
    first = {name: catalog.get(name).scheduled_windows(later)[0] for name in (GAS, TW)}
    assert {name: str(window) for name, window in first.items()} == {GAS: "2024-10-28 00:00", TW: "2024-10-30 Timely"}
