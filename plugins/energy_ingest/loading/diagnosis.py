"""What stands behind a failed run, by what the rows say: its windows, its upstream, InfluxDB."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import psycopg

from energy_ingest import catalog
from energy_ingest.alerts.finding import Finding, fingerprint
from energy_ingest.alerts.text import counted
from energy_ingest.alerts.thresholds import SOURCE_DOWN
from energy_ingest.catalog import Upstream
from energy_ingest.loading import database, quality
from energy_ingest.sql import statement

RUN_FAILED: Final = "run_failed"
INFLUX_BEHIND: Final = "influx_behind"
QUALITY_GATE: Final = ("data_quality", "gate")
SILENCE: Final = 3
"""A source that gave this many requests in a row no answer is down; a task stops asking then, too."""

_CAUSES: Final = {
    "Retryable": "the source or the network",
    "Rejected": "the answer: its form or content",
    "Misconfigured": "our configuration",
}
_COMMANDS: Final = {
    "platform_cleanup": "energy-ingest cleanup",
    "platform_health": "energy-ingest health",
    "platform_migrate": "energy-ingest migrate",
    "platform_monitor": "energy-ingest monitor",
    "data_quality": "energy-ingest quality run",
    "elexon_bm_units": "energy-ingest quality units",
    "meter_aggregates": "energy-ingest aggregate",
    "meter_files": "energy-ingest jobs list",
}
"""What does the same without Airflow, or shows what is wrong; where no window is at stake."""


@dataclass(frozen=True)
class Run:
    """A run that failed, as Airflow tells of it; `dataset` is its task's, `past` says that it makes up for the past."""

    dag_id: str
    run_id: str
    reason: str = ""
    task_id: str = ""
    dataset: str | None = None
    log_url: str = ""
    past: bool = False


@dataclass(frozen=True)
class Failing:
    """Windows of a dataset whose last attempt failed."""

    dataset: str
    windows: int
    first: date
    last: date
    since: datetime
    error: str | None
    error_type: str | None

    def __str__(self) -> str:
        dates = f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"
        return f"{counted(self.windows, 'window')} of {self.dataset}, {dates}"

    @property
    def command(self) -> str:
        """Loads them."""
        return f"energy-ingest load --dataset {self.dataset} --from {self.first} --to {self.last}"


def explain(connection: psycopg.Connection, run: Run, now: datetime) -> Finding:
    """What is wrong, in the widest sense: that a source is silent explains all runs that fail of it."""
    with database.typed_errors():
        if run.task_id == "project_influx" and run.dataset:
            return influx_behind(connection, run.log_url) or _run_failed(connection, run)
        if (run.dag_id, run.task_id) == QUALITY_GATE and (red := quality.findings(connection)):
            return red[0]  # known already: the check before the gate told of it
        if run.dataset and (finding := source_down(connection, catalog.get(run.dataset).source, now, run.log_url)):
            return finding
        return _run_failed(connection, run)


def source_down(connection: psycopg.Connection, upstream: Upstream, now: datetime, log_url: str = "") -> Finding | None:
    """Whether an upstream answers nobody, as far as the last attempts show."""
    datasets = [dataset.name for dataset in catalog.DATASETS.values() if dataset.source is upstream]
    row = connection.execute(statement("alerts/upstream"), {"datasets": datasets, "now": now}).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has one row
    attempts, windows, affected, since, _, error, last_good = row
    if attempts < SILENCE:
        return None
    return Finding(
        rule=SOURCE_DOWN,
        subject=upstream.name,
        severity="critical",
        title=f"{upstream.name} does not answer: {counted(windows, 'window')} of {counted(affected, 'dataset')} wait",
        extent=f"{attempts} attempts since the last answer; everything waits and is loaded by itself when it answers",
        cause=error or "",
        since=since,
        last_good=last_good,
        command="energy-ingest doctor",
        log_url=log_url,
        windows=windows,
    )


