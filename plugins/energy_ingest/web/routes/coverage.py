"""What is loaded, what is missing and why, by day and by window; and loading windows again."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from itertools import islice
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel

from energy_ingest import catalog, windows
from energy_ingest.loading import attempts, days
from energy_ingest.loading.coverage import Gap, load_command, together
from energy_ingest.web import airflow, store
from energy_ingest.web.access import HasAccess, SeenDataset, Viewable, asked_for
from energy_ingest.web.answers import Json, Route, blamed
from energy_ingest.web.models import coverage as models

router = APIRouter(tags=["coverage"], route_class=Route)

LONGEST: Final = 11 * 366
"""Days that one answer may cover."""
RELOAD_DAYS: Final = 31
LARGEST: Final = 8192
"""Days that one answer may cover, of all datasets together: a year of twenty, or eleven years of two."""
GAP_DAYS: Final = 366
"""Labels with gaps of a dataset that are looked at window by window."""
MOST_GAP_DAYS: Final = 600
"""The same of all datasets together."""

Names = Annotated[list[str], Query(alias="dataset", description="Only these; may be repeated.")]
From = Annotated[date | None, Query(alias="from", description="First label, inclusive.")]
To = Annotated[date | None, Query(alias="to", description="Last label, inclusive.")]


@router.get("/coverage", response_model=models.Coverage)
def coverage(
    seen: Viewable,
    dataset: Names = [],  # noqa: B006 - FastAPI copies it
    year: Annotated[int | None, Query(ge=2000, le=2100)] = None,
    first: From = None,
    last: To = None,
) -> Json:
    """By day, the worst state wins; this year, unless a year or dates are given."""
    now = windows.utc_now()
    year = year or now.year
    first, last = _span(first, last) or (date(year, 1, 1), date(year, 12, 31))
    chosen = [catalog.DATASETS[name] for name in asked_for(seen, dataset) if name in catalog.DATASETS]
    if len(chosen) * (last - first).days > LARGEST:
        raise HTTPException(
            400, f"{first} to {last} of {len(chosen)} datasets is too much: ask for a year, or for fewer"
        )
    with store.reading() as connection:
        found = days.days(connection, chosen, first, last, now)
    titles = {item.name: item.title for item in chosen}
    shown = [{**item.as_json(), "title": titles[item.dataset]} for item in found]
    return Json({"from": first, "to": last, "states": days.STATES, "datasets": shown})


@router.get("/coverage/{name}/{day}", response_model=models.CoverageDay)
def day(dataset: SeenDataset, day: date, access: HasAccess) -> Json:
    """The windows of one day in every scope, its half hours, and the newest attempts on them."""
    now = windows.utc_now()
    with store.reading() as connection:
        found = days.day(connection, dataset, day, now)
        items = days.items(connection, dataset, day)
        scopes = list({window["scope"] for window in found})
        tried = attempts.of_windows(connection, dataset.name, scopes, list(dataset.windows(day, day)))
    return Json(
        {
            "dataset": dataset.name,
            "day": day,
            "state": min((window["state"] for window in found), key=days.RANK.__getitem__, default=None),
            "may_reload": access.may("trigger", dataset.name),
            "windows": found,
            "items": items,
            "jobs": [attempts.described(row) for row in tried],
        }
    )


@router.get("/gaps", response_model=models.Gaps)
def gaps(
    seen: Viewable,
    access: HasAccess,
    dataset: Names = [],  # noqa: B006
    first: From = None,
    last: To = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Json:
    """Windows neither complete nor explained, adjoining ones of one state together, oldest first."""
    now, span = windows.utc_now(), _span(first, last)
    chosen = [catalog.DATASETS[name] for name in asked_for(seen, dataset) if name in catalog.DATASETS]
    most = min(GAP_DAYS, MOST_GAP_DAYS // max(1, len(chosen)))
    with store.reading() as connection:
        totals = days.totals(connection, chosen, now, span, most)
        labels = {name: total.oldest for name, total in totals.items()}
        by_scope: dict[tuple[str, str], list[Gap]] = defaultdict(list)
        for item, scope, gap in days.gaps_on(connection, chosen, labels, now):
            by_scope[item.name, scope.name].append(gap)
    may = access.among("trigger", {name for name, _ in by_scope})
    found = [
        {**_group(name, scope, group), "may_reload": name in may}
        for (name, scope), all_ in by_scope.items()
        for group in islice(together(all_), limit)
    ]
    found.sort(key=lambda group: group["first"])
    shown, windows_in_all = found[:limit], sum(total.gaps for total in totals.values())
    more = sum(group["windows"] for group in shown) < windows_in_all
    return Json({"gaps": shown, "windows": windows_in_all, "more": more})


class Reload(BaseModel):
    """Which windows are loaded again: those of a dataset labelled first to last, both inclusive."""

    dataset: str
    first: date
    last: date


@router.post("/windows/reload", status_code=202, response_model=models.RunStarted)
def reload(body: Reload, request: Request, access: HasAccess) -> Json:
    """Start a run of the dataset's own DAG for these dates, through Airflow's own API and as its user."""
    with blamed(404):
        dataset = catalog.get(body.dataset[:80])
    access.require("trigger", dataset.name)
    with blamed(400):
        windows.parse_range(f"{body.first}", f"{body.last}", RELOAD_DAYS)
    conf = {"window_from": f"{body.first}", "window_to": f"{body.last}"}
    return Json(airflow.start_run(request, dataset.name, f"{body.first}", conf), 202)


def _span(first: date | None, last: date | None) -> tuple[date, date] | None:
    """A range of dates; with one end only, that day."""
    if first is None and last is None:
        return None
    with blamed(400):
        return windows.parse_range(f"{first or last}", f"{last or first}", LONGEST)


def _group(dataset: str, scope: str, group: list[Gap]) -> dict[str, Any]:
    first, last = group[0].window, group[-1].window
    return {
        **{"dataset": dataset, "scope": scope, "first": first.label, "last": last.label, "windows": len(group)},
        **{"state": group[0].state, "reason": group[0].reason, "attempts": max(gap.attempts for gap in group)},
        "command": load_command(dataset, first.label, last.label),
    }
