"""Keeping the installation well: `migrate`, `doctor`, `version`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import typer

from energy_ingest import settings
from energy_ingest.cli import output
from energy_ingest.cli.options import Json


def migrate() -> None:
    """Bring the warehouse's schema to the version of this code, as the role in WAREHOUSE_OWNER_URL; drops nothing."""
    from energy_ingest.loading import database, schema

    before, after = schema.migrate(database.url_from_environment("energy_warehouse_owner"))
    typer.echo(
        f"warehouse schema: {before or 'none'} -> {after}"
        if before != after
        else f"warehouse schema: {after}, up to date"
    )


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
