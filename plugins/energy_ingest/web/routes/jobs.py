"""Import jobs: every attempt on a window and every meter file; and what people do about those of meter files."""

from __future__ import annotations

import logging
from typing import Annotated, Any, Final
from uuid import UUID

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter, Depends, HTTPException, Query, Response
from fastapi.responses import PlainTextResponse

from energy_ingest.loading import attempts
from energy_ingest.loading.meter_files import jobs as queue
from energy_ingest.loading.meter_files import report, rollback
from energy_ingest.loading.meter_files.privacy import masked_text
from energy_ingest.web import airflow, raw, store
from energy_ingest.web.access import METER_FILES, Access, HasAccess, Viewable, asked_for
from energy_ingest.web.answers import Json, Route, blamed, key_of, page
from energy_ingest.web.models import jobs as models

log = logging.getLogger(__name__)
router = APIRouter(tags=["jobs"], route_class=Route)

Limit = Annotated[int, Query(ge=1, le=500, description="At most so many.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next` of the page before.")]
Reveal = Annotated[bool, Query(description="MPANs unmasked; needs the right to trigger `meter_files`.")]


@router.get("/jobs", response_model=models.Jobs)
def jobs(
    seen: Viewable,
    access: HasAccess,
    status: str | None = None,
    import_type: Annotated[str | None, Query(alias="type")] = None,
    priority: str | None = None,
    dataset: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI copies it
    q: Annotated[str | None, Query(max_length=100)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Json:
    """The newest attempts and files."""
    before = key_of(cursor, 1)
    acts = access.may("trigger", METER_FILES)
    search = attempts.Search(asked_for(seen, dataset), status, import_type, priority, q, reveal=acts)
    with blamed(400):
        search.check()
    with store.reading() as connection:
        found = attempts.listed(connection, search, limit + 1, before[0] if before else None)
    rows, following = page(found, limit, lambda row: [row["job_id"]])
    return Json({"jobs": [_allowed(attempts.shown(row), acts) for row in rows], "next": following})


def seen_job(batch_id: UUID, access: HasAccess) -> dict[str, Any]:
    """The job that the path names, for who may view its DAG."""
    with store.reading() as connection, blamed(404):
        row = attempts.find(connection, batch_id)
    access.require("view", row["dataset"])
    return row


SeenJob = Annotated[dict[str, Any], Depends(seen_job)]


@router.get("/jobs/{batch_id}", response_model=models.Job)
def job(row: SeenJob, access: HasAccess) -> Json:
    """One of them, with all that is known: how its file was read, what happened when, what was wrong."""
    return Json(_allowed(attempts.described(row), access.may("trigger", METER_FILES)))


@router.get("/jobs/{batch_id}/rows", response_model=models.RefusedRows)
def rows(
    row: SeenJob,
    access: HasAccess,
    only_open: Annotated[bool, Query(alias="open")] = False,
    reveal: Reveal = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Json:
    """The rows that it refused, each with the reason and what would load it."""
    _may_reveal(row, access, reveal)
    row_number, entry = key_of(cursor, 2) or (-1, -1)
    with store.reading() as connection:
        found = attempts.refused(connection, row, limit + 1, (row_number, entry), only_open=only_open)
    shown, following = page(found, limit, lambda item: [item["row_number"], item["entry"]])
    if row["dataset"] == METER_FILES and not reveal:
        shown = [{name: masked_text(value) for name, value in item.items()} for item in shown]
    return Json({"rows": shown, "next": following})


@router.get("/jobs/{batch_id}/report", response_class=PlainTextResponse)
def download(row: SeenJob) -> Response:
    """What `energy-ingest jobs show` says, as a text file; MPANs are masked."""
    if row["dataset"] == METER_FILES:
        with store.reading() as connection:
            text = report.text(queue.find(connection, row["job_id"]))
    else:
        text = "".join(f"{name}: {value}\n" for name, value in attempts.described(row).items())
    name = f"job-{row['job_id']}.txt"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, headers=headers, media_type="text/plain; charset=utf-8")


@router.get("/jobs/{batch_id}/raw", response_class=PlainTextResponse)
def body(
    row: SeenJob,
    most: Annotated[int, Query(alias="bytes", ge=1, le=raw.MOST, description="At most so many.")] = raw.USUAL,
) -> Response:
    """The body of its answer, as it was archived."""
    return raw.answer(row, most)


@router.post("/jobs/{batch_id}/retry", response_model=models.Job)
def retry(row: SeenJob, access: HasAccess, session: SessionDep) -> Json:
    """Queue a failed or cancelled job again: it goes on where it stopped."""
    return _act("retry", row, access, session)


@router.post("/jobs/{batch_id}/cancel", response_model=models.Job)
def cancel(row: SeenJob, access: HasAccess, session: SessionDep) -> Json:
    """Stop a job that waits or is at work."""
    return _act("cancel", row, access, session)


@router.post("/jobs/{batch_id}/rollback", response_model=models.RolledBack)
def undo(row: SeenJob, access: HasAccess, session: SessionDep) -> Json:
    """Take back exactly what a job brought, and restore what it replaced."""
    return _act("rollback", row, access, session)


ACTIONS: Final = {"retry": queue.retry, "cancel": queue.cancel, "rollback": rollback.rollback}
"""The same as on the command line."""
LONG: Final = 120
"""Seconds that taking a large file back may need."""


def _act(action: str, row: dict[str, Any], access: Access, session: SessionDep) -> Json:
    access.require("trigger", row["dataset"])
    if row["dataset"] != METER_FILES:
        raise HTTPException(409, "only jobs of meter files can be acted on: POST /windows/reload loads a window again")
    airflow.audit(session, access.user, f"job_{action}", METER_FILES, f"batch {row['batch_id']}")
    with store.writing(LONG) as connection, blamed(409):
        outcome = ACTIONS[action](connection, row["job_id"])
        shown = attempts.described(attempts.find(connection, row["batch_id"]))
    return Json({**shown, **({"undone": vars(outcome)} if action == "rollback" else {})})


def _allowed(shown: dict[str, Any], acts: bool) -> dict[str, Any]:
    return shown if acts else {**shown, "actions": []}


def _may_reveal(row: dict[str, Any], access: Access, reveal: bool) -> None:
    if reveal and row["dataset"] == METER_FILES:
        access.require("trigger", METER_FILES)
        log.info("%s reads refused rows of job %s unmasked", access.user.get_name(), row["job_id"])
