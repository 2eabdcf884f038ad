"""Reading the rows of a dataset, page by page in the order of its key, as they are or as we knew them at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from energy_ingest import clock
from energy_ingest.catalog import Dataset
from energy_ingest.contracts import SQL_TYPES


def read(
    connection: psycopg.Connection,
    dataset: Dataset,
    span: tuple[date, date],
    limit: int,
    *,
    as_of: datetime | None = None,
    after: Sequence[Any] | None = None,
) -> list[dict[str, Any]]:
    """At most so many rows labelled within the span, both dates inclusive, behind the row with the key `after`."""
    contract, time_column = dataset.contract, dataset.time_column
    key = sql.SQL(", ").join(map(sql.Identifier, contract.key))
    low, high = _bounds(contract.loaded[time_column], *span)
    values: list[Any] = [*([as_of] if as_of else []), low, high]
    behind: sql.Composable = sql.SQL("")
    if after:
        places = (sql.SQL("%s::{}").format(sql.SQL(SQL_TYPES[contract.loaded[name]])) for name in contract.key)
        behind = sql.SQL("AND ({}) > ({})").format(key, sql.SQL(", ").join(places))
        values += after
    source = sql.Identifier("energy", f"{dataset.table}_as_of" if as_of else dataset.table)
    query = sql.SQL("SELECT {} FROM {} WHERE {} >= %s AND {} < %s {} ORDER BY {} LIMIT %s").format(
        sql.SQL(", ").join(map(sql.Identifier, (*contract.loaded, "recorded_from"))),
        sql.SQL("{}(%s)").format(source) if as_of else source,
        sql.Identifier(time_column),
        sql.Identifier(time_column),
        behind,
        key,
    )
    return connection.cursor(row_factory=dict_row).execute(query, [*values, limit]).fetchall()


def key_of(dataset: Dataset, row: dict[str, Any]) -> list[str | int]:
    """The row's key as it stands in JSON."""
    parts = (row[name] for name in dataset.contract.key)
    return [
        part if isinstance(part, int) else part.isoformat() if isinstance(part, date) else f"{part}" for part in parts
    ]


def _bounds(kind: str, first: date, last: date) -> tuple[date | datetime, date | datetime]:
    """Half-open; an instant belongs to its UTC date."""
    after = last + clock.ONE_DAY
    if kind == "date":
        return first, after
    return datetime.combine(first, time.min, UTC), datetime.combine(after, time.min, UTC)
