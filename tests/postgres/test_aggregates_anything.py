"""Whatever changes readings, and however it is redone: days, weeks, months and years are what the readings come to.

What they come to is added up here, in Python, from all readings; the database adds up what is dirty, time after time.
"""

# ruff: noqa: S608 - the names put into statements here are this file's

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from energy_ingest import clock
from energy_ingest.loading import aggregates
from energy_ingest.loading.database import connect

DAYS: Final = (
    *(date(2024, 12, 29) + timedelta(days=n) for n in range(4)),  # a week of two months and two years
    *(date(2024, 3, 31), date(2024, 4, 1), date(2024, 10, 27)),  # 46 half hours, the next month, 50
)
KEYS: Final = (("9000000000017", "export"), ("9000000000017", "kWh"), ("9000000000025", "kWh"))
STARTS: Final[dict[str, Callable[[date], date]]] = {
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
    "year": lambda day: day.replace(month=1, day=1),
}
KINDS: Final = {"actual": False, "manual": False, "estimated": True}
EMPTY: Final = "TRUNCATE {}, ledger.quality_mark".format(
    ", ".join(f"energy.meter_{name}" for name in ("reading", "daily_reading", "dirty", "daily", *aggregates.PERIODS))
)
READ: Final = """
INSERT INTO energy.meter_reading VALUES (%s, %s, %s, %s, %s, false, clock_timestamp(), 1)
ON CONFLICT (period_start, mpan, register)
  DO UPDATE SET quantity_kwh = excluded.quantity_kwh, reading_type = excluded.reading_type
"""
TOTAL: Final = """
INSERT INTO energy.meter_daily_reading VALUES (%s, %s, %s, %s, %s, clock_timestamp(), 1)
ON CONFLICT (local_date, mpan, register)
  DO UPDATE SET quantity_kwh = excluded.quantity_kwh, reading_type = excluded.reading_type
"""
OF_DAYS: Final = """
SELECT local_date, mpan, register, total_kwh, peak_kwh, off_peak_kwh, min_kwh, max_kwh, 1, is_half_hourly::integer,
  reading_count, expected_count, actual_kwh, estimated_kwh FROM energy.meter_daily
"""
OF_PERIODS: Final = """
SELECT {unit}_start, mpan, register, total_kwh, peak_kwh, off_peak_kwh, min_daily_kwh, max_daily_kwh, day_count,
  half_hourly_day_count, reading_count, expected_count, actual_kwh, estimated_kwh FROM energy.meter_{name}
"""


@dataclass(frozen=True)
class Change:
    """The first `count` half hours of a day of a meter, or its daily total: written, or taken away."""

    what: str
    day: date
    key: tuple[str, str]
    count: int
    kwh: Decimal
    kind: str


CHANGES = st.builds(
    Change,
    what=st.sampled_from(("half hours", "half hours", "no half hours", "total", "no total")),
    day=st.sampled_from(DAYS),
    key=st.sampled_from(KEYS),
    count=st.sampled_from((1, 20, 50)),
    kwh=st.sampled_from((Decimal("-1.5"), Decimal(0), Decimal("0.125"), Decimal(7))),
    kind=st.sampled_from(tuple(KINDS)),
)
STEPS = st.lists(st.tuples(st.lists(CHANGES, min_size=1, max_size=6), st.booleans()), min_size=1, max_size=4)


@dataclass
class Figures:
    """What a day or a period comes to, in the order of the columns."""

    total: Decimal
    peak: Decimal | None
    off_peak: Decimal | None
    lowest: Decimal
    highest: Decimal
    days: int
    half_hourly_days: int
    readings: int
    expected: int
    actual: Decimal
    estimated: Decimal

    def values(self) -> tuple[Any, ...]:
        return tuple(vars(self).values())


@pytest.fixture
def owner(owner_url: str) -> Iterator[psycopg.Connection]:
    with connect(owner_url) as connection:
        yield connection


