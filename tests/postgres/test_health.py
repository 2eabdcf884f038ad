"""Health: measured from the data, against what was published; what is done about it, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_ingest.catalog import B1610, SYSTEM_PRICES
from energy_ingest.errors import Rejected, Retryable
from energy_ingest.loading import health, ledger
from energy_ingest.loading.database import connect
from energy_ingest.loading.days import stretches
from energy_ingest.loading.executions import Caller, recorded
from energy_ingest.loading.health import ATTEMPTS, PAUSE, SLACK, WORKING_TIME, Health
from energy_ingest.sources import Scope
from tests.postgres.cli.conftest import EnergyIngest, energy_ingest
from tests.postgres.processes import together
from tests.postgres.world import DAY, Feed, behind, days, load, one

__all__ = ["energy_ingest"]

PRICES = SYSTEM_PRICES.name
MINUTE = timedelta(minutes=1)
SICK = Health(PRICES, "unhealthy", DAY, 1, missed=1, spans=((DAY, DAY),))
NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)


@pytest.fixture
def connection(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    monkeypatch.setenv("ENERGY_START", f"{DAY}")
    with connect(warehouse_url) as connection:
        yield connection


def seen(connection: psycopg.Connection, now: datetime, dataset: str = PRICES) -> Health:
    return {found.dataset: found for found in health.examine(connection, now)}[dataset]


def at(day: int, hour: int) -> datetime:
    return datetime(2024, 3, day, hour, tzinfo=UTC)


# --- how it is measured ---


def test_what_was_never_loaded_is_unknown_and_what_is_switched_off_is_left_out(connection: psycopg.Connection):
    found = {item.dataset: item.status for item in health.examine(connection, NOW)}
    assert found[PRICES] == "unknown"
    assert "elexon_bod" not in found
    assert "energy_transfer_capacity" not in found, "no pipeline is asked for"
    assert set(found.values()) == {"unknown"}


def test_missed_publications_count_not_hours(warehouse_url: str, connection: psycopg.Connection, tmp_path: Path):
    load(warehouse_url, Feed(), tmp_path, days(DAY, 3))  # 5 to 7 March
    (window,) = days(date(2024, 3, 8))
    due = max(SYSTEM_PRICES.publication.deadline(window), SYSTEM_PRICES.calendar.scheduled_at(window)) + WORKING_TIME
    before = seen(connection, due - MINUTE)
    assert (before.status, before.last_data_date, before.days_behind) == ("healthy", date(2024, 3, 7), 0)
    after = seen(connection, due)
    assert (after.status, after.days_behind, after.missed) == ("unhealthy", 1, 1)
    assert after.since == due - WORKING_TIME and after.last_good is not None
    assert after.command == f"energy-ingest load --dataset {PRICES} --from 2024-03-08 --to 2024-03-08"
    assert seen(connection, due + timedelta(days=2)).days_behind == 3


def test_five_working_days_are_no_delay(warehouse_url: str, connection: psycopg.Connection, tmp_path: Path):
    feed = Feed(B1610, B1610.scopes()[0])
    load(warehouse_url, feed, tmp_path, days(DAY))
    deadline = B1610.publication.deadline(days(DAY, 2)[1])
    assert deadline - days(DAY)[0].end > timedelta(days=6)
    assert seen(connection, deadline, B1610.name).status == "healthy"
    assert seen(connection, deadline + WORKING_TIME, B1610.name).missed == 1


def test_an_empty_day_is_no_data(warehouse_url: str, connection: psycopg.Connection, tmp_path: Path):
    feed = Feed()
    feed[days(DAY, 2)[1].label] = []
    load(warehouse_url, feed, tmp_path, days(DAY, 2))
    (_, empty) = days(DAY, 2)
    found = seen(connection, SYSTEM_PRICES.publication.deadline(empty) + WORKING_TIME)
    assert (found.last_data_date, found.missed) == (DAY, 1)


def test_the_past_does_not_move_the_mark_back(warehouse_url: str, connection: psycopg.Connection, tmp_path: Path):
    load(warehouse_url, Feed(), tmp_path, days(date(2024, 3, 7)))
    found = seen(connection, at(8, 12))
    assert (found.last_data_date, found.days_behind, found.missed) == (date(2024, 3, 7), 0, 2), "a gap behind the mark"
    load(warehouse_url, Feed(), tmp_path, days(date(2024, 2, 1)))
    assert seen(connection, at(8, 12)).last_data_date == date(2024, 3, 7)
    load(warehouse_url, Feed(), tmp_path, days(DAY, 2))
    assert seen(connection, at(8, 12)).status == "healthy"


def test_one_dataset_that_cannot_be_told_keeps_no_other(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ENERGY_ELEXON_BM_UNITS", "all,T_A-1")
    found = {item.dataset: item for item in health.examine(connection, NOW)}
    assert found[B1610.name].status == "error" and "names both" in found[B1610.name].detail
    assert found[PRICES].status == "unknown"
    assert health.status(list(found.values())) == "critical"


@given(st.sets(st.dates(date(2024, 1, 1), date(2024, 3, 1))), st.integers(1, 40))
def test_spans_are_the_oldest_dates_each_once(labels: set[date], most: int):
    found = list(stretches(labels, most))
    inside = [first + timedelta(days=n) for first, last in found for n in range((last - first).days + 1)]
    assert inside == sorted(labels)[:most]
    assert all(a[1] + timedelta(days=1) < b[0] for a, b in pairwise(found))


# --- what is done ---


def test_healing_backs_off_and_ends(connection: psycopg.Connection):
    now, actions = NOW, []
    for attempt in range(ATTEMPTS):
        assert health.heal(connection, SICK, False, now).action == "triggered_catch_up"
        assert health.heal(connection, SICK, False, now).action != "triggered_catch_up", "once"
        now += PAUSE * 2**attempt - SLACK
        actions.append(health.heal(connection, SICK, False, now - MINUTE).action)
    assert actions == ["backing_off"] * (ATTEMPTS - 1) + ["gave_up"]
    assert health.heal(connection, SICK, False, now + timedelta(days=99)).action == "gave_up"
    assert health.heal(connection, replace(SICK, status="healthy"), False, now).action == "none"
    assert health.heal(connection, SICK, False, now).action == "triggered_catch_up", "healthy in between"


def test_what_is_under_way_or_in_vain_is_not_started(connection: psycopg.Connection):
    assert health.heal(connection, SICK, True, NOW).action == "catch_up_running"
    run = ledger.Run("scheduled", PRICES, "r", 1)
    for _ in range(3):
        job = ledger.begin(connection, SYSTEM_PRICES, Scope("all"), days(DAY)[0], run)
        ledger.fail(connection, job, Retryable("no route to host"))
    now = datetime.now(UTC)
    assert health.heal(connection, SICK, False, now).action == "source_down"
    ledger.fail(connection, ledger.begin(connection, SYSTEM_PRICES, Scope("all"), days(DAY)[0], run), Rejected("x"))
    assert health.heal(connection, SICK, False, now).action == "triggered_catch_up"
    for status in ("healthy", "unknown", "error"):
        assert health.heal(connection, replace(SICK, status=status), False, NOW).action == "none"


def claim(_: Any, url: str, number: int) -> None:
    with connect(url) as connection:
        health.heal(connection, SICK, False, NOW)


def test_several_at_once_heal_once(warehouse_url: str, connection: psycopg.Connection):
    together(claim, *((warehouse_url, number) for number in range(4)))
    assert one(warehouse_url, "SELECT attempts FROM ledger.healing") == 1


def test_who_comes_a_moment_late_backs_off(warehouse_url: str, connection: psycopg.Connection):
    """The rival's first attempt stands in the way, yet the statement that met it began too early to see it."""

    def first() -> None:
        assert health.heal(connection, SICK, False, NOW).action == "triggered_catch_up"

    with connect(warehouse_url) as late:
        found = behind(warehouse_url, connection, first, lambda: health.heal(late, SICK, False, NOW))
    assert found.action == "backing_off"


