"""The warehouse: reachable, migrated, writable, and in step with this machine's clock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from typing import Final

import psycopg

from energy_ingest import catalog
from energy_ingest.doctor.report import Check, Report
from energy_ingest.errors import IngestError
from energy_ingest.loading import database
from energy_ingest.windows import utc_now

POSTGRESQL: Final = 150_000
"""Oldest server that has MERGE."""
SKEW: Final = 2.0
"""Seconds between two clocks that both decide what is due."""
LONG_QUEUE: Final = 60.0
"""Seconds until an upstream's next free request slot."""


def warehouse(report: Report) -> Iterator[Check]:
    """The role that loads; what follows from a failed check is left out."""
    try:
        url = database.url_from_environment()
        connection = database.connect(url)
    except IngestError as error:
        fix = "check WAREHOUSE_URL or AIRFLOW_CONN_ENERGY_WAREHOUSE, and that the server runs"
        yield Check("warehouse", "failed", str(error), fix)
        return
    with closing(connection), database.typed_errors():
        number, version = connection.info.server_version, connection.info.parameter_status("server_version")
        report.versions["postgresql"] = str(version)
        found = f"{database.without_password(url)}, PostgreSQL {version}"
        if number < POSTGRESQL:
            yield Check("warehouse", "failed", found, "use PostgreSQL 15 or newer")
            return
        yield Check("warehouse", "ok", found)
        yield from _same_warehouse(url)
        yield _clock(connection)
        schema = _schema(connection)
        yield schema
        if schema.status == "ok":
            yield _rights(connection)
            yield from _pacing(connection)


def _same_warehouse(url: str) -> Iterator[Check]:
    """The command line takes WAREHOUSE_URL first, tasks take their connection first: both must mean one database."""
    conns = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CONN_")}
    if "AIRFLOW_CONN_ENERGY_WAREHOUSE" not in conns:
        return
    ours, theirs = (
        database.without_password(u).rpartition("@")[2] for u in (url, database.url_from_environment(environ=conns))
    )
    if ours != theirs:
        found = f"WAREHOUSE_URL leads to {ours}, AIRFLOW_CONN_ENERGY_WAREHOUSE to {theirs}"
        yield Check(
            "warehouse", "warning", found, "let both name one database: commands use the first, tasks the second"
        )


def _clock(connection: psycopg.Connection) -> Check:
    before = utc_now()
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    after = utc_now()
    skew = (row[0] - before - (after - before) / 2).total_seconds() if row else 0.0
    found = f"PostgreSQL's clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
    if abs(skew) <= SKEW:
        return Check("clock", "ok", found)
    return Check("clock", "warning", found, "synchronise both machines (NTP): publication times are judged by them")


def _schema(connection: psycopg.Connection) -> Check:
    from energy_ingest.loading import schema

    needed = schema.newest_version()
    try:
        row = connection.execute("SELECT version_num FROM ledger.schema_version").fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        row = None
    found = row[0] if row else ""
    if found < needed:
        fix = "run `energy-ingest migrate`, or trigger the DAG platform_migrate"
        return Check("schema", "failed", f"version {found or 'none'}, this code needs {needed}", fix)
    if found > needed:
        fix = "deploy the code that migrated the warehouse"
        return Check("schema", "failed", f"version {found} is newer than this code, which knows {needed}", fix)
    return Check("schema", "ok", f"version {found}")


def _rights(connection: psycopg.Connection) -> Check:
    tables = [
        "ledger.window",
        "ledger.import_job",
        "ledger.request_slot",
        *(f"energy.{item.table}" for item in catalog.DATASETS.values()),
    ]
    query = (
        "SELECT t FROM unnest(%s::text[]) AS t"
        " WHERE NOT (has_table_privilege(t, 'INSERT') AND has_table_privilege(t, 'UPDATE'))"
    )
    lacking = [name for (name,) in connection.execute(query, [tables])]
    if lacking:
        fix = "load as energy_loader, or grant that role to this user; to read, this user is enough"
        return Check("rights", "warning", f"{connection.info.user} may not write {', '.join(lacking)}", fix)
    return Check("rights", "ok", f"{connection.info.user} may load")


def _pacing(connection: psycopg.Connection) -> Iterator[Check]:
    query = "SELECT upstream, extract(epoch FROM next_at - clock_timestamp())::float8 FROM ledger.request_slot"
    waits: dict[str, float] = dict(connection.execute(query).fetchall())
    for upstream in catalog.upstreams():
        wait = max(0.0, waits.get(upstream.name, 0.0))
        found = f"at most {upstream.requests_per_second:g} requests/s over all workers, next slot in {wait:.1f} s"
        busy = "too many tasks ask at once: give them a smaller Airflow pool" if wait > LONG_QUEUE else None
        yield Check(f"pacing of {upstream.name}", "warning" if busy else "ok", found, busy)


def owner(report: Report) -> Iterator[Check]:
    """The role that migrates."""
    if "postgresql" not in report.versions:
        return
    try:
        url = database.url_from_environment("energy_warehouse_owner")
        with closing(database.connect(url)) as connection:
            row = connection.execute("SELECT has_database_privilege(current_database(), 'CREATE')").fetchone()
    except IngestError as error:
        yield Check("owner", "warning", str(error), "check WAREHOUSE_OWNER_URL or AIRFLOW_CONN_ENERGY_WAREHOUSE_OWNER")
        return
    if row and row[0]:
        yield Check("owner", "ok", f"{database.without_password(url)} may migrate")
    else:
        fix = "name the role that owns the warehouse in WAREHOUSE_OWNER_URL; only `migrate` needs it"
        yield Check("owner", "warning", f"{database.without_password(url)} may not migrate", fix)
