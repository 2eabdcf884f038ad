"""Health of every dataset, measured from what is loaded against what should have been published; and how to heal it.

Publications are counted, not hours: a weekend without any, or a source that takes five working days, is no delay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

import psycopg

from energy_ingest import catalog, clock, settings
from energy_ingest.alerts.finding import Finding, fingerprint
from energy_ingest.alerts.text import counted
from energy_ingest.alerts.thresholds import SOURCE_DOWN
from energy_ingest.catalog import Dataset
from energy_ingest.errors import IngestError
from energy_ingest.loading import database, days, diagnosis
from energy_ingest.loading.coverage import load_command
from energy_ingest.sql import statement
from energy_ingest.windows import Window

Status = Literal["healthy", "unhealthy", "unknown", "error"]
Action = Literal["none", "triggered_catch_up", "catch_up_running", "source_down", "backing_off", "gave_up"]
Span = tuple[date, date]

FRESHNESS: Final = "freshness"
WORKING_TIME: Final = timedelta(hours=1)
"""A run has this long for its windows before they are missed."""
PAUSE: Final = timedelta(hours=6)
"""Before a second attempt at healing; doubles each time, and is a little shorter than the health DAG's own cadence."""
SLACK: Final = timedelta(minutes=30)
ATTEMPTS: Final = 5
"""After so many in vain a person has to look."""
MOST_RUNS: Final = 5
"""Runs that one pass starts for a dataset, one for each stretch of dates."""


@dataclass(frozen=True)
class Health:
    """The health of one dataset.

    `last_data_date` is the newest label with a complete window: an empty one does not count, and loading the past does
    not move it. `days_behind` counts the dates after it whose publication was missed, `missed` all windows that should
    be there and are not, wherever they lie; `spans` are their dates, oldest first. `since` is when the first of them
    was due, `last_good` when the newest data were loaded.
    """

    dataset: str
    status: Status
    last_data_date: date | None = None
    days_behind: int | None = None
    action: Action = "none"
    missed: int = 0
    detail: str = ""
    spans: tuple[Span, ...] = ()
    since: datetime | None = None
    last_good: datetime | None = None

    @property
    def summary(self) -> dict[str, Any]:
        """Status, last date with data, days behind, and what was done about it; plain values for JSON."""
        last = f"{self.last_data_date}" if self.last_data_date else None
        summary = {"status": self.status, "last_data_date": last, "days_behind": self.days_behind}
        return {**summary, "action": self.action}

    def as_json(self) -> dict[str, Any]:
        """All that is known; plain values for JSON."""
        instants = {name: at.isoformat() if (at := getattr(self, name)) else None for name in ("since", "last_good")}
        spans = [[f"{first}", f"{last}"] for first, last in self.spans]
        return {**asdict(self), **self.summary, **instants, "spans": spans}

    @property
    def command(self) -> str:
        """Loads what was missed without Airflow."""
        return load_command(self.dataset, self.spans[0][0], self.spans[-1][1])


def examine(connection: psycopg.Connection, now: datetime, datasets: Iterable[Dataset] | None = None) -> list[Health]:
    """The health of every dataset, or of these, that is in use; changes nothing."""
    found: dict[str, Health] = {}
    asked, usable = list(catalog.DATASETS.values() if datasets is None else datasets), []
    for dataset in asked:
        try:
            if dataset.scopes():  # else nothing of it is asked for
                usable.append(dataset)
        except IngestError as error:
            found[dataset.name] = Health(dataset.name, "error", detail=str(error))
    try:
        found |= _examine(connection, usable, now)
    except IngestError as error:
        found |= {dataset.name: Health(dataset.name, "error", detail=str(error)) for dataset in usable}
    return [found[dataset.name] for dataset in asked if dataset.name in found]


def _examine(connection: psycopg.Connection, datasets: Sequence[Dataset], now: datetime) -> dict[str, Health]:
    """Without those that are shipped switched off and were never switched on.

    What is long past and not there was missed; only of the last weeks each window is looked at.
    """
    newest, most = days.newest_data(connection, datasets), settings.DUE_LIMIT.get_int()
    unknown = [item for item in datasets if item.name not in newest and not item.on_request]
    tried = [item for item in datasets if item.name in newest]
    settled = days.settled(now)
    past = days.totals(connection, tried, now, (days.EVER, settled), most)
    recent = days.totals(connection, tried, now, (settled + clock.ONE_DAY, date.max))
    labels = {name: (*past[name].oldest[:1], *recent[name].oldest) for name in past}
    missed = defaultdict(list)
    for dataset, _, gap in days.gaps_on(connection, tried, labels, now):
        if is_missed(dataset, gap.window, now):
            missed[dataset.name].append(gap.window)
    found = {item.name: Health(item.name, "unknown", detail="nothing was ever loaded") for item in unknown}
    for dataset in tried:
        total, late = past[dataset.name], [w for w in missed[dataset.name] if w.label > settled]
        number, last = total.gaps + len(late), newest[dataset.name].label
        dates = {window.label for window in late}
        found[dataset.name] = Health(
            dataset.name,
            "unhealthy" if number else "healthy",
            last,
            total.behind + sum(last is None or label > last for label in dates),
            missed=number,
            detail=f"{counted(number, 'window')} missed" if number else "",
            spans=tuple(days.stretches({*total.oldest, *dates}, most)),
            since=min((_due(dataset, window) for window in missed[dataset.name]), default=None),
            last_good=newest[dataset.name].loaded_at,
        )
    return found


