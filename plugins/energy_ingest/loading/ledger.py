"""The ledger: which windows are complete, what every attempt did. PostgreSQL is the only place that knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import polars as pl
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from energy_ingest import settings, windows
from energy_ingest.catalog import Dataset
from energy_ingest.errors import IngestError, NotYetPublished, Rejected
from energy_ingest.loading.archive import Kept
from energy_ingest.loading.merge import Merged, Staged, count_items, merge, stage_of
from energy_ingest.sources import Scope
from energy_ingest.sql import statement
from energy_ingest.windows import Outcome, State, Window


@dataclass(frozen=True)
class Run:
    """Who loads: recorded with every attempt."""

    import_type: Literal["scheduled", "backfill", "manual", "asset_triggered", "command", "replay"]
    dag_id: str | None = None
    run_id: str | None = None
    try_number: int | None = None


@dataclass(frozen=True)
class Job:
    """One attempt on one window, begun; `answers` counts earlier ones that came after the publication deadline."""

    dataset: Dataset
    scope: Scope
    window: Window
    job_id: int
    started_at: datetime
    attempts: int
    answers: int
    was_complete: bool
    first_empty_at: datetime | None

    @property
    def place(self) -> dict[str, object]:
        """The window's key in the ledger."""
        return {"dataset": self.dataset.name, "scope": self.scope.name, "start": self.window.start}


@dataclass(frozen=True)
class Loaded:
    """The result of an attempt: the window's state and where each row of the answer went."""

    window: Window
    outcome: Outcome
    received: int
    inserted: int
    revised: int
    unchanged: int
    quarantined: int
    duplicates: int


def begin(connection: psycopg.Connection, dataset: Dataset, scope: Scope, window: Window, run: Run) -> Job:
    """Record that an attempt starts, in a transaction of its own; another that died is closed as failed."""
    values = {
        "dataset": dataset.name,
        "scope": scope.name,
        **asdict(window),
        "metadata": Jsonb({"members": list(scope.members)} if scope.members else {}),
        "deadline": dataset.publication.deadline(window),
        "code_version": settings.CODE_VERSION.get(),
        **asdict(run),
    }
    row = connection.execute(statement("ledger/begin"), values).fetchone()
    assert row is not None  # noqa: S101 - INSERT .. ON CONFLICT DO UPDATE returns its row
    return Job(dataset, scope, window, *row)


def finish(connection: psycopg.Connection, job: Job, staged: Staged, kept: Kept, retrieved_at: datetime) -> Loaded:
    """Merge the staged rows and record the result, all in one transaction under the window's lock."""
    with connection.transaction():
        newest_at = max(_lock(connection, job) or retrieved_at, retrieved_at)
        is_newest = newest_at == retrieved_at
        merged = merge(connection, job.dataset, job.window, staged, job.job_id, retrieved_at, revise=is_newest)
        actual = _actual(connection, job, staged)
        loaded = _judge(job, staged, merged, actual, newest_at)
        _quarantine(connection, job, [*staged.rejects, merged.conflicts])
        _note_drift(connection, job, staged)
        values = _finish_values(job, staged, loaded, actual, kept, retrieved_at)
        connection.execute(statement("ledger/finish"), {**values, "is_newest": is_newest})
        if job.dataset.report and loaded.received:
            _report(connection, job, loaded, retrieved_at)
    return loaded


def fail(
    connection: psycopg.Connection,
    job: Job,
    error: IngestError,
    *,
    request: str | None = None,
    kept: Kept | None = None,
) -> None:
    """Record that an attempt brought nothing, with the error and when to try again."""
    next_due_at = windows.utc_now() + windows.back_off(job.attempts)
    state: State = "not_yet_published" if isinstance(error, NotYetPublished) else "failed"
    values = {
        **job.place,
        "job_id": job.job_id,
        "state": state,
        "next_due_at": next_due_at,
        "request": request,
        "error": _storable(str(error)),
        "error_type": type(error).__name__,
        "sha256": kept.meta.sha256 if kept else None,
        "bytes": kept.meta.bytes if kept else None,
        "path": kept.path if kept else None,
    }
    connection.execute(statement("ledger/fail"), values)
    if job.dataset.report and isinstance(error, Rejected):
        connection.execute(statement(f"{job.dataset.report}_refused"), _file(job))


