"""Staging and merging the rows of one window: COPY to a temporary table, then one MERGE of what differs."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
import psycopg
from psycopg import sql

from energy_ingest.calendars import Bounds
from energy_ingest.catalog import Dataset
from energy_ingest.contracts import SQL_TYPES
from energy_ingest.reading import REJECT_SCHEMA, Checked
from energy_ingest.sources import Scope
from energy_ingest.windows import Window


@dataclass
class Staged:
    """What was copied to the temporary table, and what is known of it without asking the server."""

    rows: int = 0
    items: set[tuple[object, ...]] = field(default_factory=set)
    rejects: list[pl.DataFrame] = field(default_factory=list)
    unknown_fields: set[str] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    _keys: list[pl.Series] = field(default_factory=list)

    @property
    def quarantined(self) -> int:
        """Rows that broke the contract."""
        return sum(frame.height for frame in self.rejects)

    @property
    def may_repeat(self) -> bool:
        """Whether two staged rows may have one key (a hash says so; the server then looks)."""
        return bool(self._keys) and pl.concat(self._keys).n_unique() < self.rows

    def remember(self, dataset: Dataset, scope: Scope, piece: Checked) -> None:
        """Take note of a piece."""
        self.rows += piece.rows.height
        self.unknown_fields.update(piece.unknown_fields)
        if piece.rejects.height:
            self.rejects.append(piece.rejects)
        if not piece.rows.height:
            return
        self.items.update(dataset.items(piece.rows, scope))
        self._keys.append(piece.rows.select(pl.struct(dataset.contract.key).hash()).to_series())
        if "settlement_run" in piece.rows.columns:
            self.versions.update(piece.rows["settlement_run"].drop_nulls().unique())


@dataclass(frozen=True)
class Merged:
    """What became of the staged rows."""

    inserted: int
    revised: int
    unchanged: int
    duplicates: int
    conflicts: pl.DataFrame


def stage(connection: psycopg.Connection, dataset: Dataset, scope: Scope, pieces: Iterable[Checked]) -> Staged:
    """Copy the rows to this connection's temporary table, piece by piece; memory is bounded by the piece."""
    columns = list(dataset.contract.loaded)
    definitions = ", ".join(f"{name} {SQL_TYPES[kind]}" for name, kind in dataset.contract.loaded.items())
    table = stage_of(dataset)
    create = sql.SQL("CREATE TEMPORARY TABLE IF NOT EXISTS {0} ({1}); TRUNCATE {0}")
    connection.execute(create.format(table, sql.SQL(definitions)))
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(table, _names(columns))
    staged = Staged()
    for piece in pieces:
        staged.remember(dataset, scope, piece)
        if piece.rows.height:
            text = io.BytesIO()
            piece.rows.select(columns).write_csv(text, include_header=False)
            with connection.cursor().copy(command) as copy:
                copy.write(text.getbuffer())
    return staged


def merge(
    connection: psycopg.Connection,
    dataset: Dataset,
    window: Window,
    staged: Staged,
    job_id: int,
    retrieved_at: datetime,
    *,
    revise: bool,
) -> Merged:
    """Merge the staged rows into the dataset's table; the caller holds the window's lock and the transaction.

    A row changes only where a compared column differs and our answer is not older than what is there; without `revise`
    rows are only added. The former version goes to the revision table by the table's trigger, in the same statement.
    """
    duplicates, conflicts = _drop_duplicates(connection, dataset) if staged.may_repeat else (0, _no_conflicts())
    staged_now = staged.rows - duplicates - conflicts.height
    if not staged_now:
        return Merged(0, 0, 0, duplicates, conflicts)
    values = {"retrieved_at": retrieved_at, "job_id": job_id}
    bounds, into = dataset.bounds(window), sql.Identifier("energy", dataset.table)
    command = merge_statement(dataset, bounds, into, stage_of(dataset), revise=revise)
    touched = connection.execute(command, values).rowcount
    revised = _count_revised(connection, dataset, bounds, job_id) if touched else 0
    return Merged(touched - revised, revised, staged_now - touched, duplicates, conflicts)


def count_items(connection: psycopg.Connection, dataset: Dataset, scope: Scope, window: Window) -> int:
    """How many of the window's expected items the table has, whichever answers brought them."""
    members = list(scope.members or dataset.members)
    query = sql.SQL("SELECT count(*) FROM (SELECT DISTINCT {} FROM {} WHERE {}{}) AS item").format(
        _names(dataset.item_columns(scope)),
        sql.Identifier("energy", dataset.table),
        within(dataset.bounds(window)),
        sql.SQL(" AND {} = ANY({})").format(sql.Identifier(dataset.member_column), members) if members else sql.SQL(""),
    )
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def within(bounds: Bounds, *table: str) -> sql.Composed:
    """Which rows of a table are inside."""
    parts = (
        sql.SQL("{} BETWEEN {} AND {}").format(sql.Identifier(*table, name), low, high)
        for name, (low, high) in bounds.items()
    )
    return sql.SQL(" AND ").join(parts)


