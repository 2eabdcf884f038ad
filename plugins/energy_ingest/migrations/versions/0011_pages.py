"""Indexes for pages: a calendar of years by day, and the newest jobs of a hundred thousand, by any filter."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"

INDEXES = """
CREATE INDEX window_by_day ON ledger.window (dataset, scope, label, state);
CREATE INDEX window_at_work ON ledger.window (dataset, state) WHERE state IN ('running', 'failed');
CREATE INDEX import_job_dataset ON ledger.import_job (dataset, job_id);
CREATE INDEX import_job_status ON ledger.import_job (status, job_id) WHERE status <> 'completed';
CREATE INDEX import_job_type ON ledger.import_job (import_type, job_id);
CREATE INDEX import_job_priority ON ledger.import_job (priority, job_id) WHERE priority <> 'normal';
"""


def upgrade() -> None:
    """Add them."""
    op.execute(INDEXES)


def downgrade() -> None:
    """Drop them: they hold nothing of their own."""
    names = (
        "window_by_day",
        "window_at_work",
        *(f"import_job_{name}" for name in ("dataset", "status", "type", "priority")),
    )
    for name in names:
        op.execute(f"DROP INDEX ledger.{name}")
