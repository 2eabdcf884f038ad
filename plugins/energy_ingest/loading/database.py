"""Connections to the warehouse, and its errors in our own types."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from energy_ingest import settings
from energy_ingest.errors import Misconfigured, Rejected, Retryable

Connect = Callable[[], psycopg.Connection]
"""Opens a connection; each thread needs its own."""


_WAREHOUSES: Final = (settings.WAREHOUSE_URL, settings.WAREHOUSE_OWNER_URL, settings.WAREHOUSE_READER_URL)
_VARIABLES: Final = {setting.conn_id: setting.env for setting in _WAREHOUSES}


class SchemaMissing(Misconfigured):
    """The warehouse answers, but has no schema of ours or an old one."""


def url_from_environment(conn_id: str = "energy_warehouse", environ: Mapping[str, str] = os.environ) -> str:
    """The connection string in the environment: WAREHOUSE_URL, or the variable of the Airflow connection.

    Where nothing names the owner, the warehouse's own user owns it too.

    Raises:
        Misconfigured: no variable is set, or it is malformed.
    """
    name = _VARIABLES.get(conn_id, "WAREHOUSE_URL")
    for variable, airflow_conn in ((name, conn_id), ("WAREHOUSE_URL", "energy_warehouse")):
        if url := environ.get(variable):
            return url
        if text := environ.get(f"AIRFLOW_CONN_{airflow_conn.upper()}"):
            try:
                return _conninfo_of(text)
            except (ValueError, psycopg.ProgrammingError):  # their messages would repeat the password
                example = "postgres://user:***@host:5432/database, with special characters percent-encoded"
                raise Misconfigured(f"AIRFLOW_CONN_{airflow_conn.upper()} is malformed: use {example}") from None
    raise Misconfigured(
        f"no warehouse: set {name}=postgresql://user:***@host/database or AIRFLOW_CONN_{conn_id.upper()}; "
        f"tasks also take the Airflow connection {conn_id}"
    )


def _conninfo_of(airflow_conn: str) -> str:
    """A libpq connection string from an Airflow connection in its JSON or URI form."""
    if airflow_conn.lstrip().startswith("{"):
        conn = json.loads(airflow_conn)
        extra = conn.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else extra
    else:
        url = urlsplit(airflow_conn)
        conn = {"host": url.hostname, "port": url.port, "schema": url.path.lstrip("/")}
        conn |= {"login": url.username, "password": url.password}
        conn = {name: unquote(value) if isinstance(value, str) else value for name, value in conn.items()}
        extra = dict(parse_qsl(url.query))
    names = {"host": "host", "port": "port", "user": "login", "password": "password", "dbname": "schema"}
    fields = {ours: conn.get(theirs) or None for ours, theirs in names.items()}
    options = {name: str(value) for name, value in extra.items() if name.startswith("ssl")}
    return make_conninfo("", **{**fields, "dbname": fields["dbname"] or "warehouse", **options})


def without_password(conninfo: str) -> str:
    """Where a connection string leads and as whom, fit to be shown."""
    try:
        parts = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError:
        return "(not a PostgreSQL address)"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"postgresql://{parts.get('user', '')}@{parts.get('host', '')}{port}/{parts.get('dbname', '')}"


def connect(conninfo: str) -> psycopg.Connection:
    """An autocommit connection in UTC that a dead peer cannot block for ever.

    Raises:
        Misconfigured: not a connection string.
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
    except psycopg.ProgrammingError:  # its message would repeat the string, password and all
        raise Misconfigured("the warehouse's address is malformed: use postgresql://user:***@host/database") from None
    except psycopg.OperationalError as error:
        raise Retryable(
            f"the warehouse cannot be reached: {_first_line(error)}; check the connection and the server"
        ) from None


@contextmanager
def typed_errors() -> Iterator[None]:
    """Turn psycopg's errors into ours.

    Raises:
        SchemaMissing, Misconfigured: schema or rights are missing.
        Retryable: the connection broke, the server shut down or is a standby, a lock was not had in time.
        Rejected: the server refuses the rows themselves.
    """
    try:
        yield
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedColumn) as error:
        raise SchemaMissing(
            f"the warehouse has no current schema ({_first_line(error)}): run `energy-ingest migrate`"
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise Misconfigured(
            f"{_first_line(error)}: grant the role energy_loader to this user, see docs/operations.md"
        ) from error
    except (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction) as error:
        raise Retryable(f"the warehouse broke off: {_first_line(error)}") from error
    except psycopg.Error as error:
        raise Rejected(f"the warehouse refused the rows: {_first_line(error)}; the answer is in the archive") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
