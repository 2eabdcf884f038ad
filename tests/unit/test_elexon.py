"""Elexon's rows through the parser: the same rows come out, with all their digits, in order, each counted once."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_ingest.catalog import B1610, MARKET_INDEX, SYSTEM_PRICES, Dataset
from energy_ingest.clock import period_start, settlement_periods
from energy_ingest.sources import Scope, elexon
from energy_ingest.sources.json_rows import json_arrays
from tests.unit.answers import ENVELOPES, Literal, Row, b1610, body, chunked, market_index, read, stamp, system_price

SUMMER, SPRING, AUTUMN = date(2026, 8, 1), date(2024, 3, 31), date(2024, 10, 27)
DAYS = st.sampled_from([SUMMER, SPRING, AUTUMN])


@contextmanager
def pieces_of(size: int):
    """Cut answers into small arrays, and check two of them at a time."""
    with patch.object(elexon, "json_arrays", partial(json_arrays, piece=size)), patch.object(elexon, "ARRAYS", 2):
        yield


# --- any answer, read back ---


def decimals(limit: int, places: int = 18) -> st.SearchStrategy[Literal]:
    """Numbers as a source writes them, trailing zeros included."""
    return st.decimals(-limit, limit, places=places).map(lambda d: Literal(f"{d:f}"))


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
instants = st.datetimes(
    datetime.fromisoformat("2016-01-01"),
    datetime.fromisoformat("2030-01-01"),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=1))]),
)


def draw_value(draw, kind: str, low: float | None) -> object:
    match kind:
        case "exact":
            return draw(
                decimals(99_000) if low is None or low < 0 else decimals(99_000).map(lambda d: Literal(d.lstrip("-")))
            )
        case "number":
            return draw(decimals(99_000, places=3))
        case "boolean":
            return draw(st.booleans())
        case "instant":
            return draw(instants).isoformat()
        case _:
            return draw(texts)


@st.composite
def answers(draw, dataset: Dataset) -> tuple[date, list[Row]]:
    """A day and some rows of it, in any order, repeated keys included."""
    day, rows = draw(DAYS), []
    for _ in range(draw(st.integers(0, 6))):
        period, row = draw(st.integers(1, settlement_periods(day))), {}
        for column in dataset.contract.columns:
            if column.name == "settlement_date":
                value: object = str(day)
            elif column.name == "settlement_period":
                value = period
            elif column.name == "stamp":
                suffix = draw(st.sampled_from(["", "Z", "+00:00"]))
                value = stamp(day, period, end=dataset.stamps_end, suffix=suffix)
            elif column.nullable and draw(st.booleans()):
                value = None
            else:
                value = draw_value(draw, column.kind, column.low)
            if not (column.optional and value is None and draw(st.booleans())):
                row[column.source] = value
        rows.append(row | dict.fromkeys(draw(st.sets(st.sampled_from(dataset.contract.ignored or ["-"]))), "?"))
        rows[-1].pop("-", None)
    return day, rows


def loaded(dataset: Dataset, day: date, row: Row, number: int) -> Row:
    """What a row should become."""
    values: Row = {}
    for column in dataset.contract.columns:
        value = row.get(column.source)
        match column.kind:
            case "exact" if value is not None:
                value = str(value)
            case "number" if value is not None:
                value = float(value)
            case "date":
                value = day
            case "instant":
                value = datetime.fromisoformat(value)
        values[column.name] = value
    del values["stamp"]
    values["period_start"] = period_start(day, row["settlementPeriod"]).isoformat()
    if dataset is MARKET_INDEX:
        values["is_placeholder"] = Decimal(row["price"]) == Decimal(row["volume"]) == 0
    return values | {"row_number": number}


@pytest.mark.parametrize("dataset", [SYSTEM_PRICES, MARKET_INDEX, B1610], ids=lambda d: d.name)
@given(data=st.data())
def test_rows_come_back_from_any_envelope_spacing_and_cutting(dataset, data):
    day, rows = data.draw(answers(dataset))
    answer = body(rows, data.draw(st.sampled_from(ENVELOPES)), data.draw(st.sampled_from([None, 2])))
    with pieces_of(data.draw(st.sampled_from([1, 500, 2**20]))):
        found = read(dataset, chunked(answer, data.draw(st.sampled_from([1, 10, 100, 10_000]))), day)
    assert (found.rejects, found.unknown, found.received) == ([], set(), len(rows))
    assert found.rows == [loaded(dataset, day, row, number) for number, row in enumerate(rows, 1)]


@pytest.mark.parametrize("dataset", [SYSTEM_PRICES, MARKET_INDEX, B1610], ids=lambda d: d.name)
def test_the_columns_are_those_of_the_contract_key_first_even_of_no_rows(dataset):
    piece = next(iter(elexon.parse(dataset, [b"[]"], [*dataset.windows(SUMMER, SUMMER)], Scope("all"))))
    assert piece.rows.columns == [*dataset.contract.loaded, "row_number"]
    assert (piece.received, piece.unknown_fields) == (0, ())


def test_every_size_of_chunk_gives_the_same_rows():
    data = body([b1610(SUMMER, period) for period in range(1, 6)], indent=2)
    whole = read(B1610, data, SUMMER)
    assert whole.received == 5
    with pieces_of(100):
        for size in (*range(1, 60), *range(60, len(data), 40)):
            assert read(B1610, chunked(data, size), SUMMER) == whole


# --- a whole day, and a day that is not ---


@pytest.mark.parametrize(("day", "count"), [(SUMMER, 48), (SPRING, 46), (AUTUMN, 50)])
def test_a_whole_day_in_any_order_with_its_utc_starts(day, count):
    rows = [system_price(day, period) for period in range(1, count + 1)]
    found = read(SYSTEM_PRICES, body(rows[::2] + rows[1::2][::-1], "metadata"), day)
    assert found.received == count and not found.rejects
    starts = {row["settlement_period"]: row["period_start"] for row in found.rows}
    assert starts == {period: period_start(day, period).isoformat() for period in range(1, count + 1)}


def test_a_short_day_gives_the_rows_it_has():
    found = read(MARKET_INDEX, body([market_index(SUMMER, p) for p in (1, 2, 5)], "metadata"), SUMMER)
    assert [(row["row_number"], row["settlement_period"]) for row in found.rows] == [(1, 1), (2, 2), (3, 5)]


def test_repeated_rows_are_all_given_on_and_all_counted():
    """Which of them is loaded is decided where all pieces are together: in the database."""
    rows = [b1610(SUMMER, 1), b1610(SUMMER, 1), b1610(SUMMER, 1, quantity="2.5")]
    found = read(B1610, body(rows), SUMMER)
    assert [row["quantity_mwh"] for row in found.rows] == [1.5, 1.5, 2.5]


def test_several_windows_in_one_answer():
    rows = [market_index(day, p) for day in (SPRING, SPRING + timedelta(days=1)) for p in (1, 46)]
    found = read(MARKET_INDEX, body(rows, "data"), SPRING, SPRING + timedelta(days=1))
    assert [row["period_start"] for row in found.rows] == [
        "2024-03-31T00:00:00+00:00",
        "2024-03-31T22:30:00+00:00",
        "2024-03-31T23:00:00+00:00",
        "2024-04-01T21:30:00+00:00",
    ]


def test_price_and_volume_of_zero_mark_a_placeholder_however_they_are_written():
    zeros = [("0", "0"), ("0.0", "0E+3"), ("-0.00", "0"), ("0", "0.001"), ("0.01", "0"), ("-5.5", "10")]
    rows = [market_index(SUMMER, 1, price=Literal(price), volume=Literal(volume)) for price, volume in zeros]
    found = read(MARKET_INDEX, body(rows), SUMMER)
    assert [row["is_placeholder"] for row in found.rows] == [True, True, True, False, False, False]
    assert [(row["price_gbp_per_mwh"], row["volume_mwh"]) for row in found.rows] == zeros


# --- rows that do not belong here ---


def problems(found) -> list[tuple]:
    return [(r["row_number"], r["column"], r["value"], r["reason"]) for r in found.rejects]


def test_rows_of_other_days_are_refused_whatever_day_they_name():
    rows = [b1610(SUMMER - timedelta(days=1), 48), b1610(SUMMER, 1), b1610(SUMMER + timedelta(days=1), 1)]
    found = read(B1610, body(rows), SUMMER)
    reason = "is not a half hour of the requested window"
    assert problems(found) == [(1, "settlement_period", "48", reason), (3, "settlement_period", "1", reason)]
    assert [row["row_number"] for row in found.rows] == [2]


@pytest.mark.parametrize(("day", "missing"), [(SPRING, 47), (SUMMER, 49), (AUTUMN, 51)])
def test_a_period_that_the_day_does_not_have_is_refused(day, missing):
    found = read(SYSTEM_PRICES, body([system_price(day, missing - 1), system_price(day, missing)], "metadata"), day)
    reason = "is outside 1 to 50" if missing > 50 else "is not a half hour of the requested window"
    assert problems(found) == [(2, "settlement_period", str(missing), reason)]


def test_a_window_in_utc_days_would_mix_settlement_dates_and_is_noticed():
    """The bounds of a UTC day in summer: one period of the next settlement date is in the answer."""
    rows = [b1610(SUMMER, p) for p in range(3, 49)] + [b1610(SUMMER + timedelta(days=1), p) for p in (1, 2, 3)]
    found = read(B1610, body(rows), SUMMER)
    assert (len(found.rows), len(found.rejects)) == (46, 3)


@pytest.mark.parametrize(
    "stamped",
    [
        "2026-08-01T01:00:00",  # the period after
        "2026-08-01T00:00:00",  # the start in place of the end
        "2026-08-01T01:30:00",  # UK clock time
        "2026-08-01T01:30:00+01:00",  # right, but written in a way that is not known
        "2026-08-01T00:30:00.000Z",
        "2026-08-01 00:30:00",
        "2026-08-01T00:30:00ZZ",
        "",
    ],
)
def test_a_stamp_that_contradicts_its_half_hour_is_refused(stamped):
    found = read(B1610, body([b1610(SUMMER, 3, halfHourEndTime=stamped), b1610(SUMMER, 3)]), SUMMER)
    assert problems(found) == [(1, "stamp", stamped, "contradicts settlement date and period")]
    assert [row["row_number"] for row in found.rows] == [2]


def test_on_the_autumn_day_the_stamp_tells_the_two_hours_apart():
    first, second = system_price(AUTUMN, 3), system_price(AUTUMN, 5)
    swapped = [first | {"startTime": second["startTime"]}, second | {"startTime": first["startTime"]}]
    assert not read(SYSTEM_PRICES, body([first, second], "metadata"), AUTUMN).rejects
    assert len(read(SYSTEM_PRICES, body(swapped, "metadata"), AUTUMN).rejects) == 2


def test_units_that_were_not_asked_for_are_refused():
    scope = Scope("units:T_A-1,T_B-1", ("T_A-1", "T_B-1"))
    found = read(B1610, body([b1610(SUMMER, 1, unit) for unit in ("T_A-1", "T_C-1", "T_B-1")]), SUMMER, scope=scope)
    assert problems(found) == [(2, "bm_unit", "T_C-1", "was not asked for")]
    assert [row["bm_unit"] for row in found.rows] == ["T_A-1", "T_B-1"]


def test_every_piece_numbers_its_rows_on():
    rows = [b1610(SUMMER, p, quantity="1e9" if p % 5 == 0 else "1") for p in range(1, 49)]
    with pieces_of(500):
        found = read(B1610, chunked(body(rows), 300), SUMMER)
    assert found.received == 48
    assert sorted([row["row_number"] for row in found.rows + found.rejects]) == list(range(1, 49))
    assert [row["row_number"] for row in found.rejects] == list(range(5, 49, 5))
