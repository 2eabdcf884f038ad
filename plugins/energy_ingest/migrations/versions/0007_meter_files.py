"""Meter files: jobs that are files, half-hourly and daily readings, sites, meters, and what aggregates must redo."""

from __future__ import annotations

from collections.abc import Mapping

from alembic import op

from energy_ingest.migrations.dataset_table import create_dataset_table, drop_dataset_table

# ruff: noqa: S608 - the names come from this file

revision = "0007"
down_revision = "0006"

TEXT = 'text COLLATE "C"'
READING = {
    "quantity_kwh": "numeric NOT NULL",
    "reading_type": f"{TEXT} NOT NULL CHECK (reading_type IN ('actual', 'estimated', 'manual'))",
}
METER = {"mpan": f"{TEXT} NOT NULL", "register": f"{TEXT} NOT NULL"}
HALF_HOURS = {"period_start": "timestamptz NOT NULL", **METER, **READING, "is_ambiguous": "boolean NOT NULL"}
DAILY = {"local_date": "date NOT NULL", **METER, **READING}
SITE = {
    "name": f"{TEXT} NOT NULL",
    "company_id": "bigint NOT NULL",
    "site_id": "bigint NOT NULL DEFAULT nextval('energy.site_number')",
    "region_id": "bigint",
    "address": "text",
    "postcode": TEXT,
    "site_type": f"{TEXT} NOT NULL",
    "floor_area_m2": "numeric",
    "latitude": "numeric",
    "longitude": "numeric",
    "is_active": "boolean NOT NULL",
    "created_on": "date",
}

JOBS = """
ALTER TABLE ledger.import_job
  DROP CONSTRAINT import_job_import_type_check,
  ADD CONSTRAINT import_job_import_type_check CHECK (import_type IN
    ('scheduled', 'backfill', 'manual', 'asset_triggered', 'command', 'replay', 'hh', 'daily', 'sites')),
  ALTER COLUMN window_start DROP NOT NULL,
  ALTER COLUMN window_label DROP NOT NULL,
  ADD COLUMN file_uri text,
  ADD COLUMN file_sha256 text,
  ADD COLUMN file_bytes bigint,
  ADD COLUMN bytes_done bigint NOT NULL DEFAULT 0,
  ADD COLUMN resume_row bigint NOT NULL DEFAULT 0,
  ADD COLUMN feed text,
  ADD COLUMN default_site_id bigint,
  ADD COLUMN dry_run boolean NOT NULL DEFAULT false,
  ADD COLUMN forced boolean NOT NULL DEFAULT false,
  ADD COLUMN claims integer NOT NULL DEFAULT 0,
  ADD COLUMN backend_pid integer,
  ADD COLUMN heartbeat_at timestamptz,
  ADD COLUMN report jsonb,
  ADD COLUMN rolled_back_at timestamptz,
  ADD CONSTRAINT a_window_or_a_file CHECK ((import_type IN ('hh', 'daily', 'sites')) = (window_start IS NULL)
    AND (window_start IS NULL) = (window_label IS NULL) AND (window_start IS NULL) = (file_name IS NOT NULL)) NOT VALID;
ALTER TABLE ledger.quarantine ALTER COLUMN window_start DROP NOT NULL;

-- The same bytes are imported once, under whatever name, unless that is forced.
CREATE UNIQUE INDEX import_job_file ON ledger.import_job (file_sha256)
  WHERE status IN ('queued', 'processing', 'completed') AND NOT forced AND NOT dry_run AND rolled_back_at IS NULL;
CREATE INDEX import_job_queue ON ledger.import_job (job_id)
  WHERE dataset = 'meter_files' AND status IN ('queued', 'processing');
COMMENT ON COLUMN ledger.import_job.resume_row IS
  'the file is loaded up to this row, behind which the next attempt goes on';
COMMENT ON COLUMN ledger.import_job.bytes_done IS 'of file_bytes: how far the import is';
COMMENT ON COLUMN ledger.import_job.claims IS 'how often a process took the job; only the last one may write';
COMMENT ON COLUMN ledger.import_job.heartbeat_at IS 'when the process at work last committed';
"""

