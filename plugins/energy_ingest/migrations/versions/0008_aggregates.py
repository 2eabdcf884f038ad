"""Readings by day, week, month and year; daily figures of the market feeds; what ran, and how it ended."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

EXECUTION = """
CREATE TABLE ledger.execution (
  execution_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  kind text NOT NULL CHECK (kind IN ('aggregation', 'quality', 'cleanup', 'monitoring')),
  target text NOT NULL,
  status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'completed', 'failed')),
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  completed_at timestamptz,
  duration interval GENERATED ALWAYS AS (completed_at - started_at) STORED,
  processed bigint NOT NULL DEFAULT 0,
  errors integer NOT NULL DEFAULT 0,
  warnings integer NOT NULL DEFAULT 0,
  message text,
  details jsonb NOT NULL DEFAULT '{}',
  dag_id text,
  run_id text,
  try_number integer,
  backend_pid integer NOT NULL DEFAULT pg_backend_pid(),
  code_version text NOT NULL,
  CONSTRAINT over_or_running CHECK ((status = 'running') = (completed_at IS NULL)),
  CONSTRAINT an_error_is_no_success CHECK (status <> 'completed' OR errors = 0)
);
CREATE INDEX execution_recent ON ledger.execution (kind, started_at);
COMMENT ON TABLE ledger.execution IS 'One row for each time that something other than a load ran.';
COMMENT ON COLUMN ledger.execution.target IS 'what it was about: `dirty`, a range of dates';
COMMENT ON COLUMN ledger.execution.processed IS 'aggregation: days of meters; quality: rules';
SELECT ledger.grant_to('energy_loader', 'SELECT, INSERT, UPDATE', 'ledger.execution');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'ledger.execution');
"""

FIGURES = """
  mpan text COLLATE "C" NOT NULL,
  register text COLLATE "C" NOT NULL,
  total_kwh numeric NOT NULL,
  peak_kwh numeric,
  off_peak_kwh numeric,
  {figures}
  reading_count integer NOT NULL,
  expected_count integer NOT NULL,
  actual_kwh numeric NOT NULL,
  estimated_kwh numeric NOT NULL,
  aggregated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
"""
DAILY = """
CREATE TABLE energy.meter_daily (
  local_date date NOT NULL,
  {figures}
  PRIMARY KEY (local_date, mpan, register)
);
COMMENT ON TABLE energy.meter_daily IS
  'Consumption of UK days: of the half hours where the day has any, else the daily total. Rebuilt from the readings.';
COMMENT ON COLUMN energy.meter_daily.peak_kwh IS
  '07:00 to 23:00 local, end exclusive (see ENERGY_METER_PEAK); NULL for a daily total, which says nothing of it';
COMMENT ON COLUMN energy.meter_daily.expected_count IS 'half hours of the day: 46, 48 or 50; 1 for a daily total';
COMMENT ON COLUMN energy.meter_daily.actual_kwh IS 'of actual and manual readings';
"""
OF_A_DAY = """
  is_half_hourly boolean NOT NULL,
  min_kwh numeric NOT NULL,
  max_kwh numeric NOT NULL,
"""
PERIOD = """
CREATE TABLE energy.meter_{name} (
  {unit}_start date NOT NULL,
  {unit}_end date GENERATED ALWAYS AS (({unit}_start + interval '1 {unit}' - interval '1 day')::date) STORED,
  {figures}
  PRIMARY KEY ({unit}_start, mpan, register)
);
COMMENT ON TABLE energy.meter_{name} IS 'The days of energy.meter_daily summed up by {unit}.';
COMMENT ON COLUMN energy.meter_{name}.day_count IS 'days that have readings';
COMMENT ON COLUMN energy.meter_{name}.expected_count IS 'readings that those days should have';
COMMENT ON COLUMN energy.meter_{name}.peak_kwh IS 'of the half_hourly_day_count days that have half hours';
"""
OF_A_PERIOD = """
  min_daily_kwh numeric NOT NULL,
  max_daily_kwh numeric NOT NULL,
  day_count integer NOT NULL,
  half_hourly_day_count integer NOT NULL,
"""
PERIODS = {"weekly": "week", "monthly": "month", "annual": "year"}

# Changes against earlier periods; a former period that does not exist is NULL, and the trend says so.
COMPARISON = """
CREATE VIEW energy.meter_{name}_comparison AS
SELECT now.{start}, now.mpan, now.register, against, now.total_kwh, former.total_kwh AS former_kwh,
  now.total_kwh - former.total_kwh AS change_kwh,
  round(100 * (now.total_kwh - former.total_kwh) / nullif(abs(former.total_kwh), 0), 2) AS change_percent,
  CASE WHEN former.total_kwh IS NULL THEN 'no_comparison'
       WHEN now.total_kwh > former.total_kwh THEN 'increase'
       WHEN now.total_kwh < former.total_kwh THEN 'decrease' ELSE 'stable' END AS trend,
  now.reading_count = now.expected_count AND former.reading_count = former.expected_count AS both_complete
