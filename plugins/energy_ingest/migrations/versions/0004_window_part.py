"""Several windows of one label: half hours of a date, nomination cycles of a gas day."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

PART = """
ALTER TABLE ledger.window ADD COLUMN part text NOT NULL DEFAULT '';
ALTER TABLE ledger.import_job ADD COLUMN window_part text NOT NULL DEFAULT '';
COMMENT ON COLUMN ledger.window.part IS 'tells windows of one label apart: a half hour, a nomination cycle';
"""


def upgrade() -> None:
    """Add the part of the label."""
    op.execute(PART)


def downgrade() -> None:
    """Refuse: the ledger would forget which window of a label is which."""
    raise RuntimeError("the ledger would forget which window is which: restore a backup instead of downgrading")
