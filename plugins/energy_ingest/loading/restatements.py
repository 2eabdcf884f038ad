"""How the values of a settlement date moved from run to run, what moved furthest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from energy_ingest.catalog import B1610, SYSTEM_PRICES, get
from energy_ingest.contracts import SQL_TYPES
from energy_ingest.errors import Misconfigured
from energy_ingest.sql import statement

Row = dict[str, Any]

RUNS: Final = ("II", "SF", "R1", "R2", "R3", "RF", "DF")
"""Settlement runs in their order; columns of `energy.elexon_b1610_by_run`."""
NUMBER: Final = "version_id::text"


@dataclass(frozen=True)
class Value:
    """A column whose restatements there is a view of.

    `change` is the view's column of the difference to the version before. `run` names a version: by its settlement run
    where the feed has one, else by its number.
    """

    dataset: str
    column: str
    unit: str
    key: tuple[str, ...]
    change: str
    run: str = NUMBER

    @property
    def names(self) -> dict[str, sql.Composable]:
        """What the statements put in."""
        return {
            "table": sql.Identifier("energy", self.dataset),
            "table_revision": sql.Identifier("energy", f"{self.dataset}_revision"),
            "view": sql.Identifier("energy", f"{self.dataset}_restatement"),
            "key": sql.SQL(", ").join(map(sql.Identifier, self.key)),
            "same_key": sql.SQL(" AND ").join(
                sql.SQL("{} = {}").format(sql.Identifier("view", name), sql.Identifier("page", name))
                for name in self.key
            ),
            "value": sql.Identifier(self.column),
            "change": sql.Identifier(self.change),
            "run": sql.SQL(self.run),
            "label": sql.SQL("NULL" if self.run == NUMBER else self.run),
        }


VALUES: Final = (
    Value(
        *(B1610.name, "quantity_mwh", "MWh", ("settlement_period", "bm_unit"), "change_mwh"),
        run="settlement_run",
    ),
    Value(
        *(SYSTEM_PRICES.name, "system_sell_price_gbp_per_mwh", "£/MWh", ("settlement_period",)),
        change="change_gbp_per_mwh",
    ),
    Value(SYSTEM_PRICES.name, "net_imbalance_volume_mwh", "MWh", ("settlement_period",), "change_mwh"),
)
DATASETS: Final = tuple(dict.fromkeys(value.dataset for value in VALUES))


def value_of(dataset: str, column: str | None) -> Value:
    """The column of the dataset, by default its first.

    Raises:
        Misconfigured: there are no restatements of it.
    """
    if dataset not in DATASETS:
        raise Misconfigured(f"no restatements of {dataset[:80]!r}: use one of {', '.join(DATASETS)}")
    columns = {value.column: value for value in VALUES if value.dataset == dataset}
    if column is not None and column not in columns:
        raise Misconfigured(f"no restatements of the column {column[:80]!r}: use one of {', '.join(columns)}")
    return columns[column] if column else next(iter(columns.values()))


def days(connection: psycopg.Connection, value: Value, day: date | None) -> Row:
    """The settlement date, by default the newest that was restated, and the restated ones before and after it."""
    found = _rows(connection, "days", value, {"day": day})
    return found[0]


def moves(connection: psycopg.Connection, value: Value, day: date) -> list[Row]:
    """How many values of the date each run moved, and by how much, in its unit."""
    return _rows(connection, "moves", value, {"day": day})


def rows(
    connection: psycopg.Connection, value: Value, day: date, limit: int, after: Sequence[Any] | None = None
) -> list[Row]:
    """The values of the date that moved, furthest first, behind the key `after`; each with its versions."""
    behind: sql.Composable = sql.SQL("")
    if after:
        behind = sql.SQL("AND (least(low, {value}) - greatest(high, {value}), {key}) > (-%(moved)s::numeric, {after})")
        kinds = get(value.dataset).contract.loaded
        places = (
            sql.SQL("{}::{}").format(sql.Literal(f"{part}"), sql.SQL(SQL_TYPES[kinds[name]]))
            for name, part in zip(value.key, after[1:], strict=True)
        )
        behind = behind.format(**value.names, after=sql.SQL(", ").join(places))
    values = {"day": day, "limit": limit, "moved": f"{after[0]}" if after else None}
    found = _rows(connection, "rows", value, values, behind=behind)
    key = ("moved", *value.key)
    shown = []
    for place, versions in groupby(found, lambda row: tuple(row[name] for name in key)):
        each = [{name: part for name, part in row.items() if name not in key} for row in versions]
        shown.append({**dict(zip(key, place, strict=True)), "versions": each})
    return shown if value.run == NUMBER else _with_runs(connection, day, shown)


def key_of(value: Value, row: Row) -> list[str | int]:
    """The row's key as it stands in a cursor."""
    return [f"{row['moved']}", *(row[name] for name in value.key)]


def _with_runs(connection: psycopg.Connection, day: date, shown: Sequence[Row]) -> list[Row]:
    """Each row with its value by settlement run, also of runs that confirmed it; None: we have no answer."""
    query = sql.SQL(
        "SELECT settlement_period, bm_unit, {} FROM energy.elexon_b1610_by_run"
        " WHERE settlement_date = %s AND settlement_period = ANY(%s) AND bm_unit = ANY(%s)"
    ).format(sql.SQL(", ").join(sql.Identifier(f"{run.lower()}_mwh") for run in RUNS))
    periods, units = ({row[name] for row in shown} for name in ("settlement_period", "bm_unit"))
    found = connection.execute(query, [day, list(periods), list(units)])
    runs = {(period, unit): dict(zip(RUNS, values, strict=True)) for period, unit, *values in found}
    return [{**row, "runs": runs[row["settlement_period"], row["bm_unit"]]} for row in shown]


def _rows(
    connection: psycopg.Connection, name: str, value: Value, values: dict[str, Any], **more: sql.Composable
) -> list[Row]:
    query = sql.SQL(statement(f"restatements/{name}")).format(**value.names, **more)
    return connection.cursor(row_factory=dict_row).execute(query, values).fetchall()
