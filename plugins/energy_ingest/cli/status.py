"""Questions to the ledger: `coverage`, `gaps`, `plan`. None of them loads anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Final

import typer

from energy_ingest.cli import options, output
from energy_ingest.cli.options import Datasets, First, Json, Last, MaybeFirst, MaybeLast
from energy_ingest.windows import utc_now

if TYPE_CHECKING:
    from energy_ingest.loading.coverage import Coverage

SCOPE_WIDTH: Final = 24
"""Lists of units are long; JSON has them whole."""


def coverage(dataset: Datasets = None, first: MaybeFirst = None, last: MaybeLast = None, as_json: Json = False) -> None:
    """Show what is expected, complete, explained and missing.

    Expected is what schedules must have loaded by now, and what backfills have touched; with --from and --to, the
    windows of these dates. Exit code 1: there are gaps; 2: more than half is missing.
    """
    found = _coverage(dataset, first, last)
    if as_json:
        output.show_json([item.as_json() for item in found])
    else:
        header = ("dataset", "scope", "expected", "complete", "explained", "gaps", "rows", "quarantined")
        output.show_table(header, (_row(item) for item in found))
        _show_gaps(found)
    raise typer.Exit(max(item.level for item in found))


def gaps(dataset: Datasets = None, first: MaybeFirst = None, last: MaybeLast = None, as_json: Json = False) -> None:
    """List every window that is neither complete nor explained, and the command that loads it.

    Exit codes as for `coverage`.
    """
    from energy_ingest.loading.coverage import load_command, together

    found = _coverage(dataset, first, last)
    if as_json:
        output.show_json([{"dataset": item.dataset, **gap.as_json()} for item in found for gap in item.gaps])
    elif any(item.gaps for item in found):
        _show_gaps(found)
        typer.echo()
        for item in found:
            for group in together(item.gaps):
                typer.echo(load_command(item.dataset, group[0].window.label, group[-1].window.label))
    else:
        typer.echo("no gaps")
    raise typer.Exit(max(item.level for item in found))


def plan(
    first: First,
    last: Last,
    dataset: Datasets = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Accepted for clarity: planning never loads.")] = False,
    as_json: Json = False,
) -> None:
    """Show what loading these dates takes: windows, requests, and rows, bytes and minutes as history has them.

    Nothing is loaded, and nothing is asked of the source.
    """
    from energy_ingest.loading.coverage import load_command
    from energy_ingest.loading.plan import plan as make_plan

    now = utc_now()
    span = options.span(first, last, now)
    assert span is not None  # noqa: S101 - both options are required
    with options.warehouse() as connection:
        datasets = options.chosen(dataset)
        plans = [make_plan(connection, item, scope, span, now) for item in datasets for scope in item.scopes()]
    if as_json:
        output.show_json([{**item.as_json(), "from": f"{span[0]}", "to": f"{span[1]}"} for item in plans])
        return
    header = ("dataset", "scope", "windows", "complete", "explained", "requests", "about rows", "MB", "minutes")
    rows = []
    for item in plans:
        cost = item.estimate
        guess = (cost.rows, cost.bytes / 1e6, cost.minutes) if cost else (None, None, None)
        counts = (item.windows, item.complete, _states(item.explained), item.requests)
        rows.append((item.dataset, _short(item.scope), *counts, *guess))
    output.show_table(header, rows)
    if not all(item.estimate for item in plans):
        typer.echo("No estimate where nothing was ever loaded from the source.")
    typer.echo("\nNothing was loaded. These do:")
    for name in dict.fromkeys(item.dataset for item in plans):
        typer.echo(load_command(name, *span))


def _coverage(names: list[str] | None, first: str | None, last: str | None) -> list[Coverage]:
    from energy_ingest.loading.coverage import coverage as coverage_of
    from energy_ingest.loading.coverage import ever_tried

    now = utc_now()
    span, datasets = options.span(first, last, now), options.chosen(names)
    with options.warehouse() as connection:
        return [
            coverage_of(connection, item, scope, now, span)
            for item in datasets
            for scope in item.scopes()
            # what is shipped switched off counts from its first load on, or when it is named
            if names or not item.on_request or ever_tried(connection, item, scope)
        ]


def _row(item: Coverage) -> tuple[str | int, ...]:
    counts = (item.expected, item.complete, _states(item.explained), len(item.gaps), item.rows, item.quarantined)
    return (item.dataset, _short(item.scope), *counts)


def _short(scope: str) -> str:
    return scope if len(scope) <= SCOPE_WIDTH else f"{scope[: SCOPE_WIDTH - 1]}…"


def _states(explained: dict[str, int]) -> str | int:
    return ", ".join(f"{count:,} {state}" for state, count in explained.items()) or 0


def _show_gaps(found: Iterable[Coverage]) -> None:
    """One line for adjoining gaps of one state; the reason is the first one's."""
    from energy_ingest.loading.coverage import together

    rows = []
    for item in found:
        for group in together(item.gaps):
            first, last = group[0], group[-1]
            dates = (f"{first.window}", f"{last.window}", len(group))
            rows.append((item.dataset, *dates, first.state, max(gap.attempts for gap in group), first.reason))
    if rows:
        typer.echo()
        output.show_table(("gaps of", "from", "to", "windows", "state", "attempts", "reason"), rows)
