"""Whoever fails in the middle of a load heals without a row lost or doubled: task, database, scheduler, upstream."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psutil
import psycopg
import pytest

from energy_ingest.catalog import B1610, MARKET_INDEX, SYSTEM_PRICES, Dataset
from include.twin.client import Twin
from tests.e2e.driver import NAMES, Airflow, Warehouse, dates, eventually, held, load_undisturbed
from tools.stack import Stack

DAG = SYSTEM_PRICES.name
DISTURBED = (SYSTEM_PRICES, MARKET_INDEX)
MISSED = dates(date(2024, 10, 29), date(2024, 11, 2))  # they follow on what catch-up has loaded
FAULTS = dict(zip(MISSED, ("503=1", "reset=200", "truncated", "html", "429=1"), strict=True))

pytestmark = pytest.mark.usefixtures("caught_up")  # the DAGs are switched on


def start(airflow: Airflow, days: list[date]) -> str:
    """A run that loads these dates."""
    return airflow.trigger(DAG, window_from=f"{days[0]}", window_to=f"{days[-1]}")


def reach(records: Warehouse, day: date) -> int:
    """Wait until the transaction of that day waits for its lock; its server process."""
    waiting = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    [row] = eventually(lambda: records.rows(waiting), len, f"the load reaches {day}")
    return int(row["pid"])


def assert_healed(airflow: Airflow, records: Warehouse, run_id: str, days: list[date]) -> None:
    """The run was tried again, and the next try did what was left and nothing else."""
    assert airflow.finish(DAG, run_id) == "success"
    assert airflow.task(DAG, run_id)["try_number"] > 1
    assert_loaded_once(records, SYSTEM_PRICES, days)
    interrupted = [job for job in records.jobs(DAG, days) if job["status"] != "completed"]
    assert {job["status"] for job in interrupted} == {"failed"}
    assert sum(job["inserted_rows"] for job in interrupted) == 0


def assert_loaded_once(records: Warehouse, dataset: Dataset, days: list[date]) -> None:
    """Every window is complete by one attempt, whatever number of others failed."""
    assert records.states(dataset.name, days) == dict.fromkeys(days, "complete")
    done = [job for job in records.jobs(dataset.name, days) if job["status"] == "completed"]
    assert sorted(job["window_label"] for job in done) == days
    assert all(job["inserted_rows"] == job["total_rows"] for job in done)


def test_a_killed_task_is_done_again(airflow: Airflow, records: Warehouse) -> None:
    days = dates(date(2024, 6, 1), date(2024, 6, 4))
    with held(records, SYSTEM_PRICES, days[1]):
        run_id = start(airflow, days)
        reach(records, days[1])
        os.kill(airflow.task(DAG, run_id)["pid"], signal.SIGKILL)
    assert_healed(airflow, records, run_id, days)


def test_a_killed_database_is_survived(airflow: Airflow, records: Warehouse) -> None:
    """PostgreSQL then ends all sessions of the warehouse, and recovers."""
    days = dates(date(2024, 6, 11), date(2024, 6, 14))
    with suppress(psycopg.OperationalError), held(records, SYSTEM_PRICES, days[1]):
        run_id = start(airflow, days)
        os.kill(reach(records, days[1]), signal.SIGKILL)
    assert_healed(airflow, records, run_id, days)


@dataclass(frozen=True)
class Away:
    """What was going on when Airflow went away, and the processes that were left."""

    days: list[date]
    run_id: str
    queued_days: list[date]
    queued_run_id: str
    left: list[psutil.Process]


@pytest.fixture(scope="module")
def away(stack: Stack, airflow: Airflow, warehouse_urls: dict[str, str], caught_up: list[date]) -> Iterator[Away]:
    """The scheduler is killed in the middle of a load; days later the stack is back, and the upstream is troubled."""
    days, queued_days = dates(date(2024, 6, 21), date(2024, 6, 24)), dates(date(2024, 6, 25), date(2024, 6, 26))
    records, scheduler = Warehouse(warehouse_urls["energy_owner"]), int(stack.processes["scheduler"]["pid"])
    with held(records, SYSTEM_PRICES, days[1]):
        interrupted = start(airflow, days)
        reach(records, days[1])
        left = psutil.Process(scheduler).children(recursive=True)
        os.kill(scheduler, signal.SIGKILL)
        queued = start(airflow, queued_days)
        airflow.pause(*NAMES)
        stack.settings = {**stack.settings, "ENERGY_UNTIL": f"{MISSED[-1]}"}
        stack.start()
    twin = Twin(stack.twin_url)
    _disturb(twin)
    airflow.unpause(*(dataset.name for dataset in DISTURBED))
    for dataset in DISTURBED:
        airflow.finish_all(dataset.name, "scheduled", MISSED)
    for run_id in (interrupted, queued):
        airflow.finish(DAG, run_id)
    yield Away(days, interrupted, queued_days, queued, left)
    twin.clear_faults()


def _disturb(twin: Twin) -> None:
    """One window finds nobody as long as a task asks; each day of two datasets has a trouble of its own, once."""
    twin.add_fault("down", dataset="DISEBSP", date=f"{MISSED[0]}", count=4)
    for day, fault in FAULTS.items():
        for dataset in ("DISEBSP", "MID"):
            twin.add_fault(fault, dataset=dataset, date=f"{day}", count=1)


def test_a_killed_scheduler_is_replaced(away: Away, airflow: Airflow, records: Warehouse) -> None:
    """Its workers outlived it and would wait for ever: whoever starts the next one ends them and what they do."""
    assert not any(process.is_running() for process in away.left)
    assert_healed(airflow, records, away.run_id, away.days)
    assert airflow.finish(DAG, away.queued_run_id) == "success"
    assert_loaded_once(records, SYSTEM_PRICES, away.queued_days)


def test_an_outage_heals_without_a_row_lost_or_doubled(
    away: Away, stack: Stack, airflow: Airflow, records: Warehouse, warehouse_url: str, owner_url: str, tmp_path: Path
) -> None:
    twin, undisturbed = Twin(stack.twin_url), Warehouse(owner_url)
    for dataset in DISTURBED:
        assert set(airflow.finish_all(dataset.name, "scheduled", MISSED).values()) == {"success"}
    assert [rule["hit"] for rule in twin.faults()] == [4] + [1] * len(DISTURBED) * len(FAULTS)
    assert any(job["status"] == "failed" for dataset in DISTURBED for job in records.jobs(dataset.name, MISSED))

    twin.clear_faults()
    for dataset in DISTURBED:
        assert_loaded_once(records, dataset, MISSED)
        load_undisturbed(dataset, MISSED, warehouse_url, twin, tmp_path)
        assert records.content(dataset, MISSED) == undisturbed.content(dataset, MISSED)


def test_a_pause_fills_itself(away: Away, airflow: Airflow, records: Warehouse) -> None:
    assert records.states(B1610.name, MISSED) == {}
    airflow.unpause(B1610.name)
    assert set(airflow.finish_all(B1610.name, "scheduled", MISSED).values()) == {"success"}
    assert_loaded_once(records, B1610, MISSED)
    assert len(records.jobs(B1610.name, MISSED)) == len(MISSED)
