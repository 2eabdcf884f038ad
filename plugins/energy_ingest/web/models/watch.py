"""Answers about freshness, progress, health, key figures and incidents."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from energy_ingest.web.models.common import Model, Severity


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
