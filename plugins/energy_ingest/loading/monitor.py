"""The monitor: measures, reports what is beyond its limits, closes what is over, and frees what is stuck."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg

from energy_ingest import catalog, settings
from energy_ingest.alerts import thresholds
from energy_ingest.alerts.finding import Finding
from energy_ingest.alerts.redact import redact
from energy_ingest.alerts.thresholds import Disk, Figures, Group, Limits, Pace, Status, Stuck
from energy_ingest.loading import database, diagnosis, incidents
from energy_ingest.loading.incidents import Channels
from energy_ingest.sql import statement

SILENT_FOR: Final = timedelta(hours=1)
"""A source that is silent for less may be back before the retries are used up."""


@dataclass(frozen=True)
class Report:
    """What one pass found; `handled` are the jobs that were freed, with their new status."""

    measured_at: datetime
    figures: Figures
    findings: Sequence[Finding]
    handled: Sequence[tuple[int, str]] = ()

    @property
    def status(self) -> Status:
        """The worst of all findings."""
        return thresholds.status(self.findings)

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        kpis = thresholds.kpis(self.figures)
        return {
            "status": self.status,
            "measured_at": self.measured_at.isoformat(),
            "findings": [finding.as_json() for finding in self.findings],
            "kpis": [{**asdict(kpi), "is_met": kpi.is_met} for kpi in kpis],
            "upstreams": [group.as_json() for group in self.figures.groups],
            "durations": [asdict(pace) for pace in self.figures.paces],
            "disk": asdict(self.figures.disk) if self.figures.disk else None,
            "stuck": [{**asdict(item), "since": item.since.isoformat()} for item in self.figures.stuck],
            "handled": [{"job_id": job_id, "status": status} for job_id, status in self.handled],
        }


def examine(connection: psycopg.Connection, now: datetime) -> Report:
    """Measure and judge; changes nothing."""
    limits = Limits.configured()
    with database.typed_errors():
        figures = _measure(connection, limits, now)
        silent = [diagnosis.source_down(connection, upstream, now) for upstream in catalog.upstreams()]
    down = [finding for finding in silent if finding and finding.since and finding.since <= now - SILENT_FOR]
    return Report(now, figures, [*down, *thresholds.findings(figures, limits)])


def tell(connection: psycopg.Connection, report: Report, channels: Channels, log_url: str = "") -> None:
    """Note the findings as incidents, close what is over, and queue the messages; `log_url` is whoever looked."""
    now = report.measured_at
    over = diagnosis.over(connection, now)
    found = [replace(finding, log_url=finding.log_url or log_url) for finding in report.findings]
    incidents.report(connection, found, channels, now, rules=thresholds.RULES, over=over, occurred=False)
    query = (
        "UPDATE ledger.import_job SET alert_sent = true, alert_sent_at = %s WHERE job_id = ANY(%s) AND NOT alert_sent"
    )
    with database.typed_errors():
        connection.execute(query, [now, [item.job_id for item in report.figures.stuck]])


def handle_stuck(connection: psycopg.Connection, report: Report) -> list[tuple[int, str]]:
    """Fail what died and people were told of, or queue it again, once; what is alive is left alone."""
    limits = Limits.configured()
    values = {
        "jobs": [item.job_id for item in report.figures.stuck],
        "now": report.measured_at,
        "stuck_after": limits.stuck_after,
        "minutes": f"{int(limits.stuck_after.total_seconds()) // 60}",
    }
    with database.typed_errors():
        return connection.execute(statement("monitor/handle_stuck"), values).fetchall()


def keep(connection: psycopg.Connection, report: Report) -> None:
    """Keep the key figures, for dashboards and for comparison."""
    values = [(report.measured_at, k.name, k.value, k.target, k.is_met) for k in thresholds.kpis(report.figures)]
    query = (
        "INSERT INTO ledger.kpi (measured_at, name, value, target, is_met) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING"
    )
    with database.typed_errors():
        connection.cursor().executemany(query, values)


def _measure(connection: psycopg.Connection, limits: Limits, now: datetime) -> Figures:
    values = {"now": now, "stuck_after": limits.stuck_after}
    database_bytes, archived, availability = connection.execute(statement("monitor/sizes"), values).fetchone() or ()
    return Figures(
        groups=_groups(connection.execute(statement("monitor/groups"), values).fetchall()),
        stuck=[
            Stuck(job_id, redact(name), *more)
            for job_id, name, *more in connection.execute(statement("monitor/stuck"), values)
        ],
        paces=[Pace(*row) for row in connection.execute(statement("monitor/paces"), values)],
        disk=_disk(connection, now),
        availability=availability,
        sizes={"database_bytes": database_bytes, "archived_bytes": archived},
    )


def _groups(rows: Sequence[tuple[Any, ...]]) -> list[Group]:
    """Datasets by upstream: a source's trouble is one, however many datasets come from it."""
    groups: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for dataset, *values in rows:
        known = catalog.DATASETS.get(dataset)
        groups[known.source.name if known else dataset].append(tuple(values))
    return [_group(name, members) for name, members in sorted(groups.items())]


def _group(name: str, members: Sequence[tuple[Any, ...]]) -> Group:
    *counts, failing, queued, good = zip(*members, strict=True)
    completed, failed, attempts, retries, rows, waiting = map(sum, counts)
    return Group(
        name,
        completed,
        failed,
        attempts,
        retries,
        rows,
        waiting,
        failing_since=min(filter(None, failing), default=None),
        waiting_since=min(filter(None, queued), default=None),
        last_good=max(filter(None, good), default=None),
    )


def _disk(connection: psycopg.Connection, now: datetime) -> Disk | None:
    """The disk of a local archive; growth since the oldest measurement of the last week, at least a day old."""
    url = settings.archive_url()
    if not url.startswith("file://"):
        return None
    folder = Path(url.removeprefix("file://")).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    usage = shutil.disk_usage(there)
    used = 1 - usage.free / usage.total
    query = (
        "SELECT measured_at, value FROM ledger.kpi WHERE name = 'disk_used' AND measured_at BETWEEN %s AND %s"
        " ORDER BY measured_at LIMIT 1"
    )
    row = connection.execute(query, [now - timedelta(days=7), now - timedelta(days=1)]).fetchone()
    grown = used - row[1] if row else 0.0
    days = (1 - used) / grown * ((now - row[0]) / timedelta(days=1)) if row and grown > 0 else None
    return Disk(f"{folder}", used, days)
