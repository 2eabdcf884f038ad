"""Pacing of requests over all workers and machines: the next free slot is kept in the warehouse."""

from __future__ import annotations

import time
from datetime import timedelta

import psycopg

from energy_ingest.catalog import Upstream
from energy_ingest.sql import statement


def pace(connection: psycopg.Connection, upstream: Upstream) -> None:
    """Wait until this upstream may be asked again."""
    gap = timedelta(seconds=1 / upstream.requests_per_second)
    row = connection.execute(statement("ledger/pace"), {"upstream": upstream.name, "gap": gap}).fetchone()
    if row and row[0] > 0:
        time.sleep(row[0])
