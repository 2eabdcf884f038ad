"""Answers cut into arrays: nothing lost, whatever the envelope, the spacing and the size of what comes in."""

from __future__ import annotations

import json
from datetime import date
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_ingest.errors import IngestError, Rejected, Retryable
from energy_ingest.sources.json_rows import PIECE, json_arrays
from tests.unit.answers import ENVELOPES, Literal, b1610, body, chunked, market_index

DAY = date(2026, 8, 1)
ROWS = [
    b1610(DAY, 1, "T_A-1"),
    b1610(DAY, 2, "2__BRACES", note="},{ [ ] } { \\ é £ \U0001f600"),
    b1610(DAY, 3, 'T_"QUOTED"', flags=[{"a": 1}, {"b": [2, 3]}], nested={"dataset": {}, "x": None}),
    b1610(DAY, 4, "T_B-1", quantity="-0.001"),
]
PLAIN = json.loads(body(ROWS))


def rows_of(chunks, piece=PIECE):
    return list(chain.from_iterable(json.loads(bytes(array)) for array in json_arrays(chunks, piece)))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("envelope", ENVELOPES)
def test_every_size_of_chunk_and_piece_gives_the_same_rows(envelope, indent):
    data = body(ROWS, envelope, indent)
    for size in range(1, len(data) + 1):
        for piece in (1, 300, PIECE):
            assert rows_of(chunked(data, size), piece) == PLAIN, (size, piece)


def test_a_bare_array_is_cut_between_rows_only_and_into_pieces_of_the_size_asked_for():
    rows = [b1610(DAY, 1 + n % 48, f"T_{n}") for n in range(500)]
    for indent in (None, 2):
        data = body(rows, indent=indent)
        arrays = [bytes(array) for array in json_arrays(chunked(data, 1000), 10_000)]
        assert len(arrays) == len(data) // 10_000 + bool(len(data) % 10_000) or len(arrays) > len(data) / 12_000
        assert max(map(len, arrays)) < 12_000
        assert [row for array in arrays for row in json.loads(array)] == json.loads(data)


def test_an_answer_that_cannot_be_cut_is_searched_a_few_times_only():
    """One row as long as a thousand pieces: the search repeats at twice the size, not with every chunk."""
    data = body([{"only": "x" * 1_000_000}])
    assert rows_of(chunked(data, 100), 1000) == json.loads(data)


words = st.text('{}[],:"\\ aé', max_size=6)
nested = st.lists(st.dictionaries(st.just("nested"), words), max_size=3)
objects = st.dictionaries(words, words | nested, max_size=3)


@given(st.lists(objects, max_size=6))
def test_any_objects_come_through(objects):
    data = body(objects)
    for size in (1, 7, 10_000):
        assert rows_of(chunked(data, size), 20) == objects


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("piece", [200, PIECE])
def test_a_body_that_breaks_off_anywhere_is_asked_for_again(envelope, indent, piece):
    data = body([market_index(DAY, 1), market_index(DAY, 2)], envelope, indent)
    for cut in range(len(data)):
        with pytest.raises(Retryable, match=r"is asked again$"):
            rows_of(chunked(data[:cut], 64), piece)


@pytest.mark.parametrize(
    "data", [b"[]", b" [ ] \r\n", b'{"data":[]}', b'{"metadata":{},"data": [ ] }\n', b"\xef\xbb\xbf[]"]
)
def test_no_rows(data):
    assert rows_of([data]) == []


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\n \t", b"\xef\xbb\xbf\r\n"])
@pytest.mark.parametrize("envelope", ENVELOPES)
def test_a_byte_order_mark_and_blanks_around_do_no_harm(mark, envelope):
    data = mark + body(ROWS, envelope) + b"\r\n"
    for size in (1, 2, len(data)):
        assert rows_of(chunked(data, size)) == PLAIN


def test_the_last_of_fields_with_the_same_name_counts():
    assert rows_of([b'{"data":[1],"data":[{"a":2}]}']) == [{"a": 2}]


EMPTY = (Retryable, "the answer is empty (no byte): the source or a proxy broke off; it is asked again")
HTML = (Retryable, "the answer is an HTML page, not JSON: a maintenance or proxy page; the source is asked again")
BROKEN_OFF = (Retryable, "the answer breaks off before its closing bracket: truncated on the way; it is asked again")
INVALID = "the answer is not valid JSON: JSON is malformed"
WIDE = (Rejected, "the answer is UTF-16 or UTF-32, not UTF-8: the source changed its encoding; look at the archive")


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"", EMPTY),
        (b" \r\n", EMPTY),
        (b"\xef\xbb\xbf", EMPTY),
        (b"<!DOCTYPE html><html><body>Down for maintenance</body></html>", HTML),
        (b"\n  <html>", HTML),
        (b"[", BROKEN_OFF),
        (b"[{}] and more", BROKEN_OFF),
        (b'{"data":[]}}]', BROKEN_OFF),
        (body(ROWS).decode().encode("utf-16"), WIDE),
        (body(ROWS).decode().encode("utf-16-le"), WIDE),
        (body(ROWS).decode().encode("utf-16-be"), WIDE),
        (body(ROWS).decode().encode("utf-32"), WIDE),
        (body(ROWS, "data").decode().encode("utf-32-le"), WIDE),
        (b"Wait", (Rejected, "the answer is not JSON: it starts with b'Wait'; look at the archived answer")),
        (b"null", (Rejected, "the answer is not JSON: it starts with b'null'; look at the archived answer")),
        (
            b'{"errors":{"":["The date range between From and To inclusive must not exceed 7 days"]}}',
            (
                Rejected,
                "the answer is an object without `data` (Object missing required field `data`): "
                "the source changed its structure",
            ),
        ),
        (b'{"data":[{"a":NaN}]}', (Rejected, f"{INVALID}: invalid character (byte 14); look at the archived answer")),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_what_is_no_answer_has_its_defined_outcome(data, outcome, size):
    kind, message = outcome
    with pytest.raises(IngestError) as refusal:
        rows_of(chunked(data, size))
    assert (type(refusal.value), str(refusal.value)) == (kind, message)


def test_the_chunks_are_read_no_further_than_needed():
    """An answer is used while it comes in: the first array is there before the last chunk."""
    data = body([b1610(DAY, 1, f"T_{n}") for n in range(100)])
    taken = []
    arrays = json_arrays((taken.append(n) or chunk for n, chunk in enumerate(chunked(data, 1000))), 2000)
    next(arrays)
    assert len(taken) == 2
    assert sum(1 for _ in arrays) and len(taken) == len(data) // 1000 + 1


def test_literals_keep_their_digits():
    assert body([{"a": Literal("1.500")}], indent=2) == b'[\n  {\n    "a": 1.500\n  }\n]'
    assert body([{"a": Literal("1.500"), "b": None}], "data") == b'{"data":[{"a":1.500,"b":null}]}'
