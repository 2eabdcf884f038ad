"""What docs/migration.md exports from the old meter system is read as it says."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from tests.unit.meter_files import made_up
from tests.unit.meter_files.made_up import AUTUMN, ORDINARY, SPRING, read

MPAN = made_up.mpan(1)
GUIDE = (Path(__file__).parents[3] / "docs" / "migration.md").read_text()


def header(table: str) -> list[str]:
    """What the documented query of a table of the old system names its columns."""
    (chosen,) = re.findall(rf"SELECT ((?:(?!SELECT).)*?)\s+FROM {table}\b", GUIDE, re.S)
    return [re.split(r"\.| AS ", column)[-1].strip() for column in re.split(r",(?![^(]*\))", chosen)]


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


def test_the_queries_name_what_is_read_here():
    assert header("meter_readings r JOIN meters m ON m.id = r.meter_id\nWHERE") == [
        *("mpan", "read_datetime", "kwh", "reading_type")
    ]
    assert header("meter_readings r JOIN meters m ON m.id = r.meter_id\nJOIN") == ["mpan", "date", "kwh"]


def test_daily_totals():
    found = read(f"mpan,date,kwh\n{MPAN},2024-02-28,12.5\n", import_type="daily")
    assert found.rows.height == 1 and found.rejects.is_empty()


def test_sites_with_tabs_as_mysql_writes_them():
    """A comma in an address separates nothing."""
    line = [
        "Mill, old",
        "1",
        "2",
        "1 High Street, Leeds",
        "LS1 1AA",
        "office",
        "1200.5",
        "53.8",
        "-1.55",
        "1",
        "2024-02-28",
    ]
    found = read("\t".join(header("sites")) + "\n" + "\t".join(line) + "\n", import_type="sites")
    assert found.rejects.is_empty()
    assert found.rows.select("name", "address", "postcode").row(0) == ("Mill, old", "1 High Street, Leeds", "LS1 1AA")
    assert found.rows.select("company_id", "floor_area_m2", "created_on").row(0) == (1, 1200.5, date(2024, 2, 28))
