"""Commands for refused rows of meter files: which there are, why, and loading them once that is fixed."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from energy_ingest.cli import output
from energy_ingest.cli.jobs import JobId, conclude, ledger, make_importer
from energy_ingest.cli.load import log_to_stderr
from energy_ingest.cli.options import Json
from energy_ingest.errors import Misconfigured

app: Final = typer.Typer(help="Rows of meter files that were refused, and how to load them.", no_args_is_help=True)


@app.command("list")
def listing(as_json: Json = False) -> None:
    """Show which imports have refused rows that are open, by reason. Exit code 1: there are some."""
    from energy_ingest.loading.meter_files.privacy import masked_text
    from energy_ingest.sql import statement

    names = ("job", "file", "column", "reason", "rows", "first_row")
    with ledger() as connection:
        found = [
            tuple(map(masked_text, row)) for row in connection.execute(statement("meter_files/quarantined")).fetchall()
        ]
    if as_json:
        output.show_json([dict(zip(names, row, strict=True)) for row in found])
    elif found:
        output.show_table(names, ((f"{row[0]}", *row[1:]) for row in found))
    else:
        typer.echo("no rows of meter files are in quarantine")
    raise typer.Exit(output.DEGRADED if found else output.HEALTHY)


@app.command()
def show(
    job: JobId,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many rows.")] = 50,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="The rows as they stood in the file, MPANs unmasked.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show a job's open refused rows: number of the entry, row, column, value, reason; JSON also the row itself."""
    from energy_ingest.loading.meter_files import jobs, replay
    from energy_ingest.loading.meter_files.privacy import masked_text

    with ledger() as connection:
        entries = replay.entries(connection, jobs.find(connection, job).job_id, limit=limit)
    shown = [{name: value if reveal else masked_text(value) for name, value in entry.items()} for entry in entries]
    if as_json:
        output.show_json(shown)
        return
    names = ("quarantine_id", "row_number", "column_name", "value", "reason", *(["raw"] if reveal else []))
    header = ("entry", "row", "column", "value", "reason", *(["raw"] if reveal else []))
    output.show_table(header, ([f"{entry[name]}" for name in names] for entry in shown))


@app.command()
def replay(
    job: JobId,
    fixes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="ENTRY:COLUMN=VALUE", help="A correction; then only corrected rows go."),
    ] = None,
    create_meters: Annotated[bool | None, typer.Option(help="Create unknown meters, whatever is configured.")] = None,
    mpan_check: Annotated[str | None, typer.Option("--mpan-check", help="warn, quarantine or off, this time.")] = None,
    wait: Annotated[bool, typer.Option(help="Load them here and now.")] = True,
    as_json: Json = False,
) -> None:
    """Load a job's refused rows again, as they are or corrected. Exit codes as for `jobs create`."""
    from energy_ingest.loading.meter_files import jobs
    from energy_ingest.loading.meter_files.replay import order_again

    importer = make_importer()
    order = jobs.Order(priority="high", create_meters=create_meters, mpan_check=mpan_check).check()
    log_to_stderr()
    with ledger() as connection:
        first = jobs.find(connection, job)
        job_id = order_again(connection, importer.inbox, first, _fixes(fixes or []), order, importer.worker)
    conclude(importer, job_id, wait=wait, as_json=as_json)


def _fixes(texts: list[str]) -> dict[int, dict[str, Any]]:
    """Corrections by entry and column.

    Raises:
        Misconfigured: one is malformed.
    """
    fixes: dict[int, dict[str, Any]] = {}
    for text in texts:
        entry, colon, rest = text.partition(":")
        column, equals, value = rest.partition("=")
        if not (colon and equals and entry.isdecimal()):
            raise Misconfigured(f"--set {text!r}: use ENTRY:COLUMN=VALUE, such as 345:HH03=1.25")
        fixes.setdefault(int(entry), {})[column] = value
    return fixes
