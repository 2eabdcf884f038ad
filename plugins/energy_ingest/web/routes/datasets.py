"""The catalogue, and the rows of a dataset as we know them or knew them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from energy_ingest import catalog
from energy_ingest.catalog import Dataset
from energy_ingest.web import store
from energy_ingest.web.access import HasAccess, Viewable
from energy_ingest.web.answers import Json, Route

router = APIRouter(tags=["datasets"], route_class=Route)


@router.get("/datasets")
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
