"""`quality`: check data, show what is wrong, and say that somebody knows."""

from __future__ import annotations

import getpass
from typing import Annotated, Final

import typer

from energy_ingest.cli import options, output
from energy_ingest.cli.options import Json
from energy_ingest.errors import Misconfigured
from energy_ingest.windows import parse_range, utc_now

app: Final = typer.Typer(help="Data quality: checks, issues.", no_args_is_help=True)
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
) -> None:
    """Show open issues, MPANs masked. Exit code 1: there are amber ones; 2: red ones that nobody acknowledged."""
    from energy_ingest.loading import database, issues, quality

    wanted = parse_range(day, day)[0] if day else None
    search = issues.Search(quality.known(dataset), day=wanted, mpan=meter or None)
    with options.warehouse() as connection, database.typed_errors():
        found = [issues.shown(row) for row in issues.listed(connection, search, 1000)]
    if as_json:
        output.show_json([{k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in i.items()} for i in found])
    else:
        columns = ("issue_id", "severity", "dataset", "rule", "subject", "day", "value_count", "note")
        output.show_table([name.replace("_", " ") for name in columns], ([i[name] for name in columns] for i in found))
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


def _code(red: int, amber: int) -> int:
    return output.CRITICAL if red else output.DEGRADED if amber else output.HEALTHY
