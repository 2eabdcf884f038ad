"""The queue of import jobs: `ledger.import_job`, where every state is kept and every transition is one statement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, Literal
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from energy_ingest import settings
from energy_ingest.alerts.redact import redact
from energy_ingest.errors import Misconfigured
from energy_ingest.loading.meter_files.privacy import masked_all
from energy_ingest.sql import statement

ImportType = Literal["hh", "daily", "sites"]
IMPORT_TYPES: Final = ("hh", "daily", "sites")
MPAN_CHECKS: Final = ("warn", "quarantine", "off")
PRIORITIES: Final = ("high", "normal", "low")


class NotOurs(Exception):
    """This process has the job no longer, so its transaction must not commit."""


@dataclass(frozen=True)
class Order:
    """What somebody asks for with a file.

    `metadata` are facts that are kept with the job; `default_site` is a site's number or name; `create_meters` and
    `mpan_check` are as configured unless given; `replays` is the job whose quarantined rows the file holds, `entries`
    are their numbers.
    """

    import_type: ImportType = "hh"
    feed: str | None = None
    dry_run: bool = False
    force: bool = False
    priority: Literal["high", "normal", "low"] = "normal"
    max_retries: int = 3
    notes: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    default_site: str | None = None
    create_meters: bool | None = None
    mpan_check: str | None = None
    replays: int | None = None
    entries: tuple[int, ...] = ()

    def check(self) -> Order:
        """This order, if everything in it can be done.

        Raises:
            Misconfigured: something cannot.
        """
        from energy_ingest.sources.meter_files import FEEDS

        for name, value, known in (
            ("import type", self.import_type, IMPORT_TYPES),
            ("priority", self.priority, PRIORITIES),
            ("feed", self.feed, (None, *FEEDS)),
            ("MPAN check", self.mpan_check, (None, *MPAN_CHECKS)),
        ):
            if value not in known:
                raise Misconfigured(
                    f"{value!r} is no {name}: use one of {', '.join(str(item) for item in known if item)}"
                )
        if not 0 <= self.max_retries <= MOST_RETRIES:
            raise Misconfigured(f"{self.max_retries} retries: use 0 to {MOST_RETRIES}")
        if taken := sorted(OUR_METADATA & set(self.metadata)):
            raise Misconfigured(f"the metadata {taken[0]!r} is ours: give it another name")
        return self


OUR_METADATA: Final = frozenset({"create_meters", "mpan_check", "replays", "asked_by", "entries"})
"""What `enqueue` keeps there itself."""


MOST_RETRIES: Final = 100


@dataclass(frozen=True)
class File:
    """A file that becomes a job: its name, and what was found out about its bytes."""

    name: str
    sha256: str | None
    bytes: int | None


@dataclass(frozen=True)
class Job:
    """A row of the queue; `claims` tells the process that has it from those that had it before."""

    job_id: int
    batch_id: UUID
    import_type: ImportType
    status: str
    priority: str
    file_name: str
    file_sha256: str | None
    file_uri: str | None
    file_bytes: int | None
    bytes_done: int
    feed: str | None
    dry_run: bool
    forced: bool
    default_site_id: int | None
    resume_row: int
    total_rows: int | None
    processed_rows: int
    inserted_rows: int
    revised_rows: int
    unchanged_rows: int
    quarantined_rows: int
    duplicate_rows: int
    queued_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    retry_count: int
    max_retries: int
    retry_at: datetime | None
    last_error: str | None
    notes: str | None
    claims: int
    heartbeat_at: datetime | None
    rolled_back_at: datetime | None
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] | None = None

    @property
    def progress(self) -> float:
        """How much of the file is done, 0 to 1."""
        if self.status == "completed":
            return 1.0
        return self.bytes_done / self.file_bytes if self.file_bytes else 0.0

    def counts(self) -> dict[str, int]:
        """Where the items went."""
        return {name: getattr(self, f"{name}_rows") for name in COUNTS}

    def as_json(self) -> dict[str, Any]:
        """Everything, fit for JSON; MPANs in the names of files, in texts and in the report are masked."""
        plain = {name: value for name, value in asdict(self).items() if name not in ("claims", "heartbeat_at")}
        shown = {name: f"{value}" if isinstance(value, datetime | UUID) else value for name, value in plain.items()}
        shown |= {name: masked_all(shown[name]) for name in MAY_NAME_METERS}
        return {**shown, "progress_percent": round(100 * self.progress, 1)}


MAY_NAME_METERS: Final = ("file_name", "file_uri", "last_error", "notes", "tags", "metadata", "report")
COUNTS: Final = ("inserted", "revised", "unchanged", "quarantined", "duplicate")


@dataclass(frozen=True)
class Worker:
    """Who works: recorded with the job."""

    dag_id: str | None = None
    run_id: str | None = None
    try_number: int | None = None


def enqueue(connection: psycopg.Connection, file: File, order: Order, worker: Worker, error: str = "") -> int | None:
    """The number of the new job, or None where these bytes are one already; with `error`, one that has failed.

    Raises:
        Misconfigured: there is no such default site, or there are several.
    """
    chosen = {name: getattr(order, name) for name in ("create_meters", "mpan_check", "replays")}
    chosen |= {"asked_by": worker.run_id, "entries": list(order.entries) or None}
    values = {
        **asdict(order),
        **{"file_name": file.name, "sha256": file.sha256, "bytes": file.bytes, "tags": list(order.tags)},
        "metadata": Jsonb({**order.metadata, **{name: value for name, value in chosen.items() if value is not None}}),
        "default_site_id": _site(connection, order.default_site),
        "status": "failed" if error else "queued",
        "error": error or None,
        "dag_id": worker.dag_id,
        "run_id": worker.run_id,
        "code_version": settings.CODE_VERSION.get(),
    }
    row = connection.execute(statement("meter_files/enqueue"), values).fetchone()
    return int(row[0]) if row else None


def asked_by(connection: psycopg.Connection, worker: Worker) -> bool:
    """Whether a job was made by this Airflow run."""
    query = "SELECT FROM ledger.import_job WHERE dataset = 'meter_files' AND metadata ->> 'asked_by' = %s"
    return connection.execute(query, [worker.run_id]).fetchone() is not None


def same(connection: psycopg.Connection, sha256: str) -> int | None:
    """The import that has these bytes."""
    row = connection.execute(statement("meter_files/same"), [sha256]).fetchone()
    return int(row[0]) if row else None


def newest_of(connection: psycopg.Connection, file_name: str) -> Job | None:
    """The newest job of a file of this name."""
    query = "SELECT * FROM ledger.import_job WHERE dataset = 'meter_files' AND file_name = %(name)s"
    found = _jobs(connection, f"{query} ORDER BY job_id DESC LIMIT 1", {"name": file_name})
    return found[0] if found else None


def claim(connection: psycopg.Connection, worker: Worker, only: int | None = None) -> Job | None:
    """Take the next job that may run now, or that one; nobody else gets it while this connection lives."""
    values = {**asdict(worker), "only": only, "code_version": settings.CODE_VERSION.get()}
    found = _jobs(connection, _with_gone("claim"), values)
    return found[0] if found else None


def give_up(connection: psycopg.Connection) -> list[Job]:
    """Fail the jobs whose process is gone once too often."""
    return _jobs(connection, _with_gone("give_up"), {})


def progress(connection: psycopg.Connection, job: Job, values: Mapping[str, Any]) -> None:
    """Record a loaded piece, in the transaction of its rows.

    Raises:
        NotOurs: the job was cancelled, or another process has it.
    """
    _ours(connection, "progress", job, values)


def finish(connection: psycopg.Connection, job: Job, first: str) -> str:
    """Record that the last piece is loaded; returns the job's state. `first` is the first reason for a reject."""
    return _ours(connection, "finish", job, {"first": first})


