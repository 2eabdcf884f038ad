"""What the app asks of the Airflow that it is mounted in: runs, and a line in its audit log.

Runs are started by Airflow's public REST API, in this process and with the caller's own credentials: its contract is
the stable one, it checks permission and parameters itself, and such a run looks like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import anyio.from_thread
import httpx
from airflow.models.backfill import Backfill, BackfillDagRun
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from fastapi import HTTPException, Request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from energy_ingest import windows
from energy_ingest.loading.days import LATELY

CREDENTIALS: Final = ("authorization", "cookie")
ENDED: Final = ("success", "failed")


def start_run(request: Request, dag_id: str, what: str, conf: dict[str, str]) -> dict[str, Any]:
    """A new run of a DAG with this conf; `what` is told by its id.

    Raises:
        HTTPException: as Airflow refuses it.
    """
    now = windows.utc_now()
    body = {
        "dag_run_id": f"reload__{now:%Y-%m-%dT%H:%M:%S.%f}__{what}",
        "logical_date": now.isoformat(),
        "conf": conf,
        "note": "asked for at /energy",
    }
    answer = anyio.from_thread.run(_post, request, f"/api/v2/dags/{dag_id}/dagRuns", body)
    if answer.status_code != httpx.codes.OK:
        raise HTTPException(answer.status_code, f"Airflow does not start {dag_id}: {_detail(answer)}")
    run = answer.json()
    return {"dag_id": run["dag_id"], "run_id": run["dag_run_id"], "state": run["state"]}


async def _post(request: Request, path: str, body: dict[str, Any]) -> httpx.Response:
    headers = {name: request.headers[name] for name in CREDENTIALS if name in request.headers}
    transport = httpx.ASGITransport(app=request.scope["energy.airflow"], raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
        return await client.post(path, json=body, headers=headers)


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])[:500]
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}; the API server's log says why"


def paused(session: Session, dag_ids: Sequence[str]) -> dict[str, bool]:
    """Of the DAGs that exist: whether each is paused."""
    query = select(DagModel.dag_id, DagModel.is_paused).where(DagModel.dag_id.in_(dag_ids), ~DagModel.is_stale)
    return {dag_id: bool(is_paused) for dag_id, is_paused in session.execute(query)}


def open_runs(session: Session, dag_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Runs that wait or run, by DAG and state."""
    query = select(DagRun.dag_id, DagRun.state, func.count()).where(
        DagRun.dag_id.in_(dag_ids), DagRun.state.in_(("queued", "running"))
    )
    found: dict[str, dict[str, int]] = {}
    for dag_id, state, count in session.execute(query.group_by(DagRun.dag_id, DagRun.state)):
        found.setdefault(dag_id, {})[str(getattr(state, "value", state))] = count
    return found


def backfills(session: Session, dag_ids: Sequence[str], now: datetime) -> dict[str, list[dict[str, Any]]]:
    """Airflow's backfills that are not over: their runs, how many have ended, the seconds left at the pace of late."""
    ended = DagRun.state.in_(ENDED)
    query = (
        select(
            Backfill,
            func.count(BackfillDagRun.id),
            func.count().filter(ended),
            func.count().filter(ended & (DagRun.end_date > now - LATELY)),
        )
        .join(BackfillDagRun, BackfillDagRun.backfill_id == Backfill.id)
        .outerjoin(DagRun, DagRun.id == BackfillDagRun.dag_run_id)
        .where(Backfill.dag_id.in_(dag_ids), Backfill.completed_at.is_(None))
        .group_by(Backfill.id)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for backfill, runs, done, lately in session.execute(query):
        span = min(now - backfill.created_at, LATELY)
        found.setdefault(backfill.dag_id, []).append(
            {
                **{"id": backfill.id, "from": backfill.from_date, "to": backfill.to_date},
                **{"runs": runs, "done": done, "paused": bool(backfill.is_paused)},
                "seconds_left": round((runs - done) * (span / lately).total_seconds()) if lately else None,
            }
        )
    return found


def audit(session: Session, user: Any, event: str, dag_id: str, extra: str) -> None:
    """A line in Airflow's audit log: who did what here."""
    session.add(Log(event=f"energy.{event}", owner=user.get_name(), dag_id=dag_id, extra=extra))