METERS = """
CREATE TABLE energy.meter (
  mpan text COLLATE "C" PRIMARY KEY,
  site_id bigint,
  registers text[] NOT NULL DEFAULT '{}',
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  job_id bigint REFERENCES ledger.import_job (job_id)
);
COMMENT ON TABLE energy.meter IS 'Known meters. MPANs are personal data: see docs/meter-files.md.';
COMMENT ON COLUMN energy.meter.job_id IS 'the import that brought the meter, if one did';

CREATE TABLE energy.meter_dirty (
  local_date date NOT NULL,
  mpan text COLLATE "C" NOT NULL,
  register text COLLATE "C" NOT NULL,
  marked_at timestamptz NOT NULL,
  PRIMARY KEY (local_date, mpan, register)
);
COMMENT ON TABLE energy.meter_dirty IS
  'UK days whose readings changed. Whoever has redone one deletes its mark, if marked_at is what it was.';
SELECT ledger.grant_to('energy_loader', 'SELECT, INSERT, UPDATE', 'energy.meter');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'energy.meter');
SELECT ledger.grant_to('energy_loader', 'SELECT, INSERT, UPDATE, DELETE', 'energy.meter_dirty');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'energy.meter_dirty');
SELECT ledger.grant_to('energy_loader', 'USAGE', 'SEQUENCE energy.site_number');

CREATE FUNCTION energy.meter_rollback(batch bigint) RETURNS bigint LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  WITH gone AS (
    DELETE FROM energy.meter AS m WHERE job_id = batch
      AND NOT EXISTS (SELECT FROM energy.meter_reading AS r WHERE r.mpan = m.mpan)
      AND NOT EXISTS (SELECT FROM energy.meter_daily_reading AS r WHERE r.mpan = m.mpan)
    RETURNING 1
  ) SELECT count(*) FROM gone
$$;
REVOKE ALL ON FUNCTION energy.meter_rollback FROM PUBLIC;
SELECT ledger.grant_to('energy_loader', 'EXECUTE', 'FUNCTION energy.meter_rollback');
"""


def upgrade() -> None:
    """Create the tables, their marks, and the functions that take a batch back."""
    op.execute(JOBS)
    op.execute("CREATE SEQUENCE energy.site_number")
    create_dataset_table("meter_reading", HALF_HOURS, ("period_start", "mpan", "register"), "meter_files")
    create_dataset_table("meter_daily_reading", DAILY, ("local_date", "mpan", "register"), "meter_files")
    create_dataset_table("site", SITE, ("name", "company_id"), "meter_files")
    op.execute("ALTER TABLE energy.site ADD UNIQUE (site_id)")
    op.execute(METERS)
    _mark_dirty("meter_reading", "(period_start AT TIME ZONE 'Europe/London')::date")
    _mark_dirty("meter_daily_reading", "local_date")
    _rollback("meter_reading", HALF_HOURS, ("period_start", "mpan", "register"))
    _rollback("meter_daily_reading", DAILY, ("local_date", "mpan", "register"))
    _rollback("site", SITE, ("name", "company_id"))


def _mark_dirty(table: str, local_date: str) -> None:
    """Mark in the statement that changes readings, so that nobody can forget to.

    Marks are made in one order, so that two transactions never wait for each other.
    """
    op.execute(f"""
CREATE FUNCTION energy.{table}_mark_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO energy.meter_dirty AS mark (local_date, mpan, register, marked_at)
  SELECT {local_date}, mpan, register, clock_timestamp() FROM changed GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
  ON CONFLICT (local_date, mpan, register) DO UPDATE SET marked_at = excluded.marked_at;
  RETURN NULL;
END $$;
CREATE TRIGGER mark_inserted AFTER INSERT ON energy.{table} REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION energy.{table}_mark_dirty();
CREATE TRIGGER mark_updated AFTER UPDATE ON energy.{table} REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION energy.{table}_mark_dirty();
CREATE TRIGGER mark_deleted AFTER DELETE ON energy.{table} REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION energy.{table}_mark_dirty();
""")


def _rollback(table: str, columns: Mapping[str, str], key: tuple[str, ...]) -> None:
    """The function that takes a job's rows back: what stands is the newest version of a job that is not rolled back.

    It runs as the owner: the loader itself may not delete.
    """
    others = [name for name in columns if name not in key]
    same_key = " AND ".join(f"t.{name} = former.{name}" for name in key)
    lead = f"AND r.{key[0]} BETWEEN first AND last" if key[0] in ("period_start", "local_date") else ""
    bounds = lead.replace("r.", "t.")
    kind = "timestamptz" if key[0] == "period_start" else "date" if key[0] == "local_date" else "text"
    op.execute(f"""
CREATE FUNCTION energy.{table}_rollback(batch bigint, first {kind}, last {kind}, at timestamptz)
RETURNS TABLE (restored bigint, removed bigint) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE energy.{table} AS t
  SET {", ".join(f"{name} = former.{name}" for name in others)}, recorded_from = at, job_id = former.job_id
  FROM (
    SELECT DISTINCT ON ({", ".join(f"r.{name}" for name in key)}) r.*
    FROM energy.{table}_revision AS r JOIN ledger.import_job AS j ON j.job_id = r.job_id
    WHERE r.job_id <> batch AND j.rolled_back_at IS NULL {lead}
    ORDER BY {", ".join(f"r.{name}" for name in key)}, r.recorded_from DESC
  ) AS former
  WHERE t.job_id = batch AND {same_key} {bounds};
  GET DIAGNOSTICS restored = ROW_COUNT;
  DELETE FROM energy.{table} AS t WHERE t.job_id = batch {bounds};
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN NEXT;
END $$;
REVOKE ALL ON FUNCTION energy.{table}_rollback FROM PUBLIC;
SELECT ledger.grant_to('energy_loader', 'EXECUTE', 'FUNCTION energy.{table}_rollback');
""")


def downgrade() -> None:
    """Refuse to drop loaded data."""
    drop_dataset_table("meter_reading")
