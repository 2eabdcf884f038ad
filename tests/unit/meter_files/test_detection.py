"""What is decided from a file's names and cells, what is said about it, and where two readings are possible."""

from __future__ import annotations

import gzip
import io
import itertools
import zipfile
from datetime import UTC, date, datetime, timedelta

import pytest

from energy_ingest.errors import Misconfigured, Rejected
from energy_ingest.sources import meter_files
from tests.unit.meter_files import made_up
from tests.unit.meter_files.made_up import ORDINARY, SPRING, Style, opener, options, read

ONE = made_up.mpan(1)
DAY = made_up.readings(1, ORDINARY, 1, itertools.cycle([1.0, 2.0]))
HOURS = ",".join(f"HH{n}" for n in range(1, 49))
VALUES = ",".join(["1"] * 48)


def decide(content: bytes | str, name: str = "file.csv", **more: object) -> meter_files.Decision:
    return meter_files.decide(opener(content), name, options(**more))


def kwh(content: str, **more: object) -> float:
    found = read(content, **more)
    assert found.rejects.is_empty(), found.rejects["reason"][0]
    return found.rows["quantity_kwh"].sum()


# --- two readings ---


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (f"Site Id,Meter Number,Date,{HOURS}\nX1,Y2,01/02/2024,{VALUES}", "'Meter Number' or 'Site Id'"),
        (f"MPAN,Datetime,kWh\n{ONE},01/02/2024 12:00,1\n{ONE},01/02/2024 12:30,1", "start or the end"),
        (f"MPAN,Datetime,kWh\n{ONE},01/02/2024 00:00,1\n{ONE},02/02/2024 00:00,1", "start or the end"),
        (f"MPAN,Date,Time,Import kWh,Export kWh\n{ONE},01/02/2024,00:00,1,2", "'Import kWh' or 'Export kWh'"),
        (f"MPAN,Date,{HOURS},{HOURS.replace('HH', 'Gen')}\n{ONE},01/02/2024,{VALUES},{VALUES}", "'hh' or 'gen'"),
        (f"MPAN,Date,{HOURS}\n{ONE},02/13/2024,{VALUES}\n{ONE},02/14/2024,{VALUES}", "only dates in another order"),
        (f"MPAN,Date,{HOURS}\n{ONE},02/03/2024,{VALUES}\n{ONE},02/14/2024,{VALUES}", "month-first"),
        (f"Date,{HOURS}\n01/02/2024,{VALUES}", "no column names the meter"),
        (f"MPAN,Date,kWh\n{ONE},01/02/2024,24", "import it as daily"),
        (f"MPAN,Reference\n{ONE},1", "no header"),
        (f"MPAN,Timestamp,kW\n{ONE},2024-02-01 00:00,1", "no column in it is known for energy: MPAN, Timestamp, kW"),
        (f"MPAN,Date,{HOURS[:-15]}\n{ONE},01/02/2024,1", "45 columns from HH1 to HH45, not one each for 48 or 50"),
        (f"MPAN,Date,{HOURS.replace('HH48', 'HH0')}\n{ONE},01/02/2024,{VALUES}", "columns from HH1 to HH0"),
        ("MPAN,Date,Settlement Period,kWh\n" + "".join(f"{ONE},1/2/2024,{n},1\n" for n in range(48)), "begin with 0"),
    ],
)  # fmt: skip
def test_refused(content, why):
    with pytest.raises(Rejected, match=why) as refusal:
        decide(content)
    assert "Nothing was loaded" in str(refusal.value)


@pytest.mark.parametrize(
    ("minutes", "feed"), [(15, None), (60, None), (60, "start-labelled"), (1440, "start-labelled")]
)
def test_readings_of_other_times_than_half_hours(minutes, feed):
    """Each second or every stamp of such a file is on the half hour: none of it may be taken for one."""
    start = datetime(2024, 2, 1, tzinfo=UTC)
    stamps = [start + timedelta(minutes=minutes * n) for n in range(10)]
    content = "\n".join(["MPAN,Datetime,kWh", *(f"{ONE},{stamp:%Y-%m-%d %H:%M},1" for stamp in stamps)])
    with pytest.raises(Rejected, match=f"are {minutes} minutes apart: they are not of half hours"):
        decide(content, feed=feed)


def test_half_hours_with_gaps_are_half_hours():
    stamps = ["00:00", "00:30", "02:00", "04:00", "06:00", "08:00", "10:00", "23:30"]
    content = "\n".join(["MPAN,Datetime,kWh", *(f"{ONE},2024-02-01 {stamp},1" for stamp in stamps)])
    assert read(content).rows.height == len(stamps)


