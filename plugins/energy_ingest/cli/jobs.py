"""Commands for import jobs: make one of a meter file, look at the queue, work it off, take a batch back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from energy_ingest import settings
from energy_ingest.cli import options, output
from energy_ingest.cli.load import log_to_stderr
from energy_ingest.cli.options import Json
from energy_ingest.errors import Misconfigured

if TYPE_CHECKING:
    import psycopg

    from energy_ingest.loading.meter_files.inbox import Inbox
    from energy_ingest.loading.meter_files.jobs import Job
    from energy_ingest.loading.meter_files.work import Importer

app: Final = typer.Typer(help="Imports of meter files: the queue, and what became of each file.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Number of the job, or its batch id.")]


@app.command()
def create(
    file: Annotated[str, typer.Argument(help="Name of a file in the inbox, or a path (with a /) on this machine.")],
    kind: Annotated[str, typer.Option("--type", help="hh, daily or sites.")] = "hh",
    feed: Annotated[str | None, typer.Option("--feed", help="Named layout; by default found in the file.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, write nothing.")] = False,
    priority: Annotated[str, typer.Option("--priority", help="high, normal or low.")] = "normal",
    tags: Annotated[list[str] | None, typer.Option("--tags", help="A tag; may be repeated.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", metavar="NAME=VALUE", help="A fact to keep; may be repeated.")
    ] = None,
    notes: Annotated[str | None, typer.Option("--notes", help="For whoever reads it later.")] = None,
    max_retries: Annotated[int, typer.Option("--max-retries", help="Attempts after the first.")] = 3,
    default_site: Annotated[str | None, typer.Option("--default-site", help="Site of new meters.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Import bytes that were imported before.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Import it here and now, retries included.")] = False,
    as_json: Json = False,
) -> None:
    """Make a file a job. The DAG meter_files imports it within a minute; `--wait` does so at once.

    Exit code 1: the job ended with refused rows; 2: it failed.
    """
    from energy_ingest.loading import database
    from energy_ingest.loading.meter_files import jobs
    from energy_ingest.loading.meter_files.work import Summary

    order = jobs.Order(
        import_type=kind,
        feed=feed,
        dry_run=dry_run,
        force=force,
        priority=priority,
        max_retries=max_retries,
        notes=notes,
        tags=tuple(tags or ()),
        metadata=_facts(metadata or ()),
        default_site=default_site,
    )
    log_to_stderr()
    importer, summary = make_importer(), Summary()
    if "/" in file and file.partition("/")[0] not in FOLDERS:
        with closing(importer.connect()) as connection, database.typed_errors():
            summary.taken.append(importer.inbox.add(connection, Path(file), order, importer.worker))
    else:
        importer.take_named(file, order, summary)
    (job_id,) = summary.taken
    conclude(importer, job_id, wait=wait, as_json=as_json)


def _facts(pairs: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE, each."""
    facts = {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
    if wrong := [pair for pair in pairs if pair.find("=") < 1]:
        raise Misconfigured(f"{wrong[0]!r} is no NAME=VALUE: write such as --metadata source=portal")
    return facts


FOLDERS: Final = ("hh", "daily", "sites", "held", "failed", "checked", "processed")
"""Of the inbox, from which files may be named."""


@app.command("list")
def listing(
    status: Annotated[str | None, typer.Option("--status", help="Only jobs of this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 20,
    as_json: Json = False,
) -> None:
    """Show the newest jobs, those that wait or are at work first."""
    from energy_ingest.loading.meter_files import jobs
    from energy_ingest.loading.meter_files.privacy import masked_text

    with ledger() as connection:
        found = jobs.listing(connection, status, limit)
    if as_json:
        shown = (job.as_json() for job in found)
        output.show_json([{name: value for name, value in job.items() if name != "report"} for job in shown])
        return
    header = ("job", "status", "file", "type", "priority", "percent", *jobs.COUNTS, "retries", "queued")
    rows = [
        (
            *(f"{job.job_id}", _state(job), masked_text(job.file_name), job.import_type, job.priority),
            *(round(100 * job.progress), *job.counts().values(), job.retry_count, f"{job.queued_at:%Y-%m-%d %H:%M}"),
        )
        for job in found
    ]
    output.show_table(header, rows)


@app.command()
def show(job: JobId, as_json: Json = False) -> None:
    """Show one job: how its file was read, where its rows went, what was wrong, what to do."""
    with ledger() as connection:
        _show(connection, job, as_json)


@app.command()
def retry(
    job: JobId,
    after: Annotated[float, typer.Option("--after", min=0, help="Minutes from now.")] = 0,
    feed: Annotated[str | None, typer.Option("--feed", help="Another layout, if nothing is loaded yet.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Import it here and now.")] = False,
    as_json: Json = False,
) -> None:
    """Queue a failed or cancelled job again: it goes on where it stopped. Exit codes as for `create`."""
    from energy_ingest.loading.meter_files import jobs

    with ledger() as connection:
        queued = jobs.retry(connection, jobs.find(connection, job).job_id, timedelta(minutes=after), feed)
    log_to_stderr()
    conclude(make_importer(), queued.job_id, wait=wait, as_json=as_json)


@app.command()
def cancel(job: JobId) -> None:
    """Stop a job that waits or is at work; what it has loaded stays until it is rolled back."""
    from energy_ingest.loading.meter_files import jobs, report

    with ledger() as connection:
        typer.echo(report.line(jobs.cancel(connection, jobs.find(connection, job).job_id)))


@app.command()
def rollback(job: JobId) -> None:
    """Take back exactly what a job brought, and restore what it replaced.

    Exit code 1: some rows have been changed by a later batch, and stay.
    """
    from energy_ingest.loading.meter_files import rollback as module

    with ledger() as connection:
        undone = module.rollback(connection, job)
    typer.echo(
        f"rows: {undone.removed:,} removed, {undone.restored:,} restored to what they were, {undone.changed_since:,} "
        f"kept because a later batch changed them; meters: {undone.meters:,} removed"
    )
    raise typer.Exit(output.DEGRADED if undone.changed_since else output.HEALTHY)


@app.command()
def run(
    scan: Annotated[bool, typer.Option(help="Also make jobs of what has arrived in the inbox.")] = True,
) -> None:
    """Take what has arrived in the inbox and work off the queue, as the DAG does. Exit code 2: a file was given up."""
    from energy_ingest.loading.meter_files import report
    from energy_ingest.loading.meter_files.work import Summary

    log_to_stderr()
    importer, summary = make_importer(), Summary()
    if scan:
        importer.take_all(summary)
    importer.work(summary)
    for job in summary.ended:
        typer.echo(report.line(job))
    typer.echo(", ".join(f"{count:,} {name}" for name, count in summary.counts().items()))
    raise typer.Exit(output.CRITICAL if summary.failed else output.HEALTHY)


def conclude(importer: Importer, job_id: int, *, wait: bool, as_json: bool) -> None:
    """Show a job, after importing it where that is wanted; the exit code says how it went."""
    from energy_ingest.loading.meter_files.work import Summary

    job = _find(importer, job_id)
    while wait and job.status in ("queued", "processing"):
        importer.work(Summary(), only=job_id)
        job = _find(importer, job_id)
        if job.status in ("queued", "processing"):  # waits for its retry, or another process has it
            due = job.retry_at or datetime.now(UTC)
            time.sleep(min(max((due - datetime.now(UTC)).total_seconds(), 1), 60))
    with closing(importer.connect()) as connection:
        _show(connection, f"{job_id}", as_json)
    if job.status in ("failed", "cancelled"):
        raise typer.Exit(output.CRITICAL)
    raise typer.Exit(output.DEGRADED if job.quarantined_rows else output.HEALTHY)


def _find(importer: Importer, job_id: int) -> Job:
    from energy_ingest.loading.meter_files import jobs

    with closing(importer.connect()) as connection:
        return jobs.find(connection, job_id)


def _show(connection: psycopg.Connection, job_id: str, as_json: bool) -> None:
    from energy_ingest.loading.meter_files import jobs, report

    job = jobs.find(connection, job_id)
    if as_json:
        output.show_json(job.as_json())
    else:
        typer.echo(report.text(job), nl=False)


def _state(job: Job) -> str:
    if job.rolled_back_at:
        return "rolled back"
    if job.status == "queued" and job.retry_at:
        return f"retry at {job.retry_at:%H:%M}"
    return f"{job.status} (dry run)" if job.dry_run else job.status


@contextmanager
def ledger() -> Iterator[psycopg.Connection]:
    """A connection to the warehouse, with its errors in our types."""
    from energy_ingest.loading import database

    with options.warehouse() as connection, database.typed_errors():
        yield connection


def make_importer() -> Importer:
    """What works on the inbox and the warehouse that the environment names."""
    from energy_ingest.loading.meter_files.work import Importer

    return Importer(options.connect(), _inbox())


def _inbox() -> Inbox:
    """A local folder needs no Airflow."""
    from energy_ingest.loading.meter_files.inbox import local_inbox

    url = settings.inbox_url()
    if "://" in url and not url.startswith("file://"):
        from energy_ingest.hooks.inbox import inbox

        return inbox()
    return local_inbox(url.removeprefix("file://"))
