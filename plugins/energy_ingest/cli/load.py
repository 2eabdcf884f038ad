"""Commands that load: `load` from the source, `replay` from the archive, `adopt` from files of another system."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NoReturn

import typer

from energy_ingest import catalog, settings
from energy_ingest.cli import options, output
from energy_ingest.cli.options import First, Last, MaybeFirst, MaybeLast, OneDataset, Units
from energy_ingest.errors import IngestError, Misconfigured
from energy_ingest.sources import Scope
from energy_ingest.windows import EXPLAINED, Window, utc_now

if TYPE_CHECKING:
    from energy_ingest.loading.archive import Meta
    from energy_ingest.loading.database import Connect
    from energy_ingest.loading.ingest import Fetch, Loader, Summary
    from energy_ingest.loading.ledger import Run

SHOWN: Final = 10
"""Failures told one by one."""


def load(dataset: OneDataset, first: First, last: Last, units: Units = None) -> None:
    """Load these dates from the source, as the operator does; what is loaded already changes only where the source did.

    Exit code 1: some windows failed or are short; 2: nothing could be loaded.
    """
    now, chosen = utc_now(), catalog.get(dataset)
    span, scopes, connect = options.span(first, last, now), options.scopes(chosen, units), options.connect()
    assert span is not None  # noqa: S101 - both options are required
    loaders = [make_loader(chosen, scope, connect, _run("command", now)) for scope in scopes]
    windows = sorted(chosen.windows(*span))
    summaries = []
    for loader in loaders:
        with output.progress(len(windows)) as report:
            log_to_stderr()
            summaries.append(loader.load(windows, report))
        _tell(summaries[-1])
    raise typer.Exit(max(map(_exit_code, summaries), default=output.HEALTHY))


def make_loader(dataset: catalog.Dataset, scope: Scope, connect: Connect, run: Run) -> Loader:
    """A loader as operators have it. Airflow, which takes seconds to import, is asked only for what it alone knows."""
    from energy_ingest.loading.ingest import Loader

    concurrency = settings.CONCURRENCY.get_int()
    return Loader(dataset, scope, _fetch(dataset), connect, _archive_root(), run, concurrency, _file_prefix())


def _fetch(dataset: catalog.Dataset) -> Fetch:
    from energy_ingest.loading import upstream

    if client := upstream.plain(dataset.source):
        return client.fetch
    from energy_ingest.hooks.loader import hook_for

    return hook_for(dataset).fetch


def replay(dataset: OneDataset, first: MaybeFirst = None, last: MaybeLast = None) -> None:
    """Load what the archive holds, oldest retrieval first, without asking the source.

    An answer for several dates is loaded whole. Damaged files are reported and not loaded. Exit codes as for `load`.
    """
    from energy_ingest.loading import archive

    now, chosen, damaged = utc_now(), catalog.get(dataset), list[IngestError]()
    span, connect, root = options.span(first, last, now), options.connect(), _archive_root()
    kept = [item for item in archive.kept_answers(root, chosen.name, damaged.append) if _within(item[1], span)]
    if not kept and not damaged:
        raise Misconfigured(
            f"{settings.archive_url()} holds no answer of {chosen.name} for these dates: "
            f"set {settings.ARCHIVE_URL.env} to the archive that the loads wrote to"
        )
    with output.progress(sum(len(_windows(chosen, meta)) for _, meta in kept)) as report:
        log_to_stderr()
        summary = _replay(chosen, connect, root, kept, _run("replay", now), report)
    for error in damaged:
        typer.echo(f"energy-ingest: {error}", err=True)
    typer.echo(f"answers in the archive: {len(kept):,}, not readable: {len(damaged):,}")
    _tell(summary)
    raise typer.Exit(max(_exit_code(summary), output.DEGRADED if damaged else output.HEALTHY))


def adopt(
    files: Annotated[list[Path], typer.Argument(help="Answers of the source that another system kept.")],
    dataset: OneDataset,
    label: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="Settlement date or gas day; by default in the file's name."),
    ] = None,
    part: Annotated[
        str | None, typer.Option("--part", help="Nomination cycle or half hour; by default in the file's name.")
    ] = None,
) -> None:
    """Put files that another system kept of this source into the archive, and load them from there.

    A file counts as retrieved when it was written, so that what was loaded later stays. What it is stands in its name,
    such as OAC_TW_007933047_06-08-2025_Intraday 1.csv. Exit codes as for `load`.
    """
    from energy_ingest.loading import archive
    from energy_ingest.sources.kept_files import identify

    chosen, connect, root = catalog.get(dataset), options.connect(), _archive_root()
    kept, refused = [], 0
    for path in files:
        try:
            file = identify(chosen, path.name, path.read_bytes(), label.date() if label else None, part)
        except (IngestError, OSError) as error:
            typer.echo(f"energy-ingest: {error}", err=True)
            refused += 1
            continue
        retrieved_at = file.retrieved_at or datetime.fromtimestamp(path.stat().st_mtime, UTC)
        meta = archive.keep_file(root, chosen.name, path.name, file, retrieved_at)
        kept.append((archive.path_of(root, meta), meta))
    kept.sort(key=lambda item: item[1].retrieved_at)
    with output.progress(len(kept)) as report:
        log_to_stderr()
        summary = _replay(chosen, connect, root, kept, _run("replay", utc_now()), report)
    typer.echo(f"files: {len(files):,} = {len(kept):,} in the archive + {refused:,} refused")
    _tell(summary)
    raise typer.Exit(max(_exit_code(summary), output.DEGRADED if refused else output.HEALTHY))


def _replay(
    dataset: catalog.Dataset, connect: Any, root: Any, kept: list[tuple[Any, Meta]], run: Run, report: Any
) -> Summary:
    from energy_ingest.loading import archive
    from energy_ingest.loading.ingest import Loader, Summary

    summary = Summary(sum(len(_windows(dataset, meta)) for _, meta in kept))
    for path, meta in kept:
        loader = Loader(dataset, Scope(meta.scope, meta.members), _no_source, connect, root, run)
        answer = archive.Kept(f"{_file_prefix()}{path}", meta)
        retrieved_at = datetime.fromisoformat(meta.retrieved_at)
        part = loader.load_answer(_windows(dataset, meta), archive.read(path, meta), answer, retrieved_at)
        summary.loaded += part.loaded
        summary.failed.update(part.failed)
        report(summary)
    summary.total = len(summary.loaded) + len(summary.failed)  # a window that failed in two answers fails once
    return summary


def _no_source(*_: object) -> NoReturn:
    raise Misconfigured("a replay asks no source")


def _windows(dataset: catalog.Dataset, meta: Meta) -> list[Window]:
    labelled = dataset.windows(date.fromisoformat(meta.first), date.fromisoformat(meta.last))
    return sorted(window for window in labelled if meta.holds(window))


def _within(meta: Meta, span: tuple[date, date] | None) -> bool:
    return span is None or (meta.first <= f"{span[1]}" and f"{span[0]}" <= meta.last)


def _archive_root() -> Any:
    """Root of the archive; a local folder needs no Airflow."""
    url = settings.archive_url()
    if "://" in url and not _file_prefix():
        from energy_ingest.hooks.loader import archive_root

        return archive_root()
    return Path(url.removeprefix(_file_prefix()))


def _file_prefix() -> str:
    """What Airflow's object storage puts before the path of a local file."""
    return "file://" if settings.archive_url().startswith("file://") else ""


