"""Catch-up over the clock change of October 2024, and clearing one of its runs."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from energy_ingest import clock
from energy_ingest.catalog import MARKET_INDEX, SYSTEM_PRICES, Dataset
from tests.e2e.driver import DATASETS, NAMES, Airflow, Warehouse

CHANGE = date(2024, 10, 27)
MEMBERS = {"elexon_system_prices": 1, "elexon_market_index": 2, "elexon_b1610": 5}
"""Rows per half hour: providers of the market index, BM units of B1610."""


@pytest.mark.parametrize("dataset", DATASETS, ids=NAMES)
def test_catch_up_loads_each_window_once_and_whole(dataset: Dataset, caught_up: list[date], records: Warehouse) -> None:
    assert records.states(dataset.name, caught_up) == dict.fromkeys(caught_up, "complete")
    jobs = records.jobs(dataset.name, caught_up)
    assert sorted(job["window_label"] for job in jobs) == caught_up
    for job in jobs:
        rows = clock.settlement_periods(job["window_label"]) * MEMBERS[dataset.name]
        assert job["inserted_rows"] == job["total_rows"] == rows
        assert (job["import_type"], job["dag_id"], job["try_number"]) == ("scheduled", dataset.name, 1)
    per_day = Counter(row["settlement_date"] for row in records.content(dataset, caught_up))
    assert per_day == {day: clock.settlement_periods(day) * MEMBERS[dataset.name] for day in caught_up}


def test_the_long_day_has_fifty_half_hours_in_a_row(caught_up: list[date], records: Warehouse) -> None:
    rows = records.content(SYSTEM_PRICES, [CHANGE])
    assert [(row["settlement_period"], row["period_start"]) for row in rows] == [
        (period, clock.period_start(CHANGE, period)) for period in range(1, 51)
    ]


def test_a_cleared_run_reloads_its_window_and_nothing_else(
    caught_up: list[date], airflow: Airflow, records: Warehouse
) -> None:
    dataset = MARKET_INDEX
    before, last = records.versions(dataset, caught_up), records.last_job()
    run_id = airflow.runs(dataset.name, "scheduled")[CHANGE]["dag_run_id"]
    airflow.clear(dataset.name, run_id)
    assert airflow.finish(dataset.name, run_id) == "success"
    assert records.jobs_since(last) == [(dataset.name, CHANGE, "completed")]
    job = records.jobs(dataset.name, [CHANGE])[-1]
    assert (job["unchanged_rows"], job["total_rows"], job["try_number"]) == (100, 100, 2)
    assert records.versions(dataset, caught_up) == before
