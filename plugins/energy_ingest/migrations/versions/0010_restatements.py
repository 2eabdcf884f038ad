"""How settlement values moved from run to run; which run an answer was of."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

ANSWERS = """
ALTER TABLE ledger.import_job ADD COLUMN source_version text;
COMMENT ON COLUMN ledger.import_job.source_version IS
  'the settlement run that the answer was of, where the source names one; also where it confirmed every value';
"""

# A restatement is a version beside the one before it. Filters on the key reach both tables' indexes.
B1610 = """
CREATE VIEW energy.elexon_b1610_restatement AS
SELECT settlement_date, settlement_period, bm_unit, version_id, settlement_run, quantity_mwh,
  lag(settlement_run) OVER moved AS former_settlement_run, lag(quantity_mwh) OVER moved AS former_quantity_mwh,
  quantity_mwh - lag(quantity_mwh) OVER moved AS change_mwh,
  round(100 * (quantity_mwh - lag(quantity_mwh) OVER moved) / nullif(abs(lag(quantity_mwh) OVER moved), 0), 2)
    AS change_percent,
  quantity_mwh - first_value(quantity_mwh) OVER moved AS change_since_first_mwh,
  valid_from AS known_from, valid_to AS known_to, is_current
FROM energy.elexon_b1610_versions
WINDOW moved AS (PARTITION BY settlement_date, settlement_period, bm_unit ORDER BY version_id);
COMMENT ON VIEW energy.elexon_b1610_restatement IS
  'Every value of a half hour that we knew, by when, and by how much it moved; the first has no former one.';
"""

# A run that confirms a value makes no version: the value of a run is what stood when its last answer came. Loads from
# before this version did not note their run: of these it is what the run set itself.
RUNS = ("II", "SF", "R1", "R2", "R3", "RF", "DF")
OF_RUN = "(array_agg(quantity_mwh ORDER BY valid_from DESC) FILTER (WHERE '{0}' IN (run, settlement_run)))[1] AS {1}"
BY_RUN = """
CREATE VIEW energy.elexon_b1610_by_run AS
SELECT version.settlement_date, settlement_period, bm_unit,
  {runs},
  max(quantity_mwh) FILTER (WHERE is_current) AS newest_mwh, max(version_id) AS version_count
FROM energy.elexon_b1610_versions AS version
LEFT JOIN (
  SELECT window_label AS settlement_date, source_version AS run, metadata -> 'members' AS units,
    max(retrieved_at) AS answered_at
  FROM ledger.import_job
  WHERE dataset = 'elexon_b1610' AND status = 'completed' AND source_version IS NOT NULL GROUP BY 1, 2, 3
) AS answer
  ON answer.settlement_date = version.settlement_date AND coalesce(units ? bm_unit, true)
 AND valid_from <= answered_at AND answered_at < valid_to
GROUP BY version.settlement_date, settlement_period, bm_unit;
COMMENT ON VIEW energy.elexon_b1610_by_run IS
  'A half hour in a row, its value by settlement run; NULL: we have no answer of that run, or it came before the unit.';
"""

SYSTEM_PRICES = """
CREATE VIEW energy.elexon_system_prices_restatement AS
SELECT settlement_date, settlement_period, version_id, created_at, price_derivation_code,
  system_sell_price_gbp_per_mwh, lag(system_sell_price_gbp_per_mwh) OVER moved AS former_price_gbp_per_mwh,
  system_sell_price_gbp_per_mwh - lag(system_sell_price_gbp_per_mwh) OVER moved AS change_gbp_per_mwh,
  system_sell_price_gbp_per_mwh - first_value(system_sell_price_gbp_per_mwh) OVER moved
    AS change_since_first_gbp_per_mwh,
  net_imbalance_volume_mwh, lag(net_imbalance_volume_mwh) OVER moved AS former_volume_mwh,
  net_imbalance_volume_mwh - lag(net_imbalance_volume_mwh) OVER moved AS change_mwh,
  net_imbalance_volume_mwh - first_value(net_imbalance_volume_mwh) OVER moved AS change_since_first_mwh,
  valid_from AS known_from, valid_to AS known_to, is_current
FROM energy.elexon_system_prices_versions
WINDOW moved AS (PARTITION BY settlement_date, settlement_period ORDER BY version_id);
COMMENT ON VIEW energy.elexon_system_prices_restatement IS
  'Every version of a price and its imbalance that we knew, by when, and by how much they moved.';
COMMENT ON COLUMN energy.elexon_system_prices_restatement.created_at IS
  'when Elexon computed the version: the feed names no settlement run';
"""
VIEWS = ("elexon_b1610_restatement", "elexon_b1610_by_run", "elexon_system_prices_restatement")


def upgrade() -> None:
    """Note the run of each answer; create the views."""
    op.execute(ANSWERS)
    op.execute(B1610)
    op.execute(BY_RUN.format(runs=",\n  ".join(OF_RUN.format(run, f"{run.lower()}_mwh") for run in RUNS)))
    op.execute(SYSTEM_PRICES)
    for view in VIEWS:
        for role in ("energy_loader", "energy_reader"):
            op.execute(f"SELECT ledger.grant_to('{role}', 'SELECT', 'energy.{view}')")


def downgrade() -> None:
    """Refuse: which run confirmed a value would be forgotten."""
    raise RuntimeError("which run confirmed a value would be forgotten: restore a backup instead of downgrading")