def test_a_stamp_may_be_called_the_end():
    content = f"MPAN,Interval End,kWh\n{ONE},2024-02-01 12:30,1\n{ONE},2024-02-01 13:00,1"
    assert read(content).rows["period_start"].dt.strftime("%H:%M").to_list() == ["12:00", "12:30"]


def test_json_may_have_a_reading_a_line():
    lines = [
        f'{{"mpan": "{ONE}", "timestamp": "2024-02-01T{n // 2:02}:{n % 2 * 30:02}:00Z", "value": {n}}}'
        for n in range(48)
    ]
    found = read("\n".join(lines), "readings.json")
    assert found.rows["quantity_kwh"].to_list() == list(range(48))
    with pytest.raises(Rejected, match="it may be cut off"):
        decide("\n".join(lines)[:-9], "readings.json")


def test_a_feed_chooses():
    stamps = f"MPAN,Datetime,kWh\n{ONE},01/02/2024 12:00,1\n{ONE},01/02/2024 12:30,1"
    starts = [read(stamps, feed=feed).rows["period_start"][0].hour for feed in ("start-labelled", "end-labelled")]
    assert starts == [12, 11]
    american = f"MPAN,Date,{HOURS}\n{ONE},02/13/2024,{VALUES}"
    assert read(american, feed="month-first").rows["period_start"][0].date() == date(2024, 2, 13)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("label", ["start", "end"])
def test_the_side_of_the_stamp_shows_in_whole_days_in_whichever_order(label, reverse):
    made = sorted(DAY, key=lambda reading: reading.start, reverse=reverse)
    content = Style().write(made_up.by_stamp(made, label, "%Y-%m-%d %H:%M", str))
    assert read(content).readings == made


@pytest.mark.parametrize("reverse", [False, True])
def test_the_side_of_the_stamp_in_a_file_of_which_only_the_start_is_looked_at(reverse):
    made = made_up.readings(1, ORDINARY, 700, itertools.repeat(1.0))
    made.sort(key=lambda reading: reading.start, reverse=reverse)
    content = Style().write(made_up.by_stamp(made, "end", "%Y-%m-%d %H:%M:%S", str))
    assert len(content) > 1 << 20
    assert decide(content).layout.label == "end"


def test_a_unit_beside_a_column_called_kwh_has_the_say():
    found = read(f"MPAN,Date,Period,kWh,Units\n{ONE},01/02/2024,1,3,kWh\n{ONE},01/02/2024,1,9,kVArh")
    assert (found.rows["quantity_kwh"].to_list(), found.skipped) == ([3], {"other quantity than active energy": 1})


def test_json_in_a_unit_that_is_no_energy():
    with pytest.raises(Rejected, match="no unit of electric energy"):
        decide(made_up.n3rgy(DAY).replace("kWh", "m3"))


def test_a_feed_that_does_not_exist_or_fit():
    with pytest.raises(Misconfigured, match="no feed 'nobody'"):
        decide("a", feed="nobody")
    with pytest.raises(Rejected, match="has a column 'Site Id', which the file does not have"):
        decide(f"MPAN,Date,{HOURS}\n{ONE},01/02/2024,{VALUES}", feed="imserv-data-type")


def test_stamps_that_uk_clocks_never_showed_mean_utc():
    made = made_up.readings(1, SPRING, 1, itertools.repeat(1.0))
    table = made_up.by_stamp(made, "start", "%Y-%m-%d %H:%M", str, UTC)
    table[0][1] = "Datetime"
    with pytest.raises(Rejected, match="did not exist on UK clocks"):
        decide(Style().write(table))
    quarantined = read(Style().write(table), feed="local-time")
    assert quarantined.rejects["reason"].str.contains("did not exist on UK clocks").to_list() == [True, True]


# --- what is no table ---


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (gzip.compress(b"MPAN", mtime=0), "gzip archive"), (b"", "empty"), (b"\xff\xfe", "empty"),
        (b"sep=,\r\n", "no rows"),
        (b"  <!DOCTYPE html><html>", "web page"), (b"\x01\x02\x03\n", "binary"), (b"{", "not valid JSON"),
        (b"[1, 2]", "no single list"), (b"x" * (3 << 20), "no header|no rows|more than 1 MiB"),
    ],
)  # fmt: skip
def test_no_table(content, why):
    with pytest.raises(Rejected, match=why):
        decide(content)


