"""The commands and what all of them share: typed errors become one line, and every exit code means something."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer
from typer.core import TyperGroup

from energy_ingest.cli import aggregate, influx, jobs, load, parse, quality, quarantine, stack, status, upkeep, watch
from energy_ingest.cli.output import COULD_NOT_RUN, CRITICAL
from energy_ingest.errors import IngestError

HELP: Final = """Energy-market data, loaded without gaps: what is there, what is missing, and how to change that.

The warehouse is the one in WAREHOUSE_URL, or else in AIRFLOW_CONN_ENERGY_WAREHOUSE. Airflow need not run.

Exit codes:\n
0 healthy\n
1 degraded: gaps, failed windows, quarantined rows, warnings\n
2 critical: more than half is missing, nothing could be loaded, no schema\n
3 could not run: no warehouse, wrong options
"""

# A wrong option is a UsageError; which module it lives in depends on typer's version, its child is always at hand.
_UsageError: Final[type[Exception]] = typer.BadParameter.__mro__[1]


class Commands(TyperGroup):
    """A group of commands whose errors name the fix in one line and never show a traceback."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the options before the command's name."""
        with _exit_codes():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _exit_codes():
            return super().invoke(ctx)


@contextmanager
def _exit_codes() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        error.exit_code = COULD_NOT_RUN  # type: ignore[attr-defined]
        raise
    except IngestError as error:
        from energy_ingest.loading.database import SchemaMissing  # psycopg takes a third of a second

        typer.echo(f"energy-ingest: {error}", err=True)
        raise typer.Exit(CRITICAL if isinstance(error, SchemaMissing) else COULD_NOT_RUN) from None


app: Final = typer.Typer(
    name="energy-ingest",
    cls=Commands,
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    *(status.coverage, status.gaps, status.plan, load.load, load.replay, load.adopt),
    *(parse.parse, aggregate.aggregate, upkeep.migrate, upkeep.cleanup, upkeep.doctor, upkeep.version),
    *(watch.monitor, watch.health),
):
    app.command()(command)
app.add_typer(influx.app, name="influx")
app.add_typer(jobs.app, name="jobs")
app.add_typer(quality.app, name="quality")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(stack.stack, name="stack")
app.add_typer(watch.alerts, name="alerts")


def end_fast() -> None:
    """Let this process end without a last search for garbage in all that it imported: a third of a second."""
    atexit.register(gc.freeze)


def main() -> None:
    """The console script."""
    end_fast()
    app(prog_name="energy-ingest")
