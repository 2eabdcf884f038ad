"""Fixtures that every kind of test may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools import postgres


@pytest.fixture(scope="session")
def pg_server() -> Iterator[postgres.Server]:
    """A real PostgreSQL for the whole run, not durable; make databases of your own in it."""
    with postgres.temporary() as server:
        yield server
