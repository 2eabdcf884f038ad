"""Clean-up: what is finished and old goes. Never what is queued or running, what brought data, or an only copy.

A dry run is the same statements, rolled back, and the same files, not deleted: it lists exactly what the real one
removes. Rows are removed as the owner; the role that loads may not delete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg import sql

from energy_ingest import settings
from energy_ingest.alerts.redact import redact
from energy_ingest.loading import database
from energy_ingest.sql import statement

TABLES: Final = ("quarantine", "influx_quarantine", "alert_delivery", "incident", "execution", "import_job", "kpi")
"""In the order of their references; `sql/cleanup/<name>.sql` deletes and says what."""
KPI_DAYS: Final = 400
"""Key figures stay longer: last year's month is what this one is compared with."""
ORPHAN_AFTER: Final = timedelta(days=1)
"""A file that no job names may be one that is being written just now."""


@dataclass
class Removed:
    """What was removed, or would be: the names of rows by table, and of files by kind.

    Former versions may be millions: `rows["revision"]` has a line for each table and day, `versions` is their number.
    """

    dry_run: bool
    rows: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, list[str]] = field(default_factory=dict)
    versions: int = 0

    def counts(self) -> dict[str, int]:
        """How many of each."""
        counts = {name: len(items) for name, items in {**self.rows, **self.files}.items()}
        return {**counts, "revision": self.versions} if "revision" in counts else counts

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"dry_run": self.dry_run, "counts": self.counts(), "rows": self.rows, "files": self.files}


def clean_up(
    connection: psycopg.Connection, archive: Any, inbox: Any, days: int, now: datetime, *, dry_run: bool
) -> Removed:
    """Remove what ended more than `days` ago; `archive` and `inbox` are roots of ObjectStoragePath.

    Files go first: a process that dies in between leaves rows that name a file which is gone, never a file without.

    Raises:
        Misconfigured: the role may not delete.
    """
    removed = Removed(dry_run)
    values = {
        "cutoff": now - timedelta(days=days),
        "kpi_cutoff": now - timedelta(days=max(days, KPI_DAYS)),
        "answers_expire": bool(settings.ARCHIVE_DAYS.get()),
    }
    with database.typed_errors():
        files, removed.files["meter_files"] = _meter_files(connection, inbox, values, dry_run)
        if settings.ARCHIVE_DAYS.get():
            before = now - timedelta(days=settings.ARCHIVE_DAYS.get_int())
            removed.files["archive"] = _answers(connection, archive, before, dry_run)
        removed.files["orphans"] = _orphans(connection, archive, now, dry_run)
        with connection.transaction(force_rollback=dry_run):
            gone = {**values, "answers": removed.files.get("archive", []), "files": files}
            connection.execute(statement("cleanup/forget_files"), gone)
            for table in TABLES:
                rows = connection.execute(statement(f"cleanup/{table}"), values)
                removed.rows[table] = [redact(" ".join(str(value) for value in row)) for row in rows]
            if settings.REVISION_DAYS.get():
                before = now - timedelta(days=settings.REVISION_DAYS.get_int())
                removed.rows["revision"], removed.versions = _former_versions(connection, before)
    return removed


def _former_versions(connection: psycopg.Connection, before: datetime) -> tuple[list[str], int]:
    """Versions that were superseded before; a line for each table and day, and how many they are."""
    query = """SELECT relname FROM pg_class WHERE relnamespace = 'energy'::regnamespace AND relkind IN ('r', 'p')
        AND relname LIKE '%\\_revision' ORDER BY 1"""
    lines, total = [], 0
    for (name,) in connection.execute(query).fetchall():
        revision, table = sql.Identifier("energy", name), name.removesuffix("_revision")
        delete = sql.SQL(statement("cleanup/revision")).format(revision=revision, table=table)
        for _, day, count in connection.execute(delete, {"revision_cutoff": before}):
            lines.append(f"{table} superseded on {day}: {count}")
            total += count
    return lines, total


def _meter_files(
    connection: psycopg.Connection, inbox: Any, values: dict[str, Any], dry_run: bool
) -> tuple[list[int], list[str]]:
    """Jobs and files whose rows are loaded; their reports go too. What failed or was only tried is an only copy."""
    processed = f"{str(inbox.path).rstrip('/')}/processed/"
    rows = connection.execute(statement("cleanup/meter_files"), values).fetchall()
    found = [(job_id, path) for job_id, path in rows if path == processed + path.rpartition("/")[2]]
    for _, path in () if dry_run else found:
        for each in (path, f"{path}.report.txt"):
            if inbox.fs.exists(each):
                inbox.fs.rm(each)
    return [job_id for job_id, _ in found], [redact(path) for _, path in found]


def _answers(connection: psycopg.Connection, archive: Any, before: datetime, dry_run: bool) -> list[str]:
    """Archived answers that newer ones of the same windows have replaced; the newest of each window stays for ever."""
    root = f"{str(archive).rstrip('/')}/"  # what lies in another archive, which was configured once, is not touched
    paths = [path for (path,) in connection.execute(statement("cleanup/answers"), {"before": before})]
    found = [path for path in paths if path.startswith(root) and ".." not in path.split("/")]
    for path in () if dry_run else found:
        body = archive / path.removeprefix(root)
        # descriptions first, as they came last: one without its answer would not be understood
        for description in list(body.parent.glob(f"{body.name.removesuffix('.gz')}_*.meta.json")):
            description.unlink(missing_ok=True)
        body.unlink(missing_ok=True)
    return found


def _orphans(connection: psycopg.Connection, archive: Any, now: datetime, dry_run: bool) -> list[str]:
    """What a killed process left: parts of files, and answers that nothing describes and no job names."""
    if not archive.exists():
        return []
    query = "SELECT archive_path FROM ledger.import_job WHERE archive_path IS NOT NULL"
    named = {path for (path,) in connection.execute(query)}
    orphans = [path for path in _left(archive, now) if str(path) not in named]
    if not dry_run:
        for path in orphans:
            path.unlink(missing_ok=True)
    return [str(path) for path in orphans]


def _left(archive: Any, now: datetime) -> Iterator[Any]:
    files = sorted((path for path in archive.rglob("*") if path.name.endswith((".part", ".gz", ".meta.json"))), key=str)
    described = {str(path).rpartition("_")[0] for path in files if path.name.endswith(".meta.json")}
    for path in files:
        alone = path.name.endswith(".gz") and str(path).removesuffix(".gz") not in described
        old = datetime.fromtimestamp(path.stat().st_mtime, UTC) < now - ORPHAN_AFTER
        if old and (alone or path.name.endswith(".part")):
            yield path
