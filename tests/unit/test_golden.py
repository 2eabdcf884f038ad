"""Recorded answers become exactly these rows."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from energy_ingest.catalog import B1610, MARKET_INDEX, SYSTEM_PRICES
from energy_ingest.errors import Rejected
from tests.unit.answers import Literal, body, chunked, market_index, read

GOLDEN = Path(__file__).parent / "golden" / "elexon"
RECORDED = Path(__file__).parents[2] / "include" / "twin" / "data"


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.json").read_bytes()


def test_b1610_of_2026_with_its_settlement_run():
    day = date(2026, 8, 1)
    found = read(B1610, golden("b1610_2026-08-01_sp3-5"), day)
    starts = ["2026-08-01T00:00:00+00:00", "2026-08-01T00:30:00+00:00", "2026-08-01T01:00:00+00:00"]
    assert found.rows == [
        {
            "settlement_date": day,
            "settlement_period": period,
            "bm_unit": "T_DRAXX-1",
            "national_grid_bm_unit": "DRAXX-1",
            "psr_type": "Generation",
            "settlement_run": "II",
            "quantity_mwh": 0.0,
            "period_start": start,
            "row_number": number,
        }
        for number, (period, start) in enumerate(zip((3, 4, 5), starts, strict=True), 1)
    ]
    assert (found.rejects, found.unknown, found.received) == ([], set(), 3)


def test_b1610_before_settlement_runs_in_the_envelope_of_one_period():
    day = date(2022, 10, 12)
    found = read(B1610, golden("b1610_2022-10-12_sp48"), day)
    assert [tuple(row.values()) for row in found.rows] == [
        (day, 48, "T_SEAB-1", "SEAB-1", "Generation", None, -2.124, "2022-10-12T22:30:00+00:00", 1),
        (day, 48, "T_SEAB-2", "SEAB-2", "Generation", None, -1.985, "2022-10-12T22:30:00+00:00", 2),
    ]
    assert (found.rejects, found.unknown) == ([], set())


def test_b1610_of_a_battery():
    day = date(2026, 6, 1)
    found = read(B1610, golden("b1610_2026-06-01_sp3"), day)
    assert [tuple(row.values()) for row in found.rows] == [
        (day, 3, "2__FBPGM001", "FBPG01", "Generation", None, 0.014, "2026-06-01T00:00:00+00:00", 1)
    ]


def test_system_prices_with_eighteen_decimals():
    day = date(2026, 8, 1)
    found = read(SYSTEM_PRICES, golden("system_prices_2026-08-01_sp5"), day)
    nothing = "0.000000000000000000"
    assert found.rows == [
        {
            "settlement_date": day,
            "settlement_period": 5,
            "created_at": datetime(2026, 8, 2, 1, 44, 33, tzinfo=UTC),
            "system_sell_price_gbp_per_mwh": "160.000000000000000000",
            "system_buy_price_gbp_per_mwh": "160.000000000000000000",
            "bsad_defaulted": False,
            "price_derivation_code": "P",
            "reserve_scarcity_price_gbp_per_mwh": nothing,
            "net_imbalance_volume_mwh": "344.249492314814801830",
            "sell_price_adjustment_gbp_per_mwh": "0.00",
            "buy_price_adjustment_gbp_per_mwh": "0.00",
            "replacement_price_gbp_per_mwh": None,
            "replacement_price_reference_volume_mwh": None,
            "total_accepted_offer_volume_mwh": "918.941158981481521550",
            "total_accepted_bid_volume_mwh": "-574.584156666666672209",
            "total_adjustment_sell_volume_mwh": nothing,
            "total_adjustment_buy_volume_mwh": nothing,
            "total_tagged_accepted_offer_volume_mwh": "917.941158981481521550",
            "total_tagged_accepted_bid_volume_mwh": "-574.584156666666672209",
            "total_tagged_adjustment_sell_volume_mwh": None,
            "total_tagged_adjustment_buy_volume_mwh": None,
            "period_start": "2026-08-01T01:00:00+00:00",
            "row_number": 1,
        }
    ]
    assert (found.rejects, found.unknown, found.received) == ([], set(), 1)


def test_the_market_index_of_both_providers():
    day = date(2026, 7, 1)
    found = read(MARKET_INDEX, golden("market_index_2026-07-01_sp22"), day)
    assert [tuple(row.values()) for row in found.rows] == [
        (day, 22, "APXMIDP", "106.83", "3310.45", "2026-07-01T09:30:00+00:00", False, 1),
        (day, 22, "N2EXMIDP", "0.0", "0.0", "2026-07-01T09:30:00+00:00", True, 2),
    ]
    assert (found.rejects, found.unknown, found.received) == ([], set(), 2)


@pytest.mark.parametrize(("month", "count", "placeholders"), [("2024-03", 2972, 1485), ("2024-10", 2980, 1581)])
def test_every_value_of_the_months_of_clock_change_comes_through(month, count, placeholders):
    with gzip.open(RECORDED / "market_index_2024.csv.gz", "rt") as lines:
        table = [row for row in csv.DictReader(lines) if row["settlement_date"].startswith(month)]
    rows = [
        market_index(
            date.fromisoformat(row["settlement_date"]),
            int(row["settlement_period"]),
            row["data_provider"],
            price=Literal(row["price"]),
            volume=Literal(row["volume"]),
        )
        for row in table
    ]
    first = date.fromisoformat(f"{month}-01")
    found = read(MARKET_INDEX, chunked(body(rows), 2**16), first, first.replace(day=31))
    assert (found.rejects, found.received) == ([], count)
    names = ("settlement_date", "settlement_period", "data_provider", "price_gbp_per_mwh", "volume_mwh")
    assert [[str(row[name]) for name in names] for row in found.rows] == [list(row.values()) for row in table]
    assert sum(row["is_placeholder"] for row in found.rows) == placeholders, "APX had 97 on three days of October"


def test_a_quotation_that_leaves_fields_out_is_refused_and_they_are_named():
    with pytest.raises(
        Rejected, match="the answer has no field bsadDefaulted, reserveScarcityPrice, sellPriceAdjustment,"
    ):
        read(SYSTEM_PRICES, golden("system_prices_2026-05-06_sp1_core_fields"), date(2026, 5, 6))


def test_the_answer_of_another_dataset_is_refused():
    with pytest.raises(Rejected, match="the answer has no field startTime, dataProvider, price, volume"):
        read(MARKET_INDEX, golden("b1610_2026-08-01_sp3-5"), date(2026, 8, 1))