FROM energy.meter_{name} AS now
CROSS JOIN (VALUES {against}) AS earlier (against, distance)
LEFT JOIN energy.meter_{name} AS former
  ON former.{start} = (now.{start} - earlier.distance)::date
 AND former.mpan = now.mpan AND former.register = now.register;
COMMENT ON VIEW energy.meter_{name}_comparison IS 'Each {start} against earlier ones, one row for each comparison.';
"""
DISTANCES = {
    "daily": ("local_date", {"day": "1 day", "week": "7 days", "month": "1 month", "year": "1 year"}),
    "weekly": ("week_start", {"week": "7 days", "year": "364 days"}),
    "monthly": ("month_start", {"month": "1 month", "year": "1 year"}),
    "annual": ("year_start", {"year": "1 year"}),
}

BASELOAD = """
CREATE VIEW energy.meter_baseload AS
SELECT date_trunc('month', local_date::timestamp)::date AS month_start, mpan, register, count(*)::integer AS day_count,
  CASE WHEN count(*) < 10 THEN min(total_kwh)
       ELSE percentile_disc(0.1) WITHIN GROUP (ORDER BY total_kwh) END AS baseload_kwh_per_day,
  round(100 * count(*) * CASE WHEN count(*) < 10 THEN min(total_kwh)
       ELSE percentile_disc(0.1) WITHIN GROUP (ORDER BY total_kwh) END / nullif(sum(total_kwh), 0), 2)
    AS baseload_percent
FROM energy.meter_daily GROUP BY 1, 2, 3;
COMMENT ON VIEW energy.meter_baseload IS
  'The day at the 10th percentile of a month (the lowest of fewer than 10 days), and its share of the total.';
"""

MARKET = """
CREATE FUNCTION energy.half_hours_of(local_date date) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (extract(epoch FROM (local_date + 1)::timestamp AT TIME ZONE 'Europe/London'
                           - local_date::timestamp AT TIME ZONE 'Europe/London') / 1800)::integer
$$;
COMMENT ON FUNCTION energy.half_hours_of IS 'Half hours of a UK day: 48, or 46 and 50 when the clock changes.';

CREATE VIEW energy.system_price_daily AS
SELECT settlement_date, avg(system_sell_price_gbp_per_mwh) AS time_weighted_price_gbp_per_mwh,
  sum(system_sell_price_gbp_per_mwh * abs(net_imbalance_volume_mwh)) / nullif(sum(abs(net_imbalance_volume_mwh)), 0)
    AS volume_weighted_price_gbp_per_mwh,
  min(system_sell_price_gbp_per_mwh) AS min_price_gbp_per_mwh,
  max(system_sell_price_gbp_per_mwh) AS max_price_gbp_per_mwh,
  sum(net_imbalance_volume_mwh) AS net_imbalance_volume_mwh, sum(abs(net_imbalance_volume_mwh)) AS weight_mwh,
  count(*)::integer AS period_count, energy.half_hours_of(settlement_date) AS expected_count
FROM energy.elexon_system_prices GROUP BY settlement_date;
COMMENT ON VIEW energy.system_price_daily IS
  'System (sell) price of a settlement date; the volume-weighted one is weighted by the size of the imbalance.';

CREATE VIEW energy.market_index_daily AS
SELECT settlement_date, data_provider,
  avg(price_gbp_per_mwh) FILTER (WHERE NOT is_placeholder) AS time_weighted_price_gbp_per_mwh,
  sum(price_gbp_per_mwh * volume_mwh) / nullif(sum(volume_mwh), 0) AS volume_weighted_price_gbp_per_mwh,
  min(price_gbp_per_mwh) FILTER (WHERE NOT is_placeholder) AS min_price_gbp_per_mwh,
  max(price_gbp_per_mwh) FILTER (WHERE NOT is_placeholder) AS max_price_gbp_per_mwh,
  sum(volume_mwh) AS volume_mwh, (count(*) FILTER (WHERE NOT is_placeholder))::integer AS traded_count,
  count(*)::integer AS period_count, energy.half_hours_of(settlement_date) AS expected_count
FROM energy.elexon_market_index GROUP BY settlement_date, data_provider;
COMMENT ON VIEW energy.market_index_daily IS 'Prices of a settlement date; half hours without trade have none.';

CREATE VIEW energy.generation_daily AS
SELECT settlement_date, bm_unit, max(national_grid_bm_unit) AS national_grid_bm_unit, max(psr_type) AS psr_type,
  sum(quantity_mwh) AS quantity_mwh, min(quantity_mwh) AS min_quantity_mwh, max(quantity_mwh) AS max_quantity_mwh,
  count(quantity_mwh)::integer AS period_count, energy.half_hours_of(settlement_date) AS expected_count
