"""Consumption of meters by day, week, month and year, kept up with whatever touched the readings.

Each change of readings marks its UK day in `energy.meter_dirty`, in the transaction that changes them. Here the marked
days are redone month by month, whichever they are: first the days, then the weeks, months and years that contain them,
and the marks are deleted, all in one transaction a month.
"""

from __future__ import annotations

import calendar
import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final

import psycopg
from psycopg import sql

from energy_ingest import clock, settings
from energy_ingest.errors import Misconfigured
from energy_ingest.loading import database
from energy_ingest.loading.executions import Caller, recorded
from energy_ingest.sql import statement

log = logging.getLogger(__name__)

Span = tuple[date, date]
"""First and last date, both inclusive."""

LIMIT_DAYS: Final = 3660
"""Ten years: most dates that are redone at once."""

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('meter_aggregates', 0))"
"""One month at a time: whoever computed from older readings must not write after whoever computed from newer ones."""

MEMORY: Final = "SET LOCAL work_mem = '64MB'; SET LOCAL jit = off"
"""Enough to keep a month of 1,000 meters in memory; compiling a statement takes longer than a day of theirs."""

TOGETHER: Final = "SET LOCAL synchronous_commit = off"
"""A month is made durable with the record of the execution, which is committed after it. One that a crash takes away
before takes the removal of its marks with it, and is redone."""

MANY: Final = 0.1
"""From this share of meters on, all readings of a day are read, instead of looking up those of the dirty meters."""

MOST: Final = 0.5
"""From this share on, the parts of all meters are summed up: looking for theirs among the dirty ones takes longer."""

OF_THE_DIRTY: Final = "AND (mpan, register) IN (SELECT mpan, register FROM taken)"

FEW_DAYS: Final = 7
"""Up to so many dirty days of a month have just been loaded. More come of a long import, or were asked for: VACUUM has
been there by then."""

PAGE_BY_PAGE: Final = "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off"
"""Read days that were just loaded by a bitmap. The index alone cannot tell yet which readings are there, and would go
to the table for each of them, and for each former one: more than twice the time."""

BY_HASH: Final = "SET LOCAL enable_nestloop = off"
"""Statistics are of what was there before: by them a month of marks or days can look like one row, and comparing each
of 30,000 with each takes minutes."""


@dataclass(frozen=True)
class Part:
    """Days, weeks or months as parts of something longer: their table and its columns."""

    table: str
    start: str
    lowest: str = "min_daily_kwh"
    highest: str = "max_daily_kwh"
    days: str = "day_count"
    half_hourly_days: str = "half_hourly_day_count"


DAYS: Final = Part("meter_daily", "local_date", "total_kwh", "total_kwh", "1", "is_half_hourly::integer")
WEEKS: Final = Part("meter_weekly", "week_start")
MONTHS: Final = Part("meter_monthly", "month_start")


@dataclass(frozen=True)
class Period:
    """Weeks, months or years, and their table."""

    unit: str
    table: str

    def around(self, span: Span) -> Span:
        """The first and the last date of the periods that have these dates."""
        first, last = span
        if self.unit == "week":
            return first - timedelta(days=first.weekday()), last + timedelta(days=6 - last.weekday())
        if self.unit == "month":
            return first.replace(day=1), last.replace(day=calendar.monthrange(last.year, last.month)[1])
        return date(first.year, 1, 1), date(last.year, 12, 31)

    def parts(self, span: Span) -> list[tuple[Part, Span]]:
        """What some weeks, a month or a year with these dates are summed up from: as few rows as can be."""
        first, last = span
        if self.unit == "week":
            return [(DAYS, span)]
        if self.unit == "year":
            return [(MONTHS, span)]
        monday, sunday = first + timedelta(days=-first.weekday() % 7), last - timedelta(days=last.isoweekday() % 7)
        return [
            (DAYS, (first, monday - clock.ONE_DAY)),
            (WEEKS, (monday, sunday)),
            (DAYS, (sunday + clock.ONE_DAY, last)),
        ]


PERIODS: Final = {
    "weekly": Period("week", "meter_weekly"),
    "monthly": Period("month", "meter_monthly"),
    "annual": Period("year", "meter_annual"),
}
"""In the order in which they are summed up, each of those before it."""

RANGES: Final = ("all", "daily", *PERIODS)


@dataclass
class Summary:
    """How many days of meters were redone, and how many rows of each table that wrote."""

    months: int
    done: int = 0
    redone: int = 0
    written: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("daily", *PERIODS), 0))

    def progress(self) -> str:
        """In a line."""
        changed = ", ".join(f"{count:,} {name}" for name, count in self.written.items())
        return f"{self.done}/{self.months} months, {self.redone:,} days of meters redone; rows written: {changed}"

    def counts(self) -> dict[str, int]:
        """For a log, an asset event, an XCom."""
        return {"redone": self.redone, **self.written}


def span_of(range_name: str, first: date, last: date) -> Span:
    """The days to redo for a range: these dates, or the whole weeks, months or years that have them (`all`: any).

    Raises:
        Misconfigured: there is no such range.
    """
    wanted = tuple(PERIODS) if known_range(range_name) == "all" else (range_name,)
    chosen = [period for name, period in PERIODS.items() if name in wanted]
    spans = [(first, last), *(period.around((first, last)) for period in chosen)]
    return min(first for first, _ in spans), max(last for _, last in spans)


