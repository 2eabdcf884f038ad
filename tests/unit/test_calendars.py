"""Calendars: windows adjoin, belong to one interval, and hold the rows that their bounds name."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_ingest import settings
from energy_ingest.calendars import HalfHours, Postings, ending_in, within
from energy_ingest.catalog import NATIONAL_GAS_QUALITY, TRANSWESTERN_CAPACITY
from energy_ingest.catalog.energy_transfer import cycles_that_count
from energy_ingest.clock import CENTRAL
from energy_ingest.errors import Misconfigured

DAY = timedelta(days=1)
POSTINGS, HALVES = Postings(lambda: frozenset({0, 1, 3, 4, 7, 5})), HalfHours("published_at")
days = st.dates(date(2015, 1, 2), date(2035, 12, 1))


@given(days)
def test_postings_adjoin_and_end_at_their_times_on_us_clock_changes_too(day):
    windows = sorted(POSTINGS.windows(day - DAY, day + DAY))
    assert len(windows) == 18 and len({window.start for window in windows}) == 18
    inner = sorted(POSTINGS.windows(day - 4 * DAY, day + 4 * DAY))[12:-12]
    assert all(earlier.end == later.start for earlier, later in pairwise(inner))
    ends = {w.part: f"{w.end.astimezone(CENTRAL):%d %H:%M}" for w in windows if w.label == day}
    assert ends == {
        "Timely": f"{day - DAY:%d} 17:00",
        "Evening": f"{day - DAY:%d} 21:00",
        "Intraday 1": f"{day:%d} 13:00",
        "Intraday 2": f"{day:%d} 17:30",
        "Intraday 3": f"{day:%d} 22:00",
        "Final": f"{day + DAY:%d} 09:30",
    }


@given(days, st.sets(st.sampled_from([0, 1, 3, 4, 7, 5]), min_size=1))
def test_a_window_is_the_same_whichever_cycles_count(day, codes):
    some = list(Postings(lambda: frozenset(codes)).windows(day, day))
    assert len(some) == len(codes) and set(some) <= set(POSTINGS.windows(day, day))


@pytest.mark.parametrize("calendar", [POSTINGS, HALVES])
@given(day=days, hours=st.lists(st.integers(0, 96), min_size=2, unique=True))
def test_every_window_belongs_to_exactly_one_of_adjoining_intervals(calendar, day, hours):
    cuts = [datetime.fromisoformat(f"{day}T00:00:00+00:00") + timedelta(hours=hour) for hour in sorted(hours)]
    owned = [window for start, end in pairwise(cuts) for window in ending_in(calendar, start, end)]
    assert owned == ending_in(calendar, cuts[0], cuts[-1])


def test_half_hours_hold_their_stamps():
    first, second, *_ = NATIONAL_GAS_QUALITY.windows(date(2024, 10, 27), date(2024, 10, 27))
    stamps = [first.start, first.end - timedelta.resolution, first.end, second.end]
    frame = pl.DataFrame({"published_at": stamps})
    assert frame.select(within(NATIONAL_GAS_QUALITY.bounds(first))).to_series().to_list() == [True, True, False, False]
    assert f"{second}" == "2024-10-27 00:30"


def test_a_posting_holds_the_rows_of_its_gas_day_and_cycle():
    timely, evening, *_ = TRANSWESTERN_CAPACITY.windows(date(2024, 10, 27), date(2024, 10, 27))
    frame = pl.DataFrame({"gas_day": [timely.label] * 2, "nomination_cycle": ["Timely", "Evening"]})
    assert frame.select(within(TRANSWESTERN_CAPACITY.bounds(evening))).to_series().to_list() == [False, True]


def test_an_unknown_cycle_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(settings.CAPACITY_CYCLES.env, "0,2")
    with pytest.raises(Misconfigured, match="ENERGY_CAPACITY_CYCLES names '2': use some of 0, 1, 3, 4, 7, 5"):
        cycles_that_count()
