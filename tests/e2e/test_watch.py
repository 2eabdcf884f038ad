"""Airflow is watched over: a killed task is told of once its retries are used up; a day without a scheduler heals."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from contextlib import suppress
from datetime import date
from typing import Any

import pytest

from energy_ingest.catalog import SYSTEM_PRICES
from include.twin.client import Twin
from tests.e2e.driver import DEADLINE, NAMES, RANGE, Airflow, Warehouse, dates, eventually, held
from tests.e2e.people import People
from tests.e2e.test_outage import reach, start
from tools.stack import BIN, Stack

DAG = SYSTEM_PRICES.name
KILLED = date(2024, 6, 30)
LOST = date(2024, 11, 3)
"""The day without a scheduler: the one after all that other tests load."""

pytestmark = pytest.mark.usefixtures("caught_up")  # the DAGs are switched on


def all_was_well(records: Warehouse, people: People) -> None:
    """A time machine: whatever other tests broke was over long ago, and nobody remembers it."""
    with records.connection() as connection:
        connection.execute("UPDATE ledger.incident SET resolved_at = now() - interval '2 hours', told = NULL")
    people.messages.clear()


def finish_pass(airflow: Airflow, dag_id: str) -> None:
    """A run of the monitor or of health, now."""
    assert airflow.finish(dag_id, airflow.trigger(dag_id)) == "success"


def test_people_hear_of_a_killed_task_once_when_its_retries_are_used_up(
    stack: Stack, airflow: Airflow, records: Warehouse, twin: Twin, people: People
) -> None:
    """It fails three times, which nobody hears of, and is killed at the last; the command in the message mends it."""
    all_was_well(records, people)
    airflow.unpause(DAG)
    twin.add_fault("rename_field=systemSellPrice:other", dataset="DISEBSP", date=f"{KILLED}", count=3)
    run_id = start(airflow, [KILLED])
    eventually(lambda: twin.faults()[-1]["hit"], lambda hit: hit == 3, "three tries fail")
    with held(records, SYSTEM_PRICES, KILLED):
        reach(records, KILLED)
        assert airflow.task(DAG, run_id)["try_number"] == 4
        assert people.told("run_failed", DAG) == [], "a retry is nobody's business"
        os.kill(airflow.task(DAG, run_id)["pid"], signal.SIGKILL)
        assert airflow.finish(DAG, run_id) == "failed"
    eventually(lambda: people.told("run_failed", DAG), len, "people hear of it")

    message = next(said for said in people.messages if said["rule"] == "run_failed")
    assert message["headline"] == f"[energy critical] {DAG} failed: 1 window of 1 dataset"
    assert "/dags/" in message["log_url"] and {"Since", "Extent", "Cause"} <= message["facts"].keys()
    program, *arguments = shlex.split(message["command"])
    done = subprocess.run(
        [str(BIN / program), *arguments], env=stack.environment(), capture_output=True, text=True, timeout=DEADLINE
    )
    assert done.returncode == 0, done.stderr
    assert records.states(DAG, [KILLED]) == {KILLED: "complete"}

    airflow.unpause("platform_monitor")
    finish_pass(airflow, "platform_monitor")
    assert people.told("run_failed", DAG) == ["opened", "resolved"]
    assert "/ping" in people.heartbeats
    names = {line.partition(":")[0].removeprefix("airflow.energy_ingest.") for line in people.metrics}
    assert {f"{DAG}.failed", f"{DAG}.inserted", f"{DAG}.duration", "success_rate", "elexon.waiting"} <= names


@pytest.mark.timeout(900)  # alone, it also has a stack to start and a week to catch up with
def test_a_day_without_a_scheduler_heals_and_is_told_of_once(
    stack: Stack, airflow: Airflow, records: Warehouse, people: People
) -> None:
    """Schedules fill what they know of; a run that somebody gave up is one that only the data tell of."""
    airflow.pause(*NAMES)
    airflow.unpause(DAG)
    os.kill(int(stack.processes["scheduler"]["pid"]), signal.SIGKILL)
    stack.settings = {**stack.settings, "ENERGY_UNTIL": f"{LOST}"}
    with held(records, SYSTEM_PRICES, LOST):
        stack.start()
        session = reach(records, LOST)
        given_up = airflow.runs(DAG, "scheduled")[LOST]["dag_run_id"]
        process = airflow.task(DAG, given_up)["pid"]
        airflow.call("PATCH", f"/dags/{DAG}/dagRuns/{given_up}", {"state": "failed"})
        with suppress(ProcessLookupError):  # Airflow ends it too, after a while
            os.kill(process, signal.SIGKILL)
        os.kill(session, signal.SIGTERM)
    airflow.finish_all(DAG, "scheduled", dates(RANGE[0], LOST))
    assert records.states(DAG, [LOST]) != {LOST: "complete"}

    airflow.unpause("platform_health")
    finish_pass(airflow, "platform_health")
    [heal] = healing(airflow)
    assert heal["conf"] == {"window_from": f"{LOST}", "window_to": f"{LOST}"}
    assert airflow.finish(DAG, heal["dag_run_id"]) == "success"
    assert records.states(DAG, [LOST]) == {LOST: "complete"}
    assert people.told("freshness", DAG)[0] == "opened"

    finish_pass(airflow, "platform_health")
    assert people.told("freshness", DAG) == ["opened", "resolved"]
    assert "triggered_catch_up" in actions(records) and actions(records)[-1] == "none"


def healing(airflow: Airflow) -> list[dict[str, Any]]:
    """Runs that health has started."""
    runs = airflow.call("GET", f"/dags/{DAG}/dagRuns?limit=100&order_by=-run_after")["dag_runs"]
    return [run for run in runs if run["dag_run_id"].startswith("heal__")]


def actions(records: Warehouse) -> list[str]:
    """What each pass of health did about the DAG's dataset."""
    passes = records.rows(
        "SELECT details FROM ledger.execution WHERE kind = 'health' AND status = 'completed' ORDER BY started_at"
    )
    return [item["action"] for row in passes for item in row["details"]["datasets"] if item["dataset"] == DAG]
