"""Alembic environment: runs on the connection that `loading.schema` passes in, one transaction per migration."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table="schema_version",
    version_table_schema="ledger",
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
