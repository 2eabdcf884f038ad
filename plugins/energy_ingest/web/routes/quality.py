"""Data quality: what does not hold, how many issues there were, who knows; and how settlement values moved."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated, Any, Final

import psycopg
from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field

from energy_ingest import windows
from energy_ingest.loading import issues, restatements
from energy_ingest.web import airflow, store
from energy_ingest.web.access import METER_FILES, HasAccess, Viewable, asked_for
from energy_ingest.web.answers import Json, Route, blamed, key_of, page
from energy_ingest.web.models import quality as models

log = logging.getLogger(__name__)
router = APIRouter(tags=["quality"], route_class=Route)

LARGEST: Final = 2**63 - 1
Names = Annotated[list[str], Query(alias="dataset", description="Only these; may be repeated.")]
Limit = Annotated[int, Query(ge=1, le=500, description="At most so many.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next` of the page before.")]


@router.get("/quality/issues", response_model=models.Issues)
def listed(
    seen: Viewable,
    access: HasAccess,
    dataset: Names = [],  # noqa: B006 - FastAPI copies it
    severity: Annotated[str | None, Query(description="red or amber.")] = None,
    state: Annotated[str, Query(description="open, acknowledged, unresolved (both), or resolved.")] = "unresolved",
    day: Annotated[date | None, Query(description="Only of this day of the data.")] = None,
    reveal: Annotated[bool, Query(description="MPANs unmasked; needs the right to trigger `meter_files`.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Json:
    """Issues, red ones first, then the newest day; and how many hold now, whatever is filtered."""
    if reveal:
        access.require("trigger", METER_FILES)
        log.info("%s reads issues of data quality unmasked", access.user.get_name())
    search = issues.Search(asked_for(seen, dataset), state, severity, day)
    with blamed(400):
        search.check()
    after = key_of(cursor, 3)
    with store.reading() as connection, _our_cursor():
        found = issues.listed(connection, search, limit + 1, after)
        counts = issues.counts(connection, seen)
    rows, following = page(found, limit, issues.key_of)
    acts = access.among("trigger", {row["dataset"] for row in rows})
    shown = [{**issues.shown(row, reveal=reveal), "may_acknowledge": _may(row, acts)} for row in rows]
    return Json({"counts": counts, "issues": shown, "next": following})


@router.get("/quality/trend", response_model=models.Trend)
def trend(
    seen: Viewable,
    dataset: Names = [],  # noqa: B006
    days: Annotated[int, Query(ge=1, le=366, description="So many UTC days up to today.")] = 30,
) -> Json:
    """How many issues came up and came right each day, and how many there were when it ended."""
    with store.reading() as connection:
        found = issues.trend(connection, asked_for(seen, dataset), windows.utc_now().date(), days)
    return Json({"days": found})


class Note(BaseModel):
    """What whoever wonders should know."""

    note: str = Field("", max_length=500)


@router.post("/quality/issues/{issue_id}/acknowledge", response_model=models.Issue)
def acknowledge(issue_id: int, body: Note, access: HasAccess, session: SessionDep) -> Json:
    """Say that somebody knows: it closes no gate and sends no alert, until it comes back or grows."""
    if not 0 < issue_id <= LARGEST:
        raise HTTPException(404, f"no issue {issue_id}: GET /quality/issues lists those there are")
    with store.reading() as connection, blamed(404):
        row = issues.find(connection, issue_id)
    access.require("trigger", row["dataset"])
    airflow.audit(session, access.user, "quality_acknowledge", row["dataset"], f"issue {issue_id}")
    with store.writing() as connection:
        if not issues.acknowledge(connection, issue_id, access.user.get_name(), body.note, windows.utc_now()):
            raise HTTPException(409, f"issue {issue_id} is resolved: the data came right, nobody needs to know of it")
        after = issues.find(connection, issue_id)
    return Json({**issues.shown(after), "may_acknowledge": False})


@router.get("/restatements", response_model=models.Restatements)
def restated(
    access: HasAccess,
    dataset: Annotated[str, Query(description=f"{' or '.join(restatements.DATASETS)}.")],
    settlement_date: Annotated[date | None, Query(description="By default the newest that was restated.")] = None,
    column: Annotated[str | None, Query(description="Of prices: the price, or the imbalance volume.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Json:
    """How the values of a settlement date moved between settlement runs, what moved furthest first."""
    with blamed(404):
        value = restatements.value_of(dataset, column)
    access.require("view", value.dataset)
    after = key_of(cursor, 1 + len(value.key))
    with store.reading() as connection, _our_cursor():
        days = restatements.days(connection, value, settlement_date)
        moved = restatements.moves(connection, value, days["day"]) if days["day"] else []
        found = restatements.rows(connection, value, days["day"], limit + 1, after) if moved else []
    rows, following = page(found, limit, lambda row: restatements.key_of(value, row))
    return Json(
        {
            **{"dataset": value.dataset, "column": value.column, "unit": value.unit, "settlement_date": days["day"]},
            "columns": [known.column for known in restatements.VALUES if known.dataset == value.dataset],
            **{"date_before": days["before"], "date_after": days["after"]},
            **{"moves": moved, "rows": rows, "next": following},
        }
    )


@contextmanager
def _our_cursor() -> Iterator[None]:
    """What a made-up cursor does to a statement is the request's fault."""
    try:
        yield
    except psycopg.DataError:
        raise HTTPException(400, "this is no cursor of this list: pass on what `next` says") from None


def _may(row: dict[str, Any], acts: tuple[str, ...]) -> bool:
    return row["dataset"] in acts and row["resolved_at"] is None and row["acknowledged_at"] is None
