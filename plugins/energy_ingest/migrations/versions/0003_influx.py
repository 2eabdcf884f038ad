"""What waits for InfluxDB: per load and per window; lines that InfluxDB refused."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

INFLUX = """
ALTER TABLE ledger.import_job ADD COLUMN influx_pending boolean NOT NULL DEFAULT false;
ALTER TABLE ledger.window ADD COLUMN influx_written_at timestamptz, ADD COLUMN influx_error text;
CREATE INDEX import_job_influx ON ledger.import_job (dataset, window_start) WHERE influx_pending;
COMMENT ON COLUMN ledger.import_job.influx_pending IS 'rows of this load are not in InfluxDB yet';
COMMENT ON COLUMN ledger.window.influx_state IS
  'pending: rows wait, the next run writes them; written; failed: InfluxDB refuses them, influx_error says why';

CREATE TABLE ledger.influx_quarantine (
  quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_id bigint NOT NULL REFERENCES ledger.import_job (job_id),
  dataset text NOT NULL,
  window_start timestamptz NOT NULL,
  line text NOT NULL,
  reason text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  resolved_at timestamptz
);
CREATE INDEX influx_quarantine_open ON ledger.influx_quarantine (dataset, window_start) WHERE resolved_at IS NULL;
CREATE INDEX influx_quarantine_job ON ledger.influx_quarantine (job_id);
COMMENT ON TABLE ledger.influx_quarantine IS 'Lines that InfluxDB refused; their rows are in PostgreSQL all the same.';
SELECT ledger.grant_to('energy_loader', 'SELECT, INSERT, UPDATE', 'ledger.influx_quarantine');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'ledger.influx_quarantine');

-- What was loaded before this version has not been written to InfluxDB.
UPDATE ledger.import_job SET influx_pending = true WHERE status = 'completed' AND inserted_rows + revised_rows > 0;
UPDATE ledger.window AS w SET influx_state = 'pending' WHERE EXISTS (
  SELECT FROM ledger.import_job AS j
  WHERE (j.dataset, j.scope, j.window_start) = (w.dataset, w.scope, w.window_start) AND j.influx_pending
);
"""


def upgrade() -> None:
    """Add what the projection to InfluxDB needs to know."""
    op.execute(INFLUX)


def downgrade() -> None:
    """Refuse: the ledger would forget what InfluxDB lacks."""
    raise RuntimeError("the ledger would forget what InfluxDB lacks: restore a backup instead of downgrading")
