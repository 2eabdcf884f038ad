"""What each answer holds, for the description at /energy/openapi.json. Tests of the API hold each answer against it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal[
    *("failed", "missing", "overdue", "partial", "pending", "running"),
    *("abandoned", "empty_confirmed", "not_yet_published", "complete"),
]
Status = Literal["queued", "processing", "completed", "failed", "cancelled"]
Severity = Literal["info", "warning", "error", "critical"]

Cursor = Field(description="Pass it as `cursor` for what follows; null at the end.")
MayReload = Field(description="Whether this user may load it again.")


class Model(BaseModel):
    """Exactly these fields."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str = Field(description="What is wrong, and how to mend it.")


# --- datasets ---


class Column(Model):
    """A column of a dataset's table."""

    name: str
    kind: str
    doc: str
    nullable: bool


class DatasetInfo(Model):
    """An entry of the catalogue."""

    name: str
    title: str
    source: str
    attribution: str
    grain: str
    item: str = Field(description="The column whose values are counted for completeness.")
    on_request: bool = Field(description="Shipped paused: nothing of it is missing until something was loaded.")
    key: list[str]
    columns: list[Column]
    may_reload: bool = MayReload
    first: date | None = Field(description="Oldest label that the ledger knows.")
    last: date | None = Field(description="Newest label that the ledger knows.")


class Datasets(Model):
    """The catalogue, as far as the user may see it."""

    datasets: list[DatasetInfo]


class Rows(Model):
    """Rows of a dataset: its columns by name, decimals as strings, and whence they came."""

    dataset: str
    as_of: datetime | None
    rows: list[dict[str, Any]]
    next: str | None = Cursor


# --- coverage ---


class Day(Model):
    """A label: the worst state of its windows."""

    state: State
    windows: int
    counts: dict[State, int]


class DatasetDays(Model):
    """A dataset by day. `expected` = `complete` + `explained` + `gaps`, in windows."""

    dataset: str
    title: str
    expected: int
    complete: int
    explained: int
    gaps: int
    days: dict[date, Day]


class Coverage(Model):
    """Labels by state; `states` is from worst to best."""

    from_: date = Field(alias="from")
    to: date
    states: list[State]
    datasets: list[DatasetDays]


class Window(Model):
    """A window, half open [start, end): what is known of it."""

    scope: str
    start: datetime
    end: datetime
    label: date
    part: str = Field(description="Half hour or nomination cycle, where a label has several windows.")
    state: State
    reason: str | None
    expected: int | None = Field(description="Items that a complete window has.")
    actual: int | None = Field(description="Items that are there.")
    rows: int
    quarantined: int
    attempts: int
    first_attempt_at: datetime | None
    last_attempt_at: datetime | None
    completed_at: datetime | None
    next_due_at: datetime | None
    due_at: datetime = Field(description="When its data should appear.")
    deadline: datetime = Field(description="After this instant, missing data is a gap.")
    source_version: str | None
    response_sha256: str | None
    influx_state: str | None


class Item(Model):
    """A half hour of a settlement date."""

    item: int
    start: datetime
    expected: int
    rows: int


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


class CoverageDay(Model):
    """A label of a dataset, window by window."""

    dataset: str
    day: date
    state: State | None
    may_reload: bool = MayReload
    windows: list[Window]
    items: list[Item]
    jobs: list[Job] = Field(description="The newest 100 attempts on these windows.")


class Gap(Model):
    """Adjoining windows of one state that are neither complete nor explained."""

    dataset: str
    scope: str
    first: date
    last: date
    windows: int
    state: State
    reason: str
    attempts: int
    command: str
    may_reload: bool = MayReload


class Gaps(Model):
    """The oldest gaps; `windows` are those of all gaps, whether listed or not."""

    gaps: list[Gap]
    windows: int
    more: bool


class RunStarted(Model):
    """A run of a DAG."""

    dag_id: str
    run_id: str
    state: str


# --- jobs ---


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


# --- watching ---


class Fresh(Model):
    """How far a dataset is, and when it was last at work; `running` and `failed` are windows."""

    dataset: str
    title: str
    last_label: date | None
    last_complete_at: datetime | None
    last_attempt_at: datetime | None
    running: int
    failed: int
    paused: bool | None


class Freshness(Model):
    """Each dataset's newest data."""

    datasets: list[Fresh]