def apply(connection: psycopg.Connection, change: Change) -> None:
    mpan, register = change.key
    last = min(change.count, clock.settlement_periods(change.day))
    slots = [clock.period_start(change.day, number) for number in range(1, last + 1)]
    if change.what == "half hours":
        rows = [(at, mpan, register, n * change.kwh, change.kind) for n, at in enumerate(slots, 1)]
        connection.cursor().executemany(READ, rows)
    elif change.what == "no half hours":
        where = "period_start = ANY(%s) AND (mpan, register) = (%s, %s)"
        connection.execute(f"DELETE FROM energy.meter_reading WHERE {where}", [slots, mpan, register])
    elif change.what == "total":
        connection.execute(TOTAL, [change.day, mpan, register, change.kwh, change.kind])
    else:
        where = "(local_date, mpan, register) = (%s, %s, %s)"
        connection.execute(f"DELETE FROM energy.meter_daily_reading WHERE {where}", [change.day, mpan, register])


def days_of(connection: psycopg.Connection) -> dict[tuple[date, str, str], Figures]:
    """What the days come to, of all readings there are."""
    days = {}
    for day, mpan, register, kwh, kind in connection.execute(
        "SELECT local_date, mpan, register, quantity_kwh, reading_type FROM energy.meter_daily_reading"
    ):
        estimated = kwh if KINDS[kind] else Decimal(0)
        days[day, mpan, register] = Figures(kwh, None, None, kwh, kwh, 1, 0, 1, 1, kwh - estimated, estimated)
    found = defaultdict(list)
    for at, mpan, register, kwh, kind in connection.execute(
        "SELECT period_start, mpan, register, quantity_kwh, reading_type FROM energy.meter_reading"
    ):
        local = at.astimezone(clock.LONDON)
        found[local.date(), mpan, register].append((kwh, 7 <= local.hour < 23, KINDS[kind]))
    for key, readings in found.items():
        kwh = [quantity for quantity, _, _ in readings]
        peak = sum((quantity for quantity, is_peak, _ in readings if is_peak), Decimal(0))
        estimated = sum((quantity for quantity, _, is_estimated in readings if is_estimated), Decimal(0))
        expected = clock.settlement_periods(key[0])
        parts = (sum(kwh), peak, sum(kwh) - peak, min(kwh), max(kwh), 1, 1, len(kwh), expected)
        days[key] = Figures(*parts, sum(kwh) - estimated, estimated)  # type: ignore[arg-type]
    return days


def summed(days: list[Figures]) -> Figures:
    """Days of a meter as one period."""
    parts = zip(*(day.values() for day in days), strict=True)
    known = [[value for value in values if value is not None] for values in parts]
    columns: list[Any] = [sum(values) if values else None for values in known]
    columns[3], columns[4] = min(day.total for day in days), max(day.total for day in days)
    return Figures(*columns)


def rows_of(connection: psycopg.Connection, query: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return {row[:3]: row[3:] for row in connection.execute(query)}  # type: ignore[call-overload]


def check(connection: psycopg.Connection) -> None:
    """Each table has what the readings come to, and nothing else."""
    days = days_of(connection)
    assert rows_of(connection, OF_DAYS) == {key: figures.values() for key, figures in days.items()}
    for name, period in aggregates.PERIODS.items():
        parts = defaultdict(list)
        for (day, mpan, register), figures in days.items():
            parts[STARTS[period.unit](day), mpan, register].append(figures)
        expected = {key: summed(figures).values() for key, figures in parts.items()}
        assert rows_of(connection, OF_PERIODS.format(unit=period.unit, name=name)) == expected, name


def half_hours(day: date, kwh: str, what: str = "half hours") -> Change:
    return Change(what, day, KEYS[0], 50, Decimal(kwh), "actual")


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example([([half_hours(day, "7") for day in DAYS], False), ([half_hours(DAYS[2], "0.125")], False)])
@example([([half_hours(day, "7") for day in DAYS], True), ([half_hours(DAYS[1], "1", "no half hours")], True)])
@given(STEPS)
def test_tables_are_what_the_readings_come_to(
    owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, owner_url: str, steps: list[tuple[list[Change], bool]]
):
    owner.execute(EMPTY)  # type: ignore[call-overload]
    for changes, looked_up in steps:
        for change in changes:
            apply(owner, change)
        for share in ("MANY", "MOST"):
            monkeypatch.setattr(aggregates, share, 1e9 if looked_up else 0.0)
        aggregates.aggregate(lambda: connect(owner_url))
        check(owner)