def test_an_archive_under_a_workbooks_name():
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("readings.csv", "MPAN")
    with pytest.raises(Rejected, match="ZIP archive"):
        decide(body.getvalue(), "readings.xlsx")


def test_a_line_without_end_is_refused_wherever_it_comes():
    content = f"MPAN,Date,{HOURS}\n" + f"{ONE},01/02/2024,{VALUES}\n" * 9000 + "x" * (3 << 20)
    with pytest.raises(Rejected, match="more than 1 MiB"):
        read(content)


# --- what is found ---


@pytest.mark.parametrize(
    ("names", "positional", "first_place"),
    [
        ([f"HH{n:02}" for n in range(1, 49)], True, 1),
        ([f"kWh_{n}" for n in range(1, 49)] + [f"kVArh_{n}" for n in range(1, 49)], True, 1),
        ([f"{n}" for n in range(1, 51)], True, 1),
        ([f"Consumption(KWh) HH{n}" for n in range(1, 51)], True, 1),
        ([f"{n // 2:02}:{n % 2 * 30:02}" for n in range(48)], False, 0),
        ([f"[{n // 2:02}:{n % 2 * 30:02}]" for n in range(1, 49)], False, 0),
        ([f"{n // 2 * 100 + n % 2 * 30}" for n in range(1, 49)], False, 0),
        ([f"H{n // 2:02}{n % 2 * 30:02}" for n in range(48)], False, 0),
        ([f"consumptionHH_{n // 2:02}_{n % 2 * 30:02}_00" for n in range(48)], False, 0),
        ([f"{n // 2 % 12 or 12}:{n % 2 * 30:02} {'AP'[n // 24]}M" for n in range(48)], False, 0),
        ([f"{n // 2:02}:{n % 2 * 30:02} - {(n + 1) // 2 % 24:02}:{(n + 1) % 2 * 30:02}" for n in range(48)], False, 0),
    ],
)
def test_half_hour_columns(names, positional, first_place):
    row = ["1"] * 48 + [""] * (len(names) - 48)
    content = ",".join(["MPAN", "Date", *names]) + "\n" + ",".join([ONE, "01/02/2024", *row])
    found = read(content)
    assert (found.decision.positional, found.decision.slots[0].place) == (positional, first_place)
    starts = found.rows["period_start"]
    assert (starts.len(), f"{starts[0]:%H:%M}", f"{starts[-1]:%H:%M}") == (48, "00:00", "23:30")


@pytest.mark.parametrize(
    "header",
    [
        [f"{name}" for n in range(48) for name in (f"{n // 2:02}:{n % 2 * 30:02}", "DQ Flag")],
        [f"{n // 2:02}:{n % 2 * 30:02}{flag}" for n in range(48) for flag in ("", " Flag")],
        [f"{name}{n}" for n in range(1, 49) for name in ("HH", "ReadTypeHH")],
    ],
)  # fmt: skip
def test_flags_beside_each_value(header):
    cells = [cell for n in range(48) for cell in ("1", "E" if n < 2 else "A")]
    found = read(",".join(["MPAN", "Date", *header]) + "\n" + ",".join([ONE, "01/02/2024", *cells]))
    assert found.rows["reading_type"].to_list() == ["estimated"] * 2 + ["actual"] * 46


def test_flags_before_each_value_and_in_a_block_behind():
    before = [f"interval_{n}{name}" for n in range(1, 49) for name in ("_indicator", "")]
    cells = [cell for n in range(48) for cell in ("E" if n < 2 else "A", "1")]
    found = read(",".join(["mpxn", "reading_date", *before]) + "\n" + ",".join([ONE, "01/02/2024", *cells]))
    assert found.rows["reading_type"].to_list() == ["estimated"] * 2 + ["actual"] * 46
    block = [f"{name}{n}" for name in ("P", "UT") for n in range(1, 51)]
    cells = ["1"] * 48 + [""] * 2 + ["E"] * 2 + ["A"] * 48
    found = read(",".join(["Date", "MPAN", *block]) + "\n" + ",".join(["2024-02-01", ONE, *cells]))
    assert found.rows["reading_type"].to_list() == ["estimated"] * 2 + ["actual"] * 46


