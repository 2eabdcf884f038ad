"""Fixtures that every kind of test may use: a PostgreSQL server, and warehouses in it. How hypothesis searches."""

from __future__ import annotations

import itertools
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from tools import postgres, private

_numbers = itertools.count(1)

# Dozens of processes import Airflow here: they keep what they compile, or each of them spends seconds on it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The same examples on every machine; HYPOTHESIS_PROFILE=search looks further, at random.
settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("search", settings.get_profile("repeatable"), derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Workers share the tests by file, as its fixtures are made once; one of them has the stack, for all end to end."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "tests/e2e" if file.startswith("tests/e2e/") else file

    return ByFile(config, log)


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that a test runs in this process sets up its own logging; the next test gets what was before."""
    loggers = [logging.getLogger(name) for name in (None, "energy_ingest", "energy_ingest.loading")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (logger.handlers, level, logger.propagate) in zip(loggers, before, strict=True):
        logger.setLevel(level)


@pytest.fixture(scope="session")
def pg_server() -> Iterator[postgres.Server]:
    """A real PostgreSQL for the whole run, not durable, nothing going on unasked; make databases of your own in it."""
    with postgres.temporary(autovacuum="off") as server:
        yield server


@pytest.fixture(scope="session")
def role_passwords() -> dict[str, str]:
    """A server knows a role once, whatever its databases: all warehouses of `pg_server` are made with these."""
    return {role: private.new_password() for role in postgres.WAREHOUSE_ROLES}


@pytest.fixture(scope="session")
def warehouse_template(pg_server: postgres.Server, role_passwords: dict[str, str]) -> dict[str, str]:
    """A migrated database to clone: the URL of each role (energy_owner, energy_loader, energy_reader)."""
    from energy_ingest.loading import schema  # SQLAlchemy and Alembic take a second, which pure tests need not wait for

    urls = postgres.create_warehouse(pg_server, role_passwords, "warehouse_template")
    schema.migrate(urls["energy_owner"])
    return urls


@pytest.fixture(scope="session")
def new_warehouse(
    pg_server: postgres.Server, warehouse_template: dict[str, str]
) -> Callable[[], AbstractContextManager[dict[str, str]]]:
    """Makes clones of the template: the URL of each role; dropped afterwards, whoever is still connected."""

    @contextmanager
    def clone() -> Iterator[dict[str, str]]:
        name = f"warehouse_{next(_numbers)}"
        with psycopg.connect(pg_server.dsn, autocommit=True) as admin:
            _clone(admin, name)
            yield {role: urlsplit(url)._replace(path=f"/{name}").geturl() for role, url in warehouse_template.items()}
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    return clone


@pytest.fixture
def warehouse(new_warehouse: Callable[[], AbstractContextManager[dict[str, str]]]) -> Iterator[dict[str, str]]:
    """A warehouse of this test's own: the URL of each role."""
    with new_warehouse() as urls:
        yield urls


@pytest.fixture
def warehouse_url(warehouse: dict[str, str]) -> str:
    """The clone as its loader."""
    return warehouse["energy_loader"]


@pytest.fixture
def owner_url(warehouse: dict[str, str]) -> str:
    """The clone as its owner."""
    return warehouse["energy_owner"]


@pytest.fixture
def reader_url(warehouse: dict[str, str]) -> str:
    """The clone as its reader."""
    return warehouse["energy_reader"]


def _clone(admin: psycopg.Connection, name: str) -> None:
    """Copying files is the fast way; the rights on a database itself are not copied."""
    new, owner = sql.Identifier(name), sql.Identifier("energy_owner")
    admin.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE warehouse_template STRATEGY file_copy OWNER {}").format(new, owner)
    )
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(new))
    admin.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO energy_loader").format(new))
    admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO energy_reader").format(new))
