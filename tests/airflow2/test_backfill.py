"""`airflow dags backfill` of Airflow 2.11, over a clock change, with metadata in PostgreSQL and the LocalExecutor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import airflow
import psycopg
import pytest

from energy_ingest import settings
from include.twin.client import Twin
from tools import postgres, private

if airflow.__version__ >= "3":
    pytest.skip("`make test-airflow2` runs this on Airflow 2", allow_module_level=True)

ROOT = Path(__file__).parents[2]
DAG_ID = "elexon_system_prices"
DAYS = {date(2024, 3, 30): 48, date(2024, 3, 31): 46, date(2024, 4, 1): 48}

Airflow = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with Twin.start() as twin:
        yield twin


@pytest.fixture(scope="module")
def warehouse(new_warehouse: Any) -> Iterator[dict[str, str]]:
    with new_warehouse() as urls:
        yield urls


@pytest.fixture(scope="module")
def command(
    pg_server: postgres.Server, warehouse: dict[str, str], twin: Twin, tmp_path_factory: pytest.TempPathFactory
) -> Airflow:
    """The `airflow` command of an Airflow that is ready to run."""
    home = tmp_path_factory.mktemp("airflow")
    metadata = postgres.create_database(pg_server, "airflow2", "airflow2", private.new_password())
    settings_ = {
        "CORE__DAGS_FOLDER": ROOT / "dags",
        "CORE__PLUGINS_FOLDER": ROOT / "plugins",
        "CORE__LOAD_EXAMPLES": False,
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": 2,
        "DATABASE__LOAD_DEFAULT_CONNECTIONS": False,
        "DATABASE__SQL_ALCHEMY_CONN": metadata.replace("://", "+psycopg2://", 1),
        "DATABASE__SQL_ALCHEMY_POOL_ENABLED": False,  # 2.11's forked workers close the connections that they inherit
    }
    others = ("AIRFLOW", "ENERGY", "WAREHOUSE")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(others)},
        **{f"AIRFLOW__{name}": str(value) for name, value in settings_.items()},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_ENERGY_WAREHOUSE": warehouse["energy_loader"],
        "AIRFLOW_CONN_ELEXON_DEFAULT": json.dumps({"conn_type": "http", "host": twin.url}),
        settings.ARCHIVE_URL.env: (home / "archive").as_uri(),
        "NO_PROXY": "127.0.0.1",
        "PYTHONWARNINGS": "ignore",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        call = [sys.executable, "-m", "airflow", *arguments]
        return subprocess.run(call, env=environment, cwd=home, capture_output=True, text=True, timeout=240)

    done = run("db", "migrate")
    assert done.returncode == 0, done.stderr
    return run


@pytest.fixture(scope="module")
def ask(warehouse: dict[str, str]) -> Callable[[str], list[tuple[Any, ...]]]:
    def answer(query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(warehouse["energy_owner"]) as connection:
            return connection.execute(query).fetchall()  # type: ignore[arg-type]

    return answer


def backfill(command: Airflow, *more: str) -> str:
    """Backfill the days, and return what was printed."""
    done = command("dags", "backfill", DAG_ID, "-s", "2024-03-30", "-e", "2024-04-02", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_backfill(command: Airflow, ask: Any, twin: Twin):
    backfill(command)
    assert dict(ask("SELECT label, actual FROM ledger.window WHERE state = 'complete'")) == DAYS
    assert dict(ask("SELECT settlement_date, count(*) FROM energy.elexon_system_prices GROUP BY 1")) == DAYS
    jobs = ask("SELECT window_label, import_type, dag_id, status, try_number FROM ledger.import_job ORDER BY 1")
    assert jobs == [(day, "backfill", DAG_ID, "completed", 1) for day in DAYS]
    assert twin.stats()["requests"] == len(DAYS)


def test_the_same_again_loads_nothing(command: Airflow, ask: Any, twin: Twin):
    twin.clear_stats()
    backfill(command)
    assert ask("SELECT count(*) FROM ledger.import_job") == [(len(DAYS),)]
    assert twin.stats()["requests"] == 0


def test_asked_to_load_again_it_writes_no_row_version(command: Airflow, ask: Any):
    rows = "SELECT settlement_date, settlement_period, xmin::text FROM energy.elexon_system_prices ORDER BY 1, 2"
    before = ask(rows)
    backfill(command, "--reset-dagruns", "--yes")
    assert ask(rows) == before
    loads = ask("SELECT inserted_rows, unchanged_rows FROM ledger.import_job ORDER BY job_id OFFSET 3")
    assert sorted(loads) == sorted((0, periods) for periods in DAYS.values())