def influx_behind(connection: psycopg.Connection, log_url: str = "") -> Finding | None:
    """Whether windows wait for InfluxDB, or were refused by it."""
    query = """
        SELECT count(*) FILTER (WHERE influx_state = 'pending')::integer,
               count(*) FILTER (WHERE influx_state = 'failed')::integer,
               count(DISTINCT dataset) FILTER (WHERE influx_state <> 'written')::integer,
               min(influx_error), max(influx_written_at)
        FROM ledger.window"""
    row = connection.execute(query).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has one row
    pending, refused, affected, error, last_good = row
    if not pending and not refused:
        return None
    return Finding(
        rule=INFLUX_BEHIND,
        subject="influxdb",
        severity="warning",
        title=f"InfluxDB lacks {counted(pending + refused, 'window')} of {counted(affected, 'dataset')}",
        extent=f"{pending:,} wait, {refused:,} are refused; PostgreSQL has everything",
        cause=error or "",
        last_good=last_good,
        command="energy-ingest influx status",
        log_url=log_url,
        windows=pending + refused,
    )


def failing(connection: psycopg.Connection, dag_id: str) -> list[Failing]:
    """What the DAG tried last and failed, by dataset."""
    return [Failing(*row) for row in connection.execute(statement("alerts/failing"), {"dag_id": dag_id})]


def _run_failed(connection: psycopg.Connection, run: Run) -> Finding:
    found = failing(connection, run.dag_id)
    windows = sum(item.windows for item in found)
    what = f"{counted(windows, 'window')} of {counted(len(found), 'dataset')}" if found else f"run {run.run_id}"
    worst = found[0] if found else None
    dataset = catalog.DATASETS.get(run.dataset or "")
    return Finding(
        rule=RUN_FAILED,
        subject=run.dag_id,
        severity="critical" if not run.past else "warning",
        title=f"{run.dag_id} failed: {what}",
        extent="; ".join(map(str, found)),
        cause=_cause(worst, run),
        since=min((item.since for item in found), default=None),
        last_good=_last_good(connection, run.dag_id),
        command=worst.command if worst else _COMMANDS.get(run.dag_id, "energy-ingest doctor"),
        log_url=run.log_url,
        windows=windows,
        inhibited_by=fingerprint(SOURCE_DOWN, dataset.source.name) if dataset else None,
        digest=run.past,
    )


def _cause(worst: Failing | None, run: Run) -> str:
    if worst is None or worst.error is None:
        why = f"{run.reason or 'unknown'}{f' in {run.task_id}' if run.task_id else ''}"
        return f"{why}; the process may have been killed" if worst else why
    return f"{_CAUSES.get(worst.error_type or '', worst.error_type or 'unknown')}: {worst.error}"


def _last_good(connection: psycopg.Connection, dag_id: str) -> datetime | None:
    query = "SELECT max(completed_at) FROM ledger.import_job WHERE dag_id = %s AND status = 'completed'"
    row = connection.execute(query, [dag_id]).fetchone()
    return row[0] if row else None


def over(connection: psycopg.Connection, now: datetime) -> list[str]:
    """Fingerprints of open incidents whose cause is gone, by what the rows say; no run of Airflow is asked.

    A failed run is made good when nothing of its DAG is failing any more, and, where no window was at stake, when the
    DAG has done something since.
    """
    query = (
        "SELECT fingerprint, rule, subject, last_seen_at, (finding ->> 'windows')::integer FROM ledger.incident"
        " WHERE resolved_at IS NULL AND rule IN ('run_failed', 'source_down', 'influx_behind')"
    )
    upstreams = {upstream.name: upstream for upstream in catalog.upstreams()}
    gone = []
    for mark, rule, subject, seen, windows in connection.execute(query).fetchall():
        if rule == SOURCE_DOWN:
            still = subject in upstreams and source_down(connection, upstreams[subject], now) is not None
        elif rule == INFLUX_BEHIND:
            still = influx_behind(connection) is not None
        else:
            still = bool(failing(connection, subject)) or not (windows or _worked_since(connection, subject, seen))
        gone += [] if still else [mark]
    return gone


def _worked_since(connection: psycopg.Connection, dag_id: str, since: datetime) -> bool:
    row = connection.execute(statement("alerts/worked_since"), {"dag_id": dag_id, "since": since}).fetchone()
    return row == (True,)
