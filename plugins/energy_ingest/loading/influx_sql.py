"""What to read from a dataset's table for InfluxDB: rows as text, and which points a revision made wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from energy_ingest.catalog import Dataset
from energy_ingest.loading.line_protocol import Field
from energy_ingest.loading.merge import within
from energy_ingest.projection import Points, Scaled
from energy_ingest.windows import Window


@dataclass(frozen=True)
class Stale:
    """Points that a revision made wrong: of one series (its tags, by column) from first to last, both inclusive."""

    points: Points
    first: datetime
    last: datetime
    tags: Mapping[str, str]


def rows_query(
    dataset: Dataset, window: Window, columns: Iterable[Field], jobs: Sequence[int] | None, stale: Iterable[Stale] = ()
) -> sql.Composed:
    """COPY of the window's rows that these loads brought (None: all rows), and of those whose points are deleted."""
    brought = sql.SQL("true") if jobs is None else sql.SQL("t.job_id = ANY({})").format(list(jobs))
    conditions = [brought, *(_hit(dataset, one) for one in stale)]
    return sql.SQL(
        "COPY (SELECT t.job_id, {columns} FROM {table} AS t WHERE {within} AND ({some})) TO STDOUT (FORMAT csv)"
    ).format(
        columns=sql.SQL(", ").join(_expression(dataset, column) for column in columns),
        table=sql.Identifier("energy", dataset.table),
        within=within(dataset.bounds(window), "t"),
        some=sql.SQL(" OR ").join(conditions),
    )


def span_query(dataset: Dataset, window: Window, points: Points) -> sql.Composed:
    """The first and the last instant of the window's rows."""
    return sql.SQL("SELECT min({0}), max({0}) FROM {1} AS t WHERE {2}").format(
        sql.Identifier("t", points.time),
        sql.Identifier("energy", dataset.table),
        within(dataset.bounds(window), "t"),
    )


def stale_query(dataset: Dataset, window: Window, points: Points, jobs: Sequence[int] | None) -> sql.Composed:
    """Series (first instant, last instant, tag columns) of versions that these loads (None: any) superseded in vain.

    A new version overwrites a former one if it has the same tags, and a value in every field that the former one had.
    """
    fields = {source.column if isinstance(source, Scaled) else source for source in points.fields.values()}
    moved = [sql.SQL("r.{0} IS DISTINCT FROM t.{0}").format(sql.Identifier(name)) for name in points.tags.values()]
    emptied = [sql.SQL("r.{0} IS NOT NULL AND t.{0} IS NULL").format(sql.Identifier(name)) for name in sorted(fields)]
    instant = sql.Identifier("r", points.time)
    series = [_text(dataset, "r", name) for name in points.tags.values()]
    groups = sql.SQL("GROUP BY {}").format(sql.SQL(", ").join(series)) if series else sql.SQL("HAVING count(*) > 0")
    return sql.SQL(
        "SELECT {series} FROM {history} AS r JOIN {table} AS t USING ({key})"
        " WHERE {within} AND {some} AND ({wrong}) {groups}"
    ).format(
        series=sql.SQL(", ").join([sql.SQL("min({0}), max({0})").format(instant), *series]),
        history=sql.Identifier("energy", f"{dataset.table}_revision"),
        table=sql.Identifier("energy", dataset.table),
        key=sql.SQL(", ").join(map(sql.Identifier, dataset.contract.key)),
        within=within(dataset.bounds(window), "r"),
        some=sql.SQL("true") if jobs is None else sql.SQL("r.superseded_by = ANY({})").format(list(jobs)),
        wrong=sql.SQL(" OR ").join([*moved, *emptied]),
        groups=groups,
    )


def _hit(dataset: Dataset, stale: Stale) -> sql.Composed:
    """Rows whose points are deleted with the stale ones."""
    instant = sql.Identifier("t", stale.points.time)
    within = sql.SQL("{} BETWEEN {} AND {}").format(instant, stale.first, stale.last)
    same = (sql.SQL("{} = {}").format(_text(dataset, "t", name), value) for name, value in stale.tags.items())
    return sql.SQL(" AND ").join([within, *same])


def _expression(dataset: Dataset, field: Field) -> sql.Composed:
    column = sql.Identifier("t", field.column)
    if field.is_time:
        apart = sql.SQL(" + {} % 1000000").format(sql.Identifier("t", field.spread)) if field.spread else sql.SQL("")
        return sql.SQL("(extract(epoch FROM {}) * 1000000)::bigint{}").format(column, apart)
    if field.factor != 1:
        return sql.SQL("{} * {}").format(column, field.factor)
    return _text(dataset, "t", field.column)


def _text(dataset: Dataset, table: str, name: str) -> sql.Composed:
    """A column as InfluxDB gets it."""
    column = sql.Identifier(table, name)
    if dataset.contract.loaded[name] == "instant":
        return sql.SQL('to_char({}, \'YYYY-MM-DD"T"HH24:MI:SS"Z"\')').format(column)
    return sql.SQL("{}::text").format(column)