def due(
    connection: psycopg.Connection, dataset: Dataset, scope: Scope, now: datetime, *, never_tried: bool = True
) -> list[Window]:
    """Windows to look at now besides a run's own: scheduled but never tried, failed, short, restated. Oldest first.

    `never_tried=False` leaves out the first of these, for whoever knows that others are about to try them. Where there
    are too many, the never tried come first, then those that wait longest: none that fails every time keeps others from
    their turn.
    """
    limit = settings.DUE_LIMIT.get_int()
    values = {"dataset": dataset.name, "scope": scope.name, "now": now, "limit": limit}
    waiting = [Window(*row) for row in connection.execute(statement("ledger/due"), values)]
    query = "SELECT window_start FROM ledger.window WHERE dataset = %s AND scope = %s"
    known = {start for (start,) in connection.execute(query, [dataset.name, scope.name])}
    scheduled = dataset.scheduled_windows(now) if never_tried else ()
    untried = [window for window in scheduled if window.start not in known]
    return sorted([*untried, *waiting][:limit])


def with_batch(
    connection: psycopg.Connection, dataset: Dataset, scope: Scope, own: Sequence[Window], now: datetime
) -> list[Window]:
    """What one answer is asked for: all that its batch lacks; nothing where another run got these windows so."""
    batch = dataset.batch
    if batch is None or not own:
        return list(own)
    labels, batches = {window.label for window in own}, {batch(window, now) for window in own}
    reach = [w for label in labels for w in dataset.windows(label, label) if w.end <= now and batch(w, now) in batches]
    values = {"dataset": dataset.name, "scope": scope.name, "labels": list(labels)}
    answered = {start for (start,) in connection.execute(statement("ledger/answered"), values)}
    if all(window.start in answered for window in own):
        return []
    return [window for window in {*own, *reach} if window.start not in answered]


def states(connection: psycopg.Connection, dataset: Dataset, scope: Scope) -> dict[datetime, dict[str, Any]]:
    """What the ledger knows, by the start of the window."""
    cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
    rows = cursor.execute(statement("ledger/states"), {"dataset": dataset.name, "scope": scope.name})
    return {row["window_start"]: row for row in rows}


def completed_by(
    connection: psycopg.Connection, run: Run, scope: Scope, since_try: int, since: datetime
) -> set[datetime]:
    """Starts of the windows that this Airflow run loaded in this or an earlier try of its present cycle of retries.

    `since` is the start of the run: one that was deleted and made again has the same name, and counts its tries anew. A
    window that is not published yet is not done.
    """
    query = (
        "SELECT window_start FROM ledger.import_job JOIN ledger.window USING (dataset, scope, window_start)"
        " WHERE dag_id = %s AND run_id = %s AND scope = %s AND try_number >= %s AND started_at >= %s"
        " AND status = 'completed' AND state <> 'not_yet_published'"
    )
    values = [run.dag_id, run.run_id, scope.name, since_try, since]
    return {start for (start,) in connection.execute(query, values)}


def _lock(connection: psycopg.Connection, job: Job) -> datetime | None:
    """Lock the window for the rest of the transaction; returns when the newest answer that is loaded was retrieved."""
    place = f"{job.dataset.name} {job.window.start}"  # without the scope: several may share rows
    cursor = connection.execute(sql.SQL(statement("ledger/lock")).format(place=place, **job.place))
    cursor.nextset()
    row = cursor.fetchone()
    return row[0] if row else None


def _actual(connection: psycopg.Connection, job: Job, staged: Staged) -> int:
    """How many items the window has; where this answer is short, others may have brought the rest."""
    if job.was_complete or len(staged.items) >= job.dataset.expected_items(job.window, job.scope):
        return len(staged.items)
    return count_items(connection, job.dataset, job.scope, job.window)


