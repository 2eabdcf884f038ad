"""The gas feeds and InfluxDB when things come late, again, never, or are away."""

# ruff: noqa: S608 - the names put into statements here are the catalogue's

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from energy_ingest.catalog import B1610, NATIONAL_GAS_QUALITY, TRANSWESTERN_CAPACITY, Dataset
from include.influx_double.server import Answer, Fault, InfluxDouble, State
from include.influx_double.stores import count
from include.twin.client import Twin
from tests.e2e.driver import FINISHED, RANGE, Airflow, Warehouse, dates, eventually, load_undisturbed

DAY, NEXT = RANGE[-1], RANGE[-1] + timedelta(days=1)
GAS, TW = NATIONAL_GAS_QUALITY.name, TRANSWESTERN_CAPACITY.name
HISTORIC = "/operationaldata/v1/gasquality/historicdata"
POSTING_RUNS = 9
"""From the afternoon of DAY to the morning of NEXT: one cron for all postings has more times than they have."""

ROWS = 299
"""In a capacity file."""


def windows(records: Warehouse, dataset: str, label: date) -> list[tuple[str, str, str | None]]:
    """Part, state and reason of the windows of that label, in their order."""
    query = "SELECT part, state, reason FROM ledger.window WHERE dataset = %s AND label = %s ORDER BY window_start"
    return [(row["part"], row["state"], row["reason"]) for row in records.rows(query, dataset, label)]


def content(records: Warehouse, dataset: Dataset) -> list[dict[str, Any]]:
    """Every row of the table, without who brought it and when."""
    names, key = ", ".join(dataset.contract.loaded), ", ".join(dataset.contract.key)
    return records.rows(f"SELECT {names} FROM energy.{dataset.table} ORDER BY {key}")


def states(airflow: Airflow, dag_id: str) -> list[str]:
    """States of the scheduled runs, in their order."""
    query = "limit=100&run_type=scheduled&order_by=logical_date"
    return [run["state"] for run in airflow.call("GET", f"/dags/{dag_id}/dagRuns?{query}")["dag_runs"]]


def ended(states: list[str]) -> bool:
    """Whether none of these runs goes on."""
    return set(states) <= set(FINISHED)


@pytest.fixture(scope="module", autouse=True)
def feeds(airflow: Airflow) -> Iterator[None]:
    """Both feeds caught up, though Transwestern stopped posting in the evening and National Gas was away for a day."""
    twin = Twin(airflow.stack.twin_url)
    twin.set_now(f"{NEXT}T01:00:00Z")
    twin.add_fault("503=3600", dataset="GasQuality", date=f"{DAY}", count=8)  # all tries of two runs
    airflow.unpause(GAS, TW)
    eventually(lambda: states(airflow, GAS)[:6], lambda seen: len(seen) == 6 and ended(seen), "six runs end")
    airflow.pause(GAS)  # 42 more would find nothing to do
    eventually(lambda: states(airflow, TW), lambda seen: len(seen) == POSTING_RUNS and ended(seen), "catch-up ends")
    yield
    airflow.pause(TW)


def test_a_day_without_national_gas_fills_itself(
    airflow: Airflow, records: Warehouse, twin: Twin, warehouse_url: str, owner_url: str, tmp_path: Path
) -> None:
    """Runs failed while it was away; the first one after it fetched the whole date, for those that failed too."""
    failed, *others = sorted(states(airflow, GAS)[:6])
    assert failed == "failed" and others[-3:] == ["success"] * 3
    assert [state for _, state, _ in windows(records, GAS, DAY)] == ["complete"] * 48
    asked = [request for request in twin.requests(1000) if "gasquality" in request["target"]]
    assert {(request["method"], request["target"]) for request in asked} == {("POST", HISTORIC)}
    assert [request["status"] for request in asked][:8] == [503] * 8

    load_undisturbed(NATIONAL_GAS_QUALITY, [DAY], warehouse_url, twin, tmp_path)
    expected = content(Warehouse(owner_url), NATIONAL_GAS_QUALITY)
    assert content(records, NATIONAL_GAS_QUALITY) == expected
    jobs = records.jobs(GAS, [DAY])
    assert sum(job["inserted_rows"] for job in jobs) == len(expected) > 0
    assert sum(job["revised_rows"] for job in jobs) == 0


def test_a_cycle_never_posted_is_explained_and_no_run_is_red(airflow: Airflow, records: Warehouse) -> None:
    assert states(airflow, TW) == ["success"] * POSTING_RUNS
    (before, last, final), (timely, evening) = windows(records, TW, DAY), windows(records, TW, NEXT)
    assert (before[:2], timely[:2]) == (("Intraday 2", "complete"), ("Timely", "complete"))
    assert [part for part, *_ in (evening, last, final)] == ["Evening", "Intraday 3", "Final"]
    for _, state, reason in (evening, last, final):
        assert (state, str(reason)[:24]) == ("abandoned", "never posted: nothing by")