def _run(kind: Literal["command", "replay"], now: datetime) -> Run:
    from energy_ingest.loading.ledger import Run

    return Run(kind, run_id=f"{kind}__{now:%Y-%m-%dT%H:%M:%S.%fZ}")


def log_to_stderr() -> None:
    """Warnings of ours, plain; Airflow's logging would write to standard output. Failures are told at the end."""
    logger, handler = logging.getLogger("energy_ingest"), logging.StreamHandler(sys.stderr)
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.WARNING)
    logging.getLogger("energy_ingest.loading").setLevel(logging.ERROR)
    logging.getLogger().setLevel(logging.WARNING)


def _tell(summary: Summary) -> None:
    states = sorted(Counter(item.outcome.state for item in summary.loaded).items())
    told = [*states, ("failed", len(summary.failed)), ("not tried", summary.left)]
    typer.echo(f"windows: {summary.total:,} = " + " + ".join(f"{count:,} {state}" for state, count in told))
    counts, places = summary.counts(), ("inserted", "revised", "unchanged", "quarantined", "duplicates")
    typer.echo(f"rows: {counts['received']:,} = " + " + ".join(f"{counts[name]:,} {name}" for name in places))
    for item in [item for item in summary.loaded if item.outcome.state != "complete"][:SHOWN]:
        typer.echo(f"{item.window}: {item.outcome.state}, {item.outcome.reason}")
    same: dict[str, list[Window]] = {}  # windows of one answer fail with one error
    for window, error in sorted(summary.failed.items(), key=lambda item: item[0]):
        same.setdefault(str(error), []).append(window)
    for text, windows in list(same.items())[:SHOWN]:
        dates = f"{windows[0]}" if len(windows) == 1 else f"{windows[0]} to {windows[-1]}"
        typer.echo(f"energy-ingest: {dates}: {text}", err=True)


def _exit_code(summary: Summary) -> int:
    """By the last state of each window."""
    states = {item.window: item.outcome.state for item in summary.loaded}.values()
    if not summary.failed and not summary.left and all(state in ("complete", *EXPLAINED) for state in states):
        return output.HEALTHY
    return output.DEGRADED if summary.loaded else output.CRITICAL
