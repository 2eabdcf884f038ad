"""Calendars: which windows there are, and which rows of a table are a window's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from energy_ingest.windows import Window, settlement_windows

if TYPE_CHECKING:
    import polars as pl

Bounds: TypeAlias = Mapping[str, tuple[date | datetime | str, date | datetime | str]]
"""Column to lowest and highest value, both inclusive: a window's rows lie within all of them. Time comes first."""


class Calendar(Protocol):
    """Which windows a dataset has."""

    def windows(self, first: date, last: date) -> Iterator[Window]:
        """The windows labelled first to last, both inclusive."""

    def bounds(self, window: Window) -> Bounds:
        """Where the window's rows are."""


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


SETTLEMENT_DAYS: Final = SettlementDays()


def ending_in(calendar: Calendar, start: datetime, end: datetime) -> list[Window]:
    """The windows that end in (start, end], in that order: what a run with this data interval owns."""
    margin = timedelta(days=2)  # between a label and the UTC dates of its windows
    found = calendar.windows(start.date() - margin, end.date() + margin)
    return sorted(window for window in found if start < window.end <= end)


def scheduled(calendar: Calendar, first: date, last: date | None, now: datetime) -> list[Window]:
    """The windows labelled first to last (None: for ever) that have ended by now."""
    ahead = now.date() + timedelta(days=2)
    return sorted(w for w in calendar.windows(first, min(last or ahead, ahead)) if w.end <= now)


def within(bounds: Bounds) -> pl.Expr:
    """Which rows of a frame are inside."""
    import polars as pl  # heavy, and DAG files read the catalogue

    return pl.all_horizontal(pl.col(name).is_between(low, high) for name, (low, high) in bounds.items())
