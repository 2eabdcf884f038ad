"""Daily figures of the market feeds, against figures worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from energy_ingest.errors import Rejected
from energy_ingest.loading import bm_units, quality
from energy_ingest.loading.database import connect
from energy_ingest.quality import GENERATION
from tests.postgres.world import ask, one

DAY = date(2024, 6, 3)
REGISTER = Path(__file__).parents[1] / "unit" / "golden" / "elexon" / "bm_units_first_10.json"

PRICES = """
INSERT INTO energy.elexon_system_prices (settlement_date, settlement_period, created_at, system_sell_price_gbp_per_mwh,
  system_buy_price_gbp_per_mwh, bsad_defaulted, net_imbalance_volume_mwh, period_start, recorded_from, job_id)
VALUES ('2024-06-03', 1, now(), 50, 50, false, -300, '2024-06-02 23:00Z', now(), 1),
       ('2024-06-03', 2, now(), 90, 90, false, 100, '2024-06-02 23:30Z', now(), 1)"""
INDEX = """
INSERT INTO energy.elexon_market_index (settlement_date, settlement_period, data_provider, price_gbp_per_mwh,
  volume_mwh, period_start, is_placeholder, recorded_from, job_id)
VALUES ('2024-06-03', 1, 'APXMIDP', 40, 30, '2024-06-02 23:00Z', false, now(), 1),
       ('2024-06-03', 2, 'APXMIDP', 80, 10, '2024-06-02 23:30Z', false, now(), 1),
       ('2024-06-03', 3, 'APXMIDP', 0, 0, '2024-06-03 00:00Z', true, now(), 1)"""
GENERATED = """
INSERT INTO energy.elexon_b1610 (settlement_date, settlement_period, bm_unit, psr_type, period_start, quantity_mwh,
  recorded_from, job_id)
SELECT '2024-06-03', period, unit, 'Generation', timestamptz '2024-06-02 22:30Z' + period * interval '30 min', quantity,
  now(), 1
FROM (VALUES (1, 'T_ABRBO-1', 20.5), (2, 'T_ABRBO-1', 60.25), (1, 'T_ACHRW-1', 4.25), (1, 'E_ABERDARE', -1.5),
             (1, 'C__PSMAR001', -7), (1, 'T_NOBODY-1', 9)) AS made (period, unit, quantity)"""
CAPACITY = """
INSERT INTO energy.transwestern_capacity (gas_day, nomination_cycle, asset, loc, flow_ind,
  operating_capacity_dth_per_day, total_scheduled_quantity_dth_per_day,
  operationally_available_capacity_dth_per_day, interruptible_ind,
  auth_overrun_ind, nom_cap_exceed_ind, all_qty_avail, gas_day_start, recorded_from, job_id)
SELECT '2024-06-03', cycle, 'TW', loc, 'D', capacity, scheduled, capacity - scheduled, 'N', 'N', 'N', 'Y',
  '2024-06-03 14:00Z', now(), 1
FROM (VALUES ('Timely', 'A', 200, 50), ('Evening', 'A', 200, 150), ('Timely', 'B', 0, 0))
  AS posted (cycle, loc, capacity, scheduled)"""
GAS = """
INSERT INTO energy.gas_quality (published_at, site_id, published_stamp, cv_mj_per_m3, recorded_from, job_id)
VALUES ('2024-06-03 03:59Z', 7, 'x', 38, now(), 1), ('2024-06-03 04:00Z', 7, 'x', 39, now(), 1),
       ('2024-06-04 03:59Z', 7, 'x', 41, now(), 1)"""


@pytest.fixture
def filled(warehouse: dict[str, str]) -> str:
    """A few rows of each feed; the address of the reader."""
    with connect(warehouse["energy_loader"]) as connection:
        for statement in (PRICES, INDEX, GENERATED, CAPACITY, GAS):
            connection.execute(statement)
        bm_units.store(connection, bm_units.parse(REGISTER.read_bytes()))
    return warehouse["energy_reader"]


def test_prices_weighted_by_time_and_by_volume(filled: str):
    query = """SELECT time_weighted_price_gbp_per_mwh, volume_weighted_price_gbp_per_mwh, net_imbalance_volume_mwh,
        period_count, expected_count FROM energy.system_price_daily"""
    assert ask(filled, query) == [(70, 60, -200, 2, 48)]  # (50 * 300 + 90 * 100) / 400
    query = """SELECT data_provider, time_weighted_price_gbp_per_mwh, volume_weighted_price_gbp_per_mwh, volume_mwh,
        traded_count, period_count FROM energy.market_index_daily"""
    assert ask(filled, query) == [("APXMIDP", 60, 50, 40, 2, 3)]  # (40 * 30 + 80 * 10) / 40; without trade, no price


def test_generation_by_unit_and_by_fuel(filled: str):
    query = "SELECT bm_unit, quantity_mwh, period_count, fuel_type FROM energy.generation_daily ORDER BY bm_unit"
    assert ask(filled, query) == [
        ("C__PSMAR001", -7, 1, "WIND"),
        ("E_ABERDARE", Decimal("-1.5"), 1, None),
        ("T_ABRBO-1", Decimal("80.75"), 2, "WIND"),
        ("T_ACHRW-1", Decimal("4.25"), 1, "WIND"),
        ("T_NOBODY-1", 9, 1, None),
    ]
    query = "SELECT fuel_type, quantity_mwh, unit_count, reading_count FROM energy.generation_daily_by_fuel ORDER BY 1"
    assert ask(filled, query) == [("WIND", 78, 3, 4), ("unknown", Decimal("7.5"), 2, 2)]


def test_utilisation_by_location_and_cycle(filled: str):
    query = "SELECT loc, nomination_cycle, utilisation_percent FROM energy.capacity_utilisation ORDER BY 1, 2"
    assert ask(filled, query) == [("A", "Evening", 75), ("A", "Timely", 25), ("B", "Timely", None)]


def test_gas_quality_by_site_and_gas_day(filled: str):
    query = "SELECT gas_day, site_id, publication_count, mean_cv_mj_per_m3 FROM energy.gas_quality_daily ORDER BY 1"
    assert ask(filled, query) == [(date(2024, 6, 2), 7, 1, 38), (DAY, 7, 2, 40)]  # from 05:00 UK time


def test_more_than_a_unit_can_do(filled: str, warehouse_url: str):
    """T_ABRBO-1 has 99 MW: 60.25 MWh in half an hour is too much. Where no capacity is declared, nothing is."""
    with connect(warehouse_url) as connection:
        quality.check(connection, [GENERATION], (DAY, DAY), datetime(2024, 7, 1, tzinfo=UTC))
    query = "SELECT subject, value_count, detail -> 'items' -> 0 ->> 'item' FROM ledger.quality_issue WHERE rule = %s"
    assert ask(filled, query, "over_capacity") == [("T_ABRBO-1", 1, "2")]


def test_the_register_again_writes_nothing_and_what_is_none_is_refused(warehouse_url: str):
    units = bm_units.parse(REGISTER.read_bytes())
    with connect(warehouse_url) as connection:
        assert (bm_units.store(connection, units), bm_units.store(connection, units)) == (9, 0)
    assert one(
        warehouse_url, "SELECT generation_capacity_mw FROM energy.bm_unit WHERE bm_unit = 'E_ABERDARE'"
    ) == Decimal("15.400")
    for body, why in (
        (b"[]", "no BM unit"),
        (b"<html>", "not Elexon's register"),
        (b'[{"elexonBmUnit": 7}]', "register"),
    ):
        with pytest.raises(Rejected, match=why):
            bm_units.parse(body)
