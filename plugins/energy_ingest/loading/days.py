"""Coverage by day: the state of each label, the worst of its windows wins. Quick over years and many datasets.

The database counts windows by label and state; what it has not, but the calendar, is missing. A calendar has the same
number of windows for each label, so those long past need only be counted; those of the last days are looked at. A
question about many datasets is a few statements, however many they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from energy_ingest import clock, settings
from energy_ingest.catalog import Dataset
from energy_ingest.loading import database
from energy_ingest.loading.coverage import Gap, Known, assess, ever_tried
from energy_ingest.sources import Scope
from energy_ingest.sql import statement
from energy_ingest.windows import EXPLAINED, Window

STATES: Final = (
    *("failed", "missing", "overdue", "partial", "pending", "running"),
    *("abandoned", "empty_confirmed", "not_yet_published", "complete"),
)
"""From worst to best. `missing`: published, never asked for; `overdue`: `not_yet_published` past its deadline."""
GAPS: Final = tuple(state for state in STATES if state not in ("complete", *EXPLAINED))
RANK: Final = {state: rank for rank, state in enumerate(STATES)}
LONGEST_WAIT: Final = timedelta(days=60)
"""Every window that ended so long ago is published and should be loaded."""

FINE: Final = ("complete", "empty_confirmed", "abandoned")
"""States that a window long past may have."""
EVER: Final = date(1990, 1, 1)
"""Before any label."""
USUAL: Final = date(2024, 1, 1)
"""A label like any other."""
LATELY: Final = timedelta(minutes=10)
"""Over which the rate is taken."""

Counts = dict[str, int]


@dataclass(frozen=True)
class Days:
    """A dataset's labels within a span, those without any window left out: how many windows are in which state."""

    dataset: str
    counts: Mapping[date, Counts] = field(default_factory=dict)

    def total(self, states: Iterable[str]) -> int:
        """Windows in these states."""
        wanted = set(states)
        return sum(n for counts in self.counts.values() for state, n in counts.items() if state in wanted)

    @property
    def gap_days(self) -> list[date]:
        """The labels with a gap, oldest first."""
        return sorted(label for label, counts in self.counts.items() if not counts.keys().isdisjoint(GAPS))

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON; the keys of `days` are dates."""
        return {
            "dataset": self.dataset,
            "expected": self.total(STATES),
            "complete": self.total(["complete"]),
            "explained": self.total(EXPLAINED),
            "gaps": self.total(GAPS),
            "days": {
                label: {"state": worst(counts), "windows": sum(counts.values()), "counts": counts}
                for label, counts in sorted(self.counts.items())
            },
        }


def worst(counts: Counts) -> str:
    """The state that a label shows."""
    return min(counts, key=RANK.__getitem__)


def days(
    connection: psycopg.Connection, datasets: Sequence[Dataset], first: date, last: date, now: datetime
) -> list[Days]:
    """The labels first to last, both inclusive, of these datasets in the scopes that are configured."""
    found: dict[str, dict[date, Counts]] = defaultdict(lambda: defaultdict(dict))
    values = {**_scopes(datasets), "first": first, "last": last}
    with database.typed_errors():
        rows = connection.execute(statement("coverage/days"), values).fetchall()
    for name, label, state, count in rows:
        found[name][label][state] = count
    return [Days(item.name, _held_against(connection, item, found[item.name], first, last, now)) for item in datasets]


@dataclass(frozen=True)
class Total:
    """A dataset's windows in all, and what is a gap: windows, labels newer than the newest data, the oldest labels."""

    windows: int = 0
    gaps: int = 0
    behind: int = 0
    oldest: tuple[date, ...] = ()

    def __add__(self, later: Total) -> Total:
        """With those of later labels."""
        return Total(
            self.windows + later.windows,
            self.gaps + later.gaps,
            self.behind + later.behind,
            (*self.oldest, *later.oldest),
        )


def totals(
    connection: psycopg.Connection,
    datasets: Sequence[Dataset],
    now: datetime,
    span: tuple[date, date] | None = None,
    most: int | None = None,
) -> dict[str, Total]:
    """By dataset, over all labels or those of a span; at most so many of the oldest labels with a gap are named."""
    first, last = span or (EVER, _ahead(now))
    newest = newest_data(connection, datasets)
    found = _long_past(connection, datasets, newest, first, min(last, settled(now)), most)
    for recent in days(connection, datasets, max(first, settled(now) + clock.ONE_DAY), last, now):
        labels = recent.gap_days
        data = newest[recent.dataset].label if recent.dataset in newest else None
        behind = sum(data is None or label > data for label in labels)
        total = Total(recent.total(STATES), recent.total(GAPS), behind, tuple(labels))
        both = found.get(recent.dataset, Total()) + total
        found[recent.dataset] = replace(both, oldest=both.oldest[:most])
    return found


class Newest(NamedTuple):
    """The newest label with data, and when that was loaded."""

    label: date | None
    loaded_at: datetime | None


