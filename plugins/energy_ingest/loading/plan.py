"""What loading a range of dates would mean: windows, requests, and an estimate from the ledger's own history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from energy_ingest import settings
from energy_ingest.catalog import Dataset
from energy_ingest.loading import database
from energy_ingest.loading.coverage import coverage
from energy_ingest.sources import Scope
from energy_ingest.sql import statement
from energy_ingest.windows import Window


@dataclass(frozen=True)
class Estimate:
    """What a load will roughly bring and take."""

    rows: int
    bytes: int
    minutes: float


@dataclass(frozen=True)
class Plan:
    """The windows of a range, how many are complete already, and what loading all of them takes.

    `estimate` is None where the ledger has no history to judge by.
    """

    dataset: str
    scope: str
    windows: int
    complete: int
    explained: dict[str, int]
    requests: int
    estimate: Estimate | None

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def plan(
    connection: psycopg.Connection, dataset: Dataset, scope: Scope, span: tuple[date, date], now: datetime
) -> Plan:
    """What `load` would do with this range; nothing is asked of the source."""
    windows = sorted(dataset.windows(*span))
    known = coverage(connection, dataset, scope, now, span)
    values = {"dataset": dataset.name, "scope": scope.name}
    with database.typed_errors():
        cost = connection.execute(statement("ledger/history"), values).fetchone()
    requests = sum(1 for _ in dataset.pack(windows, scope, now))
    estimate = _estimate(dataset, windows, requests, *cost) if cost else None
    return Plan(dataset.name, known.scope, len(windows), known.complete, known.explained, requests, estimate)


def _estimate(
    dataset: Dataset, windows: Sequence[Window], requests: int, rows: float, size: float, seconds: float
) -> Estimate:
    """Scale the cost of one window; the time is never less than what the source's pace allows."""
    working = seconds * len(windows) / settings.CONCURRENCY.get_int()
    pacing = requests / dataset.source.requests_per_second
    return Estimate(round(rows * len(windows)), round(size * len(windows)), round(max(working, pacing) / 60, 1))