def test_a_file_posted_again_becomes_a_revision(airflow: Airflow, records: Warehouse, twin: Twin) -> None:
    [first] = [job for job in records.jobs(TW, [NEXT]) if job["window_part"] == "Timely"]
    twin.set_now(None)
    airflow.clear(TW, first["run_id"])
    assert airflow.finish(TW, first["run_id"]) == "success"
    [_, again] = [job for job in records.jobs(TW, [NEXT]) if job["window_part"] == "Timely"]
    assert (first["inserted_rows"], again["inserted_rows"]) == (ROWS, 0)
    assert again["revised_rows"] > 0
    assert again["revised_rows"] + again["unchanged_rows"] == ROWS
    versions = """SELECT is_current, count(*) AS n FROM energy.transwestern_capacity_versions
                  WHERE gas_day = %s AND nomination_cycle = 'Timely' GROUP BY 1 ORDER BY 1"""
    assert [row["n"] for row in records.rows(versions, NEXT)] == [again["revised_rows"], ROWS]


def test_a_cycle_posted_late_is_waited_for_without_a_worker_slot(
    airflow: Airflow, records: Warehouse, twin: Twin
) -> None:
    """The newest posting by the real clock, as a run waits only until the deadline of its window."""
    twin.set_now((datetime.now(UTC) - timedelta(days=1)).isoformat())
    run_id = airflow.trigger(TW)
    newest = "SELECT * FROM ledger.window WHERE dataset = %s ORDER BY window_start DESC LIMIT 1"

    def look() -> tuple[str, int]:
        return airflow.task(TW, run_id)["state"], airflow.call("GET", "/pools/default_pool")["occupied_slots"]

    eventually(look, lambda seen: seen == ("up_for_reschedule", 0), "it waits and holds no slot")
    [window] = records.rows(newest, TW)
    assert window["state"] == "not_yet_published"
    assert window["reason"].startswith("0 of 1 items, deadline ")

    twin.set_now((window["window_end"] + timedelta(minutes=10)).isoformat())
    assert airflow.finish(TW, run_id) == "success"
    [window] = records.rows(newest, TW)
    assert (window["state"], window["reason"]) == ("complete", None)
    looks = records.rows("SELECT inserted_rows FROM ledger.import_job WHERE run_id = %s ORDER BY job_id", run_id)
    assert len(looks) > 1
    assert [look["inserted_rows"] for look in looks] == [0] * (len(looks) - 1) + [ROWS]


@pytest.fixture
def influx(airflow: Airflow) -> Iterator[State]:
    """What an InfluxDB holds that Airflow has a connection to, as long as the test runs."""
    with InfluxDouble() as double:
        connection = {
            "connection_id": "influxdb_default",
            "conn_type": "influxdb",
            "schema": "http",
            "host": "127.0.0.1",
            "port": double.server_address[1],
            "extra": json.dumps({"token": "token", "org": "org", "bucket": "bucket"}),
        }
        airflow.call("POST", "/connections", connection)
        yield double.state
        airflow.call("DELETE", "/connections/influxdb_default")


@pytest.mark.usefixtures("caught_up")
def test_a_dead_influxdb_costs_nothing_but_lag(influx: State, airflow: Airflow, records: Warehouse) -> None:
    dag_id, days = B1610.name, dates(date(2024, 8, 1), date(2024, 8, 2))
    lag = "SELECT influx_state, influx_error FROM ledger.window WHERE dataset = %s AND label = ANY(%s)"
    waiting = "SELECT sum(inserted_rows) AS n FROM ledger.import_job WHERE dataset = %s AND influx_pending"
    influx.faults.extend([Fault(Answer("unavailable", "back in an hour", {"Retry-After": "3600"}))] * 100)

    span = {"from_date": f"{days[0]}T00:00:00Z", "to_date": f"{days[-1]}T23:59:59Z"}
    airflow.call("POST", "/backfills", {"dag_id": dag_id, **span})
    assert set(airflow.finish_all(dag_id, "backfill", days).values()) == {"success"}
    assert records.states(dag_id, days) == dict.fromkeys(days, "complete")
    for window in records.rows(lag, dag_id, days):
        assert window["influx_state"] == "pending"
        assert "back in an hour" in window["influx_error"]

    newest = airflow.newest(dag_id)
    airflow.clear(dag_id, newest)
    look = lambda: [airflow.task(dag_id, newest, task)["state"] for task in ("ingest", "project_influx")]  # noqa: E731
    eventually(look, lambda seen: seen == ["success", "up_for_retry"], "the newest run alone fails")
    due = records.rows(waiting, dag_id)
    assert due == records.rows(f"SELECT count(*) AS n FROM energy.{B1610.table}"), "all that was ever loaded"
    assert count(influx.store.contents("bucket")) == 0

    influx.faults.clear()
    assert airflow.finish(dag_id, newest) == "success"
    assert [{"n": count(influx.store.contents("bucket"))}] == due
    assert records.rows(waiting, dag_id) == [{"n": None}]
    assert {row["influx_state"] for row in records.rows(lag, dag_id, days)} == {"written"}

    asked = len(influx.writes())
    airflow.clear(dag_id, newest)
    assert airflow.finish(dag_id, newest) == "success"
    assert len(influx.writes()) == asked, "what is there is not written again"
