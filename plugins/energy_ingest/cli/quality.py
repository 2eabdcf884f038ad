"""`quality`: check data, show what is wrong, and say that somebody knows."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated, Final

import typer

from energy_ingest.cli import options, output
from energy_ingest.cli.options import Json
from energy_ingest.errors import Misconfigured
from energy_ingest.windows import parse_range, utc_now

app: Final = typer.Typer(help="Data quality: checks, issues.", no_args_is_help=True)
MOST: Final = 1000
"""Issues in a report."""
Names = Annotated[list[str] | None, typer.Option("--dataset", metavar="NAME", help="Only this; may be repeated.")]


@app.command()
def run(
    first: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First day, YYYY-MM-DD.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last day, inclusive.")] = None,
    dataset: Names = None,
) -> None:
    """Check these days, or what changed since it was checked. Exit code 1: amber issues; 2: red ones."""
    from energy_ingest.loading import quality

    span = options.span(first, last, utc_now())
    with options.warehouse() as connection:
        found = quality.check(connection, quality.known(dataset), span, utc_now())
    typer.echo(f"{found['red']} red and {found['amber']} amber issues")
    raise typer.Exit(_code(found["red"], found["amber"]))


@app.command()
def report(
    day: Annotated[str | None, typer.Option("--date", metavar="DATE", help="Only this day, YYYY-MM-DD.")] = None,
    meter: Annotated[str, typer.Option("--meter", metavar="MPAN", help="Only this meter.")] = "",
    dataset: Names = None,
    as_json: Json = False,
    as_html: Annotated[bool, typer.Option("--html", help="Print a page in HTML.")] = False,
) -> None:
    """Show open issues with what is missing, MPANs masked; and the scores of days and files, the newest first.

    With --meter, issues only: a day and a file are scored as a whole. Exit code 1: there are amber ones; 2: red ones
    that nobody acknowledged.
    """
    from energy_ingest.cli import quality_report as text
    from energy_ingest.loading import database, issues, quality

    if as_json and as_html:
        raise Misconfigured("--json and --html are two reports: ask for one at a time")
    names, wanted = quality.known(dataset), parse_range(day, day)[0] if day else None
    search = issues.Search(names, day=wanted, mpan=meter or None)
    with options.warehouse() as connection, database.typed_errors():
        found = [issues.shown(row) for row in issues.listed(connection, search, MOST)]
        scored = (
            []
            if meter
            else [issues.day_scores(connection, names, wanted), issues.file_scores(connection, names, wanted)]
        )
    days, files = scored or ([], [])
    report = {"issues": [{**issue, "where": text.where(issue)} for issue in found], "days": days, "files": files}
    if as_json:
        output.show_json(text.as_json(report))
    elif as_html:
        typer.echo(text.as_html(report, utc_now()))
    else:
        for title, header, rows in text.tables(report):
            typer.secho(f"{title}:" if rows else f"{title}: none", bold=True)
            if rows:
                output.show_table(header, rows)
    open_ones = [issue["severity"] for issue in found if not issue["acknowledged_at"]]
    raise typer.Exit(_code(open_ones.count("red"), open_ones.count("amber")))


@app.command()
def acknowledge(
    issue_id: Annotated[int, typer.Argument(help="As the report shows it.")],
    note: Annotated[str, typer.Option("--note", help="For whoever wonders.")] = "",
) -> None:
    """Say that somebody knows of an issue; it counts again when it comes back, or grows."""
    from energy_ingest.loading import database, issues

    with options.warehouse() as connection, database.typed_errors():
        if not issues.acknowledge(connection, issue_id, getpass.getuser(), note, utc_now()):
            raise Misconfigured(f"no open issue {issue_id}: energy-ingest quality report shows them")
    typer.echo(f"{issue_id} is acknowledged")


@app.command()
def units(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="An answer of the register, saved before; else it is asked.")
    ] = None,
) -> None:
    """Take over Elexon's register of BM units: fuel and capacity, for the rules and the figures that need them."""
    from energy_ingest.hooks.elexon import ElexonHook
    from energy_ingest.loading import bm_units, database

    with options.warehouse() as connection, database.typed_errors():
        found = bm_units.parse(file.read_bytes()) if file else ElexonHook().bm_units(connection)
        changed = bm_units.store(connection, found)
    typer.echo(f"{len(found):,} BM units, {changed:,} of them new or changed")


def _code(red: int, amber: int) -> int:
    return output.CRITICAL if red else output.DEGRADED if amber else output.HEALTHY
