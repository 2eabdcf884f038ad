"""One stack for all end-to-end tests: PostgreSQL, the twin and Airflow with a real scheduler, in a temporary folder.

This folder is a package, and the stack the package's: it ends with the last of them, not with all tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from include.twin.client import Twin
from tests.e2e.driver import NAMES, RANGE, SETTINGS, Airflow, Warehouse, own_ports
from tests.e2e.people import People
from tools import postgres, private
from tools.stack import Stack

ORDER = ("demo", "catch_up", "trigger", "backfill", "late_data", "feeds", "outage", "pages", "watch", "security")
"""The demonstration has a stack of its own, which is gone before ours starts; secrets are looked for in all logs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if item.path.parent == Path(__file__).parent]
    here.sort(key=lambda item: ORDER.index(item.path.stem.removeprefix("test_")))
    rest = [item for item in items if item.path.parent != Path(__file__).parent]
    for item in here:
        item.add_marker(pytest.mark.e2e)
        item.add_marker(pytest.mark.timeout(600))  # the first one starts the stack, perhaps on a busy machine
    items[:] = here + rest  # the longest group of all: one worker has it while the others do the rest


@pytest.fixture(scope="package", autouse=True)
def _own_settings() -> Iterator[None]:
    """Nothing of the shell that runs the tests reaches the stack, least of all somebody's own warehouse."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("ENERGY_", "WAREHOUSE_", "AIRFLOW"))]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="package")
def warehouse_urls(_own_settings: None) -> Iterator[dict[str, str]]:
    """A server of the warehouse's own, as in production: it may die without Airflow's. The URL of each role."""
    with postgres.temporary() as server, pytest.MonkeyPatch.context() as patch:
        urls = postgres.create_warehouse(server, {role: private.new_password() for role in postgres.WAREHOUSE_ROLES})
        for role, name in zip(postgres.WAREHOUSE_ROLES, ("OWNER_URL", "URL", "READER_URL"), strict=True):
            patch.setenv(f"WAREHOUSE_{name}", urls[role])
        yield urls


@pytest.fixture(scope="package")
def people() -> Iterator[People]:
    """Who hears of alerts, heartbeats and metrics."""
    with People.listening() as people:
        yield people


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, warehouse_urls: dict[str, str], people: People) -> Iterator[Stack]:
    """The stack, healthy, with all DAGs paused."""
    stack = Stack(tmp_path_factory.mktemp("e2e") / "stack", settings={**SETTINGS, **people.settings})
    stack.ports = own_ports()
    try:
        stack.start()
        yield stack
    finally:
        stack.clean()


@pytest.fixture(scope="package")
def airflow(stack: Stack) -> Airflow:
    return Airflow(stack)


@pytest.fixture
def records(stack: Stack, warehouse_urls: dict[str, str]) -> Iterator[Warehouse]:
    """The warehouse; after the test it must be whole."""
    records = Warehouse(warehouse_urls["energy_owner"])
    yield records
    records.audit()


@pytest.fixture
def twin(stack: Stack) -> Iterator[Twin]:
    """The upstream; after the test it behaves again."""
    twin = Twin(stack.twin_url)
    yield twin
    twin.clear_faults()
    twin.set_now(None)


@pytest.fixture(scope="package")
def caught_up(airflow: Airflow) -> list[date]:
    """All DAGs are switched on, and what catch-up does is done; the dates."""
    airflow.unpause(*NAMES)
    for name in NAMES:
        assert set(airflow.finish_all(name, "scheduled", RANGE).values()) == {"success"}
    return RANGE
