"""History at size: as-of reads from the index alone; how far back each table's history goes."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"

HORIZON = """
CREATE TABLE ledger.history_horizon (
  table_name text PRIMARY KEY,
  complete_from timestamptz NOT NULL
);
COMMENT ON TABLE ledger.history_horizon IS
  'Former versions that were superseded before this instant are gone (ENERGY_REVISION_DAYS). No row: all are kept.';
SELECT ledger.grant_to('energy_loader', 'SELECT', 'ledger.history_horizon');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'ledger.history_horizon');
"""

# As the table's own row type, the result has its columns' collations: a filter on a unit or meter reaches the index.
AS_OF = """
DO $do$
DECLARE name text; columns text;
BEGIN
  FOR name IN SELECT replace(relname, '_revision', '') FROM pg_class
    WHERE relnamespace = 'energy'::regnamespace AND relkind = 'r' AND relname LIKE '%\\_revision'
  LOOP
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
    WHERE attrelid = format('energy.%I', name)::regclass AND attnum > 0 AND NOT attisdropped;
    EXECUTE format('DROP FUNCTION energy.%I(timestamptz)', name || '_as_of');
    EXECUTE format($as_of$
CREATE FUNCTION energy.%1$I(known_at timestamptz) RETURNS SETOF energy.%2$I LANGUAGE sql STABLE AS $$
  SELECT %4$s FROM energy.%2$I WHERE recorded_from <= known_at
  UNION ALL
  SELECT %4$s FROM energy.%3$I WHERE recorded_from <= known_at AND known_at < recorded_to
$$
    $as_of$, name || '_as_of', name, name || '_revision', columns);
  END LOOP;
END $do$;
"""

# The tables that reach hundreds of millions of rows: their indexes hold the value, too. An index says alone what was
# known only where VACUUM has been, which by default comes after a fifth of the table was added.
COVERED = {
    "elexon_b1610": ("settlement_date, settlement_period, bm_unit", "quantity_mwh"),
    "meter_reading": ("period_start, mpan, register", "quantity_kwh, reading_type"),
}
COVER = """
CREATE UNIQUE INDEX {table}_covering ON energy.{table} ({key}) INCLUDE ({values}, recorded_from);
ALTER TABLE energy.{table} DROP CONSTRAINT {table}_pkey,
  ADD CONSTRAINT {table}_pkey PRIMARY KEY USING INDEX {table}_covering;
DROP INDEX energy.{table}_revision_key;
CREATE INDEX {table}_revision_key ON energy.{table}_revision ({key}, recorded_from) INCLUDE (recorded_to, {values});
ALTER TABLE energy.{table} SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE energy.{table}_revision SET (autovacuum_vacuum_insert_scale_factor = 0.02);
"""


def upgrade() -> None:
    """Widen the indexes of the large tables, which takes a minute for some 20 million rows."""
    op.execute(HORIZON)
    op.execute(AS_OF)
    for table, (key, values) in COVERED.items():
        op.execute(COVER.format(table=table, key=key, values=values))


def downgrade() -> None:
    """Refuse: what is gone from history would look as if it had never been."""
    raise RuntimeError("the horizon of the history would be forgotten: restore a backup instead of downgrading")
