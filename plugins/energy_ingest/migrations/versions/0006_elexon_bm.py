"""Elexon's data of single BM units: acceptances, bids and offers, physical notifications."""

from __future__ import annotations

from energy_ingest.migrations.dataset_table import create_dataset_table, drop_dataset_table

revision = "0006"
down_revision = "0005"

TEXT = 'text COLLATE "C"'
UNIT = {
    "national_grid_bm_unit": TEXT,
    "time_to": "timestamptz NOT NULL",
    "level_from_mw": "numeric NOT NULL",
    "level_to_mw": "numeric NOT NULL",
    "period_start": "timestamptz NOT NULL",
}
PERIOD = {"settlement_date": "date NOT NULL", "settlement_period": "smallint NOT NULL", "bm_unit": f"{TEXT} NOT NULL"}
BOALF = {
    "settlement_date": "date NOT NULL",
    "bm_unit": f"{TEXT} NOT NULL",
    "acceptance_number": "integer NOT NULL",
    "time_from": "timestamptz NOT NULL",
    "settlement_period": "smallint NOT NULL",
    "settlement_period_to": "smallint NOT NULL",
    "accepted_at": "timestamptz NOT NULL",
    "deemed_bo": "boolean",
    "so": "boolean",
    "stor": "boolean",
    "rr": "boolean",
    **UNIT,
}
BOD = {
    **PERIOD,
    "pair_id": "integer NOT NULL",
    "time_from": "timestamptz NOT NULL",
    "bid_gbp_per_mwh": "numeric NOT NULL",
    "offer_gbp_per_mwh": "numeric NOT NULL",
    **UNIT,
}
PHYSICAL = {**PERIOD, "notification": f"{TEXT} NOT NULL", "time_from": "timestamptz NOT NULL", **UNIT}


def upgrade() -> None:
    """Create the three datasets."""
    boalf_key = ("settlement_date", "bm_unit", "acceptance_number", "time_from")
    create_dataset_table("elexon_boalf", BOALF, boalf_key, "elexon")
    create_dataset_table("elexon_bod", BOD, (*PERIOD, "pair_id", "time_from"), "elexon")
    create_dataset_table("elexon_physical", PHYSICAL, (*PERIOD, "notification", "time_from"), "elexon")


def downgrade() -> None:
    """Refuse to drop loaded data."""
    drop_dataset_table("elexon_boalf")
