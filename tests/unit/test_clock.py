"""The three clocks, against rules of their own (last Sundays, second Sundays) and against recorded rows."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from energy_ingest import clock
from energy_ingest.clock import (
    NOMINATION_CYCLES,
    ONE_DAY,
    add_weekdays,
    cycle_posting,
    naesb_gas_day,
    naesb_gas_day_of,
    period_start,
    settlement_day,
    settlement_of,
    settlement_periods,
    uk_gas_day,
    uk_gas_day_of,
)

FIRST, LAST = date(2015, 1, 1), date(2035, 12, 31)
EVERY_DAY = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
YEARS = range(FIRST.year, LAST.year + 1)
HOUR = timedelta(hours=1)
RECORDED = Path(__file__).parents[2] / "include" / "twin" / "data"

days = st.dates(FIRST, LAST)
naive = {"min_value": datetime.fromisoformat("2015-01-02"), "max_value": datetime.fromisoformat("2035-12-30")}
offsets = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))
instants = st.datetimes(**naive, timezones=st.sampled_from([UTC, clock.LONDON, clock.CENTRAL]) | offsets)


def sunday(year: int, month: int, nth: int) -> date:
    """The nth Sunday of a month; -1 is the last."""
    month_days = (date(year, month, 1) + timedelta(days=n) for n in range(31))
    return [day for day in month_days if day.month == month and day.weekday() == 6][nth]


UK_SPRING = {sunday(year, 3, -1) for year in YEARS}
UK_AUTUMN = {sunday(year, 10, -1) for year in YEARS}
US_SPRING = {sunday(year, 3, 1) for year in YEARS}
US_AUTUMN = {sunday(year, 11, 0) for year in YEARS}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- settlement dates and periods ---


def test_46_and_50_periods_on_clock_change_days_only():
    for day in EVERY_DAY:
        assert settlement_periods(day) == (46 if day in UK_SPRING else 50 if day in UK_AUTUMN else 48), day


def test_settlement_days_follow_each_other_without_gap_or_overlap():
    for day, following in pairwise(EVERY_DAY):
        start, end = settlement_day(day)
        assert start.tzinfo is UTC and end - start == HOUR / 2 * settlement_periods(day)
        assert end == settlement_day(following)[0], day


@given(days)
@example(date(2024, 3, 31))
@example(date(2024, 10, 27))
def test_periods_of_a_day_are_adjoining_half_hours_and_lead_back_to_it(day):
    starts = [period_start(day, period) for period in range(1, settlement_periods(day) + 1)]
    start, end = settlement_day(day)
    assert starts[0] == start and starts[-1] + HOUR / 2 == end
    assert {later - earlier for earlier, later in pairwise(starts)} == {HOUR / 2}
    assert [settlement_of(instant) for instant in starts] == [(day, period) for period in range(1, len(starts) + 1)]
    last_moment = timedelta(minutes=30) - timedelta(microseconds=1)
    assert settlement_of(starts[-1] + last_moment) == (day, len(starts))


@given(instants)
def test_every_instant_lies_in_the_half_hour_it_is_put_in(instant):
    day, period = settlement_of(instant)
    assert period_start(day, period) <= instant < period_start(day, period) + HOUR / 2


@pytest.mark.parametrize(
    ("day", "period", "start"),
    [
        ("2026-05-06", 1, "2026-05-05T23:00"),  # DISEBSP, startTime
        ("2026-05-06", 2, "2026-05-05T23:30"),
        ("2026-08-01", 5, "2026-08-01T01:00"),
        ("2022-10-12", 48, "2022-10-12T22:30"),  # B1610, half an hour before halfHourEndTime
        ("2026-08-01", 3, "2026-08-01T00:00"),
        ("2026-09-08", 1, "2026-09-07T23:00"),
        ("2024-01-01", 1, "2024-01-01T00:00"),  # MID, startTime
        ("2026-07-01", 22, "2026-07-01T09:30"),
        ("2024-03-31", 3, "2024-03-31T01:00"),  # 02:00 BST, an hour that follows 00:30 GMT
        ("2024-03-31", 46, "2024-03-31T22:30"),
        ("2024-10-27", 3, "2024-10-27T00:00"),  # 01:00 BST, and
        ("2024-10-27", 5, "2024-10-27T01:00"),  # 01:00 GMT
        ("2024-10-27", 50, "2024-10-27T23:30"),
    ],
)
def test_rows_that_elexon_published(day, period, start):
    assert period_start(date.fromisoformat(day), period) == utc(start)
    assert settlement_of(utc(start)) == (date.fromisoformat(day), period)


@pytest.mark.parametrize(("file", "rows_per_period"), [("system_prices_2019_2025", 1), ("market_index_2024", 2)])
def test_counts_of_every_recorded_day(file, rows_per_period):
    with gzip.open(RECORDED / f"{file}.csv.gz", "rt") as lines:
        counts = Counter(line[:10] for line in lines if line[:2] == "20")
    assert len(counts) > 360
    wrong = {d: n for d, n in counts.items() if n != rows_per_period * settlement_periods(date.fromisoformat(d))}
    assert not wrong


@pytest.mark.parametrize("period", [-1, 0, 47, 49, 51])
@pytest.mark.parametrize("day", [date(2024, 3, 31), date(2024, 6, 1), date(2024, 10, 27)])
def test_a_period_that_the_day_does_not_have_is_refused_with_the_valid_range(day, period):
    count = settlement_periods(day)
    if 1 <= period <= count:
        period_start(day, period)
    else:
        with pytest.raises(ValueError, match=f"{day} has settlement periods 1 to {count}, not {period}"):
            period_start(day, period)


# --- UK gas days ---


def test_uk_gas_days_follow_each_other_and_have_23_24_or_25_hours():
    for day, following in pairwise(EVERY_DAY):
        start, end = uk_gas_day(day)
        assert end == uk_gas_day(following)[0], day
        # The clocks change at 01:00 UTC on Sunday, which is still Saturday's gas day.
        spring, autumn = day + ONE_DAY in UK_SPRING, day + ONE_DAY in UK_AUTUMN
        first_at_five = day == date(2015, 9, 30)
        assert end - start == (23 if spring or first_at_five else 25 if autumn else 24) * HOUR, day


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        ("2015-09-29", "2015-09-29T05:00", "2015-09-30T05:00"),  # 06:00 BST
        ("2015-09-30", "2015-09-30T05:00", "2015-10-01T04:00"),  # 06:00 to 05:00 BST: the change of 2015
        ("2015-10-01", "2015-10-01T04:00", "2015-10-02T04:00"),  # 05:00 BST
        ("2024-03-30", "2024-03-30T05:00", "2024-03-31T04:00"),
        ("2024-10-26", "2024-10-26T04:00", "2024-10-27T05:00"),
        ("2024-12-25", "2024-12-25T05:00", "2024-12-26T05:00"),
    ],
)
def test_known_uk_gas_days(day, start, end):
    assert uk_gas_day(date.fromisoformat(day)) == (utc(start), utc(end))


# --- US gas days and nomination cycles ---


def test_naesb_gas_days_follow_each_other_and_have_23_24_or_25_hours():
    for day, following in pairwise(EVERY_DAY):
        start, end = naesb_gas_day(day)
        assert end == naesb_gas_day(following)[0], day
        assert end - start == (23 if following in US_SPRING else 25 if following in US_AUTUMN else 24) * HOUR, day


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        ("2024-01-15", "2024-01-15T15:00", "2024-01-16T15:00"),  # 09:00 CST
        ("2026-06-23", "2026-06-23T14:00", "2026-06-24T14:00"),  # 09:00 CDT, a notice's gas day
        ("2024-03-09", "2024-03-09T15:00", "2024-03-10T14:00"),
        ("2024-11-02", "2024-11-02T14:00", "2024-11-03T15:00"),
    ],
)
def test_known_naesb_gas_days(day, start, end):
    assert naesb_gas_day(date.fromisoformat(day)) == (utc(start), utc(end))


@pytest.mark.parametrize(("day_of", "bounds"), [(uk_gas_day_of, uk_gas_day), (naesb_gas_day_of, naesb_gas_day)])
@given(instant=instants)
def test_every_instant_lies_in_its_gas_day(day_of, bounds, instant):
    start, end = bounds(day_of(instant))
    assert start <= instant < end


@pytest.mark.parametrize(("day_of", "bounds"), [(uk_gas_day_of, uk_gas_day), (naesb_gas_day_of, naesb_gas_day)])
def test_both_ends_of_every_gas_day_lead_back_to_it(day_of, bounds):
    for day in EVERY_DAY:
        start, end = bounds(day)
        assert day_of(start) == day and day_of(end - timedelta.resolution) == day and day_of(end) == day + ONE_DAY


def test_the_cycles_of_a_gas_day_are_posted_in_order_and_a_day_after_those_of_the_day_before():
    for day, following in pairwise(EVERY_DAY):
        postings = [cycle_posting(day, cycle) for cycle in NOMINATION_CYCLES]
        assert postings == sorted(set(postings)), day
        assert all(
            cycle_posting(following, cycle) > posted for cycle, posted in zip(NOMINATION_CYCLES, postings, strict=True)
        )


def test_cycles_are_posted_as_naesb_1_3_2_says():
    central = [(cycle.label, cycle_posting(date(2024, 7, 10), cycle)) for cycle in NOMINATION_CYCLES]
    assert {label: posted.isoformat() for label, posted in central} == {
        "Timely": "2024-07-09T22:00:00+00:00",
        "Evening": "2024-07-10T02:00:00+00:00",
        "Intraday 1": "2024-07-10T18:00:00+00:00",
        "Intraday 2": "2024-07-10T22:30:00+00:00",
        "Intraday 3": "2024-07-11T03:00:00+00:00",
        "Final": "2024-07-11T14:30:00+00:00",
    }
    assert {cycle.label: cycle.code for cycle in NOMINATION_CYCLES} == {
        "Timely": 0, "Evening": 1, "Intraday 1": 3, "Intraday 2": 4, "Intraday 3": 7, "Final": 5,
    }  # fmt: skip


# --- all clocks ---


@pytest.mark.parametrize("function", [settlement_of, uk_gas_day_of, naesb_gas_day_of])
def test_a_naive_datetime_is_refused_with_what_to_do(function):
    with pytest.raises(ValueError, match="2024-06-01T12:00:00 has no time zone: pass an aware datetime"):
        function(datetime.fromisoformat("2024-06-01T12:00"))


@given(days, st.times())
def test_a_clock_time_shown_twice_means_the_first_and_one_never_shown_moves_on(day, at):
    instant = clock.local_instant(day, at, clock.LONDON)
    shown = instant.astimezone(clock.LONDON)
    skipped = day in UK_SPRING and time(1) <= at < time(2)
    assert shown.replace(tzinfo=None, fold=0) == datetime.combine(day, at) + (HOUR if skipped else timedelta())
    assert shown.fold == 0


@given(days, st.integers(0, 30))
def test_add_weekdays_counts_mondays_to_fridays(day, count):
    later = add_weekdays(day, count)
    between = [day + timedelta(days=n + 1) for n in range((later - day).days)]
    assert sum(passed.weekday() < 5 for passed in between) == count
    assert not between or later.weekday() < 5


def test_add_weekdays_over_a_weekend():
    assert add_weekdays(date(2024, 10, 25), 1) == date(2024, 10, 28)
    assert add_weekdays(date(2024, 10, 22), 5) == date(2024, 10, 29)
    assert add_weekdays(date(2024, 10, 26), 0) == date(2024, 10, 26)


@pytest.mark.parametrize("function", [settlement_of, uk_gas_day_of, naesb_gas_day_of])
@given(instant=instants)
def test_the_zone_of_an_instant_does_not_matter(function, instant):
    assert function(instant) == function(instant.astimezone(UTC))