def _judge(job: Job, staged: Staged, merged: Merged, actual: int, newest_at: datetime) -> Loaded:
    """The result as of the newest answer: what a replay brings back may have been restated since, and is due."""
    dataset, quarantined = job.dataset, staged.quarantined + merged.conflicts.height
    outcome = windows.judge(
        job.window,
        expected=dataset.expected_items(job.window, job.scope),
        actual=actual,
        publication=dataset.publication,
        restated_after=dataset.restated_after,
        now=newest_at,
        attempts=job.answers + 1,
        first_empty_at=job.first_empty_at,
        was_complete=job.was_complete,
    )
    if quarantined and not actual and not job.was_complete:  # refused is not empty
        reason = f"all {quarantined} rows were refused, see ledger.quarantine"
        outcome = Outcome("failed", reason, windows.utc_now() + windows.back_off(job.attempts))
    return Loaded(
        job.window,
        outcome,
        received=staged.rows + staged.quarantined,
        inserted=merged.inserted,
        revised=merged.revised,
        unchanged=merged.unchanged,
        quarantined=quarantined,
        duplicates=merged.duplicates,
    )


def _report(connection: psycopg.Connection, job: Job, loaded: Loaded, retrieved_at: datetime) -> None:
    """Judge a file by its staged rows."""
    values = {
        **_file(job),
        "retrieved_at": retrieved_at,
        "quarantined": loaded.quarantined,
        "duplicates": loaded.duplicates,
    }
    connection.execute(sql.SQL(statement(job.dataset.report)).format(stage=stage_of(job.dataset)), values)


def _file(job: Job) -> dict[str, object]:
    """Which file a report is about."""
    return {
        "job_id": job.job_id,
        "dataset": job.dataset.name,
        "asset": job.scope.name,
        "gas_day": job.window.label,
        "cycle": job.window.part,
        "due_at": job.window.end,
    }


def _finish_values(
    job: Job, staged: Staged, loaded: Loaded, actual: int, kept: Kept, retrieved_at: datetime
) -> Mapping[str, object]:
    past_deadline = retrieved_at >= job.dataset.publication.deadline(job.window)
    changed = bool(loaded.inserted or loaded.revised)
    return {
        **job.place,
        **asdict(loaded.outcome),
        "label": job.window.label,
        "job_id": job.job_id,
        "received": loaded.received,
        "inserted": loaded.inserted,
        "revised": loaded.revised,
        "unchanged": loaded.unchanged,
        "quarantined": loaded.quarantined,
        "duplicates": loaded.duplicates,
        "expected": job.dataset.expected_items(job.window, job.scope),
        "actual": actual,
        "empty": past_deadline and not actual and not loaded.received,
        "changed": changed,
        "to_influx": changed and job.dataset.influx is not None,
        "source_version": ", ".join(sorted(staged.versions)) or None,
        "request": kept.meta.request,
        "sha256": kept.meta.sha256,
        "bytes": kept.meta.bytes,
        "path": kept.path,
        "retrieved_at": retrieved_at,
    }


def _quarantine(connection: psycopg.Connection, job: Job, rejects: list[pl.DataFrame]) -> None:
    """Keep what this answer had; `ledger/finish` then closes the entries of older answers."""
    command = (
        "COPY ledger.quarantine (job_id, dataset, scope, window_start, row_number, column_name, value, reason, raw)"
        " FROM STDIN"
    )
    rows = [row for frame in rejects for row in frame.rows()]
    if rows:
        with connection.cursor().copy(command) as copy:
            for row in rows:
                copy.write_row([job.job_id, *job.place.values(), *(_storable(value) for value in row)])


def _storable(value: Any) -> Any:
    """PostgreSQL's text has no NUL."""
    return value.replace("\x00", "\\u0000") if isinstance(value, str) else value


def _note_drift(connection: psycopg.Connection, job: Job, staged: Staged) -> None:
    if staged.unknown_fields:
        connection.execute(
            "INSERT INTO ledger.drift (dataset, field, first_job_id) SELECT %s, unnest(%s::text[]), %s"
            " ON CONFLICT DO NOTHING",
            [job.dataset.name, [_storable(name) for name in sorted(staged.unknown_fields)], job.job_id],
        )