def newest_data(connection: psycopg.Connection, datasets: Sequence[Dataset]) -> dict[str, Newest]:
    """Of those datasets that were ever asked for, their newest data."""
    with database.typed_errors():
        rows = connection.execute(statement("coverage/newest"), _scopes(datasets)).fetchall()
    return {name: Newest(*newest) for name, *newest in rows}


def gaps(
    connection: psycopg.Connection,
    datasets: Sequence[Dataset],
    now: datetime,
    span: tuple[date, date] | None = None,
) -> Iterator[tuple[Dataset, Scope, Gap]]:
    """The gaps as `coverage` finds them, oldest first in each scope; it only looks at the labels that have one."""
    labels = {name: total.oldest for name, total in totals(connection, datasets, now, span).items()}
    yield from gaps_on(connection, datasets, labels, now)


def gaps_on(
    connection: psycopg.Connection, datasets: Sequence[Dataset], labels: Mapping[str, Collection[date]], now: datetime
) -> Iterator[tuple[Dataset, Scope, Gap]]:
    """The gaps on some labels of each dataset by name."""
    known = _known(connection, datasets, labels)
    for dataset in datasets:
        windows = [w for stretch in stretches(labels.get(dataset.name, ())) for w in dataset.windows(*stretch)]
        for scope in dataset.scopes() if windows else ():
            for gap in assess(dataset, scope.name, windows, known[dataset.name, scope.name], now).gaps:
                if gap.attempts or _is_expected(dataset, gap.window, now):
                    yield dataset, scope, gap


def day(connection: psycopg.Connection, dataset: Dataset, label: date, now: datetime) -> list[dict[str, Any]]:
    """The windows of one label in every scope: what the ledger has of each, or that it is missing."""
    windows, scopes = list(dataset.windows(label, label)), [scope.name for scope in dataset.scopes()]
    values = {
        **{"dataset": dataset.name, "day": label, "scopes": scopes},
        "starts": [window.start for window in windows],
    }
    rows = connection.cursor(row_factory=dict_row).execute(statement("coverage/day"), values).fetchall()
    known = {(row["scope"], row["start"]): row for row in rows}
    return [
        {
            **(known.get((scope, window.start)) or _unknown(dataset, scope, window, now)),
            "due_at": dataset.publication.due(window),
            "deadline": dataset.publication.deadline(window),
        }
        for scope in scopes
        for window in windows
    ]


def items(connection: psycopg.Connection, dataset: Dataset, label: date) -> list[dict[str, Any]]:
    """The half hours of a settlement date, 46, 48 or 50, with the rows that each has; empty for other datasets."""
    if dataset.item_column != "settlement_period":
        return []
    query = sql.SQL("SELECT settlement_period, count(*) FROM {} WHERE settlement_date = %s GROUP BY 1")
    found: dict[int, int] = dict(
        connection.execute(query.format(sql.Identifier("energy", dataset.table)), [label]).fetchall()
    )
    periods = clock.settlement_periods(label)
    (window,) = dataset.windows(label, label)
    expected = sum(dataset.expected_items(window, scope) for scope in dataset.scopes()) // periods
    return [
        {"item": n, "start": clock.period_start(label, n), "expected": expected, "rows": found.get(n, 0)}
        for n in range(1, periods + 1)
    ]


def freshness(connection: psycopg.Connection, datasets: Sequence[Dataset]) -> list[dict[str, Any]]:
    """How far each dataset is, when it was last at work, and what runs or has failed."""
    values = {**_scopes(datasets), "datasets": [item.name for item in datasets]}
    return connection.cursor(row_factory=dict_row).execute(statement("coverage/freshness"), values).fetchall()


def progress(connection: psycopg.Connection, datasets: Sequence[Dataset], now: datetime) -> list[dict[str, Any]]:
    """Windows done and left of each dataset, what is at work, windows a minute lately, and the seconds left."""
    values = {"datasets": [item.name for item in datasets], "span": LATELY}
    paces = {name: (ended, running) for name, ended, running in connection.execute(statement("coverage/pace"), values)}
    shown = []
    for name, found in totals(connection, datasets, now).items():
        ended, running = paces.get(name, (0, 0))
        rate = ended / (LATELY / timedelta(minutes=1))
        shown.append(
            {
                **{"dataset": name, "total": found.windows, "done": found.windows - found.gaps, "left": found.gaps},
                **{"running": running, "per_minute": round(rate, 2)},
                "seconds_left": round(60 * found.gaps / rate) if rate else None,
            }
        )
    return shown


def _long_past(
    connection: psycopg.Connection,
    datasets: Sequence[Dataset],
    newest: Mapping[str, Newest],
    first: date,
    last: date,
    most: int | None,
) -> dict[str, Total]:
    """Totals of labels that are settled, counted by the database."""
    if first > last:
        return {}
    names = [item.name for item in datasets]
    values = {
        **{**_scopes(datasets), "first": first, "last": last, "fine": list(FINE), "most": most},
        **{"datasets": names, "newest": [newest[name].label if name in newest else None for name in names]},
        "firsts": [max(first, _start(item)) for item in datasets],
        "lasts": [EVER if item.on_request and item.name not in newest else min(last, _until()) for item in datasets],
        "numbers": [_usual(item) for item in datasets],
        "parts": sorted({window.part for item in datasets for window in item.windows(USUAL, USUAL)}),
    }
    with database.typed_errors():
        rows = connection.execute(statement("coverage/totals"), values).fetchall()
    return {name: Total(windows, gaps, behind, tuple(labels)) for name, windows, gaps, behind, labels in rows}


