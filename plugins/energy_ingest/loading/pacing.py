"""Pacing of requests over all workers and machines: the next free slot is kept in the warehouse."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import psycopg

from energy_ingest.catalog import Upstream
from energy_ingest.sql import statement


def pace(connection: psycopg.Connection, upstream: Upstream) -> datetime:
    """Wait until this upstream may be asked again; returns that instant, by the warehouse's clock."""
    gap = timedelta(seconds=1 / upstream.requests_per_second)
    row = connection.execute(statement("ledger/pace"), {"upstream": upstream.name, "gap": gap}).fetchone()
    assert row is not None  # noqa: S101 - INSERT .. ON CONFLICT DO UPDATE returns its row
    slot: datetime = row[0]
    time.sleep(max(0, row[1]))
    return slot