@pytest.mark.parametrize(
    ("content", "total"),
    [
        (f"MPAN,Date,Period,wh\n{ONE},01/02/2024,1,1500", 1.5),
        (f"MPAN,Date,Period,MWh\n{ONE},01/02/2024,1,1.5", 1500),
        (f"MPAN,Date,Period,Value,Unit\n{ONE},01/02/2024,1,1500,Wh\n{ONE},01/02/2024,2,1,kWh", 2.5),
        (f"MPAN,Date,Period,Value,Unit\n{ONE},01/02/2024,1,3,kWh\n{ONE},01/02/2024,1,9,kVArh", 3),
        (f"MPAN,Date,Data Type,{HOURS}\n{ONE},01/02/2024,kWh,{VALUES}\n{ONE},01/02/2024,kVArh,{VALUES}", 48),
    ],
)
def test_units(content, total):
    assert kwh(content) == pytest.approx(total)


def test_an_unknown_unit_is_no_kwh():
    found = read(f"MPAN,Date,Period,Value,Unit\n{ONE},01/02/2024,1,3,m3")
    assert (found.rows.height, found.reasons) == (0, [(2, "Unit", "m3")])


def test_measurement_quantities_name_the_direction():
    content = f"Date,MPAN,MQ,{HOURS}\n" + "\n".join(f"2024-02-01,{ONE},{mq},{VALUES}" for mq in ("AI", "AE", "RI"))
    found = read(content)
    assert found.rows["register"].value_counts(sort=True).sort("register").rows() == [("export", 48), ("import", 48)]
    assert found.skipped == {"other quantity than active energy": 1}


def test_a_column_of_directions():
    rows = [f"{ONE},01/02/2024,{n},1,{direction}" for n, direction in enumerate(("Import", "EXPORT", ""), 1)]
    found = read("MPAN,Date,Period,kWh,Direction\n" + "\n".join(rows))
    assert found.rows["register"].to_list() == ["import", "export", "import"]


def test_a_register_that_is_no_direction_is_not_read():
    found = read(f"MPAN,Date,Period,kWh,Register\n{ONE},01/02/2024,1,1,A1")
    assert found.rows["register"].to_list() == ["import"]


def test_the_meter_may_be_named_by_the_files_name():
    content = Style().write([row[1:] for row in made_up.by_stamp(DAY, "start", "%Y-%m-%d %H:%M", str)])
    assert read(content, f"export_{ONE}_2024.csv").readings == DAY


@pytest.mark.parametrize(("check", "rows", "rejects"), [("warn", 1, 0), ("quarantine", 0, 1), ("off", 1, 0)])
def test_ids_that_are_no_mpan(check, rows, rejects):
    found = read("Meter,Date,Period,kWh\nE06BG12862,01/02/2024,1,1", mpan_check=check)
    assert (found.rows.height, found.rejects.height, bool(found.warnings)) == (rows, rejects, check == "warn")


def test_the_decision_is_said():
    said = " | ".join(decide(f"junk\n\nMPAN,Date,{HOURS}\n{ONE},01/02/2024,{VALUES}").said)
    for part in (
        "utf-8",
        "','",
        "row 3 is the header",
        "'MPAN' names the meter",
        "48 half hours",
        "counted from local midnight",
        "dates are day before month",
    ):
        assert part in said


# --- rows that are none ---


@pytest.mark.parametrize("rows", [1, 9])
def test_a_value_with_an_unquoted_comma_does_not_shift_the_others_unseen(rows):
    shifted = f"{ONE},01/02/2024,1,234,{VALUES[2:]}"
    found = read("\n".join([f"MPAN,Date,{HOURS}", *[shifted] * rows, f"{ONE},02/02/2024,{VALUES},,"]))
    assert found.reasons == [(n + 2, "(row)", "51 cells") for n in range(rows)]
    assert found.rows.height == 48


def test_a_column_without_name_is_no_overflow():
    found = read(f"MPAN,Date,{HOURS},\n{ONE},01/02/2024,{VALUES},remark")
    assert (found.rows.height, found.rejects.height) == (48, 0)


def test_a_blank_reading_in_a_file_of_one_meter_is_blank_and_no_footer():
    content = "Datetime,kWh\n2024-02-01 00:00,\n2024-02-01 00:30,1\nend of report"
    found = read(content, f"{ONE}.csv", feed="start-labelled")
    assert (found.rows.height, found.skipped) == (1, {"blank cell": 1, "footer": 1})


@pytest.mark.parametrize("cut", [3, 13, 20, 60])
def test_a_file_that_was_cut_off_says_so(cut):
    row = f"{ONE},01/02/2024,{VALUES}"
    found = read(f"MPAN,Date,{HOURS}\n{row}\n{row[:cut]}")
    assert (found.rows.height, found.skipped) == (48, {})
    assert [(row, column) for row, column, _ in found.reasons] == [(3, "(row)")]


