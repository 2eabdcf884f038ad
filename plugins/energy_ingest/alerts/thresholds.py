"""How well loading does: figures, their limits and targets, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from energy_ingest import settings
from energy_ingest.alerts.finding import Finding, fingerprint

Status = Literal["healthy", "degraded", "critical"]

SOURCE_DOWN: Final = "source_down"
RULES: Final = ("stuck", "failure_rate", "queue_depth", "slow", "disk_space")
"""What `findings` looks for: an incident of such a rule that it does not find any more is over."""
SLOWER: Final = 3.0
"""Times the usual duration, from which on loading is slow."""
DISK_WARNING, DISK_CRITICAL = 0.90, 0.95
"""Share of the archive's disk that is used."""
DAYS_LEFT: Final = 7.0
"""Fewer days until that disk is full, as it grows now."""


@dataclass(frozen=True)
class Limits:
    """From where on something is wrong; shares between 0 and 1."""

    stuck_after: timedelta
    failure_degraded: float
    failure_critical: float
    queue: int
    sample: int

    @classmethod
    def configured(cls) -> Limits:
        """As the settings say.

        Raises:
            Misconfigured: a setting is not a positive whole number.
        """
        return cls(
            timedelta(minutes=settings.STUCK_MINUTES.get_int()),
            settings.FAILURE_DEGRADED.get_int() / 100,
            settings.FAILURE_CRITICAL.get_int() / 100,
            settings.QUEUE_LIMIT.get_int(),
            settings.MIN_SAMPLE.get_int(),
        )


@dataclass(frozen=True)
class Stuck:
    """An attempt that has shown no progress for too long; `is_alive`: its session is still there."""

    job_id: int
    name: str
    since: datetime
    is_alive: bool


@dataclass(frozen=True)
class Group:
    """What belongs to one upstream, over 24 hours: windows and files by their last attempt, and all attempts."""

    name: str
    completed: int = 0
    failed: int = 0
    attempts: int = 0
    retries: int = 0
    rows: int = 0
    waiting: int = 0
    failing_since: datetime | None = field(default=None, compare=False)
    waiting_since: datetime | None = field(default=None, compare=False)
    last_good: datetime | None = field(default=None, compare=False)

    @property
    def failure_rate(self) -> float:
        """Share of what was tried whose last attempt failed."""
        return self.failed / (self.completed + self.failed or 1)

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = {**asdict(self), "failure_rate": self.failure_rate}
        return {name: v.isoformat() if isinstance(v, datetime) else v for name, v in values.items()}


@dataclass(frozen=True)
class Pace:
    """Seconds that an attempt takes, over 24 hours and over the week before; the counts are those of attempts."""

    dataset: str
    recent: float
    recent_count: int
    usual: float
    usual_count: int


@dataclass(frozen=True)
class Disk:
    """Where the archive lies; `days_left` as it has grown lately, None where that is not known or it does not grow."""

    path: str
    used: float
    days_left: float | None = None


