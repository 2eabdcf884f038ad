"""Answers about import jobs."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from energy_ingest.web.models.common import Cursor, Model, Status


class Counts(Model):
    """Rows of an attempt; their sum is what was received."""

    inserted: int
    revised: int
    unchanged: int
    quarantined: int
    duplicate: int


class JobInList(Model):
    """An attempt on a window, or a meter file."""

    job_id: int
    batch_id: str
    dataset: str
    import_type: str
    scope: str
    status: Status
    priority: Literal["low", "normal", "high"]
    label: date | None
    part: str | None
    file_name: str | None
    progress_percent: float
    total_rows: int | None
    processed_rows: int
    counts: Counts
    queued_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    seconds: float | None
    retry_count: int
    max_retries: int | None
    retry_at: datetime | None
    last_error: str | None
    error_type: str | None
    notes: str | None
    tags: list[str]
    dag_id: str | None
    run_id: str | None
    try_number: int | None
    dry_run: bool
    rolled_back_at: datetime | None
    actions: list[Literal["retry", "cancel", "rollback"]] = Field(description="What this user may do about it now.")


class Event(Model):
    """Something that happened to a job."""

    at: datetime
    what: str
    detail: str


class Undone(Model):
    """What a rollback did, in rows; `changed_since` were left as a later job changed them."""

    removed: int
    restored: int
    changed_since: int
    meters: int


class Job(JobInList):
    """A job with all that is known of it."""

    window_start: datetime | None
    request: str | None
    response_sha256: str | None
    response_bytes: int | None
    retrieved_at: datetime | None
    code_version: str | None
    file_sha256: str | None
    file_bytes: int | None
    feed: str | None
    has_raw: bool
    said: list[str] = Field(description="How its file was read, and why.")
    skipped: dict[str, int]
    warnings: dict[str, int]
    problems: list[dict[str, Any]]
    timeline: list[Event]


class RolledBack(Job):
    """A job that was taken back."""

    undone: Undone


class Jobs(Model):
    """Jobs, newest first."""

    jobs: list[JobInList]
    next: str | None = Cursor


class RefusedRow(Model):
    """A row in quarantine."""

    entry: int
    row_number: int | None
    column: str | None
    value: str | None
    reason: str
    raw: str | None
    created_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    fix: str


class RefusedRows(Model):
    """Rows in quarantine, in the order of their file."""

    rows: list[RefusedRow]
    next: str | None = Cursor
