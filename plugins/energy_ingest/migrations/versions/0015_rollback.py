"""Taking a large batch back soon after it was loaded takes seconds, whatever the planner knows of the tables by then.

Of a job that no statistics know yet, the planner expects a row or two: it would search all former versions for each.
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"

ROLLBACKS = {
    "meter_reading": "bigint, timestamptz, timestamptz, timestamptz",
    "meter_daily_reading": "bigint, date, date, timestamptz",
    "site": "bigint, text, text, timestamptz",
}

METERS = """
CREATE OR REPLACE FUNCTION energy.meter_rollback(batch bigint) RETURNS bigint LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
  WITH gone AS (
    DELETE FROM energy.meter WHERE job_id = batch AND mpan NOT IN (
      SELECT mpan FROM energy.meter AS m JOIN energy.meter_reading AS r USING (mpan) WHERE m.job_id = batch
      UNION
      SELECT mpan FROM energy.meter AS m JOIN energy.meter_daily_reading AS r USING (mpan) WHERE m.job_id = batch
    )
    RETURNING 1
  ) SELECT count(*) FROM gone
$$;
"""


def upgrade() -> None:
    """Leave the planner only joins whose time grows with the rows, and read each table once for all meters."""
    for table, arguments in ROLLBACKS.items():
        op.execute(f"ALTER FUNCTION energy.{table}_rollback({arguments}) SET enable_nestloop = off")
    op.execute(METERS)


def downgrade() -> None:
    """Let it choose again; the meters' function stays, as it does the same."""
    for table, arguments in ROLLBACKS.items():
        op.execute(f"ALTER FUNCTION energy.{table}_rollback({arguments}) RESET enable_nestloop")
