"""Connections to the warehouse, and its errors in our own types."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from energy_ingest.errors import Misconfigured, Rejected, Retryable

Connect = Callable[[], psycopg.Connection]
"""Opens a connection; each thread needs its own."""


_VARIABLES: Final = {"energy_warehouse": "WAREHOUSE_URL", "energy_warehouse_owner": "WAREHOUSE_OWNER_URL"}


def url_from_environment(conn_id: str = "energy_warehouse") -> str:
    """The connection string in the environment variable that stands in for an Airflow connection.

    Without WAREHOUSE_OWNER_URL, WAREHOUSE_URL owns the warehouse too.

    Raises:
        Misconfigured: the variable is not set.
    """
    name = _VARIABLES.get(conn_id, "WAREHOUSE_URL")
    url = os.environ.get(name) or os.environ.get("WAREHOUSE_URL")
    if not url:
        raise Misconfigured(
            f"no warehouse: define the Airflow connection {conn_id}, or set {name}=postgresql://user:password@host/database"
        )
    return url


def connect(conninfo: str) -> psycopg.Connection:
    """An autocommit connection in UTC that a dead peer cannot block for ever.

    Raises:
        Retryable: no server answers there.
    """
    try:
        return psycopg.connect(
            conninfo,
            autocommit=True,
            application_name="energy_ingest",
            options="-c timezone=UTC -c lock_timeout=10min",
            connect_timeout=15,
            keepalives_idle=60,
        )
    except psycopg.OperationalError as error:
        raise Retryable(f"the warehouse cannot be reached: {_first_line(error)}; check the connection and the server") from None


@contextmanager
def typed_errors() -> Iterator[None]:
    """Turn psycopg's errors into ours.

    Raises:
        Misconfigured: schema or rights are missing.
        Retryable: the connection broke, the server shut down, a lock was not had in time.
        Rejected: the server refuses the rows themselves.
    """
    try:
        yield
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedColumn) as error:
        raise Misconfigured(f"the warehouse has no current schema ({_first_line(error)}): run `energy-ingest migrate`") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise Misconfigured(f"{_first_line(error)}: grant the role energy_loader to this user, see docs/operations.md") from error
    except psycopg.OperationalError as error:
        raise Retryable(f"the warehouse broke off: {_first_line(error)}") from error
    except psycopg.Error as error:
        raise Rejected(f"the warehouse refused the rows: {_first_line(error)}; the answer is in the archive") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
