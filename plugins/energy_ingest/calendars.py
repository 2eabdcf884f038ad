"""Calendars: which windows there are, and which rows of a table are a window's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from energy_ingest import clock
from energy_ingest.windows import Window, settlement_windows

if TYPE_CHECKING:
    import polars as pl

Bounds: TypeAlias = Mapping[str, tuple[date | datetime | str, date | datetime | str]]
"""Column to lowest and highest value, both inclusive: a window's rows lie within all of them. Time comes first."""

AFTER_MIDNIGHT: Final = time(2)
"""UK clock time at which schedules load the settlement date that has ended: the DAGs' cron has it from here."""


class Calendar(Protocol):
    """Which windows a dataset has."""

    def windows(self, first: date, last: date) -> Iterator[Window]:
        """The windows labelled first to last, both inclusive."""

    def bounds(self, window: Window) -> Bounds:
        """Where the window's rows are."""

    def scheduled_at(self, window: Window) -> datetime:
        """When the run that owns the window starts; before, nobody can have loaded it."""


@dataclass(frozen=True)
class SettlementDays:
    """UK settlement dates."""

    column: str = "settlement_date"

    def windows(self, first: date, last: date) -> Iterator[Window]:
        """One window a date."""
        return settlement_windows(first, last)

    def bounds(self, window: Window) -> Bounds:
        """Rows of that settlement date."""
        return {self.column: (window.label, window.label)}

    def scheduled_at(self, window: Window) -> datetime:
        """In the night after."""
        return clock.local_instant(window.label + clock.ONE_DAY, AFTER_MIDNIGHT, clock.LONDON)


@dataclass(frozen=True)
class HalfHours:
    """Half hours, labelled by their UTC date and start."""

    column: str

    def windows(self, first: date, last: date) -> Iterator[Window]:
        """48 windows a date."""
        start = datetime.combine(first, time.min, UTC)
        while start.date() <= last:
            yield Window(start, start + clock.HALF_HOUR, start.date(), f"{start:%H:%M}")
            start += clock.HALF_HOUR

    def bounds(self, window: Window) -> Bounds:
        """Rows stamped in that half hour."""
        return {self.column: (window.start, window.end - timedelta.resolution)}

    def scheduled_at(self, window: Window) -> datetime:
        """As soon as it is over."""
        return window.end


@dataclass(frozen=True)
class Postings:
    """What the pipelines post for each NAESB gas day and nomination cycle; `cycles` gives the codes that count.

    A window ends when its cycle is due to be posted, and starts when the posting before was, of whatever cycle.
    """

    cycles: Callable[[], frozenset[int]]

    def windows(self, first: date, last: date) -> Iterator[Window]:
        """Up to six windows a gas day, in the order of their postings; those of two gas days interleave."""
        days = [first + timedelta(days=n) for n in range(-3, (last - first).days + 2)]
        posted = sorted(
            (clock.cycle_posting(day, c), day, c.code, c.label) for day in days for c in clock.NOMINATION_CYCLES
        )
        counted = self.cycles()
        for (start, *_), (end, day, code, label) in pairwise(posted):
            if first <= day <= last and code in counted:
                yield Window(start, end, day, label)

    def bounds(self, window: Window) -> Bounds:
        """Rows of that gas day and cycle."""
        return {"gas_day": (window.label, window.label), "nomination_cycle": (window.part, window.part)}

    def scheduled_at(self, window: Window) -> datetime:
        """When it is due to be posted."""
        return window.end


SETTLEMENT_DAYS: Final = SettlementDays()


def ending_in(calendar: Calendar, start: datetime, end: datetime) -> list[Window]:
    """The windows that end in (start, end], in that order: what a run with this data interval owns."""
    margin = timedelta(days=2)  # between a label and the UTC dates of its windows
    found = calendar.windows(start.date() - margin, end.date() + margin)
    return sorted(window for window in found if start < window.end <= end)


def scheduled(calendar: Calendar, first: date, last: date | None, now: datetime) -> list[Window]:
    """The windows labelled first to last (None: for ever) whose runs have started by now."""
    ahead = now.date() + timedelta(days=2)
    return sorted(w for w in calendar.windows(first, min(last or ahead, ahead)) if calendar.scheduled_at(w) <= now)


def within(bounds: Bounds) -> pl.Expr:
    """Which rows of a frame are inside."""
    import polars as pl  # heavy, and DAG files read the catalogue

    return pl.all_horizontal(pl.col(name).is_between(pl.lit(low), pl.lit(high)) for name, (low, high) in bounds.items())