def _known(
    connection: psycopg.Connection, datasets: Sequence[Dataset], labels: Mapping[str, Collection[date]]
) -> dict[tuple[str, str], list[Known]]:
    """What the ledger has of the windows of these labels, by dataset and scope."""
    pairs = [(name, label) for name, days in labels.items() for label in days]
    values = {**_scopes(datasets), "names": [name for name, _ in pairs], "labels": [label for _, label in pairs]}
    with database.typed_errors():
        rows = connection.execute(statement("coverage/windows"), values).fetchall()
    found: dict[tuple[str, str], list[Known]] = defaultdict(list)
    for name, scope, *window, state, reason, attempts in rows:
        found[name, scope].append(Known(Window(*window), state, reason, attempts))
    return found


def _held_against(
    connection: psycopg.Connection, dataset: Dataset, known: dict[date, Counts], first: date, last: date, now: datetime
) -> dict[date, Counts]:
    """What the ledger knows, and what it should."""
    for label, counts in known.items():
        if "not_yet_published" in counts and _all_overdue(dataset, label, now):
            counts["overdue"] = counts.pop("not_yet_published")
    if dataset.on_request and not known and not any(ever_tried(connection, dataset, s) for s in dataset.scopes()):
        return known
    for label, expected in _expected(dataset, first, last, now):
        counts = known.get(label, {})
        for state, number in expected.items():
            there = sum(counts.values())
            if number > there:
                counts[state] = counts.get(state, 0) + number - there
                known[label] = counts
    return known


def _expected(dataset: Dataset, first: date, last: date, now: datetime) -> Iterator[tuple[date, Counts]]:
    """Labels whose windows schedules must have loaded by now: how many are published, and how many there are in all."""
    start, until = max(first, _start(dataset)), min(last, _until(), _ahead(now))
    if start > until:
        return
    scopes, usual, long_past = len(dataset.scopes()), _usual(dataset), settled(now)
    for offset in range((until - start).days + 1):
        label = start + timedelta(days=offset)
        if label <= long_past:
            yield label, {"missing": usual}
            continue
        there = [w for w in dataset.windows(label, label) if dataset.calendar.scheduled_at(w) <= now]
        published = sum(dataset.publication.due(window) <= now for window in there)
        yield label, {"missing": published * scopes, "not_yet_published": len(there) * scopes}


def _all_overdue(dataset: Dataset, label: date, now: datetime) -> bool:
    return all(dataset.publication.deadline(window) <= now for window in dataset.windows(label, label))


def _is_expected(dataset: Dataset, window: Window, now: datetime) -> bool:
    """Whether a schedule must have loaded it by now, be it known or not."""
    return _start(dataset) <= window.label <= _until() and dataset.calendar.scheduled_at(window) <= now


def _unknown(dataset: Dataset, scope: str, window: Window, now: datetime) -> dict[str, Any]:
    state = "missing" if dataset.publication.due(window) <= now else "not_yet_published"
    nothing = dict.fromkeys(
        ("expected", "actual", "first_attempt_at", "last_attempt_at", "completed_at", "next_due_at", "source_version",
         "response_sha256", "influx_state")
    )  # fmt: skip
    return {
        **{"scope": scope, "start": window.start, "end": window.end, "label": window.label, "part": window.part},
        **{"state": state, "reason": "never tried", "attempts": 0, "rows": 0, "quarantined": 0},
        **nothing,
    }


def _scopes(datasets: Sequence[Dataset]) -> dict[str, list[str]]:
    pairs = [(item.name, scope.name) for item in datasets for scope in item.scopes()]
    return {"of": [name for name, _ in pairs], "scopes": [scope for _, scope in pairs]}


def settled(now: datetime) -> date:
    """The newest label whose windows were all published so long ago that they need only be counted."""
    return (now - LONGEST_WAIT).date()


def _ahead(now: datetime) -> date:
    """After the newest label that may have a window by now."""
    return now.date() + 2 * clock.ONE_DAY


def _usual(dataset: Dataset) -> int:
    """Windows of a label in all scopes."""
    return len(list(dataset.windows(USUAL, USUAL))) * len(dataset.scopes())


def _start(dataset: Dataset) -> date:
    return dataset.first.get_date() or settings.START.get_date() or date(2024, 1, 1)


def _until() -> date:
    return settings.UNTIL.get_date() or date.max


def stretches(labels: Iterable[date], most: int | None = None) -> Iterator[tuple[date, date]]:
    """The stretches of adjoining dates, oldest first, of at most so many of these dates in all."""
    dates = sorted(labels)[:most]
    for place, label in enumerate(dates):
        if place == 0 or label - dates[place - 1] > clock.ONE_DAY:
            first = label
        if place + 1 == len(dates) or dates[place + 1] - label > clock.ONE_DAY:
            yield first, label
