"""`stack`: start, stop and watch Airflow on this machine, whichever way it was installed."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from energy_ingest import stacks

stack: Final = typer.Typer(help="Start, stop and watch Airflow on this machine.", no_args_is_help=True)

Kind = Annotated[
    str | None,
    typer.Option("--kind", metavar="|".join(stacks.KINDS), help="Which, where several are installed."),
]


def _carry_out(verb: str, kind: str | None, **options: object) -> None:
    chosen = stacks.choose(kind, [each() for each in stacks.KINDS.values()])
    raise typer.Exit(stacks.carry_out(verb, chosen, **options))


@stack.command(help=stacks.VERBS["start"])
def start(kind: Kind = None) -> None:  # noqa: D103 - its help is the one of all ways to call it
    _carry_out("start", kind)


@stack.command(help=stacks.VERBS["stop"])
def stop(kind: Kind = None) -> None:  # noqa: D103
    _carry_out("stop", kind)


@stack.command(help=stacks.VERBS["restart"])
def restart(kind: Kind = None) -> None:  # noqa: D103
    _carry_out("restart", kind)


@stack.command(help=stacks.VERBS["status"])
def status(kind: Kind = None) -> None:  # noqa: D103
    _carry_out("status", kind)


@stack.command(help=stacks.VERBS["logs"])
def logs(  # noqa: D103
    part: Annotated[str, typer.Argument(help="Such as scheduler; by default all.")] = "",
    lines: Annotated[int, typer.Option("--lines", min=1, help="How many of each.")] = stacks.LINES,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they are written.")] = False,
    kind: Kind = None,
) -> None:
    _carry_out("logs", kind, part=part, lines=lines, follow=follow)


@stack.command(help=stacks.VERBS["health"])
def health(kind: Kind = None) -> None:  # noqa: D103
    _carry_out("health", kind)
