"""Values and answers that break the contract: each has its defined outcome, whatever else is in the answer."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_ingest.catalog import B1610, MARKET_INDEX, SYSTEM_PRICES, Dataset
from energy_ingest.errors import IngestError, Rejected, Retryable
from tests.unit.answers import (
    ENVELOPES,
    Literal,
    Row,
    b1610,
    body,
    json_text,
    market_index,
    read,
    system_price,
)

DAY = date(2026, 8, 1)
MAKE = {B1610.name: b1610, MARKET_INDEX.name: market_index, SYSTEM_PRICES.name: system_price}

NUMBER, WHOLE = "is not a number", "is not a whole number of 32 bits"
DATE, INSTANT = "is not a date YYYY-MM-DD", "is not a date and time with offset"
TEXT, MISSING = "is not text, or has NUL characters", "is missing"
ELSEWHERE, STAMP = "is not a half hour of the requested window", "contradicts settlement date and period"


def without(row: Row, field: str) -> Row:
    return {name: value for name, value in row.items() if name != field}


def outcome(dataset: Dataset, field: str, literal: str, *, drifted: bool = False) -> tuple:
    """What becomes of a row with this value: its value, or (value, reason); alone, or beside one with a new field."""
    make = MAKE[dataset.name]
    rows = [make(DAY, 3, **{field: Literal(literal)}), *([make(DAY, 4, newField=1)] if drifted else [])]
    found = read(dataset, body(rows), DAY)
    assert found.received == len(rows)
    column = next(c for c in dataset.contract.columns if c.source == field)
    if first := [row for row in found.rows if row["row_number"] == 1]:
        return ("loaded", first[0].get(column.name))
    reject = found.rejects[0]
    assert json.loads(reject["raw"]).keys() >= {c.source for c in dataset.contract.columns}
    return (reject["column"] == column.name or reject["column"], reject["value"], reject["reason"])


def refused(value: str | None, reason: str) -> tuple:
    return (True, value, reason)


CREATED = datetime(2026, 8, 2, 1, 44, 33, tzinfo=UTC)
VALUES = [
    # whole numbers
    (B1610, "settlementPeriod", "3", ("loaded", 3)),
    (B1610, "settlementPeriod", '"3"', ("loaded", 3)),
    (B1610, "settlementPeriod", "3.0", refused("3.0", WHOLE)),
    (B1610, "settlementPeriod", "3.5", refused("3.5", WHOLE)),
    (B1610, "settlementPeriod", "3e0", refused("3e0", WHOLE)),
    (B1610, "settlementPeriod", '" 3"', refused(" 3", WHOLE)),
    (B1610, "settlementPeriod", '""', refused("", WHOLE)),
    (B1610, "settlementPeriod", "true", refused("true", WHOLE)),
    (B1610, "settlementPeriod", "2147483648", refused("2147483648", WHOLE)),
    (B1610, "settlementPeriod", "9" * 20, refused("9" * 20, WHOLE)),
    (B1610, "settlementPeriod", "9" * 5000, refused("9" * 5000, WHOLE)),
    (B1610, "settlementPeriod", "null", refused(None, MISSING)),
    (B1610, "settlementPeriod", "0", refused("0", "is outside 1 to 50")),
    (B1610, "settlementPeriod", "-3", refused("-3", "is outside 1 to 50")),
    (B1610, "settlementPeriod", "51", refused("51", "is outside 1 to 50")),
    (B1610, "settlementPeriod", "49", refused("49", ELSEWHERE)),
    (B1610, "settlementPeriod", "4", ("stamp", "2026-08-01T00:30:00", STAMP)),
    # numbers as floats
    (B1610, "quantity", "-2.124", ("loaded", -2.124)),
    (B1610, "quantity", "12", ("loaded", 12.0)),
    (B1610, "quantity", '"12.5"', ("loaded", 12.5)),
    (B1610, "quantity", "123456.789012345", ("loaded", 123456.789012345)),
    (B1610, "quantity", "null", ("loaded", None)),
    (B1610, "quantity", '"abc"', refused("abc", NUMBER)),
    (B1610, "quantity", '""', refused("", NUMBER)),
    (B1610, "quantity", '"1,5"', refused("1,5", NUMBER)),
    (B1610, "quantity", '"NaN"', refused("NaN", NUMBER)),
    (B1610, "quantity", '"-inf"', refused("-inf", NUMBER)),
    (B1610, "quantity", "false", refused("false", NUMBER)),
    (B1610, "quantity", "[1]", refused('["1"]', NUMBER)),
    (B1610, "quantity", '{"value":1}', refused('{"value": "1"}', NUMBER)),
    (B1610, "quantity", "1e400", refused("1e400", NUMBER)),
    (B1610, "quantity", "1" * 400, refused("1" * 400, NUMBER)),
    (B1610, "quantity", "1000000", ("loaded", 1e6)),
    (B1610, "quantity", '"1000000.1"', refused("1000000.1", "is outside -1e+06 to 1e+06")),
    # numbers with all their digits
    (SYSTEM_PRICES, "systemSellPrice", "344.249492314814801830", ("loaded", "344.249492314814801830")),
    (SYSTEM_PRICES, "systemSellPrice", f"0.{'123' * 9}", ("loaded", f"0.{'123' * 9}")),
    (SYSTEM_PRICES, "systemSellPrice", '"160.50"', ("loaded", "160.50")),
    (SYSTEM_PRICES, "systemSellPrice", "-0.0", ("loaded", "-0.0")),
    (SYSTEM_PRICES, "systemSellPrice", "1.6E+2", ("loaded", "1.6E+2")),
    (SYSTEM_PRICES, "systemSellPrice", "1e-400", ("loaded", "1e-400")),
    (SYSTEM_PRICES, "systemSellPrice", "1e-20000", refused("1e-20000", NUMBER)),
    (SYSTEM_PRICES, "systemSellPrice", "1e999999999", refused("1e999999999", NUMBER)),
    (SYSTEM_PRICES, "systemSellPrice", "1e400", refused("1e400", "is outside -100000 to 100000")),
    (SYSTEM_PRICES, "systemSellPrice", "100000.01", refused("100000.01", "is outside -100000 to 100000")),
    (SYSTEM_PRICES, "systemSellPrice", '" 160"', refused(" 160", NUMBER)),
    (SYSTEM_PRICES, "systemSellPrice", '"1_000"', refused("1_000", NUMBER)),
    (SYSTEM_PRICES, "systemSellPrice", '"1,000"', refused("1,000", NUMBER)),
    (SYSTEM_PRICES, "systemSellPrice", '"0x10"', refused("0x10", NUMBER)),
    (SYSTEM_PRICES, "systemSellPrice", '"null"', refused("null", NUMBER)),
    (SYSTEM_PRICES, "systemSellPrice", '"NaN"', refused("NaN", NUMBER)),
    (SYSTEM_PRICES, "systemSellPrice", '"n/a"', refused("n/a", NUMBER)),
    (SYSTEM_PRICES, "systemSellPrice", "true", refused("true", NUMBER)),
    (SYSTEM_PRICES, "systemSellPrice", "[]", refused("[]", NUMBER)),
    (SYSTEM_PRICES, "systemSellPrice", "null", refused(None, MISSING)),
    (SYSTEM_PRICES, "replacementPrice", "null", ("loaded", None)),
    (MARKET_INDEX, "volume", "-0.001", refused("-0.001", "is outside 0 to 1e+06")),
    # true and false
    (SYSTEM_PRICES, "bsadDefaulted", "true", ("loaded", True)),
    (SYSTEM_PRICES, "bsadDefaulted", '"false"', ("loaded", False)),
    (SYSTEM_PRICES, "bsadDefaulted", "1", refused("1", "is not true or false")),
    (SYSTEM_PRICES, "bsadDefaulted", '"yes"', refused("yes", "is not true or false")),
    (SYSTEM_PRICES, "bsadDefaulted", "null", refused(None, MISSING)),
    # dates and instants
    (B1610, "settlementDate", '"2026-8-1"', ("loaded", DAY)),
    (B1610, "settlementDate", '"01/08/2026"', refused("01/08/2026", DATE)),
    (B1610, "settlementDate", '"2026-08-01T00:00:00Z"', refused("2026-08-01T00:00:00Z", DATE)),
    (B1610, "settlementDate", '"2026-02-30"', refused("2026-02-30", DATE)),
    (B1610, "settlementDate", "20260801", refused("20260801", DATE)),
    (B1610, "settlementDate", '""', refused("", DATE)),
    (B1610, "settlementDate", "null", refused(None, MISSING)),
    (SYSTEM_PRICES, "createdDateTime", '"2026-08-02T02:44:33+01:00"', ("loaded", CREATED)),
    (SYSTEM_PRICES, "createdDateTime", '"2026-08-02T01:44:33.5Z"', ("loaded", CREATED.replace(microsecond=500_000))),
    (SYSTEM_PRICES, "createdDateTime", '"2026-08-02T01:44:33"', refused("2026-08-02T01:44:33", INSTANT)),
    (SYSTEM_PRICES, "createdDateTime", '"2026-08-02"', refused("2026-08-02", INSTANT)),
    (SYSTEM_PRICES, "createdDateTime", '"02/08/2026 01:44:33"', refused("02/08/2026 01:44:33", INSTANT)),
    (SYSTEM_PRICES, "createdDateTime", "1785634473", refused("1785634473", INSTANT)),
    # text
    (B1610, "bmUnit", '"Zoë \\u00a3 \\"unit\\""', ("loaded", 'Zoë £ "unit"')),
    (B1610, "bmUnit", '"\\ud83d\\ude00"', ("loaded", "\U0001f600")),
    (B1610, "bmUnit", '"\\\\u0000"', ("loaded", "\\u0000")),
    (B1610, "bmUnit", '""', ("loaded", "")),
    (B1610, "bmUnit", "12", ("loaded", "12")),
    (B1610, "bmUnit", "true", refused("true", TEXT)),
    (B1610, "bmUnit", '["T_A-1"]', refused('["T_A-1"]', TEXT)),
    (B1610, "bmUnit", '{"id":"T_A-1"}', refused('{"id": "T_A-1"}', TEXT)),
    (B1610, "bmUnit", '"T_A\\u0000"', refused("T_A\0", TEXT)),
    (B1610, "bmUnit", "null", refused(None, MISSING)),
    (B1610, "psrType", "[null]", refused("[null]", TEXT)),
    (B1610, "settlementRunType", "null", ("loaded", None)),
]  # fmt: skip


@pytest.mark.parametrize("drifted", [False, True], ids=["alone", "beside a row with a new field"])
@pytest.mark.parametrize(("dataset", "field", "literal", "expected"), VALUES, ids=lambda v: str(v)[:30])
def test_every_value_has_its_outcome_alone_and_beside_drift(dataset, field, literal, expected, drifted):
    assert outcome(dataset, field, literal, drifted=drifted) == expected


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
json_values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=2) | st.dictionaries(st.text(), v, max_size=2), max_leaves=4
)


@pytest.mark.parametrize("dataset", [SYSTEM_PRICES, MARKET_INDEX, B1610], ids=lambda d: d.name)
@given(data=st.data())
def test_any_json_value_in_any_field_is_loaded_or_refused_alike_with_and_without_drift(dataset, data):
    field = data.draw(st.sampled_from([c.source for c in dataset.contract.columns]))
    literal = json_text(data.draw(json_values))
    outcomes = []
    for drifted in (False, True):
        try:
            outcomes.append(outcome(dataset, field, literal, drifted=drifted))
        except Rejected as refusal:
            outcomes.append((str(refusal),))
    alone, beside = outcomes
    if len(alone) == 3:  # how a refused value is printed is not promised
        alone, beside = (alone[0], alone[2]), (beside[0], beside[2])
    assert alone == beside


# --- fields ---


def test_unknown_fields_are_told_and_the_rows_loaded():
    rows = [b1610(DAY, 1), b1610(DAY, 2, newField=[{"a": 1}], other=None), b1610(DAY, 3)]
    found = read(B1610, body(rows), DAY)
    assert (len(found.rows), found.rejects, found.unknown) == (3, [], {"newField", "other"})
    assert found.rows == read(B1610, body([without(without(row, "newField"), "other") for row in rows]), DAY).rows


def test_an_optional_field_may_be_absent_from_some_rows_or_all():
    rows = [without(b1610(DAY, 1), "settlementRunType"), b1610(DAY, 2)]
    assert [row["settlement_run"] for row in read(B1610, body(rows), DAY).rows] == [None, "II"]
    assert [row["settlement_run"] for row in read(B1610, body(rows[:1]), DAY).rows] == [None]
    drifted = [row | {"newField": 1} for row in rows[:1]]
    assert [row["settlement_run"] for row in read(B1610, body(drifted), DAY).rows] == [None]


def test_a_field_that_one_row_lacks_is_missing_there_or_null():
    found = read(
        B1610, body([b1610(DAY, 1), without(b1610(DAY, 2), "bmUnit"), without(b1610(DAY, 3), "quantity")]), DAY
    )
    assert [(r["row_number"], r["column"], r["value"], r["reason"]) for r in found.rejects] == [
        (2, "bm_unit", None, MISSING)
    ]
    assert [row["quantity_mwh"] for row in found.rows] == [1.5, None]


@pytest.mark.parametrize("field", [c.source for c in B1610.contract.columns if not c.optional])
def test_a_field_that_no_row_has_stops_the_load_and_is_named(field):
    rows = [without(b1610(DAY, p), field) | {"newName": 1} for p in (1, 2)]
    with pytest.raises(Rejected) as refusal:
        read(B1610, body(rows), DAY)
    assert str(refusal.value) == (
        f"the answer has no field {field}. New fields in the answer: newName; renamed? Nothing was loaded; if the "
        "source renamed a field, change `source` of that column in catalog/ and replay the archived answer"
    )


def test_empty_objects_are_no_rows_without_fields_but_an_error():
    with pytest.raises(
        Rejected, match="the answer has no field settlementDate, settlementPeriod, startTime, dataProvider"
    ):
        read(MARKET_INDEX, b"[{},{}]", DAY)
    found = read(MARKET_INDEX, body([market_index(DAY, 1), {}]), DAY)
    assert [(r["row_number"], r["column"], r["reason"]) for r in found.rejects] == [(2, "settlement_date", MISSING)]


def test_of_repeated_fields_the_last_counts():
    data = body([b1610(DAY, 1)])
    for repeated in (b',"quantity":2.5}', b',"newField":1,"quantity":2.5}'):
        assert read(B1610, data.replace(b"}", repeated), DAY).rows[0]["quantity_mwh"] == 2.5


def test_a_rejected_row_is_kept_as_it_came():
    row = b1610(DAY, 3, quantity='"?"', newField={"a": [Literal("1.50")]})
    (reject,) = read(B1610, body([row]), DAY).rejects
    assert json.loads(reject.pop("raw")) == {
        **{name: str(value) if name == "settlementPeriod" else value for name, value in row.items()},
        "quantity": "?",
        "newField": '{"a": ["1.50"]}',
    }
    assert reject == {"row_number": 1, "column": "quantity_mwh", "value": "?", "reason": NUMBER}
    (reject,) = read(SYSTEM_PRICES, body([system_price(DAY, 3, startTime="?")]), DAY).rejects
    raw = json.loads(reject["raw"])
    assert (raw["netImbalanceVolume"], raw["settlementDate"]) == ("344.249492314814801830", "2026-08-01")


def test_the_first_problem_of_a_row_is_named():
    row = b1610(DAY, 60, unit="", quantity="1e9", settlementDate="?")
    (reject,) = read(B1610, body([row]), DAY).rejects
    assert (reject["column"], reject["reason"]) == ("settlement_date", DATE)


# --- whole answers ---

INVALID = "the answer is not valid JSON"
NO_OBJECTS = "the answer is not a list of objects: the source changed its structure, the parser must follow"


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (b"[1]", Rejected, NO_OBJECTS),
        (b"[null]", Rejected, NO_OBJECTS),
        (b"[[]]", Rejected, NO_OBJECTS),
        (b'{"data":null}', Rejected, NO_OBJECTS),
        (b'{"data":{"a":1}}', Rejected, NO_OBJECTS),
        (b'{"data":"none"}', Rejected, NO_OBJECTS),
        (b"[{},]", Rejected, f"{INVALID}: Expecting value: line 1 column 5 (char 4)"),
        (b"[{}]]", Rejected, f"{INVALID}: Extra data: line 1 column 5 (char 4)"),
        (b"[{}][{}]", Rejected, f"{INVALID}: Extra data: line 1 column 5 (char 4)"),
        (b"[{'a':1}]", Rejected, f"{INVALID}: Expecting property name enclosed in double quotes"),
        (b'[{"a":NaN}]', Rejected, f"{INVALID}: NaN is no JSON number"),
        (b'[{"a":-Infinity}]', Rejected, f"{INVALID}: -Infinity is no JSON number"),
        (b'[{"a":"\x01"}]', Rejected, f"{INVALID}: Invalid control character at"),
        (b"[" * 100_000 + b"]" * 100_000, Rejected, f"{INVALID}: maximum recursion depth exceeded"),
        (b'[{"dataset":' + b"[" * 9999 + b"]" * 9999 + b"}]", Rejected, f"{INVALID}: maximum recursion depth exceeded"),
        (b"<html><body>Service unavailable</body></html>", Retryable, "the answer is an HTML page, not JSON"),
        (b"", Retryable, "the answer is empty (no byte)"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_answer_that_is_none(answer, kind, message):
    with pytest.raises(IngestError) as refusal:
        read(B1610, answer, DAY)
    assert type(refusal.value) is kind
    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("field", ["bmUnit", "newField", "dataset"])
def test_another_character_set_is_refused_with_the_place(envelope, field):
    latin = json_text({"": [b1610(DAY, 1, **{field: "Zoë"})]}).encode("latin-1")[4:-1]
    answer = latin if envelope == "bare" else b'{"data":' + latin + b"}"
    with pytest.raises(Rejected) as refusal:
        read(B1610, answer, DAY)
    assert str(refusal.value).startswith("the answer is not UTF-8, at b'")
    assert str(refusal.value).endswith("its encoding; look at the archived answer and teach the parser the new one")
    assert "Zo\\xeb" in str(refusal.value)


@pytest.mark.parametrize("field", ["bmUnit", "newField"])
def test_half_a_surrogate_pair_is_no_text(field):
    with pytest.raises(Rejected, match="the answer holds text that is no Unicode"):
        read(B1610, body([b1610(DAY, 1, **{field: Literal('"\\ud800"')})]), DAY)


def test_no_rows_with_status_200():
    for answer in (b"[]", b'{"data":[]}', b'{"metadata":{"datasets":["DISEBSP"]},"data":[]}'):
        found = read(SYSTEM_PRICES, answer, DAY)
        assert (found.rows, found.rejects, found.received) == ([], [], 0)


@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(ENVELOPES))
def test_one_wrong_byte_never_loses_a_row_silently(place, byte, envelope):
    """Every row is counted, or the answer is refused with one of our errors."""
    data = bytearray(body([market_index(DAY, 1), market_index(DAY, 2), market_index(DAY, 3)], envelope))
    data[place % len(data)] = byte
    try:
        assert read(MARKET_INDEX, bytes(data), DAY).received == 3
    except (Retryable, Rejected) as refusal:
        assert str(refusal)


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode) | json_values.map(lambda v: json_text(v).encode()))
def test_whatever_comes_no_other_error_leaves_the_parser(data):
    try:
        assert read(B1610, data, DAY).rows == []
    except (Retryable, Rejected) as refusal:
        assert str(refusal)
