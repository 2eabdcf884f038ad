"""Every supplier file has its expected outcome: how many readings and of how much, what is refused and why."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from energy_ingest.errors import Rejected
from tests.unit.meter_files.made_up import read

GOLDEN = Path(__file__).parents[1] / "golden" / "meter_files"
LONDON = "low-carbon-london-MAC000002.csv.gz"
NOT_DATA = {"ATTRIBUTION.md", "feed_headers.json"}
UNKNOWN_ID = "meter id without the check digit of an MPAN"
BLANK = "blank cell"
AMBIGUOUS = "half hour of a clock change that the file cannot tell apart, marked is_ambiguous"

KABOOM = ("Date", "KABOOM", "is no date that is known")
BREAKS_OFF = "breaks off"
# file, feed, readings, kWh, first and last half hour, rejects (row, column, value, reason), skipped, warnings
READ = [
    ("banes-bad-example-date-file.csv", None, 0, 0, None, [(2, *KABOOM)], {"blank line": 1}, {}),
    ("banes-bad-example-file.csv", None, 48, 226.103, ("2019-11-13 00:00", "2019-11-13 23:30"),
     [(3, *KABOOM)], {"blank line": 1}, {}),
    ("banes-bad-example-missing-and-invalid-mpan-file.csv", "banes", 48, 226.191,
     ("2019-11-14 00:00", "2019-11-14 23:30"),
     [(3, "M1_Code1", "", "is blank"), (4, "M1_Code1", "1.23405E+12", "is in scientific notation")],
     {}, {UNKNOWN_ID: 1}),
    ("banes-bad-example-missing-data-file.csv", None, 95, 450.138, ("2019-11-13 00:00", "2019-11-14 23:30"),
     [], {BLANK: 1}, {}),
    ("banes-example-file.csv", None, 240, 1114.429, ("2019-11-13 00:00", "2019-11-13 23:30"), [], {}, {}),
    ("example-bad-sheffield-file.csv", None, 96, 1099.849, ("2019-12-10 00:00", "2019-12-11 23:30"), [], {}, {}),
    ("example-bad-sheffield-proper-file.csv", None, 4224, 8284.252, ("2019-08-04 23:00", "2019-10-31 23:30"),
     [], {"blank line": 1}, {AMBIGUOUS: 46}),
    ("example-highlands-file.csv", None, 48, 321.4, ("2019-11-04 00:00", "2019-11-04 23:30"), [], {}, {}),
    ("example-sheffield-file.csv", None, 96, 1099.849, ("2019-12-10 00:00", "2019-12-11 23:30"), [], {}, {}),
    ("n3rgy_get_consumption_data.json", None, 96, 51.891, ("2019-01-01 00:00", "2019-01-02 23:30"), [], {}, {}),
    ("row-per-day.all-missing-readings.csv", "gdst-electricity2", 28, 732.199154,
     ("2018-11-12 00:00", "2018-11-12 13:30"), [], {BLANK: 20}, {UNKNOWN_ID: 1}),
    ("row-per-day.duplicate-rows.csv", "gdst-electricity2", 96, 901.889218,
     ("2018-11-12 00:00", "2018-11-12 23:30"), [], {}, {UNKNOWN_ID: 2}),
    ("row-per-day.empty-with-header.csv", "gdst-electricity2", 0, 0, None, [], {}, {}),
    ("row-per-day.incomplete-row.csv", "gdst-electricity2", 0, 0, None, [(2, "(row)", "3 cells", BREAKS_OFF)], {}, {}),
    ("row-per-day.malformed.csv", "gdst-electricity2", 48, 901.889218, ("2018-11-12 00:00", "2018-11-12 23:30"),
     [(3, "(row)", "2 cells", BREAKS_OFF)], {}, {UNKNOWN_ID: 1}),
    ("row-per-day.no-readings.csv", "gdst-electricity2", 0, 0, None, [], {BLANK: 48}, {UNKNOWN_ID: 1}),
    ("row-per-day.some-missing-readings.csv", "gdst-electricity2", 124, 2535.97759,
     ("2017-11-11 00:00", "2018-11-13 13:30"), [], {BLANK: 20}, {UNKNOWN_ID: 3}),
    ("row-per-day.valid-no-header.csv", "imserv-no-data-type-no-header", 48, 901.889218,
     ("2018-11-12 00:00", "2018-11-12 23:30"), [], {}, {UNKNOWN_ID: 1}),
    ("row-per-day.valid.csv", "gdst-electricity2", 48, 901.889218, ("2018-11-12 00:00", "2018-11-12 23:30"),
     [], {}, {UNKNOWN_ID: 1}),
    ("row-per-reading.empty-with-header.csv", "gdst-electricity2", 0, 0, None, [], {}, {}),
    ("row-per-reading.some-missing-readings.csv", None, 94, 448.2, ("2019-12-03 00:00", "2019-12-03 23:30"),
     [], {}, {}),
    ("row-per-reading.valid.csv", None, 48, 1272.1, ("2019-08-25 23:00", "2019-08-26 22:30"), [], {}, {}),
    ("with-carriage-return-line-endings.csv", None, 96, 210.734, ("2023-03-22 00:00", "2023-07-11 22:30"),
     [], {"blank line": 1, "footer": 1}, {UNKNOWN_ID: 2}),
    ("with-mixed-line-endings.csv", None, 144, 893.9, ("2017-03-31 23:00", "2018-03-31 22:30"), [], {}, {}),
    ("with-nulls-and-empty-lines.csv", None, 15, 79.1, ("2019-08-26 23:00", "2019-08-27 06:00"),
     [], {"blank line": 16}, {}),
    ("with-nulls-empty-lines-invalid-chars.csv", None, 6, 22.0, ("2019-09-02 23:00", "2019-09-04 22:30"), [], {}, {}),
    *(
        (name, None, 240, 1114.429, ("2019-11-13 00:00", "2019-11-13 23:30"), [], {}, {})
        for name in ("banes-example-file.xls", "banes-example-file.xlsx")
    ),
]  # fmt: skip

REFUSED = [
    ("banes-bad-example-missing-and-invalid-mpan-file.csv", "no column names the meter"),
    ("energy_assets_invalid.csv", "web page"),
    ("not_a_csv.csv", "PNG image"),
    ("not_a_xlsx.xlsx", "JPEG image"),
    ("row-per-day.empty-msft.csv", "no rows"),
    ("row-per-day.empty.csv", "empty"),
    ("row-per-day.valid-no-header.csv", "no column names the meter"),
    ("row-per-day.valid.csv", "'Meter Number' or 'Site Id'"),
    ("row-per-reading.empty-msft.csv", "no rows"),
    ("row-per-reading.empty.csv", "empty"),
    ("date-test.xlsx", "no header was found"),
]


@pytest.mark.parametrize(("name", "feed", "count", "kwh", "span", "rejects", "skipped", "warnings"), READ)
def test_file(name, feed, count, kwh, span, rejects, skipped, warnings):
    found = read((GOLDEN / name).read_bytes(), name, feed=feed)
    assert found.rows.height == count
    assert found.rows["quantity_kwh"].sum() == pytest.approx(kwh)
    starts = found.rows["period_start"].dt.strftime("%Y-%m-%d %H:%M")
    assert ((starts.min(), starts.max()) if count else None) == span
    assert found.reasons == [reject[:3] for reject in rejects]
    assert all(why.startswith(reject[3]) for why, reject in zip(found.rejects["reason"], rejects, strict=True))
    assert (found.skipped, found.warnings) == (skipped, warnings)


@pytest.mark.parametrize(("name", "why"), REFUSED)
def test_refused_file(name, why):
    with pytest.raises(Rejected, match=why):
        read((GOLDEN / name).read_bytes(), name)


def test_every_file_has_an_outcome():
    tested = {LONDON} | {case[0] for case in [*READ, *REFUSED]}
    assert tested == {path.name for path in GOLDEN.iterdir()} - NOT_DATA


@pytest.mark.parametrize(
    ("feed", "count", "kwh", "ambiguous", "refused"),
    [("utc-end-labelled", 24157, 6101.138001, 0, []), ("local-time", 24155, 6100.920001, 4, [8119, 8120])],
)
def test_sixteen_months_of_a_household_in_utc(feed, count, kwh, ambiguous, refused):
    """Its stamps have hours that UK clocks skipped: what they mean is asked, not guessed."""
    body = gzip.decompress((GOLDEN / LONDON).read_bytes())
    with pytest.raises(Rejected, match=r"2013-03-31 01:30:00 did not exist on UK clocks.*utc-end-labelled"):
        read(body, "london.csv")
    found = read(body, "london.csv", feed=feed)
    assert (found.rows.height, found.rows["is_ambiguous"].sum()) == (count, ambiguous)
    assert found.rows["quantity_kwh"].sum() == pytest.approx(kwh)
    assert [row for row, *_ in found.reasons] == refused
    told = {UNKNOWN_ID: 24158} | ({AMBIGUOUS: ambiguous} if ambiguous else {})
    assert (found.skipped, found.warnings) == ({BLANK: 1}, told)


def test_estimates_of_a_file_with_a_flag_per_row():
    found = read((GOLDEN / "row-per-reading.some-missing-readings.csv").read_bytes())
    assert found.rows["reading_type"].value_counts(sort=True).rows() == [("actual", 57), ("estimated", 37)]


def test_an_october_day_in_48_counted_columns_is_ambiguous_from_one_o_clock_on():
    found = read((GOLDEN / "example-bad-sheffield-proper-file.csv").read_bytes())
    blind = found.rows.filter("is_ambiguous")["period_start"]
    assert (blind.len(), f"{blind.min():%F %R}", f"{blind.max():%F %R}") == (46, "2019-10-27 00:00", "2019-10-27 22:30")
