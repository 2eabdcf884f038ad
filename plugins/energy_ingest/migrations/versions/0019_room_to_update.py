"""Weeks, months and years of meters are updated day after day: half of each page is left free for that."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"

TABLES = ("meter_weekly", "meter_monthly", "meter_annual")


def upgrade() -> None:
    """Let a new version lie beside the former one, without a new index entry; full pages follow as they change."""
    for table in TABLES:
        op.execute(f"ALTER TABLE energy.{table} SET (fillfactor = 50)")


def downgrade() -> None:
    """Fill pages again."""
    for table in TABLES:
        op.execute(f"ALTER TABLE energy.{table} RESET (fillfactor)")
