"""Schemas, the ledger, quarantine, drift, and what roles may do."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

LEDGER = """
CREATE SCHEMA IF NOT EXISTS ledger;
CREATE SCHEMA IF NOT EXISTS energy;

-- Grants are made where the role exists: a managed database may have none of them.
CREATE FUNCTION ledger.grant_to(grantee text, privileges text, target text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = grantee) THEN
    EXECUTE format('GRANT %s ON %s TO %I', privileges, target, grantee);
  END IF;
END $$;

CREATE TABLE ledger.import_job (
  job_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  batch_id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
  dataset text NOT NULL,
  import_type text NOT NULL
    CHECK (import_type IN ('scheduled', 'backfill', 'manual', 'asset_triggered', 'command', 'replay')),
  scope text NOT NULL,
  window_start timestamptz NOT NULL,
  window_label date NOT NULL,
  status text NOT NULL CHECK (status IN ('queued', 'processing', 'completed', 'failed', 'cancelled')),
  priority text NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high')),
  total_rows bigint,
  processed_rows bigint NOT NULL DEFAULT 0,
  inserted_rows bigint NOT NULL DEFAULT 0,
  revised_rows bigint NOT NULL DEFAULT 0,
  unchanged_rows bigint NOT NULL DEFAULT 0,
  quarantined_rows bigint NOT NULL DEFAULT 0,
  duplicate_rows bigint NOT NULL DEFAULT 0,
  queued_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  completed_at timestamptz,
  duration interval GENERATED ALWAYS AS (completed_at - started_at) STORED,
  retry_count integer NOT NULL DEFAULT 0,
  max_retries integer NOT NULL DEFAULT 0,
  retry_at timestamptz,
  last_error text,
  notes text,
  tags text[] NOT NULL DEFAULT '{}',
  metadata jsonb NOT NULL DEFAULT '{}',
  alert_sent boolean NOT NULL DEFAULT false,
  alert_sent_at timestamptz,
  file_name text,
  request text,
  response_sha256 text,
  response_bytes bigint,
  archive_path text,
  retrieved_at timestamptz,
  dag_id text,
  run_id text,
  try_number integer,
  code_version text NOT NULL,
  CONSTRAINT every_row_is_counted CHECK (status <> 'completed' OR
    total_rows = inserted_rows + revised_rows + unchanged_rows + quarantined_rows + duplicate_rows)
);
CREATE INDEX import_job_window ON ledger.import_job (dataset, scope, window_start, job_id);
CREATE INDEX import_job_open ON ledger.import_job (status, started_at) WHERE status IN ('queued', 'processing');
CREATE INDEX import_job_recent ON ledger.import_job (queued_at);

CREATE TABLE ledger.window (
  dataset text NOT NULL,
  scope text NOT NULL,
  window_start timestamptz NOT NULL,
  window_end timestamptz NOT NULL,
  label date NOT NULL,
  state text NOT NULL CHECK (state IN
    ('pending', 'running', 'complete', 'partial', 'empty_confirmed', 'not_yet_published', 'failed', 'abandoned')),
  expected integer,
  actual integer,
  attempts integer NOT NULL DEFAULT 0,
  first_attempt_at timestamptz,
  last_attempt_at timestamptz,
  completed_at timestamptz,
  first_empty_at timestamptz,
  next_due_at timestamptz,
  last_published_at timestamptz,
  source_version text,
  response_sha256 text,
  influx_state text CHECK (influx_state IN ('pending', 'written', 'failed')),
  reason text,
  last_job_id bigint REFERENCES ledger.import_job (job_id),
  PRIMARY KEY (dataset, scope, window_start),
  CHECK (window_start < window_end)
);
CREATE INDEX window_due ON ledger.window (dataset, next_due_at) WHERE next_due_at IS NOT NULL;

CREATE TABLE ledger.quarantine (
  quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_id bigint NOT NULL REFERENCES ledger.import_job (job_id),
  dataset text NOT NULL,
  scope text NOT NULL,
  window_start timestamptz NOT NULL,
  row_number bigint NOT NULL,
  column_name text,
  value text,
  reason text NOT NULL,
  raw text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  resolved_at timestamptz,
  resolution text
);
CREATE INDEX quarantine_open ON ledger.quarantine (dataset, window_start) WHERE resolved_at IS NULL;
CREATE INDEX quarantine_job ON ledger.quarantine (job_id);

CREATE TABLE ledger.drift (
  dataset text NOT NULL,
  field text NOT NULL,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  first_job_id bigint NOT NULL REFERENCES ledger.import_job (job_id),
  acknowledged_at timestamptz,
  PRIMARY KEY (dataset, field)
);
COMMENT ON TABLE ledger.drift IS 'Fields that an answer had and the contract has not; raw answers are in the archive.';

-- Shared pacing of requests; losing it in a crash costs nothing.
CREATE UNLOGGED TABLE ledger.request_slot (
  upstream text PRIMARY KEY,
  next_at timestamptz NOT NULL
);

DO $$
DECLARE name text;
BEGIN
  PERFORM ledger.grant_to('energy_loader', 'USAGE', 'SCHEMA ledger, energy');
  PERFORM ledger.grant_to('energy_reader', 'USAGE', 'SCHEMA ledger, energy');
  FOREACH name IN ARRAY ARRAY['import_job', 'window', 'quarantine', 'drift', 'request_slot'] LOOP
    PERFORM ledger.grant_to('energy_loader', 'SELECT, INSERT, UPDATE', 'ledger.' || quote_ident(name));
    PERFORM ledger.grant_to('energy_reader', 'SELECT', 'ledger.' || quote_ident(name));
  END LOOP;
  PERFORM ledger.grant_to('energy_loader', 'SELECT', 'ledger.schema_version');
  PERFORM ledger.grant_to('energy_reader', 'SELECT', 'ledger.schema_version');
END $$;
"""


def upgrade() -> None:
    """Create the ledger."""
    op.execute(LEDGER)


def downgrade() -> None:
    """Refuse: the ledger is the record of what is loaded."""
    raise RuntimeError("the ledger is the record of what is loaded: restore a backup instead of downgrading")
