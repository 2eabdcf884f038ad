"""Commands for the InfluxDB projection: how far it follows, write what waits, write anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

import typer

from energy_ingest import catalog
from energy_ingest.cli import options, output
from energy_ingest.cli.options import Datasets, First, Json, Last, OneDataset
from energy_ingest.errors import Misconfigured
from energy_ingest.windows import utc_now

if TYPE_CHECKING:
    from energy_ingest.loading.influx import Projector, Summary
    from energy_ingest.loading.influx_client import Influx

app: Final = typer.Typer(help="What of the warehouse is in InfluxDB, and how to bring it there.", no_args_is_help=True)


@app.command()
def status(dataset: Datasets = None, as_json: Json = False) -> None:
    """Show how far InfluxDB follows; InfluxDB itself is not asked.

    Exit code 1: rows wait, or lines were refused; 2: InfluxDB refuses whole windows.
    """
    from energy_ingest.loading import database
    from energy_ingest.sql import statement

    names = ("written", "waiting", "refused", "rows_waiting", "oldest", "refused_lines", "error")
    found = []
    with options.warehouse() as connection, database.typed_errors():
        for item in _projected(dataset):
            row = connection.execute(statement("influx/status"), {"dataset": item.name}).fetchone()
            found.append({"dataset": item.name, **dict(zip(names, row or (), strict=True))})
    if as_json:
        output.show_json([{**item, "oldest": item["oldest"] and f"{item['oldest']}"} for item in found])
    else:
        output.show_table(tuple(found[0])[:-1], (tuple(item.values())[:-1] for item in found))
        for item in found:
            if item["error"]:
                typer.echo(f"{item['dataset']}: {item['error']}")
    refused, behind = (
        any(item["refused"] for item in found),
        any(item["waiting"] or item["refused_lines"] for item in found),
    )
    raise typer.Exit(output.CRITICAL if refused else output.DEGRADED if behind else output.HEALTHY)


@app.command()
def project(dataset: Datasets = None) -> None:
    """Write everything that waits, the oldest first.

    Exit code 1: lines were refused, or windows are left to another process; 2: InfluxDB refuses whole windows.
    """
    with _influx() as influx:
        found = [_told(item, influx, lambda projector: projector.project()) for item in _projected(dataset)]
    raise typer.Exit(max(found))


@app.command()
def rebuild(dataset: OneDataset, first: First, last: Last) -> None:
    """Write these dates from the warehouse, after deleting what InfluxDB has of the dataset there.

    Exit codes as for `project`.
    """
    span = options.span(first, last, utc_now())
    assert span is not None  # noqa: S101 - both options are required
    with _influx() as influx:
        level = _told(_projected([dataset])[0], influx, lambda projector: projector.rebuild(*span))
    raise typer.Exit(level)


def _projected(names: list[str] | None) -> list[catalog.Dataset]:
    found = [item for item in options.chosen(names) if item.influx]
    if not found:
        raise Misconfigured(f"{', '.join(names or [])} has no place in InfluxDB: give it one in catalog/")
    return found


@contextmanager
def _influx() -> Iterator[Influx]:
    """The InfluxDB that the environment names, else Airflow's connection."""
    from energy_ingest.loading.influx_client import Influx, target_from_environment

    target = target_from_environment()
    if target:
        influx = Influx(target)
    else:
        from energy_ingest.hooks.influxdb import InfluxDBHook  # imports Airflow: seconds, and only here

        influx = InfluxDBHook().influx()
    with closing(influx):
        yield influx


def _told(dataset: catalog.Dataset, influx: Influx, work: Callable[[Projector], Summary]) -> int:
    """Do the work on one dataset, say what came of it, and give the exit code."""
    from energy_ingest.loading.influx import Projector

    summary = work(Projector(dataset, options.connect(), influx, output.plain_lines()))
    refused = f", {summary.refused:,} lines refused" if summary.refused else ""
    old = f", {summary.outside_retention:,} older than the bucket keeps" if summary.outside_retention else ""
    typer.echo(f"{dataset.name}: {summary.progress()}{refused}{old}")
    for window, error in summary.failed.items():
        typer.echo(f"energy-ingest: {window}: {error}", err=True)
    return output.CRITICAL if summary.failed else output.DEGRADED if summary.refused or summary.left else output.HEALTHY
