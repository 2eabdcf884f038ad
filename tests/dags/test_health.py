"""platform_health: after a day without a scheduler, runs of the datasets' own DAGs heal, and people are told once."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session

from energy_ingest import settings
from include.twin.client import Twin
from tests.dags.harness import AIRFLOW_3, interval, parse, run

PRICES = "elexon_system_prices"
FIRST = date(2024, 10, 25)

pytestmark = pytest.mark.usefixtures("metadata")


@pytest.fixture(autouse=True)
def deployment(twin: Twin, warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rehearsal of three days."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", warehouse_url)
    monkeypatch.setenv("AIRFLOW_CONN_ELEXON_DEFAULT", json.dumps({"conn_type": "http", "host": twin.url}))
    monkeypatch.setenv(settings.ARCHIVE_URL.env, (tmp_path / "archive").as_uri())
    monkeypatch.setenv(settings.START.env, f"{FIRST}")
    monkeypatch.setenv(settings.UNTIL.env, f"{FIRST + timedelta(days=2)}")


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def prices(url: str) -> dict[str, Any]:
    """What the last pass said of system prices."""
    ((report,),) = ask(url, "SELECT details FROM ledger.execution ORDER BY started_at DESC LIMIT 1")
    return next(item for item in report["datasets"] if item["dataset"] == PRICES)


def heals() -> list[tuple[str, dict[str, str]]]:
    """The runs that wait to heal."""
    with create_session() as session:
        found = session.query(DagRun).filter(DagRun.dag_id == PRICES, DagRun.run_id.startswith("heal__")).all()
        return [(item.run_id, item.conf) for item in found]


@pytest.fixture
def idle() -> None:
    """No run that another test in this process left behind is under way."""
    with create_session() as session:
        session.query(DagRun).filter(DagRun.dag_id == PRICES).update({"state": "success"})


@pytest.mark.usefixtures("idle")
@pytest.mark.skipif(not AIRFLOW_3, reason="on 2.11 the DAG is only parsed here")
def test_what_was_missed_is_loaded_by_runs_of_the_datasets_own_dag(warehouse_url: str):
    run(PRICES, interval(FIRST))
    ran = run("platform_health", kind="manual")
    assert (ran.state, ran.errors) == ("success", [])
    found = prices(warehouse_url)
    assert (found["status"], found["missed"], found["action"]) == ("unhealthy", 2, "triggered_catch_up")
    ((run_id, conf),) = heals()
    assert conf == {"window_from": "2024-10-26", "window_to": "2024-10-27"}
    opened = "SELECT subject, resolved_at IS NULL FROM ledger.incident WHERE rule = 'freshness'"
    assert ask(warehouse_url, opened) == [(PRICES, True)]
    run("platform_health", kind="manual")
    assert prices(warehouse_url)["action"] == "catch_up_running"
    with create_session() as session:
        session.query(DagRun).filter(DagRun.run_id == run_id).update({"state": "success"})
    healed = run(PRICES, conf=conf, kind="manual", logical_date=None)
    assert (healed.state, healed.result["inserted"]) == ("success", 48 + 50)
    run("platform_health", kind="manual")
    assert prices(warehouse_url)["status"] == "healthy"
    assert ask(warehouse_url, opened) == [(PRICES, False)]


def test_healing_is_one_task_behind_the_check():
    dag = parse().dags["platform_health"]
    assert {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks} == {"check": [], "heal": ["check"]}
