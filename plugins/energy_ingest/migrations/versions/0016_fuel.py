"""Generation by fuel: B1610 names none, the register of BM units does."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"

VIEWS = """
CREATE OR REPLACE VIEW energy.generation_daily AS
SELECT settlement_date, generation.bm_unit, max(national_grid_bm_unit) AS national_grid_bm_unit,
  max(psr_type) AS psr_type, sum(quantity_mwh) AS quantity_mwh, min(quantity_mwh) AS min_quantity_mwh,
  max(quantity_mwh) AS max_quantity_mwh, count(quantity_mwh)::integer AS period_count,
  energy.half_hours_of(settlement_date) AS expected_count, max(fuel_type) AS fuel_type
FROM energy.elexon_b1610 AS generation LEFT JOIN energy.bm_unit ON bm_unit.bm_unit = generation.bm_unit
GROUP BY settlement_date, generation.bm_unit;
COMMENT ON COLUMN energy.generation_daily.fuel_type IS 'of the register of BM units; NULL: it names none';

CREATE VIEW energy.generation_daily_by_fuel AS
SELECT settlement_date, coalesce(fuel_type, 'unknown') AS fuel_type, sum(quantity_mwh) AS quantity_mwh,
  count(DISTINCT generation.bm_unit)::integer AS unit_count, count(quantity_mwh)::integer AS reading_count
FROM energy.elexon_b1610 AS generation LEFT JOIN energy.bm_unit ON bm_unit.bm_unit = generation.bm_unit
GROUP BY 1, 2;
COMMENT ON VIEW energy.generation_daily_by_fuel IS
  'MWh of a settlement date by the fuel that the register gives a unit: CCGT, WIND, ...; unknown: none.';
SELECT ledger.grant_to('energy_loader', 'SELECT', 'energy.generation_daily_by_fuel');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'energy.generation_daily_by_fuel');
"""


def upgrade() -> None:
    """Give units their fuel, and sum up by it."""
    op.execute(VIEWS)


def downgrade() -> None:
    """Remove the view by fuel; the column stays."""
    op.execute("DROP VIEW energy.generation_daily_by_fuel")