def merge_statement(
    dataset: Dataset, bounds: Bounds, into: sql.Identifier, stage: sql.Identifier, *, revise: bool = True
) -> sql.Composed:
    """MERGE of what differs, or without `revise` of what is missing; parameters `retrieved_at`, `job_id`.

    The bounds let the join read the window's part of the table only.
    """
    loaded, key, compared = list(dataset.contract.loaded), dataset.contract.key, dataset.contract.compared
    updated = [name for name in loaded if name not in key]
    kept = sql.SQL("coalesce(s.{0}, t.{0})")
    new = {
        name: (kept if name in dataset.contract.kept else sql.SQL("s.{0}")).format(sql.Identifier(name))
        for name in updated
    }
    revision = sql.SQL(
        " WHEN MATCHED AND t.recorded_from <= %(retrieved_at)s AND ({old}) IS DISTINCT FROM ({new})"
        " THEN UPDATE SET {sets}, recorded_from = %(retrieved_at)s, job_id = %(job_id)s"
    ).format(
        old=_names(compared, "t"),
        new=sql.SQL(", ").join(new[name] for name in compared),
        sets=sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(name), new[name]) for name in updated),
    )
    return sql.SQL(
        "MERGE INTO {table} AS t USING {stage} AS s"
        " ON {within} AND {same_key}{revision}"
        " WHEN NOT MATCHED THEN INSERT ({names}, recorded_from, job_id)"
        " VALUES ({values}, %(retrieved_at)s, %(job_id)s)"
    ).format(
        table=into,
        stage=stage,
        within=within(bounds, "t"),
        same_key=sql.SQL(" AND ").join(sql.SQL("t.{0} = s.{0}").format(sql.Identifier(name)) for name in key),
        revision=revision if revise else sql.SQL(""),
        names=_names(loaded),
        values=_names(loaded, "s"),
    )


def _count_revised(connection: psycopg.Connection, dataset: Dataset, bounds: Bounds, job_id: int) -> int:
    query = sql.SQL("SELECT count(*) FROM {} WHERE {} AND superseded_by = {}").format(
        sql.Identifier("energy", f"{dataset.table}_revision"), within(bounds), job_id
    )
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _drop_duplicates(connection: psycopg.Connection, dataset: Dataset) -> tuple[int, pl.DataFrame]:
    """Keep the newest of the staged rows with one key; returns how many equal ones went, and the ones that disagree."""
    newest = [dataset.version_column] if dataset.version_column else []
    order = sql.SQL(", ").join(
        [*(sql.SQL("{} DESC NULLS LAST").format(sql.Identifier(name)) for name in newest), sql.SQL("ctid DESC")]
    )
    query = sql.SQL(
        "WITH ranked AS (SELECT ctid AS place, row_number() OVER w AS rank,"
        " ROW({compared}) IS DISTINCT FROM first_value(ROW({compared})) OVER w AS disagrees"
        " FROM {stage} WINDOW w AS (PARTITION BY {key} ORDER BY {order}))"
        " DELETE FROM {stage} AS s USING ranked WHERE s.ctid = place AND rank > 1"
        " RETURNING disagrees, to_json(s)::text"
    ).format(
        stage=stage_of(dataset),
        compared=_names(dataset.contract.compared),
        key=_names(dataset.contract.key),
        order=order,
    )
    removed = connection.execute(query).fetchall()
    raw = [text for disagrees, text in removed if disagrees]
    conflicts = pl.DataFrame({"raw": raw}, schema={"raw": pl.String}).select(
        row_number=pl.lit(0),
        column=pl.lit(", ".join(dataset.contract.key)),
        value=pl.lit(None, pl.String),
        reason=pl.lit("repeats the key of another row in the same answer with other values; the newer one was loaded"),
        raw="raw",
    )
    return len(removed) - len(raw), conflicts.cast(REJECT_SCHEMA)  # type: ignore[arg-type]


def _no_conflicts() -> pl.DataFrame:
    return pl.DataFrame(schema=REJECT_SCHEMA)


def stage_of(dataset: Dataset) -> sql.Identifier:
    """The temporary table of a dataset's staged rows."""
    return sql.Identifier(f"stage_{dataset.table}")


def _names(names: Iterable[str], prefix: str = "") -> sql.Composed:
    parts = (sql.Identifier(prefix, name) if prefix else sql.Identifier(name) for name in names)
    return sql.SQL(", ").join(parts)
