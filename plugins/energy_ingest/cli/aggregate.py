"""`aggregate`: bring the aggregates of meter readings up to date."""

from __future__ import annotations

from typing import Annotated

import typer

from energy_ingest.cli import options, output
from energy_ingest.cli.load import log_to_stderr
from energy_ingest.cli.options import Json
from energy_ingest.errors import Misconfigured
from energy_ingest.windows import utc_now


def aggregate(
    every: Annotated[bool, typer.Option("--all", help="All four ranges.")] = False,
    range_name: Annotated[
        str | None, typer.Option("--range", metavar="NAME", help="daily, weekly, monthly or annual.")
    ] = None,
    day: Annotated[str | None, typer.Option("--date", metavar="DATE", help="Redo this date, YYYY-MM-DD.")] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="DATE", help="Redo from this date on.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Redo until this date, inclusive.")] = None,
    as_json: Json = False,
) -> None:
    """Redo the days of meters that are dirty, and the weeks, months and years that contain them.

    With dates, also redo these days, dirty or not: just them, or the whole weeks, months or years that have them. All
    ranges are kept in step, whichever is named.
    """
    from energy_ingest.loading import aggregates

    if every and range_name:
        raise Misconfigured("--all and --range exclude each other: leave one of them out")
    if day and (first or last):
        raise Misconfigured("--date and --from, --to exclude each other: leave one of them out")
    asked = options.span(day or first, day or last, utc_now())
    chosen = aggregates.known_range("all" if every else range_name or "daily")
    span = aggregates.span_of(chosen, *asked) if asked else None
    log_to_stderr()
    summary = aggregates.aggregate(options.connect(), span, report=output.plain_lines())
    if as_json:
        output.show_json(summary.counts())
    else:
        typer.echo(summary.progress())
