"""The warehouse as the API server uses it: short connections, few at a time, each statement bounded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import Final

import psycopg

from energy_ingest.errors import Retryable
from energy_ingest.hooks import warehouse
from energy_ingest.loading import database

MOST: Final = 8
"""Connections of one process at the same time: pages must not take those that loading needs."""
PATIENCE: Final = 10.0
"""Seconds that a request waits for one of them."""
SECONDS: Final = 10
"""That a statement may take, unless a route knows better."""
REMEMBERED: Final = 60
"""Seconds for which an address is not asked for again: Airflow keeps it in its database, or in a secrets backend."""

LIGHT: Final = "SET jit = off; SET work_mem = '32MB'"
"""Compiling a statement takes longer than these do; ten years of windows are counted without a temporary file."""

_places: Final = threading.BoundedSemaphore(MOST)


@contextmanager
def reading() -> Iterator[psycopg.Connection]:
    """A connection that only reads, as the role that only reads where there is one.

    Raises:
        Retryable: too much is going on, or the warehouse does not answer in time.
    """
    with _connection(_reader_address, SECONDS, "SET default_transaction_read_only = on") as connection:
        yield connection


@contextmanager
def writing(seconds: int = SECONDS) -> Iterator[psycopg.Connection]:
    """A connection as the loader: for what changes a job or an issue.

    Raises:
        Retryable: as `reading`.
    """
    with _connection(_loader_address, seconds) as connection:
        yield connection


@contextmanager
def _connection(address: Callable[[int], str], seconds: int, more: str = "") -> Iterator[psycopg.Connection]:
    if not _places.acquire(timeout=PATIENCE):
        raise Retryable("too many requests wait for the warehouse: try again in a few seconds")
    try:
        now = int(time.monotonic()) // REMEMBERED
        with closing(database.connect(address(now))) as connection, database.typed_errors():
            connection.execute(f"SET statement_timeout = '{seconds}s'; SET lock_timeout = '5s'; {LIGHT}; {more}")
            yield connection
    finally:
        _places.release()


@lru_cache(maxsize=1)
def _reader_address(_: int) -> str:
    return warehouse.reader().conninfo()


@lru_cache(maxsize=1)
def _loader_address(_: int) -> str:
    return warehouse.WarehouseHook().conninfo()
