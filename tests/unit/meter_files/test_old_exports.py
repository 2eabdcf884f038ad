"""What docs/migration.md exports from the old meter system is read as it says."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from tests.unit.meter_files import made_up
from tests.unit.meter_files.made_up import AUTUMN, ORDINARY, SPRING, read

MPAN = made_up.mpan(1)


def exported(day, hours=range(48)) -> str:
    """The documented query's result: the old system kept 48 local half hours of every day."""
    stamps = [datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=30 * n) for n in hours]
    lines = [f"{MPAN},{stamp:%Y-%m-%d %H:%M:%S},{value},actual" for stamp, value in zip(stamps, itertools.count(1))]
    return "\n".join(["mpan,read_datetime,kwh,reading_type", *lines])


def test_an_ordinary_day_is_exact():
    found = read(exported(ORDINARY), feed="local-time")
    assert found.rows["period_start"][0] == datetime(2024, 2, 28, tzinfo=UTC) and found.rows.height == 48
    assert not found.rows["is_ambiguous"].any() and found.rejects.is_empty()


def test_the_hour_that_does_not_exist_is_quarantined():
    found = read(exported(SPRING), feed="local-time")
    assert (found.rows.height, found.rejects.height) == (46, 2)


def test_the_hour_that_was_overwritten_is_ambiguous():
    found = read(exported(AUTUMN), feed="local-time")
    assert (found.rows.height, found.rows["is_ambiguous"].sum()) == (48, 2)
