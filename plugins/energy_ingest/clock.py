"""The three clocks of the energy markets: UK settlement periods, UK gas days, NAESB gas days and cycles.

Pure functions. Dates are local labels, instants are timezone-aware UTC, intervals are half-open [start, end).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

LONDON: Final = ZoneInfo("Europe/London")
CENTRAL: Final = ZoneInfo("America/Chicago")
HALF_HOUR: Final = timedelta(minutes=30)
ONE_DAY: Final = timedelta(days=1)

UK_GAS_DAY_AT_FIVE: Final = date(2015, 10, 1)
"""First UK gas day that starts at 05:00; before, 06:00 (EU balancing code, UNC modification 0461)."""


def local_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """UTC instant of a local wall-clock time (the earlier one where the clock shows it twice)."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


# --- UK electricity: settlement date and settlement period (BSC Section X: period 1 starts at local midnight) ---


def settlement_day(settlement_date: date) -> tuple[datetime, datetime]:
    """[start, end) of a settlement date in UTC: 24 hours, 23 or 25 on clock-change days."""
    start = local_instant(settlement_date, time.min, LONDON)
    return start, local_instant(settlement_date + ONE_DAY, time.min, LONDON)


def settlement_periods(settlement_date: date) -> int:
    """How many half hours a settlement date has: 46, 48 or 50."""
    start, end = settlement_day(settlement_date)
    return (end - start) // HALF_HOUR


def period_start(settlement_date: date, settlement_period: int) -> datetime:
    """UTC start of a settlement period.

    Raises:
        ValueError: the settlement date has no such period.
    """
    count = settlement_periods(settlement_date)
    if not 1 <= settlement_period <= count:
        raise ValueError(f"{settlement_date} has settlement periods 1 to {count}, not {settlement_period}")
    return settlement_day(settlement_date)[0] + (settlement_period - 1) * HALF_HOUR


def settlement_of(instant: datetime) -> tuple[date, int]:
    """Settlement date and period that contain an aware instant."""
    settlement_date = _aware(instant).astimezone(LONDON).date()
    start, _ = settlement_day(settlement_date)
    return settlement_date, (instant - start) // HALF_HOUR + 1


def add_weekdays(day: date, count: int) -> date:
    """The date `count` Mondays-to-Fridays after `day`; bank holidays are not known here and only delay."""
    while count:
        day += ONE_DAY
        count -= day.weekday() < 5
    return day


# --- UK gas: gas day 05:00 to 05:00 local (Uniform Network Code, TPD Section C) ---


def uk_gas_day(gas_day: date) -> tuple[datetime, datetime]:
    """[start, end) of a UK gas day in UTC; the label is the date on which it starts."""
    return _uk_gas_day_start(gas_day), _uk_gas_day_start(gas_day + ONE_DAY)


def uk_gas_day_of(instant: datetime) -> date:
    """The UK gas day that contains an aware instant."""
    label = _aware(instant).astimezone(LONDON).date()
    return label if instant >= _uk_gas_day_start(label) else label - ONE_DAY


def _uk_gas_day_start(gas_day: date) -> datetime:
    return local_instant(gas_day, time(5 if gas_day >= UK_GAS_DAY_AT_FIVE else 6), LONDON)


# --- US gas: NAESB gas day 09:00 to 09:00 Central and its nomination cycles (NAESB WGQ 1.3.1, 1.3.2) ---


@dataclass(frozen=True)
class NominationCycle:
    """One nomination cycle and when its scheduled quantities are posted.

    `code` is the value of the `cycle` parameter of Energy Transfer's service; `posted_day` counts days from
    the gas day, `posted_at` is US Central clock time.
    """

    code: int
    label: str
    posted_day: int
    posted_at: time


NOMINATION_CYCLES: Final = (
    NominationCycle(0, "Timely", -1, time(17)),
    NominationCycle(1, "Evening", -1, time(21)),
    NominationCycle(3, "Intraday 1", 0, time(13)),
    NominationCycle(4, "Intraday 2", 0, time(17, 30)),
    NominationCycle(7, "Intraday 3", 0, time(22)),
    NominationCycle(5, "Final", 1, time(9, 30)),
)
"""In the order of their postings."""


def naesb_gas_day(gas_day: date) -> tuple[datetime, datetime]:
    """[start, end) of a NAESB gas day in UTC: 09:00 Central; the label is the date on which it starts."""
    return local_instant(gas_day, time(9), CENTRAL), local_instant(gas_day + ONE_DAY, time(9), CENTRAL)


def naesb_gas_day_of(instant: datetime) -> date:
    """The NAESB gas day that contains an aware instant."""
    label = _aware(instant).astimezone(CENTRAL).date()
    return label if instant >= naesb_gas_day(label)[0] else label - ONE_DAY


def cycle_posting(gas_day: date, cycle: NominationCycle) -> datetime:
    """UTC instant at which a cycle's scheduled quantities are due to be posted."""
    return local_instant(gas_day + timedelta(days=cycle.posted_day), cycle.posted_at, CENTRAL)


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no time zone: pass an aware datetime, for example in UTC")
    return instant