@dataclass(frozen=True)
class Kpi:
    """A key figure; `high` says that more is better, `share` that 1 is all. Without a target it is only kept."""

    name: str
    value: float
    target: float | None = None
    high: bool = False
    share: bool = False

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached: it is no limit that may be touched."""
        if self.target is None:
            return None
        return self.value > self.target if self.high else self.value < self.target

    def __str__(self) -> str:
        return self._shown(self.value)

    @property
    def aim(self) -> str:
        """The target in words, such as `> 95.00 %`."""
        return "" if self.target is None else f"{'>' if self.high else '<'} {self._shown(self.target)}"

    def _shown(self, value: float) -> str:
        return f"{value:.2%}".replace("%", " %") if self.share else f"{value:,.0f}"


@dataclass(frozen=True)
class Figures:
    """What one pass of the monitor measured."""

    groups: Sequence[Group] = ()
    stuck: Sequence[Stuck] = ()
    paces: Sequence[Pace] = ()
    disk: Disk | None = None
    availability: float = 1.0
    sizes: dict[str, float] = field(default_factory=dict)

    def total(self, name: str) -> int:
        """A count over all groups."""
        return sum(getattr(group, name) for group in self.groups)


def findings(figures: Figures, limits: Limits) -> list[Finding]:
    """Everything that is beyond its limit."""
    return [
        *_stuck(figures.stuck, limits),
        *(finding for group in figures.groups for finding in _group(group, limits)),
        *(finding for pace in figures.paces for finding in _pace(pace, limits)),
        *_disk(figures.disk),
    ]


def status(found: Sequence[Finding]) -> Status:
    """The worst of all findings."""
    severities = {finding.severity for finding in found}
    return "critical" if "critical" in severities else "degraded" if severities else "healthy"


def kpis(figures: Figures) -> list[Kpi]:
    """The key figures, in the order in which they are shown."""
    completed, failed, attempts = (figures.total(name) for name in ("completed", "failed", "attempts"))
    success = completed / (completed + failed) if completed + failed else 1.0
    disk = [Kpi("disk_used", figures.disk.used, share=True)] if figures.disk else []
    return [
        Kpi("success_rate", success, 0.95, high=True, share=True),
        Kpi("queue_depth", figures.total("waiting"), 10),
        Kpi("retry_rate", figures.total("retries") / attempts if attempts else 0.0, 0.10, share=True),
        Kpi("availability", figures.availability, 0.99, high=True, share=True),
        Kpi("completed", completed),
        Kpi("failed", failed),
        Kpi("rows", figures.total("rows")),
        Kpi("stuck", len(figures.stuck)),
        *disk,
        *(Kpi(name, value) for name, value in figures.sizes.items()),
    ]


def _stuck(stuck: Sequence[Stuck], limits: Limits) -> Iterator[Finding]:
    if stuck:
        minutes = int(limits.stuck_after.total_seconds()) // 60
        alive = sum(item.is_alive for item in stuck)
        yield Finding(
            rule="stuck",
            subject="import jobs",
            severity="warning",
            title=f"{len(stuck):,} job(s) stuck in processing state",
            extent="; ".join(f"{item.name} (job {item.job_id})" for item in stuck),
            cause=f"no progress for {minutes} minutes; {len(stuck) - alive:,} died, {alive:,} still have a session;"
            " what died is tried again, once, and what is alive is left alone",
            since=min(item.since for item in stuck),
            command="energy-ingest monitor --handle-stuck",
            windows=len(stuck),
        )


def _group(group: Group, limits: Limits) -> Iterator[Finding]:
    because = fingerprint(SOURCE_DOWN, group.name)
    tried, rate = group.completed + group.failed, group.failure_rate
    if tried >= limits.sample and rate > limits.failure_degraded:
        critical = rate > limits.failure_critical
        yield Finding(
            rule="failure_rate",
            subject=group.name,
            severity="critical" if critical else "warning",
            title=f"{'High' if critical else 'Elevated'} failure rate of {group.name}: {rate:.1%} in last 24h",
            extent=f"{group.failed:,} of {tried:,} windows and files",
            cause="look at the first errors: the source, its format, our configuration, or the workers",
            since=group.failing_since,
            last_good=group.last_good,
            command="energy-ingest gaps",
            inhibited_by=because,
        )
    if group.waiting > limits.queue:
        yield Finding(
            rule="queue_depth",
            subject=group.name,
            severity="warning",
            title=f"Queue backlog of {group.name}: {group.waiting:,} jobs waiting",
            cause="the scheduler or its workers do not run, are too few, or the DAG is paused",
            since=group.waiting_since,
            last_good=group.last_good,
            command="energy-ingest doctor",
            inhibited_by=because,
        )


def _pace(pace: Pace, limits: Limits) -> Iterator[Finding]:
    enough = min(pace.recent_count, pace.usual_count) >= limits.sample
    if enough and pace.usual > 0 and pace.recent > SLOWER * pace.usual:
        yield Finding(
            rule="slow",
            subject=pace.dataset,
            severity="warning",
            title=f"{pace.dataset} loads slowly: {pace.recent:.1f} s each instead of {pace.usual:.1f} s",
            extent=f"{pace.recent_count:,} attempts in 24 hours, {pace.usual_count:,} in the week before",
            cause="the source, the network, or the warehouse",
            command="energy-ingest doctor",
        )


def _disk(disk: Disk | None) -> Iterator[Finding]:
    if disk is None:
        return
    soon = disk.days_left is not None and disk.days_left < DAYS_LEFT
    if disk.used >= DISK_WARNING or soon:
        left = f", full in {disk.days_left:.0f} days" if disk.days_left is not None else ""
        yield Finding(
            rule="disk_space",
            subject=disk.path,
            severity="critical" if disk.used >= DISK_CRITICAL else "warning",
            title=f"the archive's disk is {disk.used:.0%} full{left}",
            extent=disk.path,
            cause="it grows: clean up, set a shorter ENERGY_ARCHIVE_DAYS, or keep the archive elsewhere",
            command="energy-ingest cleanup --dry-run",
        )
