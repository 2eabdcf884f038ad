"""Options that several commands share, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from energy_ingest import catalog, clock, settings, windows
from energy_ingest.catalog.elexon import units_scope
from energy_ingest.errors import Misconfigured
from energy_ingest.sources import Scope

if TYPE_CHECKING:
    import psycopg

    from energy_ingest.loading.database import Connect

LIMIT_DAYS: Final = 36_525
"""A century: far more than any source has, and a mistyped year is still refused."""


def _names() -> list[str]:
    return list(catalog.DATASETS)


_DATASET: Final[dict[str, Any]] = {"metavar": "NAME", "autocompletion": _names}
OneDataset = Annotated[str, typer.Option("--dataset", help="Name of the dataset.", **_DATASET)]
Datasets = Annotated[
    list[str] | None, typer.Option("--dataset", help="Only this dataset; may be repeated.", **_DATASET)
]
First = Annotated[str, typer.Option("--from", metavar="DATE", help="First settlement date, YYYY-MM-DD.")]
Last = Annotated[str, typer.Option("--to", metavar="DATE", help="Last settlement date, inclusive.")]
MaybeFirst = Annotated[str | None, typer.Option("--from", metavar="DATE", help="First settlement date, YYYY-MM-DD.")]
MaybeLast = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last settlement date, inclusive.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Units = Annotated[
    str | None,
    typer.Option(
        "--units", metavar="LIST", help=f"BM units, comma-separated, or `all`; by default {settings.BM_UNITS.env}."
    ),
]


def chosen(names: Sequence[str] | None) -> list[catalog.Dataset]:
    """The datasets named, or all.

    Raises:
        Misconfigured: there is no such dataset.
    """
    return [catalog.get(name) for name in names] if names else list(catalog.DATASETS.values())


def span(first: str | None, last: str | None, now: datetime) -> tuple[date, date] | None:
    """The range of dates asked for, or None; an open end is where schedules start, or yesterday.

    Raises:
        Misconfigured: not a range of dates.
    """
    if not first and not last:
        return None
    yesterday = now.astimezone(clock.LONDON).date() - timedelta(days=1)
    return windows.parse_range(first or settings.START.get(), last or max(f"{yesterday}", first or ""), LIMIT_DAYS)


def scopes(dataset: catalog.Dataset, units: str | None) -> tuple[Scope, ...]:
    """The scope of `--units`, else the configured ones.

    Raises:
        Misconfigured: the dataset has no units.
    """
    if units is None:
        return dataset.scopes()
    if not dataset.member_param:
        raise Misconfigured(f"{dataset.name} has no BM units: leave --units out")
    return (units_scope(tuple(unit.strip() for unit in units.split(",") if unit.strip())),)


def connect() -> Connect:
    """Opens connections to the warehouse that the environment names.

    Raises:
        Misconfigured: it names none.
    """
    from energy_ingest.loading import database  # psycopg takes a third of a second, which --help need not wait for

    return partial(database.connect, database.url_from_environment())


def warehouse() -> closing[psycopg.Connection]:
    """A connection to the warehouse, closed at the end of the block."""
    return closing(connect()())