class Backfill(Model):
    """A backfill of Airflow's that is not over."""

    id: int
    from_: datetime = Field(alias="from")
    to: datetime
    runs: int
    done: int
    paused: bool
    seconds_left: int | None


class DatasetProgress(Model):
    """A dataset's windows done and left; rate and time left from the last ten minutes."""

    dataset: str
    total: int
    done: int
    left: int
    running: int
    per_minute: float
    seconds_left: int | None
    runs: dict[str, int]
    backfills: list[Backfill]


class Progress(Model):
    """Datasets with work left or at hand."""

    datasets: list[DatasetProgress]


class DatasetHealth(Model):
    """A dataset's health; `missed` are windows, `days_behind` labels newer than the newest data."""

    dataset: str
    status: Literal["healthy", "unhealthy", "unknown", "error"]
    last_data_date: date | None
    days_behind: int | None
    action: str
    missed: int
    detail: str
    spans: list[tuple[date, date]]
    since: datetime | None = Field(description="When the first of what is missed was due.")
    last_good: datetime | None = Field(description="When the newest data were loaded.")


class Health(Model):
    """The worst of all datasets, and each."""

    status: Literal["healthy", "degraded", "critical"]
    measured_at: datetime
    datasets: list[DatasetHealth]


class Kpi(Model):
    """A key figure, its target, and how it moved: [instant, value]."""

    name: str
    value: float
    target: float | None
    is_met: bool | None
    history: list[tuple[datetime, float]]


class Kpis(Model):
    """Key figures of the monitor's last pass."""

    measured_at: datetime | None
    kpis: list[Kpi]


class Incident(Model):
    """What people were told of."""

    fingerprint: str
    rule: str
    subject: str
    severity: Severity
    title: str | None
    opened_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    occurrences: int
    told: str | None
    told_at: datetime | None
    muted_until: datetime | None
    mute_reason: str | None


class Incidents(Model):
    """Incidents, newest first."""

    incidents: list[Incident]


# --- quality ---


class Issue(Model):
    """Values that break a rule, on one day of the data."""

    issue_id: int
    dataset: str
    rule: str
    rule_doc: str
    subject: str
    day: date
    severity: Literal["red", "amber"]
    state: Literal["open", "acknowledged", "resolved"]
    value_count: int
    occurrences: int = Field(description="1, and 1 more each time it came back.")
    items: list[Any] = Field(description="Some of the values at fault.")
    first_seen: datetime
    last_seen: datetime
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    may_acknowledge: bool


class IssueCounts(Model):
    """Issues that hold now; `values` are those at fault."""

    dataset: str
    severity: Literal["red", "amber"]
    open: int
    acknowledged: int
    values: int


class Issues(Model):
    """Issues, red ones first, then the newest day; `counts` are of all that the user may see."""

    counts: list[IssueCounts]
    issues: list[Issue]
    next: str | None = Cursor


class TrendDay(Model):
    """A UTC day: issues that came up, that came right, and that were there when it ended."""

    day: date
    opened: int
    resolved: int
    open: int
    open_red: int


class Trend(Model):
    """Issues by UTC day, oldest first."""

    days: list[TrendDay]


class Move(Model):
    """How far a settlement run, or a version, moved a date's values; sums in `unit`, as decimal strings."""

    run: str | None
    values: int
    net_change: str
    gross_change: str
    first_known: datetime
    last_known: datetime


class Version(Model):
    """A value as it was known for a time."""

    version: int
    run: str | None
    value: str | None
    change: str | None
    known_from: datetime | None
    known_to: datetime | None = Field(description="Null for what is known now.")


class Restated(BaseModel):
    """A value that moved, named by the columns of its key."""

    model_config = ConfigDict(extra="allow")

    settlement_period: int
    moved: str = Field(description="From the lowest to the highest of its versions.")
    versions: list[Version]
    runs: dict[str, str | None] | None = Field(None, description="By settlement run, where the feed has one.")


class Restatements(Model):
    """How the values of a settlement date moved; restated dates before and after it."""

    dataset: str
    column: str
    columns: list[str]
    unit: str
    settlement_date: date | None
    date_before: date | None
    date_after: date | None
    moves: list[Move]
    rows: list[Restated]
    next: str | None = Cursor