FROM energy.elexon_b1610 GROUP BY settlement_date, bm_unit;
COMMENT ON VIEW energy.generation_daily IS 'MWh of a BM unit on a settlement date; positive: export.';

CREATE VIEW energy.generation_daily_by_type AS
SELECT settlement_date, coalesce(psr_type, 'unknown') AS psr_type, sum(quantity_mwh) AS quantity_mwh,
  count(DISTINCT bm_unit)::integer AS unit_count, count(quantity_mwh)::integer AS reading_count
FROM energy.elexon_b1610 GROUP BY 1, 2;
COMMENT ON VIEW energy.generation_daily_by_type IS 'MWh of a settlement date by the type that the source gives a unit.';

CREATE VIEW energy.capacity_utilisation AS
SELECT gas_day, nomination_cycle, asset, loc, flow_ind, loc_name, loc_zone,
  design_capacity_dth_per_day, operating_capacity_dth_per_day, total_scheduled_quantity_dth_per_day,
  operationally_available_capacity_dth_per_day,
  round(100 * total_scheduled_quantity_dth_per_day / nullif(operating_capacity_dth_per_day, 0), 2)
    AS utilisation_percent
FROM energy.transwestern_capacity
UNION ALL
SELECT gas_day, nomination_cycle, asset, loc, flow_ind, loc_name, loc_zone,
  design_capacity_dth_per_day, operating_capacity_dth_per_day, total_scheduled_quantity_dth_per_day,
  operationally_available_capacity_dth_per_day,
  round(100 * total_scheduled_quantity_dth_per_day / nullif(operating_capacity_dth_per_day, 0), 2)
FROM energy.energy_transfer_capacity;
COMMENT ON VIEW energy.capacity_utilisation IS
  'Scheduled quantity as percent of the operating capacity, by gas day, cycle and location; NULL where that is 0.';

CREATE VIEW energy.gas_quality_daily AS
SELECT (published_at AT TIME ZONE 'Europe/London' - interval '5 hours')::date AS gas_day, site_id,
  max(site_name) AS site_name, max(area_name) AS area_name, count(*)::integer AS publication_count,
  avg(cv_mj_per_m3) AS mean_cv_mj_per_m3, min(cv_mj_per_m3) AS min_cv_mj_per_m3, max(cv_mj_per_m3) AS max_cv_mj_per_m3,
  avg(wobbe_index_mj_per_m3) AS mean_wobbe_index_mj_per_m3,
  min(wobbe_index_mj_per_m3) AS min_wobbe_index_mj_per_m3, max(wobbe_index_mj_per_m3) AS max_wobbe_index_mj_per_m3,
  avg(relative_density) AS mean_relative_density, avg(co2_mol_percent) AS mean_co2_mol_percent,
  avg(n2_mol_percent) AS mean_n2_mol_percent
FROM energy.gas_quality GROUP BY 1, 2;
COMMENT ON VIEW energy.gas_quality_daily IS 'Gas quality of a site by UK gas day, 05:00 to 05:00 local.';
"""
TABLES = ("meter_daily", *(f"meter_{name}" for name in PERIODS))
VIEWS = (
    *(f"meter_{name}_comparison" for name in DISTANCES),
    *("meter_baseload", "system_price_daily", "market_index_daily", "generation_daily", "generation_daily_by_type"),
    *("capacity_utilisation", "gas_quality_daily"),
)


def upgrade() -> None:
    """Create the tables that `loading.aggregates` fills, and the views."""
    op.execute(EXECUTION)
    op.execute(DAILY.format(figures=FIGURES.format(figures=OF_A_DAY)))
    for name, unit in PERIODS.items():
        op.execute(PERIOD.format(name=name, unit=unit, figures=FIGURES.format(figures=OF_A_PERIOD)))
    for name, (start, distances) in DISTANCES.items():
        against = ", ".join(f"('{what}', interval '{distance}')" for what, distance in distances.items())
        op.execute(COMPARISON.format(name=name, start=start, against=against))
    op.execute(BASELOAD)
    op.execute(MARKET)
    for table in TABLES:  # what can be rebuilt from the readings may be deleted
        op.execute(f"SELECT ledger.grant_to('energy_loader', 'SELECT, INSERT, UPDATE, DELETE', 'energy.{table}')")
    for view in VIEWS:
        op.execute(f"SELECT ledger.grant_to('energy_loader', 'SELECT', 'energy.{view}')")
    for name in (*TABLES, *VIEWS):
        op.execute(f"SELECT ledger.grant_to('energy_reader', 'SELECT', 'energy.{name}')")


def downgrade() -> None:
    """Refuse: the record of what ran would be lost."""
    raise RuntimeError("the record of what ran would be lost: restore a backup instead of downgrading")