def test_a_quote_that_is_never_closed_makes_no_footer_of_a_row():
    found = read(f'MPAN,Date,{HOURS}\n"{ONE},01/02/2024,{VALUES}\n{ONE},02/02/2024,{VALUES}\n"made, by us"')
    assert (found.rows.height, found.skipped) == (48, {"footer": 1})
    assert found.reasons == [(2, "(row)", "1 cells")]


def test_footers_are_passed_over_but_not_the_meters_of_a_company_called_total():
    day = "01/02/2024," + VALUES
    rows = [f"Total Energies,{ONE},{day}", f"Grand Total,,,{VALUES}", "Report Time Zone: London", ",Total,," + VALUES]
    found = read(f"Customer,MPAN,Date,{HOURS}\n" + "\n".join(rows))
    assert (found.rows.height, found.skipped, found.rejects.height) == (48, {"footer": 3}, 0)


# --- days that cannot be ---


def test_values_in_half_hours_that_a_day_does_not_have():
    spring = f"MPAN,Date,{HOURS}\n{ONE},31/03/2024,{VALUES}\n{ONE},01/04/2024,{VALUES}"
    found = read(spring)
    assert (found.rows.height, found.reasons) == (48, [(2, "Date", "31/03/2024")])
    ordinary = f"MPAN,Date,{HOURS},HH49,HH50\n{ONE},01/04/2024,{VALUES},1,1\n{ONE},02/04/2024,{VALUES},0,"
    found = read(ordinary)
    assert (found.rows.height, found.reasons) == (48, [(2, "Date", "01/04/2024")])
    assert found.skipped == {"blank cell": 1, "zero in a half hour that the day does not have": 1}


@pytest.mark.parametrize(("label", "blank"), [("start", (2, 3)), ("end", (2, 3)), ("end", (1, 2))])
def test_the_hour_that_spring_skips_in_columns_named_by_the_clock(label, blank):
    cells = [("" if n in blank else f"{n}") for n in range(48)]
    names = made_up.by_clock([], label, str)[0]
    found = read(",".join(names) + f"\n{ONE},2024-03-31," + ",".join(cells))
    assert found.skipped == {"blank cell": 2}
    starts = found.rows["period_start"].dt.strftime("%H:%M").to_list()
    assert starts == [f"{n // 2:02}:{n % 2 * 30:02}" for n in range(46)]
    assert found.rows["quantity_kwh"].to_list() == [n for n in range(48) if n not in blank]


def test_a_repeated_hour_of_its_own_is_not_guessed_at():
    names = [f"{n // 2:02}:{n % 2 * 30:02}" for n in range(1, 49)]
    header = ",".join(["MPAN", "Date", *names, "DST +0:30", "DST +1:00"])
    found = read(f"{header}\n{ONE},29/10/2023,{VALUES},7,0\n{ONE},30/10/2023,{VALUES},,")
    assert found.reasons == [(2, "DST +0:30", "7")]
    assert found.rows.height == 96


def test_settlement_periods_that_a_day_does_not_have():
    found = read(
        f"MPAN,Date,Period,kWh\n{ONE},31/03/2024,46,1\n{ONE},31/03/2024,47,1\n{ONE},29/10/2023,50,1\n{ONE},1/2/2024,51,1"
    )
    assert found.rows["row_number"].to_list() == [2, 4]
    assert found.reasons == [(3, "Period", "47"), (5, "Period", "51")]


def test_starts_and_ends_must_be_half_an_hour_apart_by_their_offsets():
    rows = ["1,2024-03-31T00:30:00+00:00,2024-03-31T02:00:00+01:00", "1,2024-02-01T00:00:00Z,2024-02-01T01:00:00Z"]
    found = read("\n".join(["Consumption (kWh), Start, End", *rows]), f"{ONE}.csv")
    assert found.rows["row_number"].to_list() == [2]
    assert found.reasons == [(3, "End", "2024-02-01T01:00:00Z")]


def test_off_grid_stamps_are_refused_but_where_they_are_blank():
    found = read(
        f"MPAN,Datetime,kWh\n{ONE},2024-02-01 00:00,1\n{ONE},2024-02-01 12:37:27,Null\n{ONE},2024-02-01 12:37:27,1",
        feed="start-labelled",
    )
    assert found.skipped == {"blank cell": 1}
    assert found.reasons == [(4, "Datetime", "2024-02-01 12:37:27")]