def known_range(name: str) -> str:
    """The range of that name.

    Raises:
        Misconfigured: there is none; the message lists those that exist.
    """
    if name not in RANGES:
        raise Misconfigured(f"no range {name!r}: use one of {', '.join(RANGES)}")
    return name


def aggregate(
    connect: database.Connect,
    span: Span | None = None,
    caller: Caller = Caller(),  # noqa: B008 - it is frozen
    report: Callable[[Summary], None] = lambda _: None,
) -> Summary:
    """Redo what is dirty; with `span`, also every day in it, dirty or not. Each month is committed as it is done.

    A load that goes on meanwhile marks anew what it touches: nothing is lost, at worst it is redone by the next call.

    Raises:
        Retryable, Misconfigured, Rejected: as `database.typed_errors`; the months before are done.
    """
    target = f"{span[0]} to {span[1]}" if span else "dirty"
    with (
        database.typed_errors(),
        closing(connect()) as connection,
        recorded(connection, "aggregation", target, caller) as execution,
    ):
        if span:
            _mark(connection, span)
        months = connection.execute(statement("aggregates/months")).fetchall()
        summary = Summary(len(months))
        for days, share in months:
            _redo_month(connection, days, share, summary)
            execution.processed, execution.details = summary.redone, summary.written
            report(summary)
    log.info("aggregates: %s", summary.progress())
    return summary


def _mark(connection: psycopg.Connection, span: Span) -> None:
    start, end = clock.settlement_day(span[0])[0], clock.settlement_day(span[1])[1]
    values = {"first": span[0], "last": span[1], "start": start, "end": end}
    connection.execute(statement("aggregates/mark"), values)


def _redo_month(connection: psycopg.Connection, days: Sequence[date], share: float, summary: Summary) -> None:
    """Redo the dirty days among these, which are of one month, and the periods that contain them."""
    with connection.transaction():
        for step in (LOCK, MEMORY, TOGETHER):
            connection.execute(step)
        connection.execute(_of(days, "aggregates/take"))
        if share >= MANY:
            connection.execute(BY_HASH)
            if len(days) <= FEW_DAYS:
                connection.execute(PAGE_BY_PAGE)
        redone = connection.execute(_redo(days, share)).rowcount
        connection.execute(BY_HASH)  # after the readings: those of a few meters are looked up by a loop
        written = {"daily": connection.execute(_of(days, "aggregates/daily")).rowcount}
        for name, period in PERIODS.items():
            written[name] = connection.execute(_sum_up(period, period.around((days[0], days[-1])), share)).rowcount
        connection.execute(statement("aggregates/unmark"))
    summary.done += 1
    summary.redone += redone
    for name, count in written.items():
        summary.written[name] += count


def _of(days: Sequence[date], name: str) -> sql.Composed:
    return sql.SQL(statement(name)).format(days=list(days))


def _redo(days: Sequence[date], share: float) -> sql.Composed:
    compat = settings.METER_PEAK.get_choice("standard", "compat") == "compat"
    return sql.SQL(statement("aggregates/redo")).format(
        half_hours=sql.SQL("UNION ALL\n").join(_half_hours(day, compat, share < MANY) for day in days),
        days=list(days),
        totals_are_peak=compat,
    )


def _half_hours(day: date, compat: bool, looked_up: bool) -> sql.Composed:
    start, end = clock.settlement_day(day)
    peak_start, peak_end = peak_of(day, compat=compat)
    of_the_dirty = sql.SQL(statement("aggregates/of_the_dirty") if looked_up else "").format(
        day=day, start=start, end=end
    )
    return sql.SQL(statement("aggregates/half_hours")).format(
        day=day, start=start, end=end, peak_start=peak_start, peak_end=peak_end, of_the_dirty=of_the_dirty
    )


def peak_of(day: date, *, compat: bool = False) -> tuple[datetime, datetime]:
    """The peak of a UK day in UTC, [start, end): 07:00 to 23:00 local; `compat` takes the half hour at 23:00, too."""
    start, end = (clock.local_instant(day, at, clock.LONDON) for at in (time(7), time(23)))
    return start, end + (clock.HALF_HOUR if compat else timedelta(0))


def _sum_up(period: Period, span: Span, share: float) -> sql.Composed:
    """The statement for the periods within these dates, which are one month, one year, or some weeks."""
    first_of = sql.SQL("{first} + ({date} - {first}) / 7 * 7" if period.unit == "week" else "{first}")
    of_the_dirty = sql.SQL("" if share >= MOST else OF_THE_DIRTY)
    parts = (
        sql.SQL(statement("aggregates/part")).format(
            first_of=first_of.format(first=span[0], date=sql.Identifier(part.start)),
            lowest=sql.Identifier(part.lowest),
            highest=sql.Identifier(part.highest),
            days=sql.SQL(part.days),
            half_hourly_days=sql.SQL(part.half_hourly_days),
            table=sql.Identifier("energy", part.table),
            start=sql.Identifier(part.start),
            first=first,
            last=last,
            of_the_dirty=of_the_dirty,
        )
        for part, (first, last) in period.parts(span)
    )
    return sql.SQL(statement("aggregates/period")).format(
        target=sql.Identifier("energy", period.table),
        start=sql.Identifier(f"{period.unit}_start"),
        first_of=first_of.format(first=span[0], date=sql.Identifier("local_date")),
        parts=sql.SQL("UNION ALL\n").join(parts),
        first=span[0],
        last=span[1],
    )
