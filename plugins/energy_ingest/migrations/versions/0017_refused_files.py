"""The report on posted capacity files also has those that were refused whole."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"

COMMENT = "COMMENT ON TABLE energy.capacity_file_quality IS '{}'"


def upgrade() -> None:
    """Say so."""
    op.execute(
        COMMENT.format(
            "One row for each posted file. No rows and a score of 0: refused whole, such as for another header;"
            " last_error of its job says why."
        )
    )


def downgrade() -> None:
    """Say what was."""
    op.execute(COMMENT.format("One row for each loaded file; its header is always the exact one."))
