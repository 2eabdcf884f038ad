"""platform_migrate: an empty database becomes a warehouse; what is misconfigured is said at once."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from energy_ingest.loading import schema
from tests.dags.harness import Ran, run
from tools import postgres

OWNER = "AIRFLOW_CONN_ENERGY_WAREHOUSE_OWNER"

pytestmark = pytest.mark.usefixtures("metadata")


@pytest.fixture
def empty(pg_server: postgres.Server, warehouse_template: dict[str, str]) -> Iterator[dict[str, str]]:
    """A database without a schema: the URL of each role."""
    with psycopg.connect(pg_server.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE empty OWNER energy_owner")
        yield {role: urlsplit(url)._replace(path="/empty").geturl() for role, url in warehouse_template.items()}
        admin.execute("DROP DATABASE empty WITH (FORCE)")


def migrate(retries: int = 2) -> Ran:
    return run("platform_migrate", kind="manual", retries=retries)


def test_an_empty_database_becomes_a_warehouse_and_stays_one(empty: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(OWNER, empty["energy_owner"])
    for _ in range(2):
        ran = migrate()
        assert (ran.state, ran.errors, ran.result) == ("success", [], schema.newest_version())
    assert schema.current_version(empty["energy_loader"]) == schema.newest_version()


def test_only_the_owner_may(empty: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(OWNER, empty["energy_loader"])
    ran = migrate()
    assert (ran.state, [type(error).__name__ for error in ran.errors]) == ("failed", ["AirflowFailException"])
    assert "migrations need the role that owns the warehouse" in str(ran.errors[0])


def test_no_owner(monkeypatch: pytest.MonkeyPatch):
    for name in (OWNER, "AIRFLOW_CONN_ENERGY_WAREHOUSE", "WAREHOUSE_URL", "WAREHOUSE_OWNER_URL"):
        monkeypatch.delenv(name, raising=False)
    ran = migrate()
    assert [str(error).partition(":")[0] for error in ran.errors] == ["no warehouse"]