def test_the_runs_that_heal_are_few_and_oldest_first():
    spans = tuple((date(2024, 3, n), date(2024, 3, n)) for n in range(1, 20, 2))
    found = [replace(SICK, spans=spans, action="triggered_catch_up"), replace(SICK, action="backing_off")]
    runs = health.runs(found, NOW)
    assert [run["conf"] for run in runs] == [
        {"window_from": f"2024-03-0{n}", "window_to": f"2024-03-0{n}"} for n in (1, 3, 5, 7, 9)
    ]
    assert runs[0]["trigger_dag_id"] == PRICES
    assert runs[0]["trigger_run_id"] == "heal__2024-03-20T12:00:00__2024-03-01"
    assert len({run["trigger_run_id"] for run in runs}) == 5


# --- what is told ---


@pytest.mark.parametrize(
    ("action", "before", "severity"),
    [
        ("triggered_catch_up", {}, "warning"),
        ("gave_up", {}, "critical"),
        ("source_down", {}, "warning"),
        ("catch_up_running", {}, None),
        ("catch_up_running", {PRICES: 2}, None),
        ("catch_up_running", {PRICES: 1}, "warning"),  # runs are there, and nothing gets done
    ],
)
def test_catch_up_that_goes_on_is_no_alert(action: Any, before: dict[str, int], severity: str | None):
    found = [finding.severity for finding in health.findings([replace(SICK, action=action)], before)]
    assert found == ([severity] if severity else [])


