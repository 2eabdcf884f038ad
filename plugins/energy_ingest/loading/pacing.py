"""Pacing of requests over all workers and machines: the next free slot is kept in the warehouse."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Final

import psycopg

from energy_ingest.catalog import Upstream
from energy_ingest.errors import Retryable
from energy_ingest.sources import Request
from energy_ingest.sql import statement

PATIENCE: Final = timedelta(minutes=2)
"""Nobody sleeps longer than this for a slot; what has to wait longer is taken up later."""


def pace(connection: psycopg.Connection, upstream: Upstream, request: Request | None = None) -> datetime:
    """Wait until this upstream, and this path of it, may be asked again; returns that instant, as the warehouse has it.

    Raises:
        Retryable: that is too long to wait for.
    """
    if request and request.every:
        _slot(connection, f"{upstream.name} {request.path}", request.every)
    return _slot(connection, upstream.name, timedelta(seconds=1 / upstream.requests_per_second))


def _slot(connection: psycopg.Connection, name: str, gap: timedelta) -> datetime:
    values = {"name": name, "gap": gap, "patience": PATIENCE}
    row = connection.execute(statement("ledger/pace"), values).fetchone()
    if row is None:
        raise Retryable(f"{name} was asked less than {gap} ago, as its terms allow: it is asked again later")
    slot: datetime = row[0]
    time.sleep(max(0, row[1]))
    return slot