def fail(connection: psycopg.Connection, job: Job, error: str, *, may_retry: bool) -> str:
    """Record a failed attempt; returns the job's state, `queued` where it is tried again."""
    return _ours(connection, "fail", job, {"error": redact(error).replace("\x00", ""), "may_retry": may_retry})


def cancel(connection: psycopg.Connection, job_id: int) -> Job:
    """Stop a job: one at work ends with the piece that it has in hand, which is not loaded any more.

    Raises:
        Misconfigured: it has ended already, or there is none.
    """
    if connection.execute(statement("meter_files/cancel"), [job_id]).fetchone() is None:
        job = find(connection, job_id)
        raise Misconfigured(
            f"job {job_id} is {job.status} already: `energy-ingest jobs rollback {job_id}` takes it back"
        )
    return find(connection, job_id)


def retry(connection: psycopg.Connection, job_id: int, delay: timedelta = timedelta(0), feed: str | None = None) -> Job:
    """Queue a failed or cancelled job again, now or later.

    Raises:
        Misconfigured: it is not failed or cancelled, was rolled back, or its bytes have been imported since.
    """
    Order(feed=feed).check()
    try:
        found = _jobs(connection, statement("meter_files/retry"), {"job_id": job_id, "delay": delay, "feed": feed})
    except psycopg.errors.UniqueViolation:
        raise Misconfigured(
            f"the file of job {job_id} has been imported by another job since: nothing is to do"
        ) from None
    if not found:
        job = find(connection, job_id)
        state = "rolled back" if job.rolled_back_at else job.status if job.file_sha256 else "refused for good"
        raise Misconfigured(
            f"job {job_id} is {state}: only what failed or was cancelled can be retried; to import a file again, "
            "put it into the inbox again"
        )
    return found[0]


