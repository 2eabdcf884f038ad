"""History as analysts read it: how a settlement value moved from run to run, when, and by how much."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from energy_ingest.catalog import B1610, SYSTEM_PRICES
from tests.postgres.world import DAY, UNITS, Feed, answer, ask, audit, days

FIRST = datetime(2024, 3, 12, 12, tzinfo=UTC)


def month(number: int) -> datetime:
    """When the answer of the run after so many months was retrieved."""
    return FIRST + timedelta(days=30 * number)


def run(url: str, feed: Feed, name: str, quantity: float, at: datetime) -> None:
    """A settlement run's answer: the first half hour of the first unit has this quantity."""
    feed[DAY] = [{**row, "settlementRunType": name} for row in feed[DAY]]
    feed.restate(DAY, "quantity", quantity)
    answer(url, feed, days(DAY), at)


def test_how_a_value_moved_from_run_to_run(warehouse_url: str, reader_url: str):
    feed = Feed(B1610, UNITS)
    run(warehouse_url, feed, "II", 10.0, month(0))
    run(warehouse_url, feed, "SF", 10.0, month(1))  # confirms every value: no version
    run(warehouse_url, feed, "R1", 12.5, month(2))
    run(warehouse_url, feed, "R2", 12.5, month(5))
    run(warehouse_url, feed, "RF", -5.0, month(14))
    audit(warehouse_url, expected=days(DAY))

    of_the_first = "settlement_date = %s AND settlement_period = 1 AND bm_unit = 'T_A-1'"
    moves = f"""SELECT settlement_run, former_settlement_run, quantity_mwh, former_quantity_mwh, change_mwh,
        change_percent, change_since_first_mwh, known_from, is_current
        FROM energy.elexon_b1610_restatement WHERE {of_the_first} ORDER BY version_id"""  # noqa: S608
    assert ask(reader_url, moves, DAY) == [
        ("II", None, 10, None, None, None, 0, month(0), False),
        ("R1", "II", Decimal("12.5"), 10, Decimal("2.5"), 25, Decimal("2.5"), month(2), False),
        ("RF", "R1", -5, Decimal("12.5"), Decimal("-17.5"), -140, -15, month(14), True),
    ]
    by_run = f"""SELECT ii_mwh, sf_mwh, r1_mwh, r2_mwh, r3_mwh, rf_mwh, newest_mwh, version_count
        FROM energy.elexon_b1610_by_run WHERE {of_the_first}"""  # noqa: S608
    twelve = Decimal("12.5")
    assert ask(reader_url, by_run, DAY) == [(10, 10, twelve, twelve, None, -5, -5, 3)]
    confirmed = """SELECT count(*) FROM energy.elexon_b1610_by_run
        WHERE version_count = 1 AND ii_mwh = sf_mwh AND sf_mwh = r2_mwh AND r2_mwh = rf_mwh AND r3_mwh IS NULL"""
    assert ask(reader_url, confirmed) == [(95,)]


def test_a_run_speaks_only_for_the_units_it_was_asked_for(warehouse_url: str, reader_url: str):
    """Two scopes, whose answers are of different runs."""
    run(warehouse_url, Feed(B1610), "II", 10.0, month(0))  # the whole market: T_A-1, T_B-1 and T_C-1
    run(warehouse_url, Feed(B1610, UNITS), "SF", 10.0, month(1))
    query = "SELECT bm_unit, count(ii_mwh), count(sf_mwh) FROM energy.elexon_b1610_by_run GROUP BY 1 ORDER BY 1"
    assert ask(reader_url, query) == [("T_A-1", 48, 48), ("T_B-1", 48, 48), ("T_C-1", 48, 0)]


def test_loads_that_did_not_note_their_run(warehouse_url: str, owner_url: str):
    """Before version 0010: what a run set is known, what it confirmed is not."""
    feed = Feed(B1610, UNITS)
    run(warehouse_url, feed, "II", 10.0, month(0))
    run(warehouse_url, feed, "SF", 12.5, month(1))
    ask(owner_url, "UPDATE ledger.import_job SET source_version = NULL RETURNING 1")
    query = "SELECT ii_mwh, sf_mwh FROM energy.elexon_b1610_by_run WHERE settlement_period = 1 ORDER BY bm_unit"
    assert ask(owner_url, query) == [(10, Decimal("12.5")), (Decimal("1.5"), None)]


def test_how_a_price_moved(warehouse_url: str, reader_url: str):
    feed = Feed(SYSTEM_PRICES)
    answer(warehouse_url, feed, days(DAY), month(0))
    feed.restate(DAY, "systemSellPrice", 100.25)
    answer(warehouse_url, feed, days(DAY), month(1))
    feed.restate(DAY, "netImbalanceVolume", -7.5)
    answer(warehouse_url, feed, days(DAY), month(2))
    moves = """SELECT system_sell_price_gbp_per_mwh, former_price_gbp_per_mwh, change_gbp_per_mwh,
        net_imbalance_volume_mwh, change_mwh, change_since_first_gbp_per_mwh, known_from
        FROM energy.elexon_system_prices_restatement
        WHERE settlement_date = %s AND settlement_period = 1 ORDER BY version_id"""
    price, volume, risen = Decimal("100.25"), Decimal("0.125"), Decimal("20")
    assert ask(reader_url, moves, DAY) == [
        (Decimal("80.25"), None, None, volume, None, 0, month(0)),
        (price, Decimal("80.25"), risen, volume, 0, risen, month(1)),
        (price, price, 0, Decimal("-7.5"), Decimal("-7.625"), risen, month(2)),
    ]
