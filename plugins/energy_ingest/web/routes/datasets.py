"""The catalogue, and the rows of a dataset as we know them or knew them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, HTTPException, Query
from pydantic import AwareDatetime

from energy_ingest import catalog, windows
from energy_ingest.catalog import Dataset
from energy_ingest.loading import rows as reader
from energy_ingest.web import store
from energy_ingest.web.access import HasAccess, SeenDataset, Viewable
from energy_ingest.web.answers import Json, Route, blamed, key_of, page
from energy_ingest.web.models import datasets as models

router = APIRouter(tags=["datasets"], route_class=Route)


@router.get("/datasets", response_model=models.Datasets)
def datasets(seen: Viewable, access: HasAccess) -> Json:
    """The catalogue: what each dataset is, its columns, and from when to when the ledger knows it."""
    names = [name for name in seen if name in catalog.DATASETS]
    query = "SELECT dataset, min(label), max(label) FROM ledger.window WHERE dataset = ANY(%s) GROUP BY dataset"
    with store.reading() as connection:
        known = {name: span for name, *span in connection.execute(query, [names])}
    reloadable = access.among("trigger", names)
    return Json(
        {
            "datasets": [
                {
                    **_described(catalog.DATASETS[name]),
                    "may_reload": name in reloadable,
                    **dict(zip(("first", "last"), known.get(name, (None, None)), strict=True)),
                }
                for name in names
            ]
        }
    )


@router.get("/datasets/{name}/rows", response_model=models.Rows)
def rows(
    dataset: SeenDataset,
    first: Annotated[date, Query(alias="from", description="First label, inclusive.")],
    last: Annotated[date, Query(alias="to", description="Last label, inclusive.")],
    as_of: Annotated[AwareDatetime | None, Query(description="As we knew them at this instant.")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="At most so many.")] = 100,
    cursor: Annotated[str | None, Query(max_length=1000, description="`next` of the page before.")] = None,
) -> Json:
    """Rows of the dataset in the order of its key."""
    with blamed(400):
        span = windows.parse_range(f"{first}", f"{last}")
    after = key_of(cursor, len(dataset.contract.key))
    with store.reading() as connection:
        try:
            found = reader.read(connection, dataset, span, limit + 1, as_of=as_of, after=after)
        except psycopg.DataError:  # a cursor that somebody made up
            raise HTTPException(400, "this is no cursor of this list: pass on what `next` says") from None
    shown, following = page(found, limit, lambda row: reader.key_of(dataset, row))
    return Json({"dataset": dataset.name, "as_of": as_of, "rows": shown, "next": following})


def _described(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "title": dataset.title,
        "source": dataset.source.name,
        "attribution": dataset.source.attribution,
        "grain": dataset.grain,
        "item": dataset.item_column,
        "on_request": dataset.on_request,
        "key": dataset.contract.key,
        "columns": [
            {"name": column.name, "kind": column.kind, "doc": column.doc, "nullable": column.nullable}
            for column in dataset.contract.columns
        ],
    }