def find(connection: psycopg.Connection, job_id: int | str, *, hold: bool = False) -> Job:
    """A job by its number or its batch id; with `hold`, nobody changes it before this transaction ends.

    Raises:
        Misconfigured: there is none.
    """
    column = "job_id" if str(job_id).isdecimal() else "batch_id"
    query = sql.SQL("SELECT * FROM ledger.import_job WHERE dataset = 'meter_files' AND {}::text = %(id)s{}")
    lock = sql.SQL(" FOR NO KEY UPDATE" if hold else "")
    found = _jobs(connection, query.format(sql.Identifier(column), lock), {"id": str(job_id)})
    if not found:
        raise Misconfigured(f"there is no job {job_id}: `energy-ingest jobs list` shows them")
    return found[0]


def listing(connection: psycopg.Connection, status: str | None = None, limit: int = 20) -> list[Job]:
    """The newest jobs, open ones first."""
    return _jobs(connection, statement("meter_files/list"), {"status": status, "limit": limit})


def _ours(connection: psycopg.Connection, name: str, job: Job, values: Mapping[str, Any]) -> str:
    given = {**values, "job_id": job.job_id, "claim": job.claims}
    row = connection.execute(statement(f"meter_files/{name}"), given).fetchone()
    if row is None:
        raise NotOurs(f"job {job.job_id}")
    return str(row[0])


def _jobs(connection: psycopg.Connection, query: Any, values: Mapping[str, Any]) -> list[Job]:
    names = [item.name for item in fields(Job)]
    cursor = connection.cursor(row_factory=dict_row)
    return [Job(**{name: row[name] for name in names}) for row in cursor.execute(query, values)]


@cache
def _with_gone(name: str) -> sql.Composed:
    """A statement with what tells that nobody is at work any more."""
    return sql.SQL(statement(f"meter_files/{name}")).format(gone=sql.SQL(statement("meter_files/gone")))


def _site(connection: psycopg.Connection, wanted: str | None) -> int | None:
    if not wanted:
        return None
    query = "SELECT site_id FROM energy.site WHERE site_id::text = %(site)s OR name = %(site)s"
    found = connection.execute(query, {"site": wanted}).fetchall()
    if len(found) != 1:
        known = "several sites have" if found else "no site has"
        raise Misconfigured(
            f"{known} the number or name {wanted!r}: give the site_id of energy.site, or import it first"
        )
    return int(found[0][0])
