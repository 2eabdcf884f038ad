"""Applying and reading the warehouse's schema version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from energy_ingest.errors import Misconfigured, Retryable
from energy_ingest.loading import database

MIGRATIONS: Final = Path(__file__).parents[1] / "migrations"
LOCK: Final = 0x656E6572  # "ener": one migration at a time
INSUFFICIENT_PRIVILEGE: Final = "42501"


def migrate(conninfo: str) -> tuple[str | None, str]:
    """Bring the warehouse to the newest version, under a lock; returns the versions before and after.

    `conninfo` is a libpq connection string of the role that owns the warehouse. Nothing that users loaded is dropped.

    Raises:
        Misconfigured: a malformed address, a role that does not own the warehouse, or a warehouse newer than this code.
        Retryable: no server answers there.
    """
    database.connect(conninfo).close()  # its errors are typed and keep the password to themselves
    with _typed_errors(), _engine(conninfo).connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        # Alembic keeps its version table in the schema that the first version creates.
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS ledger"))
        connection.commit()
        try:
            before = _version(connection)
            connection.rollback()
            config = _config()
            _require_known(before, config)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
            return before, newest_version()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
            connection.commit()


def current_version(conninfo: str) -> str | None:
    """The version of the warehouse, None where it has no schema yet."""
    with _engine(conninfo).connect() as connection:
        return _version(connection)


def newest_version() -> str:
    """The version that this code needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise Misconfigured(f"no migrations in {MIGRATIONS}: the package is incomplete, deploy it again")
    return head


def _version(connection: Connection) -> str | None:
    options = {"version_table": "schema_version", "version_table_schema": "ledger"}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _require_known(version: str | None, config: Config) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version and version not in known:
        raise Misconfigured(
            f"the warehouse has version {version}, newer than this code, which knows up to {newest_version()}: deploy "
            "the release that migrated it, or restore a backup from before"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")  # Alembic wants it said, and warns otherwise
    return config


@contextmanager
def _typed_errors() -> Iterator[None]:
    """What is not the migrations' own fault, in our words; SQLAlchemy wraps what psycopg raised."""
    try:
        yield
    except DBAPIError as error:
        cause: Any = error.orig  # of psycopg or of psycopg2, see `_engine`
        if cause.diag.sqlstate == INSUFFICIENT_PRIVILEGE:
            owner = "migrations need the role that owns the warehouse, name it in WAREHOUSE_OWNER_URL"
            raise Misconfigured(f"{cause.diag.message_primary}: {owner}") from error
        if isinstance(error, OperationalError):
            raise Retryable(f"the warehouse broke off: {cause}; run the migration again") from error
        raise


def _engine(conninfo: str) -> Engine:
    # SQLAlchemy only lends Alembic a connection; its dialect for psycopg 3 is `postgresql+psycopg` from 2.0 on,
    # Airflow 2.11 pins SQLAlchemy 1.4, where the wire-compatible psycopg2 dialect serves.
    import sqlalchemy

    if sqlalchemy.__version__ >= "2":
        return create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo), poolclass=NullPool)
    import psycopg2

    return create_engine(
        "postgresql+psycopg2://", creator=lambda: psycopg2.connect(conninfo), poolclass=NullPool, future=True
    )