def test_the_alert_names_what_is_missed_and_what_is_done():
    (finding,) = health.findings([replace(SICK, action="triggered_catch_up")], {})
    assert finding.title == f"{PRICES} misses 1 window"
    assert finding.extent == "from 2024-03-05; last data 2024-03-05, 1 day behind"
    assert finding.cause == "publications that were not loaded; done about it: triggered catch up"


# --- the command ---


def test_the_command(energy_ingest: EnergyIngest, warehouse_url: str, tmp_path: Path):
    load(warehouse_url, Feed(), tmp_path, days(date(2024, 10, 26), 2))
    shown = energy_ingest("health", "--json")
    assert shown.code == 1
    summary = {"status": "unhealthy", "last_data_date": "2024-10-27", "days_behind": 1, "action": "none"}
    assert shown.json[PRICES] == summary, "these and no other"
    assert {frozenset(item) for item in shown.json.values()} == {frozenset(summary)}
    more = energy_ingest("health", "--json", "--verbose").json[PRICES]
    assert {name: more[name] for name in summary} == summary
    assert (more["missed"], more["spans"]) == (1, [["2024-10-28", "2024-10-28"]])
    load(warehouse_url, Feed(), tmp_path, days(date(2024, 10, 28)))
    assert "2024-10-28" in energy_ingest("health").out
    assert one(warehouse_url, "SELECT count(*) FROM ledger.healing") == 0


def test_the_command_tells_what_the_last_pass_did(energy_ingest: EnergyIngest, warehouse_url: str, tmp_path: Path):
    load(warehouse_url, Feed(), tmp_path, days(date(2024, 10, 26), 2))
    with connect(warehouse_url) as connection, recorded(connection, "health", "", Caller()) as execution:
        execution.details = {"datasets": [replace(SICK, action="gave_up").as_json()]}
    shown = energy_ingest("health", "--json")
    assert (shown.code, shown.json[PRICES]["action"]) == (2, "gave_up")
    load(warehouse_url, Feed(), tmp_path, days(date(2024, 10, 28)))
    assert energy_ingest("health", "--json").json[PRICES]["action"] == "none", "healthy since"
