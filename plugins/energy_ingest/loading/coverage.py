"""Coverage: which windows are expected, which are complete, and what stands against each of the others.

Command line, pages, health checks and dashboards all ask here, so that they cannot disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import psycopg

from energy_ingest.catalog import Dataset
from energy_ingest.loading import database
from energy_ingest.sources import Scope
from energy_ingest.sql import statement
from energy_ingest.windows import EXPLAINED, Window


@dataclass(frozen=True)
class Known:
    """What the ledger says about one window."""

    window: Window
    state: str
    reason: str | None
    attempts: int
    rows: int = 0
    quarantined: int = 0


@dataclass(frozen=True)
class Gap:
    """A window that is neither complete nor explained; `missing` means that nobody ever asked for it."""

    window: Window
    state: str
    reason: str
    attempts: int

    def as_json(self) -> dict[str, Any]:
        """Plain values, instants as ISO 8601 in UTC; `part` only where a label has several."""
        return {
            "label": self.window.label.isoformat(),
            **({"part": self.window.part} if self.window.part else {}),
            "start": _instant(self.window.start),
            "end": _instant(self.window.end),
            "state": self.state,
            "reason": self.reason,
            "attempts": self.attempts,
        }


@dataclass(frozen=True)
class Coverage:
    """A dataset's coverage in one scope: `expected` = `complete` + all of `explained` + the number of `gaps`.

    `rows` is what the table got for these windows, in whatever scope; `quarantined` what waits to be looked at.
    """

    dataset: str
    scope: str
    expected: int = 0
    complete: int = 0
    explained: dict[str, int] = field(default_factory=dict)
    gaps: Sequence[Gap] = ()
    rows: int = 0
    quarantined: int = 0

    @property
    def level(self) -> int:
        """0 healthy: no gap; 1 degraded: gaps; 2 critical: more than half of what is expected is a gap."""
        return (len(self.gaps) > 0) + (2 * len(self.gaps) > self.expected)

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "gaps": [gap.as_json() for gap in self.gaps]}


def coverage(
    connection: psycopg.Connection,
    dataset: Dataset,
    scope: Scope,
    now: datetime,
    span: tuple[date, date] | None = None,
) -> Coverage:
    """The coverage of a dataset in one scope, as of now.

    Expected are the windows of `span` (first and last label), else those that schedules must have loaded by now and
    all that the ledger knows, such as backfilled ones.
    """
    first, last = span or (None, None)
    values = {"dataset": dataset.name, "scope": scope.name, "first": first, "last": last}
    with database.typed_errors():
        rows = connection.execute(statement("ledger/coverage"), values).fetchall()
    known = [Known(Window(*row[:4]), *row[4:]) for row in rows]
    expected = dataset.windows(*span) if span else {*dataset.scheduled_windows(now), *(item.window for item in known)}
    return assess(dataset, scope.name, expected, known, now)


def ever_tried(connection: psycopg.Connection, dataset: Dataset, scope: Scope) -> bool:
    """Whether any window of the dataset was ever asked for in this scope."""
    known = "SELECT EXISTS (SELECT FROM ledger.window WHERE dataset = %s AND scope = %s)"
    with database.typed_errors():
        row = connection.execute(known, [dataset.name, scope.name]).fetchone()
    return row == (True,)


def assess(dataset: Dataset, scope: str, expected: Iterable[Window], known: Iterable[Known], now: datetime) -> Coverage:
    """Hold what is expected against what the ledger knows; pure."""
    ledger, explained = {item.window.start: item for item in known}, Counter[str]()
    gaps, complete, rows, quarantined = [], 0, 0, 0
    windows = sorted(expected)
    for window in windows:
        item = ledger.get(window.start) or _never_tried(dataset, window, now)
        rows, quarantined = rows + item.rows, quarantined + item.quarantined
        if item.state == "complete":
            complete += 1
        elif item.state in EXPLAINED and not _overdue(dataset, item, now):
            explained[item.state] += 1
        else:
            gaps.append(Gap(window, item.state, _reason(dataset, item, now), item.attempts))
    return Coverage(
        dataset.name, scope, len(windows), complete, dict(sorted(explained.items())), gaps, rows, quarantined
    )


def together(gaps: Iterable[Gap]) -> Iterator[list[Gap]]:
    """Adjoining gaps of one state."""
    group: list[Gap] = []
    for gap in gaps:
        if group and (gap.state != group[-1].state or gap.window.start != group[-1].window.end):
            yield group
            group = []
        group.append(gap)
    if group:
        yield group


def load_command(dataset: str, first: date, last: date) -> str:
    """What loads these labels without Airflow."""
    return f"energy-ingest load --dataset {dataset} --from {first} --to {last}"


def _never_tried(dataset: Dataset, window: Window, now: datetime) -> Known:
    state = "not_yet_published" if now < dataset.publication.due(window) else "missing"
    return Known(window, state, "never tried", 0)


def _overdue(dataset: Dataset, item: Known, now: datetime) -> bool:
    """Whether `not_yet_published` no longer explains anything: the deadline passed and nobody has looked since."""
    return item.state == "not_yet_published" and now >= dataset.publication.deadline(item.window)


def _reason(dataset: Dataset, item: Known, now: datetime) -> str:
    if _overdue(dataset, item, now):
        return f"not asked for again since its deadline, {dataset.publication.deadline(item.window):%Y-%m-%d %H:%MZ}"
    return item.reason or ("an attempt is under way, or died" if item.state == "running" else "")


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
