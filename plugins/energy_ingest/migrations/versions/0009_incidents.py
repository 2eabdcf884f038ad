"""Incidents and their messages, key figures over time, and the type of an attempt's error."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

INCIDENTS = """
ALTER TABLE ledger.import_job ADD COLUMN error_type text;
COMMENT ON COLUMN ledger.import_job.error_type IS 'Retryable, Rejected, Misconfigured: what to do about last_error';

CREATE TABLE ledger.incident (
  incident_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  fingerprint text NOT NULL,
  rule text NOT NULL,
  subject text NOT NULL,
  severity text NOT NULL CHECK (severity IN ('warning', 'critical')),
  opened_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  resolved_at timestamptz,
  occurrences integer NOT NULL DEFAULT 1,
  is_digest boolean NOT NULL,
  inhibited_by text,
  told text CHECK (told IN ('warning', 'critical')),
  told_at timestamptz,
  muted_until timestamptz,
  mute_reason text,
  finding jsonb NOT NULL
);
CREATE UNIQUE INDEX incident_open ON ledger.incident (fingerprint) WHERE resolved_at IS NULL;
CREATE INDEX incident_by_fingerprint ON ledger.incident (fingerprint, incident_id);
COMMENT ON TABLE ledger.incident IS 'One row from the time something is wrong until it is well again.';
COMMENT ON COLUMN ledger.incident.told IS 'severity that people were told of; NULL: of nothing, or that it is over';

CREATE TABLE ledger.alert_delivery (
  delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  incident_id bigint REFERENCES ledger.incident (incident_id),
  kind text NOT NULL CHECK (kind IN ('opened', 'worse', 'reminder', 'resolved', 'test')),
  channel text NOT NULL,
  message jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  next_try_at timestamptz NOT NULL,
  delivered_at timestamptz,
  given_up_at timestamptz,
  last_error text
);
CREATE INDEX alert_delivery_due ON ledger.alert_delivery (next_try_at)
  WHERE delivered_at IS NULL AND given_up_at IS NULL;
CREATE INDEX alert_delivery_incident ON ledger.alert_delivery (incident_id);
COMMENT ON TABLE ledger.alert_delivery IS 'A message on its way by one channel: tried until delivered or given up.';

ALTER TABLE ledger.execution DROP CONSTRAINT execution_kind_check, ADD CONSTRAINT execution_kind_check
  CHECK (kind IN ('aggregation', 'quality', 'cleanup', 'monitoring', 'health', 'migration'));

CREATE TABLE ledger.kpi (
  measured_at timestamptz NOT NULL,
  name text NOT NULL,
  value double precision NOT NULL,
  target double precision,
  is_met boolean,
  PRIMARY KEY (measured_at, name)
);
COMMENT ON TABLE ledger.kpi IS 'Key figures of each pass of the monitor, with their targets.';

-- How often a dataset was healed since it was last healthy, so that healing backs off.
CREATE TABLE ledger.healing (
  dataset text PRIMARY KEY,
  attempts integer NOT NULL,
  last_at timestamptz NOT NULL
);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['incident', 'alert_delivery', 'kpi', 'healing'] LOOP
    PERFORM ledger.grant_to('energy_loader', 'SELECT, INSERT, UPDATE', 'ledger.' || quote_ident(name));
    PERFORM ledger.grant_to('energy_reader', 'SELECT', 'ledger.' || quote_ident(name));
  END LOOP;
END $$;
"""


def upgrade() -> None:
    """Add what operating needs to remember."""
    op.execute(INCIDENTS)


def downgrade() -> None:
    """Refuse: it would be forgotten what people were told."""
    raise RuntimeError("it would be forgotten what people were told: restore a backup instead of downgrading")
