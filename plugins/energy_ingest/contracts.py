"""Contracts: what each column of a dataset means and may hold. Declarations only; `reading` checks rows by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["text", "integer", "number", "exact", "boolean", "date", "instant", "json"]

SQL_TYPES: Final[Mapping[Kind, str]] = {
    "text": 'text COLLATE "C"',
    "integer": "integer",
    "number": "numeric",
    "exact": "numeric",
    "boolean": "boolean",
    "date": "date",
    "instant": "timestamptz",
    "json": "jsonb",
}


@dataclass(frozen=True)
class Column:
    """One column of a dataset: database name, kind, upstream field, meaning with unit and sign.

    `number` keeps 15 significant digits and is fast; `exact` keeps every digit of the source.
    `nullable` allows null; `optional` allows the upstream field to be absent from a whole answer; `low` and `high`
    bound the value, inclusive; a change of a column that is not `compared` is no revision of the row; where it is
    `kept`, a null does not replace a value, for some answers of the source lack the field; `loaded` is False for fields
    that are only checked.
    """

    name: str
    kind: Kind
    source: str
    doc: str
    nullable: bool = False
    optional: bool = False
    low: float | None = None
    high: float | None = None
    compared: bool = True
    kept: bool = False
    loaded: bool = True


@dataclass(frozen=True, eq=False)
class Contract:
    """The columns of a dataset and its natural key, whose first part is the time column.

    `derived` are columns that the source module computes from the others, database name to kind; `ignored` are
    upstream fields that say nothing. A contract equals only itself: they are constants, each with a compiled decoder.
    """

    key: tuple[str, ...]
    columns: tuple[Column, ...]
    derived: Mapping[str, Kind] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    @property
    def loaded(self) -> dict[str, Kind]:
        """Database columns and their kinds: the key first, the rest in the order of the contract."""
        kinds = {column.name: column.kind for column in self.columns if column.loaded} | dict(self.derived)
        return {name: kinds[name] for name in (*self.key, *(n for n in kinds if n not in self.key))}

    @property
    def kept(self) -> frozenset[str]:
        """Columns in which a null does not replace a value."""
        return frozenset(column.name for column in self.columns if column.kept)

    @property
    def compared(self) -> tuple[str, ...]:
        """Columns whose change makes a new version of a row."""
        skipped = {column.name for column in self.columns if not column.compared}
        return tuple(name for name in self.loaded if name not in self.key and name not in skipped)
