"""Elexon system prices, market index, B1610."""

from __future__ import annotations

from energy_ingest.migrations.dataset_table import create_dataset_table, drop_dataset_table

revision = "0002"
down_revision = "0001"

SYSTEM_PRICES = {
    "settlement_date": "date NOT NULL",
    "settlement_period": "smallint NOT NULL",
    "created_at": "timestamptz NOT NULL",
    "system_sell_price_gbp_per_mwh": "numeric NOT NULL",
    "system_buy_price_gbp_per_mwh": "numeric NOT NULL",
    "bsad_defaulted": "boolean NOT NULL",
    "price_derivation_code": "text",
    "reserve_scarcity_price_gbp_per_mwh": "numeric",
    "net_imbalance_volume_mwh": "numeric NOT NULL",
    "sell_price_adjustment_gbp_per_mwh": "numeric",
    "buy_price_adjustment_gbp_per_mwh": "numeric",
    "replacement_price_gbp_per_mwh": "numeric",
    "replacement_price_reference_volume_mwh": "numeric",
    "total_accepted_offer_volume_mwh": "numeric",
    "total_accepted_bid_volume_mwh": "numeric",
    "total_adjustment_sell_volume_mwh": "numeric",
    "total_adjustment_buy_volume_mwh": "numeric",
    "total_tagged_accepted_offer_volume_mwh": "numeric",
    "total_tagged_accepted_bid_volume_mwh": "numeric",
    "total_tagged_adjustment_sell_volume_mwh": "numeric",
    "total_tagged_adjustment_buy_volume_mwh": "numeric",
    "period_start": "timestamptz NOT NULL",
}
MARKET_INDEX = {
    "settlement_date": "date NOT NULL",
    "settlement_period": "smallint NOT NULL",
    "data_provider": 'text COLLATE "C" NOT NULL',
    "price_gbp_per_mwh": "numeric NOT NULL",
    "volume_mwh": "numeric NOT NULL",
    "period_start": "timestamptz NOT NULL",
    "is_placeholder": "boolean NOT NULL",
}
B1610 = {
    "settlement_date": "date NOT NULL",
    "settlement_period": "smallint NOT NULL",
    "bm_unit": 'text COLLATE "C" NOT NULL',
    "national_grid_bm_unit": 'text COLLATE "C"',
    "psr_type": 'text COLLATE "C"',
    "settlement_run": 'text COLLATE "C"',
    "quantity_mwh": "numeric",
    "period_start": "timestamptz NOT NULL",
}
PERIOD = ("settlement_date", "settlement_period")


def upgrade() -> None:
    """Create the three datasets."""
    create_dataset_table("elexon_system_prices", SYSTEM_PRICES, PERIOD, "elexon")
    create_dataset_table("elexon_market_index", MARKET_INDEX, (*PERIOD, "data_provider"), "elexon")
    create_dataset_table("elexon_b1610", B1610, (*PERIOD, "bm_unit"), "elexon")


def downgrade() -> None:
    """Refuse to drop loaded data."""
    drop_dataset_table("elexon_b1610")
