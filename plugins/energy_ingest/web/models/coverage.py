"""Answers about what is there and what is missing."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from energy_ingest.web.models.common import MayReload, Model, State
from energy_ingest.web.models.jobs import Job


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
