"""How results are shown: aligned text, JSON, a progress bar on a terminal and plain lines elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from energy_ingest.loading.ingest import Summary

HEALTHY: Final = 0
DEGRADED: Final = 1
CRITICAL: Final = 2
COULD_NOT_RUN: Final = 3

REPORT_EVERY: Final = 10.0
"""Seconds between plain progress lines."""


def show_json(value: Any) -> None:
    """One JSON document on standard output, and nothing else."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Aligned columns; numbers to the right with thousands separated, None as a dash."""
    cells = [[_cell(value) for value in row] for row in rows]
    table = [list(header), *([text for text, _ in row] for row in cells)]
    widths = [max(len(row[place]) for row in table) for place in range(len(header))]
    right = [bool(cells) and all(is_number for _, is_number in column) for column in zip(*cells, strict=True)]
    for number, row in enumerate(table):
        aligned = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right or [False] * len(header), strict=True)
        ]
        typer.secho("  ".join(aligned).rstrip(), bold=number == 0)


def _cell(value: Any) -> tuple[str, bool]:
    if value is None:
        return "-", True
    if isinstance(value, int):
        return f"{value:,}", True
    return (f"{value:,.1f}", True) if isinstance(value, float) else (str(value), False)


@contextmanager
def progress(total: int) -> Iterator[Callable[[Summary], None]]:
    """Show progress on standard error while the body runs; call what it yields with the state so far."""
    if not sys.stderr.isatty():
        yield plain_lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"0/{total} windows", total=total)

        def report(summary: Summary) -> None:
            bar.update(task, completed=summary.total - summary.left, description=summary.progress().rpartition(", ")[0])

        yield report


def plain_lines() -> Callable[[Any], None]:
    """At most one line in `REPORT_EVERY` seconds, of what `progress` of a summary says."""
    last = time.monotonic()

    def report(summary: Any) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_EVERY:
            last = time.monotonic()
            typer.echo(summary.progress(), err=True)

    return report
