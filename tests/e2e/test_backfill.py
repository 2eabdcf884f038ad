"""`airflow backfill create` of the week of the March clock change, and again, and of everything."""

from __future__ import annotations

from datetime import date

import pytest

from energy_ingest import clock
from energy_ingest.catalog import SYSTEM_PRICES
from tests.e2e.driver import Airflow, Warehouse, dates

DAG = SYSTEM_PRICES.name
WEEK = dates(date(2024, 3, 28), date(2024, 4, 3))

pytestmark = pytest.mark.usefixtures("caught_up")  # the DAGs are switched on


@pytest.fixture(scope="module")
def filled(airflow: Airflow, caught_up: list[date]) -> list[date]:
    """The week is there by a first backfill."""
    airflow.backfill(DAG, WEEK[0], WEEK[-1], "none")
    assert set(airflow.finish_all(DAG, "backfill", WEEK).values()) == {"success"}
    return WEEK


def test_a_backfill_loads_each_window_once(filled: list[date], records: Warehouse) -> None:
    assert records.states(DAG, filled) == dict.fromkeys(filled, "complete")
    jobs = records.jobs(DAG, filled)
    rows = {job["window_label"]: job["inserted_rows"] for job in jobs}
    assert rows == {day: clock.settlement_periods(day) for day in filled}
    assert (len(jobs), rows[date(2024, 3, 31)]) == (7, 46)
    assert {job["import_type"] for job in jobs} == {"backfill"}


def test_a_second_backfill_loads_nothing(filled: list[date], airflow: Airflow, records: Warehouse) -> None:
    before, last = airflow.runs(DAG, "backfill"), records.last_job()
    airflow.backfill(DAG, filled[0], filled[-1], "none")
    assert airflow.runs(DAG, "backfill") == before
    assert records.jobs_since(last) == []


def test_reprocessing_reads_again_and_writes_no_row(filled: list[date], airflow: Airflow, records: Warehouse) -> None:
    days = filled[2:5]  # those around the clock change
    before, last = records.versions(SYSTEM_PRICES, filled), records.last_job()
    airflow.backfill(DAG, days[0], days[-1], "completed")
    assert set(airflow.finish_all(DAG, "backfill", days).values()) == {"success"}
    assert records.jobs_since(last) == [(DAG, day, "completed") for day in days]
    again = {job["window_label"]: job["unchanged_rows"] for job in records.jobs(DAG, days)[len(days) :]}
    assert again == {day: clock.settlement_periods(day) for day in days}
    assert records.versions(SYSTEM_PRICES, filled) == before


def test_a_range_in_a_backfill_is_refused(airflow: Airflow, records: Warehouse) -> None:
    dag_id, day, last = "elexon_market_index", date(2024, 3, 31), records.last_job()
    body = {
        "dag_id": dag_id,
        "from_date": f"{day}T00:00:00Z",
        "to_date": f"{day}T23:59:59Z",
        "dag_run_conf": {"window_from": "2024-03-28"},
    }
    airflow.call("POST", "/backfills", body)
    assert airflow.finish_all(dag_id, "backfill", [day]) == {day: "failed"}
    run_id = airflow.runs(dag_id, "backfill")[day]["dag_run_id"]
    assert airflow.task(dag_id, run_id)["try_number"] == 1
    assert "make no sense in a backfill" in airflow.log(dag_id, run_id)
    assert records.jobs_since(last) == []
