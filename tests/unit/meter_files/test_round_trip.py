"""Readings written in every layout are the same when they are read, over clock changes, in every style of file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_ingest import clock
from tests.unit.meter_files import made_up
from tests.unit.meter_files.made_up import AUTUMN, ORDINARY, SPRING, Reading, Style, read

few = settings(max_examples=max(settings().max_examples // 5, 10))
"""A file takes longer than what other tests search."""

STYLES = st.builds(
    Style,
    delimiter=st.sampled_from(",;\t|"),
    quoted=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
    sep_line=st.booleans(),
)
NUMBERS: list[Callable[[float], str]] = [str, "{:.3f}".format, " {:.3f} ".format, "{:.20f}".format, "{:,.3f}".format]


@st.composite
def made(draw: st.DrawFn) -> list[Reading]:
    first = draw(st.sampled_from([SPRING, AUTUMN, ORDINARY])) - timedelta(days=draw(st.integers(0, 1)))
    values = st.integers(0, 2_000_000).map(lambda watt_hours: watt_hours / 1000)
    drawn = draw(st.lists(values, min_size=7, max_size=7))
    endless = iter(lambda: drawn.append(drawn.pop(0)) or drawn[0], None)
    return made_up.readings(draw(st.integers(1, 2)), first, draw(st.integers(1, 2)), endless)


def same(found: made_up.Found, expected: list[Reading]) -> None:
    assert found.rejects.rows() == []
    assert found.readings == expected


@few
@given(made(), STYLES, st.sampled_from(NUMBERS))
def test_fifty_columns(made, style, show):
    same(read(style.write(made_up.positional(made, 50, show))), made)


@few
@given(made(), STYLES, st.sampled_from(NUMBERS))
def test_forty_eight_counted_columns_cannot_hold_the_longest_day(made, style, show):
    expected = []
    for reading in made:
        day, period = reading.settlement
        if period <= 48:
            blind = clock.settlement_periods(day) == 50 and period > 2
            expected.append(Reading(reading.mpan, reading.start, reading.kwh, ambiguous=blind))
    same(read(style.write(made_up.positional(made, 48, show))), expected)


@few
@given(made(), STYLES, st.sampled_from(NUMBERS), st.sampled_from(["start", "end"]))
def test_columns_named_by_the_clock(made, style, show, label):
    expected = []
    for reading in made:
        day, period = reading.settlement
        longest = clock.settlement_periods(day) == 50
        if not longest or period not in (5, 6):
            blind = longest and period in ((3, 4) if label == "start" else (2, 3, 4))
            expected.append(Reading(reading.mpan, reading.start, reading.kwh, ambiguous=blind))
    same(read(style.write(made_up.by_clock(made, label, show))), expected)


@few
@given(made(), STYLES, st.sampled_from(NUMBERS))
def test_settlement_periods(made, style, show):
    same(read(style.write(made_up.by_period(made, show))), made)


@pytest.mark.parametrize(
    "form", ["%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M:%S", "%d %b %Y %H:%M:%S", "%d-%m-%y %H:%M", "%A %d/%m/%Y %H:%M"]
)
@few
@given(made=made(), style=STYLES, show=st.sampled_from(NUMBERS), label=st.sampled_from(["start", "end"]))
def test_local_stamps_in_order(form, made, style, show, label):
    same(read(style.write(made_up.by_stamp(made, label, form, show))), made)


@few
@given(made(), STYLES, st.sampled_from(NUMBERS), st.sampled_from(["start", "end"]))
def test_local_stamps_backwards(made, style, show, label):
    backwards = sorted(made, key=lambda reading: (reading.mpan, reading.start), reverse=True)
    table = made_up.by_stamp(backwards, label, "%Y-%m-%d %H:%M", show)
    same(read(style.write(table)), backwards)


@few
@given(made(), STYLES, st.sampled_from(NUMBERS), st.sampled_from(["start", "end"]))
def test_utc_stamps(made, style, show, label):
    table = made_up.by_stamp(made, label, "%Y-%m-%d %H:%M", show, UTC)
    same(read(style.write(table), feed=f"utc-{label}-labelled"), made)


@few
@given(made(), STYLES, st.sampled_from(NUMBERS))
def test_stamps_with_offset(made, style, show):
    same(read(style.write(made_up.with_offsets(made, show))), made)


@few
@given(made())
def test_json(made):
    one = [reading for reading in made if reading.mpan == made[0].mpan]
    same(read(made_up.n3rgy(one), "n3rgy.json"), one)
