"""Keeping the installation well: `migrate`, `cleanup`, `doctor`, `version`."""

from __future__ import annotations

import sys
from contextlib import closing, nullcontext, redirect_stdout
from typing import Annotated

import typer

from energy_ingest import settings
from energy_ingest.cli import output
from energy_ingest.cli.options import Json
from energy_ingest.windows import utc_now


def migrate() -> None:
    """Bring the warehouse's schema to the version of this code, as the role in WAREHOUSE_OWNER_URL; drops nothing."""
    from energy_ingest.loading import database, schema

    before, after = schema.migrate(database.url_from_environment("energy_warehouse_owner"))
    typer.echo(
        f"warehouse schema: {before or 'none'} -> {after}"
        if before != after
        else f"warehouse schema: {after}, up to date"
    )


def cleanup(
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, max=36_500, help=f"Older than this; by default {settings.CLEANUP_DAYS.env}."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be removed, and remove nothing.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Name everything that is removed.")] = False,
    as_json: Json = False,
) -> None:
    """Remove what is finished and old: attempts that changed nothing, settled quarantine, alerts, processed files.

    Never what waits or runs, what brought rows, or an only copy. Runs as the role in WAREHOUSE_OWNER_URL.
    """
    from energy_ingest.loading import cleanup as cleaning
    from energy_ingest.loading import database
    from energy_ingest.loading.executions import Caller, Execution, recorded

    with redirect_stdout(sys.stderr):  # Airflow's imports may print
        from energy_ingest.hooks.inbox import inbox_root
        from energy_ingest.hooks.loader import archive_root
    age, url = days or settings.CLEANUP_DAYS.get_int(), database.url_from_environment("energy_warehouse_owner")
    with closing(database.connect(url)) as connection:
        record = recorded(connection, "cleanup", f"older than {age} days", Caller())
        with nullcontext(Execution()) if dry_run else record as execution:
            removed = cleaning.clean_up(connection, archive_root(), inbox_root(), age, utc_now(), dry_run=dry_run)
            execution.details, execution.processed = removed.as_json(), sum(removed.counts().values())
    if as_json:
        return output.show_json(removed.as_json())
    header = "would be removed" if dry_run else "removed"
    output.show_table((f"older than {age} days", header), sorted(removed.counts().items()))
    for name, items in {**removed.rows, **removed.files}.items() if verbose else ():
        for item in items:
            typer.echo(f"{name}: {item}")


def doctor(as_json: Json = False) -> None:
    """Check everything that a load needs; what is not well names its fix.

    Environment, settings, warehouse and its schema, clock, pacing, archive, upstreams, Airflow. Exit code 1: warnings;
    2: failures.
    """
    with redirect_stdout(sys.stderr):  # Airflow's imports may print
        from energy_ingest.doctor import examine

        report = examine()
    if as_json:
        output.show_json(report.as_json())
    else:
        for check in report.checks:
            colour = {"ok": "green", "warning": "yellow", "failed": "red"}.get(check.status)
            typer.echo(f"{typer.style(check.status.ljust(8), fg=colour)}{check.name}: {check.detail}")
            if check.fix:
                typer.echo(f"        fix: {check.fix}")
    raise typer.Exit(report.level)


def version() -> None:
    """Print the version."""
    typer.echo(f"energy-ingest {settings.CODE_VERSION.get()}")