def is_missed(dataset: Dataset, window: Window, now: datetime) -> bool:
    """Whether a window that is not there should be: it was published, and its run had time to load it."""
    return _due(dataset, window) + WORKING_TIME <= now


def _due(dataset: Dataset, window: Window) -> datetime:
    return max(dataset.publication.deadline(window), dataset.calendar.scheduled_at(window))


def heal(connection: psycopg.Connection, found: Health, at_work: bool, now: datetime) -> Health:
    """Decide what is done about a dataset, and take note of it: whoever gets `triggered_catch_up` starts the runs.

    Several at once get it once: the row of the dataset is locked while one decides.
    """
    if found.status == "healthy":
        query = "UPDATE ledger.healing SET attempts = 0 WHERE dataset = %s AND attempts > 0"
        connection.execute(query, [found.dataset])
    if found.status != "unhealthy":
        return found
    if at_work:
        return replace(found, action="catch_up_running")
    if diagnosis.source_down(connection, catalog.get(found.dataset).source, now):
        return replace(found, action="source_down")
    values = {"dataset": found.dataset, "now": now, "most": ATTEMPTS, "pause": PAUSE, "slack": SLACK}
    row = connection.execute(statement("health/heal"), values).fetchone()
    assert row is not None  # noqa: S101 - the statement tells of the attempts before, or of none
    claimed, attempts = row
    action: Action = "triggered_catch_up" if claimed else "gave_up" if attempts >= ATTEMPTS else "backing_off"
    return replace(found, action=action)


def runs(found: Iterable[Health], now: datetime) -> list[dict[str, Any]]:
    """The runs that heal, as arguments of TriggerDagRunOperator: the dataset's own DAG with a stretch of dates."""
    return [
        {
            "trigger_dag_id": health.dataset,
            "trigger_run_id": f"heal__{now:%Y-%m-%dT%H:%M:%S}__{first}",
            "conf": {"window_from": f"{first}", "window_to": f"{last}"},
        }
        for health in found
        if health.action == "triggered_catch_up"
        for first, last in health.spans[:MOST_RUNS]
    ]


def findings(found: Iterable[Health], before: Mapping[str, int], log_url: str = "") -> Iterator[Finding]:
    """What people are to know; `before` is what each dataset missed at the pass before, `log_url` of whoever looked.

    While runs are at work and there is less to do than before, catch-up goes on as it should.
    """
    for health in found:
        going_on = health.action == "catch_up_running" and health.missed < before.get(health.dataset, health.missed + 1)
        if health.status == "unhealthy" and not going_on:
            yield _finding(health, log_url)


def _finding(health: Health, log_url: str) -> Finding:
    first, last = health.spans[0][0], health.spans[-1][1]
    return Finding(
        rule=FRESHNESS,
        subject=health.dataset,
        severity="critical" if health.action == "gave_up" else "warning",
        title=f"{health.dataset} misses {counted(health.missed, 'window')}",
        extent=f"from {first}"
        + (f" to {last}" if last > first else "")
        + f"; last data {health.last_data_date or 'none'}, {counted(health.days_behind or 0, 'day')} behind",
        cause=f"publications that were not loaded; done about it: {health.action.replace('_', ' ')}",
        since=health.since,
        last_good=health.last_good,
        command=health.command,
        log_url=log_url,
        windows=health.missed,
        inhibited_by=fingerprint(SOURCE_DOWN, catalog.get(health.dataset).source.name),
    )


def missed_before(connection: psycopg.Connection) -> dict[str, int]:
    """What each dataset missed at the last pass."""
    return {name: item["missed"] for name, item in _last_pass(connection).items()}


def with_actions(connection: psycopg.Connection, found: Iterable[Health]) -> list[Health]:
    """The same, with what the last pass of platform_health did about those that are unhealthy still."""
    actions = {name: item["action"] for name, item in _last_pass(connection).items()}
    return [
        replace(health, action=actions.get(health.dataset, "none")) if health.status == "unhealthy" else health
        for health in found
    ]


def _last_pass(connection: psycopg.Connection) -> dict[str, dict[str, Any]]:
    query = (
        "SELECT details FROM ledger.execution WHERE kind = 'health' AND status = 'completed'"
        " ORDER BY started_at DESC LIMIT 1"
    )
    with database.typed_errors():
        row = connection.execute(query).fetchone()
    return {item["dataset"]: item for item in row[0]["datasets"]} if row else {}


def status(found: Sequence[Health]) -> Literal["healthy", "degraded", "critical"]:
    """The worst of all datasets."""
    if any(health.status == "error" or health.action == "gave_up" for health in found):
        return "critical"
    return "degraded" if any(health.status != "healthy" for health in found) else "healthy"
