"""However a file is cut into pieces, and wherever its import goes on, the result is the same."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_ingest.sources import meter_files
from energy_ingest.sources.meter_files import long
from tests.unit.meter_files import made_up
from tests.unit.meter_files.made_up import AUTUMN, Style, opener, options, read, together

few = settings(max_examples=max(settings().max_examples // 5, 10))


def messy(table: list[list[str]]) -> bytes:
    """A file with everything between its rows that is none."""
    lines = Style().write(table).decode().split("\n")[:-1]
    lines[9:9] = ["", lines[0], 'broken,"row', lines[4].rsplit(",", 1)[0] + ",many", ",,", lines[5] + ",too,long"]
    lines[30:30] = [lines[3].replace("9900", "1.2E+12", 1), lines[3].rsplit(",", 1)[0] + ',"1,234.5"']
    return "\n".join([*lines, "Grand Total,,17", "generated on Monday"]).encode()


MADE = made_up.readings(2, AUTUMN, 1, itertools.cycle([1.5, 0.25, 3.125]))
INTERLEAVED = sorted(MADE, key=lambda reading: reading.start)
FILES = {
    "long": messy(made_up.by_stamp(MADE, "start", "%d/%m/%Y %H:%M", str)),
    "long by time": messy(made_up.by_stamp(INTERLEAVED, "end", "%Y-%m-%d %H:%M:%S", str)),
    "periods": messy(made_up.by_period(MADE, str)),
    "wide": messy(made_up.by_clock(made_up.readings(8, AUTUMN, 3, itertools.cycle([1.0, 0.0])), "start", str)),
}


@pytest.mark.parametrize("kind", FILES)
@few
@given(data=st.data())
def test_any_size_of_pieces(kind, data):
    whole = read(FILES[kind])
    assert whole.rejects.height >= 3
    cut = read(FILES[kind], piece_bytes=data.draw(st.integers(300, 3000)))
    assert (cut.skipped, cut.warnings) == (whole.skipped, whole.warnings)
    assert cut.rows.equals(whole.rows)
    assert cut.rejects.equals(whole.rejects)


def test_pieces_of_a_single_line():
    made = made_up.readings(1, AUTUMN, 1, itertools.repeat(1.0))[:6]
    content = Style().write(made_up.by_stamp(made, "start", "%d/%m/%Y %H:%M", str))
    cut = read(content, piece_bytes=1, feed="start-labelled")
    assert cut.readings == made


@pytest.mark.parametrize("kind", FILES)
@few
@given(data=st.data())
def test_going_on_after_any_piece_gives_exactly_the_rest(kind, data):
    content, chosen = FILES[kind], options()
    decision = meter_files.decide(opener(content), "file.csv", chosen)
    size, other_size = data.draw(st.integers(300, 3000)), data.draw(st.integers(300, 3000))
    pieces = list(meter_files.parse(opener(content), decision, chosen, 0, size))
    done = data.draw(st.integers(0, len(pieces)))
    after = pieces[done - 1].last_row if done else 0
    rest = list(meter_files.parse(opener(content), decision, chosen, after, other_size))
    found, whole = together(decision, chosen, [*pieces[:done], *rest]), read(content)
    assert found.rows.equals(whole.rows)
    assert found.rejects.equals(whole.rejects)
    assert found.skipped == whole.skipped


def test_a_file_of_nothing_but_the_repeated_hour_does_not_pile_up(monkeypatch):
    monkeypatch.setattr(long, "_LONGEST_RUN", 5)
    content = "MPAN,Datetime,kWh\n" + f"{made_up.mpan(1)},29/10/2023 01:00,1\n" * 40
    chosen = options(feed="start-labelled")
    decision = meter_files.decide(opener(content), "file.csv", chosen)
    pieces = list(meter_files.parse(opener(content), decision, chosen, 0, 100))
    assert len(pieces) > 3
    assert sum(piece.rows.height for piece in pieces) == 40
    assert all(piece.rows["is_ambiguous"].all() for piece in pieces)


def test_both_turns_of_the_repeated_hour_are_told_apart_only_by_their_order():
    def turns(stamps: list[str]) -> list[tuple[str, bool]]:
        before, after = ["29/10/2023 00:00", "29/10/2023 00:30"], ["29/10/2023 02:00", "29/10/2023 23:30"]
        lines = [f"{made_up.mpan(1)},{stamp},1" for stamp in [*before, *stamps, *after]]
        found = read("\n".join(["MPAN,Datetime,kWh", *lines]), feed="start-labelled").rows
        inner = found.slice(2, len(stamps))
        return [(f"{row['period_start']:%H:%M}", row["is_ambiguous"]) for row in inner.iter_rows(named=True)]

    one, half = "29/10/2023 01:00", "29/10/2023 01:30"
    assert turns([one, half, one, half]) == [("00:00", False), ("00:30", False), ("01:00", False), ("01:30", False)]
    assert turns([half, one, half, one]) == [("01:30", False), ("01:00", False), ("00:30", False), ("00:00", False)]
    assert turns([one, one, half, half]) == [("00:00", True), ("01:00", True), ("00:30", True), ("01:30", True)]
    assert turns([one, half]) == [("00:00", True), ("00:30", True)]


def test_a_decision_can_be_written_and_read():
    decision = meter_files.decide(opener(FILES["wide"]), "file.csv", options())
    assert msgspec.json.decode(msgspec.json.encode(decision), type=meter_files.Decision) == decision


@pytest.mark.parametrize("kind", FILES)
def test_rejects_can_be_corrected_and_read_again(kind):
    whole, chosen = read(FILES[kind]), options()
    raws = [msgspec.json.decode(raw) for raw in whole.rejects["raw"]]

    def again(rows: list[dict[str, str]]) -> meter_files.Piece:
        return meter_files.parse_again([msgspec.json.encode(row).decode() for row in rows], whole.decision, chosen)

    as_they_were = again(raws)
    assert as_they_were.rows.is_empty()
    assert as_they_were.rejects["column"].to_list() == whole.rejects["column"].to_list()
    (at,) = [n for n, value in enumerate(whole.rejects["value"]) if value == "many"]
    corrected = again([raws[at] | {whole.rejects["column"][at]: "7.5"}])
    assert (corrected.rows["quantity_kwh"].to_list(), corrected.rejects.height) == ([7.5], 0)


def test_a_corrected_cell_keeps_the_unit_of_its_row():
    hours = ",".join(f"HH{n}" for n in range(1, 49))
    content = f"MPAN,Date,Units,Measurement,{hours}\n{made_up.mpan(1)},01/02/2024,Wh,,many" + "," * 47
    found = read(content)
    raw = msgspec.json.decode(found.rejects["raw"][0]) | {"HH1": "1500"}
    piece = meter_files.parse_again([msgspec.json.encode(raw).decode()], found.decision, options())
    assert piece.rows["quantity_kwh"].to_list() == [1.5]


def test_progress_counts_the_bytes_of_the_file():
    content, chosen = FILES["long"], options()
    decision = meter_files.decide(opener(content), "file.csv", chosen)
    seen = [piece.bytes_read for piece in meter_files.parse(opener(content), decision, chosen, 0, 500)]
    assert seen == sorted(seen)
    assert seen[-1] == len(content)
