"""Windows: which exist, whose they are, how they are packed into requests, what an answer makes of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from energy_ingest import clock, windows
from energy_ingest.calendars import SETTLEMENT_DAYS, ending_in
from energy_ingest.catalog import B1610, DATASETS, MARKET_INDEX, SYSTEM_PRICES
from energy_ingest.errors import Misconfigured
from energy_ingest.sources import Scope
from energy_ingest.windows import (
    CONFIRM_EMPTY_AFTER,
    EXPLAINED,
    MAX_ATTEMPTS_SHORT,
    Outcome,
    Publication,
    Window,
    after_end,
    after_weekdays,
    back_off,
    judge,
    next_restatement,
    pack,
    parse_range,
    settlement_windows,
)

FIRST, LAST = date(2015, 1, 1), date(2035, 12, 31)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
days = st.dates(FIRST, LAST)


def window(day: date) -> Window:
    return Window(*clock.settlement_day(day), day)


def at_two(day: date) -> datetime:
    """02:00 UK time, when the runs of the schedule `0 2 * * *` begin and end."""
    return clock.local_instant(day, time(2), clock.LONDON)


# --- whose windows ---


def test_every_daily_run_of_twenty_years_owns_the_settlement_date_that_ended_in_it():
    for day in (FIRST + timedelta(days=n) for n in range((LAST - FIRST).days)):
        assert ending_in(SETTLEMENT_DAYS, at_two(day), at_two(day + DAY)) == [window(day)], day


@given(st.lists(st.datetimes(datetime.fromisoformat("2024-03-20"), datetime.fromisoformat("2024-11-10")), min_size=2))
def test_every_window_belongs_to_exactly_one_of_adjoining_intervals_however_they_are_cut(cuts):
    cuts = sorted(cut.replace(tzinfo=UTC) for cut in cuts)
    owned = [w for start, end in pairwise(cuts) for w in ending_in(SETTLEMENT_DAYS, start, end)]
    assert owned == ending_in(SETTLEMENT_DAYS, cuts[0], cuts[-1])
    assert owned == [w for w in settlement_windows(date(2024, 3, 1), date(2024, 12, 1)) if cuts[0] < w.end <= cuts[-1]]


@given(days)
def test_an_interval_owns_the_window_that_ends_with_it_and_not_the_one_that_ends_where_it_starts(day):
    own, before = window(day), window(day - DAY)
    assert ending_in(SETTLEMENT_DAYS, before.end, own.end) == [own]
    assert ending_in(SETTLEMENT_DAYS, own.end, own.end) == []
    assert ending_in(SETTLEMENT_DAYS, own.end - timedelta.resolution, own.end) == [own]


@given(days, st.integers(0, 40))
def test_windows_of_a_range_are_every_date_once_and_adjoin(first, count):
    found = list(settlement_windows(first, first + timedelta(days=count)))
    assert [w.label for w in found] == [first + timedelta(days=n) for n in range(count + 1)]
    assert all(earlier.end == later.start for earlier, later in pairwise(found))
    assert found == sorted(found)


def test_a_range_that_ends_before_it_starts_has_no_windows():
    assert list(settlement_windows(date(2024, 1, 2), date(2024, 1, 1))) == []


# --- packing ---


def labels(groups) -> list[list[str]]:
    return [[f"{w.label:%m-%d}" for w in group] for group in groups]


def test_the_market_index_cap_of_seven_days_leaves_out_a_day_in_the_autumn_week():
    cap = MARKET_INDEX.max_span
    autumn = pack(list(settlement_windows(date(2024, 10, 21), date(2024, 10, 28))), cap)
    assert labels(autumn) == [["10-21", "10-22", "10-23", "10-24", "10-25", "10-26"], ["10-27", "10-28"]]
    spring = pack(list(settlement_windows(date(2024, 3, 25), date(2024, 4, 1))), cap)
    assert labels(spring) == [["03-25", "03-26", "03-27", "03-28", "03-29", "03-30", "03-31"], ["04-01"]]
    summer = pack(list(settlement_windows(date(2024, 7, 1), date(2024, 7, 8))), cap)
    assert [len(group) for group in summer] == [7, 1]


def test_system_prices_are_asked_for_day_by_day_whatever_the_length_of_the_day():
    for first in (date(2024, 3, 28), date(2024, 10, 25), date(2024, 7, 1)):
        assert [
            len(group) for group in pack(list(settlement_windows(first, first + 5 * DAY)), SYSTEM_PRICES.max_span)
        ] == [1] * 6


@given(st.lists(days, unique=True, max_size=60), st.integers(1, 400))
def test_packs_keep_every_window_in_order_adjoin_inside_and_never_exceed_the_span(chosen, hours):
    todo, span = [window(day) for day in sorted(chosen)], hours * HOUR
    groups = list(pack(todo, span))
    assert [w for group in groups for w in group] == todo
    for group in groups:
        assert all(earlier.end == later.start for earlier, later in pairwise(group))
        assert len(group) == 1 or group[-1].end - group[0].start <= span
    for group, following in pairwise(groups):
        assert following[0].start != group[-1].end or following[0].end - group[0].start > span, "as large as may be"


def test_nothing_to_pack():
    assert list(pack([], DAY)) == []


# --- when data are due ---


THREE = ("elexon_system_prices", "elexon_market_index", "elexon_b1610")


def test_publication_of_the_datasets():
    day = window(date(2024, 10, 25))  # a Friday
    assert {name: d.publication.due(day).isoformat() for name, d in DATASETS.items() if name in THREE} == {
        "elexon_system_prices": "2024-10-25T23:30:00+00:00",
        "elexon_market_index": "2024-10-25T23:30:00+00:00",
        "elexon_b1610": "2024-11-01T12:00:00+00:00",
    }
    assert {name: d.publication.deadline(day).isoformat() for name, d in DATASETS.items() if name in THREE} == {
        "elexon_system_prices": "2024-10-26T23:30:00+00:00",
        "elexon_market_index": "2024-10-26T23:30:00+00:00",
        "elexon_b1610": "2024-11-10T12:00:00+00:00",
    }


@given(days)
def test_nothing_is_due_before_it_has_happened_and_deadlines_follow(day):
    for dataset in DATASETS.values():
        for window in dataset.windows(day, day):
            assert window.end <= dataset.publication.due(window) < dataset.publication.deadline(window)


def test_next_restatement_is_the_first_that_lies_ahead():
    day, ages = window(date(2024, 7, 1)), (1 * DAY, 7 * DAY)
    assert next_restatement(day, ages, day.end) == day.end + DAY
    assert next_restatement(day, ages, day.end + DAY) == day.end + 7 * DAY, "what is due now has just been read"
    assert next_restatement(day, ages, day.end + 7 * DAY) is None
    assert next_restatement(day, (), day.end) is None


# --- the judgement ---

W = window(date(2024, 7, 1))  # ends 2024-07-01T23:00Z
DUE, DEADLINE = W.end + 2 * HOUR, W.end + 12 * HOUR
CALENDAR = (DAY, 30 * DAY)
PUBLICATION = Publication(due=after_end(2 * HOUR), grace=10 * HOUR, poll=HOUR)


def verdict(actual, now, **known) -> Outcome:
    known = {"expected": 48, "attempts": 1, **known}
    return judge(W, actual=actual, now=now, publication=PUBLICATION, restated_after=CALENDAR, **known)


def test_all_there_is_complete_until_the_next_restatement():
    assert verdict(48, DUE) == Outcome("complete", None, W.end + DAY)
    assert verdict(49, DEADLINE + DAY) == Outcome("complete", None, W.end + 30 * DAY)
    assert verdict(48, W.end + 31 * DAY) == Outcome("complete", None, None)


def test_complete_stays_complete_when_a_later_answer_has_less_and_says_so():
    reason = "a later answer had only 0 of 48 items; the rows loaded before are kept"
    assert verdict(0, DUE, was_complete=True) == Outcome("complete", reason, W.end + DAY)
    reason = "a later answer had only 47 of 48 items; the rows loaded before are kept"
    assert verdict(47, W.end + 31 * DAY, was_complete=True) == Outcome("complete", reason, None)


def test_nothing_before_it_is_due_waits_for_that():
    assert verdict(0, W.end) == Outcome("not_yet_published", "due 2024-07-02 01:00Z", DUE)


def test_nothing_in_the_days_of_grace_is_looked_for_again():
    reason = "0 of 48 items, deadline 2024-07-02 11:00Z"
    assert verdict(0, DUE) == Outcome("not_yet_published", reason, DUE + HOUR)
    assert verdict(0, DEADLINE - HOUR) == Outcome("not_yet_published", reason, DEADLINE)


@pytest.mark.parametrize("now", [W.end, DUE, DEADLINE - HOUR])
def test_a_part_before_the_deadline_is_only_early(now):
    assert verdict(20, now, attempts=99) == Outcome("partial", "20 of 48 items, deadline 2024-07-02 11:00Z", now + HOUR)


def test_empty_after_the_deadline_needs_a_second_look_some_hours_later():
    first = Outcome(
        "pending", "first empty answer after the deadline; a second confirms it", DEADLINE + CONFIRM_EMPTY_AFTER
    )
    assert verdict(0, DEADLINE) == first
    too_soon = DEADLINE + CONFIRM_EMPTY_AFTER - timedelta.resolution
    assert verdict(0, too_soon, first_empty_at=DEADLINE, attempts=99).state == "pending"
    confirmed = Outcome("empty_confirmed", "empty at 2024-07-02 11:00Z and again", W.end + DAY)
    assert verdict(0, DEADLINE + CONFIRM_EMPTY_AFTER, first_empty_at=DEADLINE) == confirmed


def test_a_part_after_the_deadline_is_tried_again_ever_more_slowly_then_given_up():
    states = [verdict(47, DEADLINE, attempts=n) for n in range(1, MAX_ATTEMPTS_SHORT + 1)]
    pauses = [timedelta(minutes=m) for m in (15, 30, 60, 120)]
    assert states[:-1] == [
        Outcome("partial", "47 of 48 items after the deadline", DEADLINE + pause) for pause in pauses
    ]
    reason = "still only 47 of 48 items after the deadline and 5 attempts"
    assert states[-1] == Outcome("abandoned", reason, W.end + DAY)


@given(
    expected=st.integers(1, 100),
    actual=st.integers(0, 100),
    hours=st.integers(-48, 24 * 40),
    attempts=st.integers(1, 100),
    empty_hours_ago=st.none() | st.integers(0, 100),
    was_complete=st.booleans(),
)
def test_laws_of_every_judgement(expected, actual, hours, attempts, empty_hours_ago, was_complete):
    now = W.end + hours * HOUR
    first_empty = None if empty_hours_ago is None else now - empty_hours_ago * HOUR
    outcome = verdict(
        actual, now, expected=expected, attempts=attempts, first_empty_at=first_empty, was_complete=was_complete
    )
    assert (outcome.state == "complete") == (actual >= expected or was_complete)
    assert actual or outcome.state != "complete" or was_complete, "empty is not complete"
    assert outcome.next_due_at is None or outcome.next_due_at > now
    assert outcome.next_due_at or now >= W.end + CALENDAR[-1], "looked at again while the source may restate it"
    assert outcome.reason or outcome.state == "complete", "whatever is not complete says why"
    if outcome.state == "abandoned":
        assert attempts >= MAX_ATTEMPTS_SHORT and now >= DEADLINE and actual
    if outcome.state == "empty_confirmed":
        assert first_empty and now - first_empty >= CONFIRM_EMPTY_AFTER and now >= DEADLINE and not actual
    if outcome.state == "not_yet_published":
        assert not actual and now < DEADLINE
    if outcome.state not in ("complete", *EXPLAINED):
        assert outcome.next_due_at, "a gap is always looked at again"


@given(st.integers(1, 10_000))
def test_back_off_grows_from_a_quarter_of_an_hour_to_a_day(attempts):
    assert timedelta(minutes=15) <= back_off(attempts) <= back_off(attempts + 1) <= DAY
    assert [back_off(n) for n in (1, 2, 7, 8)] == [HOUR / 4, HOUR / 2, 16 * HOUR, DAY]


@given(days, st.integers(1, 20), st.times())
def test_after_weekdays_is_a_uk_clock_time_of_a_working_day(day, count, at):
    assume(at.hour != 1)  # shown twice or not at all on two Sundays; no deadline is set there
    due = after_weekdays(count, at)(window(day)).astimezone(clock.LONDON)
    assert (due.time(), due.weekday() < 5) == (at, True)
    assert due.date() == clock.add_weekdays(day, count)


# --- ranges that people type ---


def test_a_range_of_one_day_and_the_longest():
    assert parse_range("2024-02-29", "2024-02-29") == (date(2024, 2, 29), date(2024, 2, 29))
    assert parse_range("2024-01-01", "2025-02-03") == (date(2024, 1, 1), date(2025, 2, 3))


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ("2024-02-30", "2024-03-01", "'2024-02-30' to '2024-03-01' is not a range of dates: use YYYY-MM-DD for both"),
        ("01/02/2024", "2024-03-01", "'01/02/2024' to '2024-03-01' is not a range of dates: use YYYY-MM-DD for both"),
        ("2024-01-01", "", "'2024-01-01' to '' is not a range of dates: use YYYY-MM-DD for both"),
        ("2024-01-01T00:00", "2024-01-02", "'2024-01-01T00:00' to '2024-01-02' is not a range of dates"),
        ("2024-03-02", "2024-03-01", "the range starts on 2024-03-02, after its end 2024-03-01: swap the two dates"),
        (
            "2024-01-01",
            "2025-02-04",
            "2024-01-01 to 2025-02-04 is more than 400 days: load it in parts or use a backfill",
        ),
    ],
)
def test_a_bad_range_is_refused_with_what_to_do(first, last, message):
    with pytest.raises(Misconfigured) as refusal:
        parse_range(first, last)
    assert str(refusal.value).startswith(message)


def test_now_is_aware():
    assert windows.utc_now().tzinfo is UTC


# --- what a window should hold ---


@pytest.mark.parametrize(
    ("dataset", "scope", "per_period"),
    [
        (SYSTEM_PRICES, Scope("all"), 1),
        (MARKET_INDEX, Scope("all"), 2),
        (B1610, Scope("all"), 1),
        (B1610, Scope("units:a,b,c", ("a", "b", "c")), 3),
    ],
)
def test_expected_items_follow_the_calendar(dataset, scope, per_period):
    expected = [dataset.expected_items(window(date(2024, *day)), scope) for day in ((3, 31), (7, 1), (10, 27))]
    assert expected == [46 * per_period, 48 * per_period, 50 * per_period]
