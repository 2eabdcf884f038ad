"""Answers about issues of data quality and restatements."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from energy_ingest.web.models.common import Cursor, Model


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
