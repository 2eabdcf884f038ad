"""What the page of data quality asks for: issues in its order, and how many there were."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"

INDEXES = """
CREATE INDEX quality_issue_listed ON ledger.quality_issue (dataset, severity, day, issue_id) WHERE resolved_at IS NULL;
CREATE INDEX quality_issue_resolved ON ledger.quality_issue (resolved_at) WHERE resolved_at IS NOT NULL;
"""


def upgrade() -> None:
    """Create the indexes."""
    op.execute(INDEXES)


def downgrade() -> None:
    """Remove them."""
    op.execute("DROP INDEX ledger.quality_issue_listed, ledger.quality_issue_resolved")
