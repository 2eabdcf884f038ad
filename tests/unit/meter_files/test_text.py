"""Bytes to rows: the quick way and the careful way agree, and no line is lost or joined to another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_ingest.sources.meter_files import text
from energy_ingest.sources.meter_files.model import Dialect
from tests.unit.meter_files.made_up import opener

CELLS = st.text(st.sampled_from('ab1.5 ,;"é'), max_size=4)
LINES = st.lists(st.lists(CELLS, max_size=4).map(",".join), max_size=6)


@given(LINES)
def test_every_line_is_a_row_of_the_cells_that_it_has(lines):
    body = "".join(f"{line}\n" for line in lines).encode()
    rows, counts = text.frame(body, Dialect("text", width=3), 5)
    assert rows["row_number"].to_list() == [5 + n for n in range(len(lines))]
    cells = [text.cells_of(line, ",") for line in lines]
    assert rows.drop("row_number").rows() == [tuple((row + [""] * 3)[:3]) for row in cells]
    for row, count in zip(cells, counts, strict=True):
        assert count == len(row) or (len(row) > count >= 3 and not any(cell.strip() for cell in row[count:]))


@given(
    st.lists(st.lists(st.text(st.sampled_from('ab1.5,"'), max_size=3), min_size=3, max_size=3), min_size=1, max_size=5)
)
def test_what_is_properly_quoted_comes_back(table):
    quoted = ["".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row)) for row in table]
    rows, counts = text.frame("".join(f"{line}\n" for line in quoted).encode(), Dialect("text", width=3), 1)
    assert rows.drop("row_number").rows() == [tuple(row) for row in table]
    assert set(counts) == {3}


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0\ufeff\ufffd"), max_size=5), max_size=8),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.integers(1, 40),
)
def test_lines_survive_any_cut_and_encoding(lines, end, encoding, size):
    body = "".join(line + end for line in lines).encode(encoding)
    found = b"".join(block for block, _ in text.blocks(opener(body), text.encoding_of(body), size))
    assert found.decode() == "".join(f"{line}\n" for line in lines)


def test_a_file_that_ends_without_a_line_end():
    assert [block for block, _ in text.blocks(opener("a\nb"), "utf-8", 100)] == [b"a\nb\n"]


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("Mühle".encode(), "utf-8"), ("Mühle".encode("cp1252"), "cp1252"), ("\ufeffa".encode("utf-16-le"), "utf-16-le"),
        ("a,b".encode("utf-16-le"), "utf-8"), (b"a\0b", "utf-8"),
    ],
)  # fmt: skip
def test_encodings(body, encoding):
    assert text.encoding_of(body) == encoding


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (["sep=;", "a,b,c;d"], ";"), (["a\tb\tc", "1,5\t2\t3"], "\t"), (["a;b", "1,5;2,5"], ";"), (["a|b|c"], "|"),
        (["Report, made on Monday", "", "a;b;c;d", "1;2;3;4", "1;2;3;4"], ";"), (["a"], ","),
    ],
)  # fmt: skip
def test_delimiters(lines, delimiter):
    assert text.delimiter_of(lines) == delimiter
