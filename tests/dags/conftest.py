"""Airflow in this process, in a home of its own: it reads its settings once, on its first import."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.postgres import in_memory

ROOT = Path(__file__).parents[2]
HOME = tempfile.TemporaryDirectory(prefix="airflow-", dir=in_memory(), ignore_cleanup_errors=True)

os.environ.update(
    {
        "AIRFLOW_HOME": HOME.name,
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME.name}/airflow.db",
    }
)

from include.twin.client import Twin  # noqa: E402


@pytest.fixture(scope="session")
def metadata() -> None:
    """Airflow's metadata database: SQLite, in the home; it knows the DAGs."""
    from airflow.utils import db

    from tests.dags.harness import make_known

    db.initdb()
    make_known()


@pytest.fixture(scope="session")
def running_twin() -> Iterator[Twin]:
    with Twin.start() as twin:
        yield twin


@pytest.fixture
def twin(running_twin: Twin) -> Iterator[Twin]:
    """The upstream, well-behaved and with its counters at zero."""
    running_twin.clear_faults()
    running_twin.clear_stats()
    running_twin.set_now(None)
    yield running_twin
