"""Whatever a file holds: it is refused with a reason, or every value of it comes out once. Nothing else may happen."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from energy_ingest.errors import IngestError
from tests.unit.meter_files import made_up
from tests.unit.meter_files.made_up import AUTUMN, SPRING, Style, read

SHORT = settings(max_examples=max(settings().max_examples // 2, 10))
MADE = [reading for reading in made_up.readings(1, AUTUMN, 1, itertools.cycle([1.5, 0.0])) if reading.start.hour < 3]
SEEDS = [
    Style().write(made_up.by_stamp(MADE, "start", "%d/%m/%Y %H:%M", str)),
    Style(quoted=True).write(made_up.with_offsets(MADE, str)),
    Style(";").write(made_up.by_period(MADE, str)),
    Style(encoding="utf-16").write(made_up.by_clock(made_up.readings(2, SPRING, 1, itertools.repeat(1.0)), "end", str)),
    made_up.n3rgy(MADE).encode(),
]
PIECES = st.sampled_from(
    [b"", b"\0", b'"', b",", b"\n", b"\r", b";", b"-", b"1e999", b"\xff", b"nan", b"9900000000015", b"31/03/2024 01:30",
     b"29/10/2023", b"MPAN", b"99999999999999999999", b"0000-00-00", b"+99:99", b"[]", b"{", b"\xe2\x80\xa8", b"kVArh"]
)  # fmt: skip


@SHORT
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 30), PIECES), max_size=5))
def test_broken_files(seed, breaks):
    body = bytearray(seed)
    for at, length, piece in breaks:
        at %= len(body) + 1
        body[at : at + length] = piece
    for import_type in ("hh", "daily", "sites"):
        try:
            found = read(bytes(body), import_type=import_type, feed="start-labelled" if import_type == "hh" else None)
        except IngestError as refusal:
            assert str(refusal)
        else:
            assert found.rejects["reason"].null_count() == 0
            assert (
                found.rows.null_count()
                .select(set(found.rows.columns) & {"mpan", "quantity_kwh"})
                .sum_horizontal()
                .sum()
                == 0
            )


CELLS = st.sampled_from(["1", " 2.5 ", "0", "", "-", "Null", "abc", "1,5", "1e400", "9900000000015", "-3"])


@SHORT
@given(st.lists(st.lists(CELLS, min_size=48, max_size=48), min_size=1, max_size=3))
def test_every_cell_is_counted_once(table):
    header = ["MPAN", "Date", *(f"HH{n}" for n in range(1, 49))]
    rows = [[made_up.mpan(1), f"0{n}/02/2024", *cells] for n, cells in enumerate(table, 1)]
    found = read(Style(quoted=True).write([header, *rows]))
    assert found.rows.height + found.rejects.height + found.skipped.get("blank cell", 0) == 48 * len(table)
    bad = [(n, f"HH{h}") for n, cells in enumerate(table, 2) for h, cell in enumerate(cells, 1) if cell in BAD]
    assert sorted(found.rejects.select("row_number", "column").rows()) == sorted(bad)


BAD = {"abc", "1,5", "1e400", "9900000000015"}
