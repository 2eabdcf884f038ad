"""Imports forbid the joins that read a whole table; keeping the former versions of many rows needs one of them."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"

TABLES = ("meter_reading", "meter_daily_reading", "site")


def upgrade() -> None:
    """Let the triggers join the old rows of a statement to its new ones by hash, whatever is off around them."""
    for table in TABLES:
        op.execute(f"ALTER FUNCTION energy.{table}_keep_updated() SET enable_hashjoin = on")


def downgrade() -> None:
    """Leave that to whoever runs the statement."""
    for table in TABLES:
        op.execute(f"ALTER FUNCTION energy.{table}_keep_updated() RESET enable_hashjoin")
