"""Cells: numbers, dates, times, stamps, units and flags as suppliers write them."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest

from energy_ingest.sources.meter_files import values
from tests.unit.meter_files.made_up import TODAY


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.108", 0.108), (" 0.108 ", 0.108), ("1,234.5", 1234.5), ("12,345,678", 12345678), ("0E-20", 0.0),
        ("0.00000000000000000001", 1e-20), ("-3", -3), ("+3.", 3), (".5", 0.5), ("1e3", 1000), ("'7", 7),
        ("", None), ("Null", None), ("-", None), (" n/a ", None), ("NaN", None),
    ],
)  # fmt: skip
def test_numbers(text, number):
    assert values.number(text) == (number, None)
    column = pl.Series([text])
    found, problems = values.numbers(column, values.cast(column.to_frame())[0], clear_comma=True)
    assert (found.to_list(), problems) == ([number], None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("abc", "not a number"), ("1.2.3", "not a number"), ("12 kWh", "not a number"), ("0,5", "decimal comma"),
        ("0,123", "decimal comma"), ("1,23", "decimal comma"), ("inf", "not a number"), ("0x1F", "not a number"),
    ],
)  # fmt: skip
def test_no_numbers(text, why):
    found, problem = values.number(text)
    assert found is None
    assert why in problem


def test_a_comma_is_not_guessed_at_where_it_may_be_the_decimal_point():
    assert values.number("1,234", clear_comma=False)[0] is None
    assert values.number("1,234.5", clear_comma=False) == (1234.5, None)


def test_a_meter_id_in_the_place_of_a_value_is_refused():
    column = pl.Series(["1.5", "9900000000015"])
    found, problems = values.numbers(column, values.cast(column.to_frame())[0], clear_comma=True)
    assert found.to_list() == [1.5, None]
    assert "wrong column" in problems[1]


@pytest.mark.parametrize(
    "text",
    [
        "05/06/2024", "5/6/2024", "05-06-2024", "05.06.24", "05/06/24", "2024-06-05", "2024/06/05", "20240605",
        "5 Jun 2024", "05-Jun-24", "Jun 5 2024 12:00AM", "June 5, 2024", "Wed 05/06/2024", "2024-06-05 00:00:00",
        "2024-06-05T00:00:00Z", "05 06 2024", "00:00:00 Wed 05/06/2024", "wednesday, 5 june 2024",
    ],
)  # fmt: skip
def test_dates_have_the_day_first(text):
    assert values.day(text, "dmy", TODAY) == (date(2024, 6, 5), None)


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("05/06/2024", "mdy", date(2024, 5, 6)),
        ("24-06-05", "ymd", date(2024, 6, 5)),
        ("29/02/2024", "dmy", date(2024, 2, 29)),
    ],
)
def test_dates_in_the_order_of_the_feed(text, order, day):
    assert values.day(text, order, TODAY) == (day, None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("05/06", "no year"), ("05/06/0", "no year"), ("", "blank"), ("KABOOM", "no date"), ("31/02/2024", "calendar"),
        ("06/13/2024", "month before day"), ("05/06/2104", "between"), ("05/06/1924", "between"),
        ("05/06/2204", "no date"),
        ("2024-06-05 00:30", "has a time"), ("45448", "no date"), ("32/01/2024", "calendar"),
    ],
)  # fmt: skip
def test_no_dates(text, why):
    found, problem = values.day(text, "dmy", TODAY)
    assert found is None
    assert why in problem


@pytest.mark.parametrize(
    ("text", "minute"),
    [
        ("00:30", 30), ("0:30", 30), ("00:30:00", 30), ("23:30", 1410), ("24:00", 1440), ("00.30", 30), ("30:00.0", 30),
        ("90:00", 90), ("0.5", 720), ("0.020833333", 30), ("0", 0), ("12:30 AM", 30), ("1:00 PM", 780), ("0030", 30),
        ("2330", 1410), ("00-30-00", 30),
    ],
)  # fmt: skip
def test_times(text, minute):
    assert values.minute(text) == (minute, None)


@pytest.mark.parametrize("text", ["", "12:37", "12:37:27", "25", "99:99:99", "later"])
def test_no_half_hours(text):
    assert values.minute(text)[0] is None


@pytest.mark.parametrize(
    "text",
    [
        "2024-06-05 00:30", "2024-06-05T00:30:00", "05/06/2024 00:30", "05 Jun 2024 00:30:00", "5/6/24 0:30",
        "2024-06-05 00:30:00.0000000", "05-Jun-2024 00:30", "00:30:00 Wed 05/06/2024", "Jun 5 2024 12:30AM",
        "20240605 00:30",
    ],
)  # fmt: skip
def test_stamps(text):
    expected = datetime(2024, 6, 5, 0, 30)  # noqa: DTZ001
    assert values.stamp(text, "dmy")[0] == expected
    for company in ("2024-06-05 00:30", "05/06/2024 00:30", "nonsense"):  # whatever the first row's form is
        assert values.stamps(pl.Series([company, text]), "dmy")[0][1] == expected


def test_midnight_may_be_the_end_of_the_day_before():
    assert values.stamp("04/06/2024 24:00", "dmy")[0] == datetime(2024, 6, 5)  # noqa: DTZ001


@pytest.mark.parametrize("text", ["2024-06-05T01:30:00+01:00", "2024-06-05 00:30Z", "05/06/2024 01:30 +0100"])
def test_stamps_with_offset(text):
    assert values.has_offset(text)
    assert values.instant(text, "dmy")[0] == datetime(2024, 6, 5, 0, 30)  # noqa: DTZ001
    assert values.instants(pl.Series(["2024-06-05T00:30:00+00:00", text]), "dmy")[0][1].hour == 0


@pytest.mark.parametrize(
    ("text", "factor"),
    [("kWh", 1), ("KWH", 1), ("Wh", 0.001), ("MWh", 1000), ("k Wh", 1), ("", 1), ("kVArh", 0), ("RI", 0), ("AE", 1)],
)
def test_units(text, factor):
    assert values.unit(text, "kWh") == (factor, None)


@pytest.mark.parametrize(("text", "why"), [("m3", "no unit"), ("kW", "power"), ("therms", "no unit")])
def test_units_that_are_refused(text, why):
    factor, problem = values.unit(text, "kWh")
    assert factor is None
    assert why in problem


@pytest.mark.parametrize(
    ("text", "kind"),
    [("A", "actual"), ("actual", "actual"), ("", "actual"), ("E", "estimated"), ("Est", "estimated"),
     ("ESTIMATED", "estimated"), ("M", "manual"), ("Manual", "manual"), ("-", "actual")],
)  # fmt: skip
def test_flags(text, kind):
    assert values.reading_type(text) == (kind, None)


def test_a_flag_that_is_not_known_is_told():
    assert values.reading_type("X9") == ("actual", "flag 'x9' is not known, read as actual")
    assert values.reading_type("some remark") == ("actual", "a flag of several letters is not known, read as actual")
