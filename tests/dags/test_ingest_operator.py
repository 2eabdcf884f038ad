"""A run of a source DAG, from the interval to the rows: the operator in Airflow, the twin, a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pendulum
import psycopg
import pytest

from energy_ingest import settings
from energy_ingest.clock import settlement_periods
from include.twin.client import Twin
from tests.dags.harness import AIRFLOW_3, Ran, interval, run

SPRING, AUTUMN = date(2024, 3, 31), date(2024, 10, 27)
PRICES = "elexon_system_prices"

Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(autouse=True)
def connections(
    metadata: None, twin: Twin, warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a deployment sets: the warehouse, the archive, and here the twin in place of the upstream."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", warehouse_url)
    monkeypatch.setenv("AIRFLOW_CONN_ELEXON_DEFAULT", json.dumps({"conn_type": "http", "host": twin.url}))
    monkeypatch.setenv(settings.ARCHIVE_URL.env, (tmp_path / "archive").as_uri())


@pytest.fixture
def ask(owner_url: str) -> Ask:
    """Ask the warehouse."""

    def answer(query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(owner_url) as connection:
            return connection.execute(query).fetchall()  # type: ignore[arg-type]

    return answer


def loaded(ask: Ask) -> list[date]:
    """The windows that were loaded, as often as they were, in their order."""
    return [
        label for (label,) in ask("SELECT window_label FROM ledger.import_job WHERE status = 'completed' ORDER BY 1")
    ]


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def asked_for(first: str | None = None, last: str | None = None) -> dict[str, str]:
    return {name: value for name, value in {"window_from": first, "window_to": last}.items() if value}


def only_error(ran: Ran) -> str:
    """The message of a run that failed at its first try, though it had others."""
    assert ran.state == "failed"
    assert [type(error).__name__ for error in ran.errors] == ["AirflowFailException"]
    return str(ran.errors[0])


# --- a scheduled run ---


@pytest.mark.parametrize("day", [SPRING, AUTUMN], ids=str)
@pytest.mark.parametrize(("dataset", "members"), [(PRICES, 1), ("elexon_market_index", 2), ("elexon_b1610", 5)])
def test_a_run_loads_the_day_of_its_interval(ask: Ask, twin: Twin, dataset: str, members: int, day: date):
    ran = run(dataset, interval(day))
    rows = settlement_periods(day) * members
    counts = {"windows": 1, "failed": 0, "left": 0, "received": rows, "inserted": rows}
    nothing = dict.fromkeys(("revised", "unchanged", "quarantined", "duplicates"), 0)
    assert (ran.state, ran.errors) == ("success", [])
    assert ran.result == counts | nothing
    assert ran.events == [counts | nothing]
    assert ask("SELECT label, state, expected, actual FROM ledger.window") == [(day, "complete", rows, rows)]
    counted = ask(f"SELECT count(*), count(DISTINCT period_start) FROM energy.{dataset}")  # noqa: S608
    assert counted == [(rows, settlement_periods(day))]
    assert ask("SELECT import_type, dag_id, run_id, try_number FROM ledger.import_job") == [
        ("scheduled", dataset, ran.run_id, 1)
    ]
    assert twin.stats()["requests"] == 1


def test_a_run_that_was_deleted_and_made_again_loads_again_and_writes_nothing(ask: Ask):
    when = {"run_after": pendulum.datetime(2026, 1, 1)} if AIRFLOW_3 else {}  # it makes the name of the run
    first, second = (run(PRICES, interval(AUTUMN), kind=kind, **when) for kind in ("scheduled", "backfill"))
    assert first.run_id == second.run_id
    assert (first.result["inserted"], second.result["unchanged"], second.result["inserted"]) == (50, 50, 0)
    assert ask("SELECT import_type FROM ledger.import_job ORDER BY job_id") == [("scheduled",), ("backfill",)]


def test_not_yet_published_is_no_failure(ask: Ask):
    yesterday = pendulum.now("Europe/London").date() - timedelta(days=1)
    ran = run("elexon_b1610", interval(yesterday), kind="backfill")
    assert (ran.state, ran.result["received"]) == ("success", 0)
    assert ask("SELECT label, state FROM ledger.window") == [(yesterday, "not_yet_published")]


# --- a run that a person asks for ---


@pytest.mark.parametrize(
    ("conf", "windows"),
    [
        (asked_for("2024-10-26", "2024-10-28"), days(date(2024, 10, 26), date(2024, 10, 28))),
        (asked_for("2024-10-26"), [date(2024, 10, 26)]),
        (asked_for(last="2024-03-31"), [SPRING]),
    ],
    ids=["both", "first only", "last only"],
)
def test_a_range_of_dates(ask: Ask, conf: dict[str, str], windows: list[date]):
    ran = run(PRICES, interval(date(2025, 1, 1)), kind="manual", conf=conf)
    assert (ran.state, loaded(ask)) == ("success", windows)
    assert ask("SELECT DISTINCT import_type FROM ledger.import_job") == [("manual",)]


@pytest.mark.parametrize(
    ("kind", "conf", "message"),
    [
        ("manual", asked_for("2024-10-28", "2024-10-26"), "starts on 2024-10-28, after its end 2024-10-26: swap"),
        (
            "manual",
            asked_for("2023-01-01", "2024-10-28"),
            "2023-01-01 to 2024-10-28 is more than 400 days: load it in parts",
        ),
        ("backfill", asked_for("2024-10-26"), "window_from and window_to make no sense in a backfill"),
    ],
    ids=["reversed", "too long", "backfill"],
)
def test_a_range_that_makes_no_sense(ask: Ask, twin: Twin, kind: str, conf: dict[str, str], message: str):
    assert message in only_error(run(PRICES, interval(AUTUMN), kind=kind, conf=conf, retries=2))
    assert (loaded(ask), twin.stats()["requests"]) == ([], 0)


@pytest.mark.parametrize("value", ["28.10.2024", "2024-13-01", "", 20241028], ids=repr)
def test_the_form_refuses_what_is_no_date(value: object):
    with pytest.raises(Exception, match=r"(?s)window_from.*Invalid input|Invalid input.*window_from"):
        run(PRICES, interval(AUTUMN), kind="manual", conf={"window_from": value})


def test_triggered_now_it_loads_the_day_before(ask: Ask):
    """A manual run with a date has the last interval that is complete by then."""
    noon = pendulum.datetime(2024, 10, 28, 12, tz="Europe/London")
    ran = run(PRICES, kind="manual", **{"logical_date" if AIRFLOW_3 else "execution_date": noon})
    assert (ran.state, loaded(ask)) == ("success", [AUTUMN])


@pytest.mark.skipif(not AIRFLOW_3, reason="on Airflow 2 every run has a data interval")
@pytest.mark.parametrize("hour", [0, 12])
def test_without_a_date_it_loads_the_newest_day(ask: Ask, hour: int):
    after = pendulum.datetime(2024, 10, 28, hour, tz="Europe/London")
    ran = run(PRICES, kind="manual", logical_date=None, run_after=after)
    assert (ran.state, loaded(ask)) == ("success", [AUTUMN])


def test_an_interval_without_length_means_the_newest_day(ask: Ask):
    """What a plain cron string would give on Airflow 3."""
    start, _ = interval(date(2024, 10, 28))
    ran = run(PRICES, (start, start), kind="manual")
    assert ran.state == "success"
    assert len(loaded(ask)) == 1


# --- failures ---


def test_one_bad_window_does_not_stop_the_others(ask: Ask, twin: Twin):
    twin.add_fault("html", date="2024-10-27")
    ran = run(PRICES, interval(AUTUMN), kind="manual", conf=asked_for("2024-10-25", "2024-10-29"))
    assert ran.state == "failed"
    assert [str(error) for error in ran.errors] == [
        "1 of 5 windows failed and 0 were not tried; first 2024-10-27: the answer is an HTML page, not JSON: a "
        "maintenance or proxy page; the source is asked again. Loaded windows are safe. To load one by hand: "
        "energy-ingest load --dataset elexon_system_prices --from 2024-10-27 --to 2024-10-27"
    ]
    assert loaded(ask) == [day for day in days(date(2024, 10, 25), date(2024, 10, 29)) if day != AUTUMN]
    assert ask("SELECT label FROM ledger.window WHERE state = 'failed'") == [(AUTUMN,)]
    assert (ran.result, ran.events) == (None, [])


def test_a_retry_loads_only_what_is_left_and_clearing_loads_all(ask: Ask, twin: Twin):
    twin.add_fault("malformed_json", date="2024-10-27", count=1)
    conf, three = asked_for("2024-10-26", "2024-10-28"), days(date(2024, 10, 26), date(2024, 10, 28))
    ran = run(PRICES, interval(AUTUMN), kind="manual", conf=conf, retries=1)
    assert (ran.state, len(ran.errors), ran.result["windows"]) == ("success", 1, 1)
    jobs = "SELECT try_number, window_label FROM ledger.import_job WHERE status = 'completed' ORDER BY 1, 2"
    assert ask(jobs) == [(1, three[0]), (1, three[2]), (2, three[1])]

    cleared = run(PRICES, interval(AUTUMN), conf=conf, retries=1, clear=ran)
    assert (cleared.state, cleared.run_id, cleared.result["windows"]) == ("success", ran.run_id, 3)
    assert ask(jobs)[3:] == [(3, day) for day in three]
    assert ask("SELECT sum(inserted_rows), sum(revised_rows) FROM ledger.import_job") == [(146, 0)]


def test_a_source_that_is_down_is_not_asked_for_every_window(ask: Ask, twin: Twin, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("energy_ingest.retrying._wait", lambda state: 0.0)
    monkeypatch.setenv(settings.CONCURRENCY.env, "1")
    twin.add_fault("down")
    ran = run(PRICES, interval(AUTUMN), kind="manual", conf=asked_for("2024-10-01", "2024-10-20"))
    assert str(ran.errors[0]).startswith("3 of 20 windows failed and 17 were not tried; first 2024-10-01: ")
    assert loaded(ask) == []


# --- what no retry helps ---


def test_a_warehouse_without_schema(monkeypatch: pytest.MonkeyPatch, pg_server: Any):
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", pg_server.dsn)
    assert "run `energy-ingest migrate`" in only_error(run(PRICES, interval(AUTUMN), retries=2))


def test_no_warehouse(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AIRFLOW_CONN_ENERGY_WAREHOUSE")
    monkeypatch.delenv("WAREHOUSE_URL", raising=False)
    assert only_error(run(PRICES, interval(AUTUMN), retries=2)).startswith("no warehouse: ")


def test_a_source_that_moved(ask: Ask, twin: Twin, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW_CONN_ELEXON_DEFAULT", json.dumps({"conn_type": "http", "host": f"{twin.url}/v2"}))
    ran = run(PRICES, interval(AUTUMN), kind="manual", conf=asked_for("2024-10-01", "2024-10-20"), retries=2)
    assert "was answered with 404" in only_error(ran)
    assert twin.stats()["requests"] <= settings.CONCURRENCY.get_int()


def test_too_many_units(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(settings.BM_UNITS.env, ",".join(f"T_UNIT-{n}" for n in range(300)))
    message = only_error(run("elexon_b1610", interval(AUTUMN), retries=2))
    assert message.startswith("300 BM units are too many for one request: list at most 250")


# --- what is due ---


@pytest.fixture
def four_days(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """The days that schedules load."""
    monkeypatch.setenv(settings.START.env, "2024-10-25")
    monkeypatch.setenv(settings.UNTIL.env, "2024-10-28")
    return days(date(2024, 10, 25), date(2024, 10, 28))


def test_only_the_newest_scheduled_run_takes_what_is_due(ask: Ask, four_days: list[date]):
    _, _, third, newest = four_days
    run(PRICES, interval(third))
    run(PRICES, interval(newest), kind="backfill")
    run(PRICES, interval(newest), kind="manual")
    assert loaded(ask) == [third, newest, newest], "each loads its own"
    ran = run(PRICES, interval(newest))
    assert (ran.state, ran.result["windows"]) == ("success", 3)
    assert loaded(ask) == sorted([*four_days, newest, newest]), "its own, and the two that nobody tried"


def test_the_newest_run_looks_again_when_the_calendar_says_so(ask: Ask, four_days: list[date], owner_url: str):
    for day in four_days:
        run(PRICES, interval(day))
    with psycopg.connect(owner_url) as connection:
        connection.execute("UPDATE ledger.window SET next_due_at = now() WHERE label = '2024-10-26'")
    ran = run(PRICES, interval(four_days[-1]))
    assert (ran.result["windows"], ran.result["unchanged"]) == (2, 96)
    assert ask("SELECT attempts FROM ledger.window ORDER BY label") == [(1,), (2,), (1,), (2,)]


def test_a_failure_is_taken_up_by_the_newest_run(ask: Ask, twin: Twin, four_days: list[date], owner_url: str):
    twin.add_fault("html", date="2024-10-26", count=1)
    assert [run(PRICES, interval(day)).state for day in four_days[:3]] == ["success", "failed", "success"]
    with psycopg.connect(owner_url) as connection:
        connection.execute("UPDATE ledger.window SET next_due_at = now() WHERE state = 'failed'")  # it waits 15 minutes
    ran = run(PRICES, interval(four_days[3]))
    assert (ran.state, ran.result["windows"]) == ("success", 2)
    assert loaded(ask) == four_days
