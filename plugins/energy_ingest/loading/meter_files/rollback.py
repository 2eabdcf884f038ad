"""Taking a batch back: exactly what it brought goes, what it replaced is there again, and history keeps both."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from energy_ingest import settings
from energy_ingest.errors import Misconfigured
from energy_ingest.loading.meter_files import jobs
from energy_ingest.loading.meter_files.load import LOCK, TARGETS, Report


@dataclass(frozen=True)
class Undone:
    """What became of a batch's rows: removed, restored to what they were, or kept because a later batch changed them.

    `meters` are those that went because only this batch knew them.
    """

    removed: int
    restored: int
    changed_since: int
    meters: int


def rollback(connection: psycopg.Connection, job_id: int | str) -> Undone:
    """Take back what a job brought, in one transaction.

    A row that a later batch changed keeps the later value: taking that batch back, too, brings it to what stands then.

    Raises:
        Misconfigured: the job is still open, has nothing to take back, or what it replaced is no longer kept.
    """
    with connection.transaction():
        connection.execute(LOCK)
        job = jobs.find(connection, job_id, hold=True)  # or a retry would go on behind rows that are gone
        if job.status in ("queued", "processing"):
            raise Misconfigured(f"job {job.job_id} is {job.status}: first `energy-ingest jobs cancel {job.job_id}`")
        if job.rolled_back_at or job.dry_run:
            why = "was taken back already" if job.rolled_back_at else "was a dry run"
            raise Misconfigured(f"job {job.job_id} {why}: there is nothing to take back")
        target, report = TARGETS[job.import_type], Report.of(job)
        _require_history(connection, job, target.table)
        function = sql.Identifier("energy", f"{target.table}_rollback")
        query = sql.SQL("SELECT removed, restored FROM {}(%s, %s, %s, clock_timestamp())").format(function)
        removed, restored = connection.execute(query, [job.job_id, report.first, report.last]).fetchone() or (0, 0)
        (meters,) = connection.execute("SELECT energy.meter_rollback(%s)", [job.job_id]).fetchone() or (0,)
        close = "UPDATE ledger.quarantine SET resolved_at = now(), resolution = 'rolled back' WHERE job_id = %s"
        connection.execute(f"{close} AND resolved_at IS NULL", [job.job_id])
        connection.execute("UPDATE ledger.import_job SET rolled_back_at = now() WHERE job_id = %s", [job.job_id])
    return Undone(removed, restored, job.inserted_rows + job.revised_rows - removed - restored, meters)


def _require_history(connection: psycopg.Connection, job: jobs.Job, table: str) -> None:
    """What the job replaced must still be there to be restored."""
    query = "SELECT complete_from FROM ledger.history_horizon WHERE table_name = %s AND complete_from > %s"
    if job.revised_rows and (gone := connection.execute(query, [table, job.queued_at]).fetchone()):
        raise Misconfigured(
            f"job {job.job_id} replaced values that are no longer kept ({settings.REVISION_DAYS.env}; "
            f"history of {table} starts at {gone[0]:%Y-%m-%d %H:%M} UTC): import a file with the right values instead"
        )
