"""Answers about the catalogue and its rows."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import Field

from energy_ingest.web.models.common import Cursor, MayReload, Model


class Column(Model):
    """A column of a dataset's table."""

    name: str
    kind: str
    doc: str
    nullable: bool


class DatasetInfo(Model):
    """An entry of the catalogue."""

    name: str
    title: str
    source: str
    attribution: str
    grain: str
    item: str = Field(description="The column whose values are counted for completeness.")
    on_request: bool = Field(description="Shipped paused: nothing of it is missing until something was loaded.")
    key: list[str]
    columns: list[Column]
    may_reload: bool = MayReload
    first: date | None = Field(description="Oldest label that the ledger knows.")
    last: date | None = Field(description="Newest label that the ledger knows.")


class Datasets(Model):
    """The catalogue, as far as the user may see it."""

    datasets: list[DatasetInfo]


class Rows(Model):
    """Rows of a dataset: its columns by name, decimals as strings, and whence they came."""

    dataset: str
    as_of: datetime | None
    rows: list[dict[str, Any]]
    next: str | None = Cursor
