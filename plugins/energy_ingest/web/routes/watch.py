"""How loading does: freshness, progress, health, key figures, incidents."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter, Depends, Query
from psycopg.rows import dict_row

from energy_ingest import catalog, windows
from energy_ingest.loading import days, health, incidents
from energy_ingest.sql import statement
from energy_ingest.web import airflow, store
from energy_ingest.web.access import MONITOR, Viewable, sees
from energy_ingest.web.answers import Json, Route
from energy_ingest.web.models import watch as models

router = APIRouter(tags=["watching"], route_class=Route)

FINE: Final = 2
"""Days of history that are shown pass by pass; more are shown by hour."""


@router.get("/freshness", response_model=models.Freshness)
def freshness(seen: Viewable, session: SessionDep) -> Json:
    """How far each dataset is, and when it was last at work."""
    chosen = _datasets(seen)
    paused = airflow.paused(session, [item.name for item in chosen])
    with store.reading() as connection:
        found = days.freshness(connection, chosen)
    titles = {item.name: item.title for item in chosen}
    shown = [{**row, "title": titles[row["dataset"]], "paused": paused.get(row["dataset"])} for row in found]
    return Json({"datasets": shown})


@router.get("/progress", response_model=models.Progress)
def under_way(seen: Viewable, session: SessionDep) -> Json:
    """What is under way: windows done and left, their rate and the time left, runs and backfills of Airflow."""
    now, chosen = windows.utc_now(), _datasets(seen)
    names = [item.name for item in chosen]
    runs, backfills = airflow.open_runs(session, names), airflow.backfills(session, names, now)
    with store.reading() as connection:
        found = days.progress(connection, chosen, now)
    shown = [
        {**row, "runs": {"queued": 0, "running": 0, **runs.get(row["dataset"], {})},
         "backfills": backfills.get(row["dataset"], [])}
        for row in found
    ]  # fmt: skip
    return Json({"datasets": [row for row in shown if row["left"] or row["running"] or row["backfills"]]})


@router.get("/health", response_model=models.Health)
def healthy(seen: Viewable) -> Json:
    """Each dataset's health: the last date with data, publications missed."""
    now = windows.utc_now()
    with store.reading() as connection:
        found = health.with_actions(connection, health.examine(connection, now, _datasets(seen)))
    return Json({"status": health.status(found), "measured_at": now, "datasets": [item.as_json() for item in found]})


@router.get("/kpis", response_model=models.Kpis, dependencies=[Depends(sees(MONITOR))])
def kpis(back: Annotated[int, Query(alias="days", ge=1, le=90)] = 7) -> Json:
    """Targets against actual, and how each figure moved."""
    since = windows.utc_now() - timedelta(days=back)
    values = {"since": since, "unit": "minute" if back <= FINE else "hour"}
    with store.reading() as connection:
        rows = connection.cursor(row_factory=dict_row).execute(statement("monitor/kpis"), values).fetchall()
    measured_at = max((row.pop("measured_at") for row in rows), default=None)
    return Json({"measured_at": measured_at, "kpis": rows})


@router.get("/incidents", response_model=models.Incidents, dependencies=[Depends(sees(MONITOR))])
def trouble(everything: Annotated[bool, Query(alias="all")] = False) -> Json:
    """Open incidents, or all of the newest ones."""
    with store.reading() as connection:
        return Json({"incidents": incidents.listed(connection, resolved=everything)})


def _datasets(seen: Viewable) -> list[Any]:
    return [catalog.DATASETS[name] for name in seen if name in catalog.DATASETS]
