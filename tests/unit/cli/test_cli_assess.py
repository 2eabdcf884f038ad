"""Holding what is expected against what the ledger knows: every state, and the sum that must always come out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_ingest.catalog import B1610, MARKET_INDEX
from energy_ingest.loading.coverage import Coverage, Gap, Known, assess
from energy_ingest.windows import EXPLAINED, State, Window

DAY = date(2024, 10, 27)
LATER = datetime(2025, 6, 1, tzinfo=UTC)
STATES = get_args(State)


def days(first: date, count: int) -> list[Window]:
    return list(MARKET_INDEX.windows(first, first + timedelta(days=count - 1)))


def test_whole_coverage_as_json() -> None:
    complete, failed, empty, _ = windows = days(DAY, 4)
    known = [
        Known(complete, "complete", None, 1, rows=100),
        Known(failed, "failed", "the answer is an HTML page", 3, quarantined=2),
        Known(empty, "empty_confirmed", "empty twice", 2),
    ]
    assert assess(MARKET_INDEX, "all", windows, known, LATER).as_json() == {
        "dataset": "elexon_market_index",
        "scope": "all",
        "expected": 4,
        "complete": 1,
        "explained": {"empty_confirmed": 1},
        "gaps": [
            {
                "label": "2024-10-28",
                "start": "2024-10-28T00:00:00Z",
                "end": "2024-10-29T00:00:00Z",
                "state": "failed",
                "reason": "the answer is an HTML page",
                "attempts": 3,
            },
            {
                "label": "2024-10-30",
                "start": "2024-10-30T00:00:00Z",
                "end": "2024-10-31T00:00:00Z",
                "state": "missing",
                "reason": "never tried",
                "attempts": 0,
            },
        ],
        "rows": 100,
        "quarantined": 2,
    }


@pytest.mark.parametrize("state", STATES)
def test_each_state_is_complete_explained_or_a_gap(state: str) -> None:
    (window,) = days(DAY, 1)
    before_deadline = MARKET_INDEX.publication.deadline(window) - timedelta(seconds=1)
    found = assess(MARKET_INDEX, "all", [window], [Known(window, state, "why", 1)], before_deadline)
    explained = state in ("empty_confirmed", "not_yet_published", "abandoned")
    assert (found.complete, found.explained, len(found.gaps)) == (
        int(state == "complete"),
        {state: 1} if explained else {},
        int(state != "complete" and not explained),
    )


def test_a_window_never_tried_is_missing_from_the_moment_it_is_due() -> None:
    (window,) = B1610.windows(date(2024, 10, 21), date(2024, 10, 21))
    due = datetime(2024, 10, 28, 12, tzinfo=UTC)  # five weekdays later, at noon
    early = assess(B1610, "all", [window], [], due - timedelta(microseconds=1))
    assert (early.explained, early.gaps, early.level) == ({"not_yet_published": 1}, [], 0)
    late = assess(B1610, "all", [window], [], due)
    assert (late.explained, late.gaps, late.level) == ({}, [Gap(window, "missing", "never tried", 0)], 2)


def test_not_yet_published_explains_nothing_after_the_deadline() -> None:
    (window,) = days(DAY, 1)
    deadline = MARKET_INDEX.publication.deadline(window)
    known = [Known(window, "not_yet_published", "0 of 100 items", 1)]
    assert assess(MARKET_INDEX, "all", [window], known, deadline - timedelta(microseconds=1)).gaps == []
    reason = "not asked for again since its deadline, 2024-10-29 00:30Z"
    assert assess(MARKET_INDEX, "all", [window], known, deadline).gaps == [Gap(window, "not_yet_published", reason, 1)]


@pytest.mark.parametrize(
    ("expected", "gaps", "level"), [(0, 0, 0), (4, 0, 0), (4, 1, 1), (4, 2, 1), (4, 3, 2), (1, 1, 2), (3, 2, 2)]
)
def test_more_than_half_missing_is_critical(expected: int, gaps: int, level: int) -> None:
    windows = days(DAY, expected)
    known = [Known(window, "complete", None, 1) for window in windows[gaps:]]
    assert assess(MARKET_INDEX, "all", windows, known, LATER).level == level


@given(
    expected=st.sets(st.integers(0, 40)),
    ledger=st.dictionaries(st.integers(0, 40), st.sampled_from(STATES)),
    age=st.integers(-5, 60),
)
def test_expected_is_always_complete_plus_explained_plus_gaps(
    expected: set[int], ledger: dict[int, str], age: int
) -> None:
    everyone = days(DAY, 41)
    known = [Known(everyone[place], state, None, 1, rows=3) for place, state in ledger.items()]
    now = everyone[0].start + timedelta(days=age)
    found: Coverage = assess(MARKET_INDEX, "all", [everyone[place] for place in expected], known, now)
    assert found.expected == len(expected) == found.complete + sum(found.explained.values()) + len(found.gaps)
    assert found.complete == sum(ledger.get(place) == "complete" for place in expected)
    assert found.rows == 3 * len(expected & ledger.keys())
    assert set(found.explained) <= set(EXPLAINED)
    assert [gap.window for gap in found.gaps] == sorted(gap.window for gap in found.gaps)
