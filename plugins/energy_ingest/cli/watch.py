"""Watching over loading: `monitor`, and `alerts` with their incidents."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from energy_ingest.cli import options, output
from energy_ingest.cli.options import Json
from energy_ingest.errors import Misconfigured
from energy_ingest.windows import utc_now

if TYPE_CHECKING:
    import psycopg

    from energy_ingest.loading.incidents import Channels
    from energy_ingest.loading.monitor import Report

alerts: Final = typer.Typer(help="Incidents, and the messages about them.", no_args_is_help=True)

LEVELS: Final = {"healthy": output.HEALTHY, "degraded": output.DEGRADED, "critical": output.CRITICAL}
LONGEST_MUTE: Final = 24 * 90


def monitor(
    handle_stuck: Annotated[
        bool, typer.Option("--handle-stuck", help="Fail what died, or queue it again, once; people are told before.")
    ] = False,
    send_alerts: Annotated[bool, typer.Option("--send-alerts", help="Tell people, as the DAG does.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also each upstream, each dataset's durations, and what findings say.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure how loading does: stuck jobs, failure and retry rates, queues, durations, disk.

    Without options nothing is changed, nor is it recorded that it ran. Exit code 1: something is degraded; 2: critical;
    3: could not run.
    """
    from dataclasses import replace

    from energy_ingest.loading import monitor as monitoring
    from energy_ingest.loading.executions import Caller, Execution, recorded

    acts = send_alerts or handle_stuck
    with options.warehouse() as connection:
        record = recorded(connection, "monitoring", "24 hours", Caller()) if acts else nullcontext(Execution())
        with record as execution:
            report = monitoring.examine(connection, utc_now())
            if acts:
                ways = _channels()
                monitoring.tell(connection, report, ways)
                if send_alerts:
                    _deliver(connection, ways, report.measured_at)
            if handle_stuck:
                report = replace(report, handled=monitoring.handle_stuck(connection, report))
            execution.details, execution.warnings = report.as_json(), len(report.findings)
    if as_json:
        output.show_json(report.as_json())
    else:
        _show(report, verbose)
    raise typer.Exit(LEVELS[report.status])


def health(
    verbose: Annotated[
        bool, typer.Option("--verbose", help="With --json also what is missed, and since when.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show each dataset's health: the last date with data, publications missed, and the command that loads them.

    Nothing is changed: the DAG platform_health heals, and `action` is what it did last. Exit code 1: unhealthy or
    unknown; 2: it cannot be told, or healing gave up.
    """
    from energy_ingest.loading import health as examination

    with options.warehouse() as connection:
        found = examination.with_actions(connection, examination.examine(connection, utc_now()))
    if as_json:
        output.show_json({item.dataset: item.as_json() if verbose else item.summary for item in found})
    else:
        header = ("dataset", "status", "last data", "days behind", "missed", "action", "")
        rows = [(i.dataset, i.status, i.last_data_date, i.days_behind, i.missed, i.action, i.detail) for i in found]
        output.show_table(header, rows)
        for item in found:
            if item.spans:
                typer.echo(item.command)
    raise typer.Exit(LEVELS[examination.status(found)])


@alerts.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    as_json: Json = False,
) -> None:
    """Show open incidents. Exit code 1: there are some; 2: a critical one."""
    from energy_ingest.loading import incidents

    with options.warehouse() as connection:
        found = incidents.listed(connection, resolved=everything)
    if as_json:
        output.show_json([{name: _plain(value) for name, value in row.items()} for row in found])
    else:
        columns = ("fingerprint", "severity", "title", "opened_at", "occurrences", "resolved_at", "muted_until")
        header = [name.replace("_", " ") for name in columns]
        output.show_table(header, ([_shown(row[name]) for name in columns] for row in found))
    severities = {row["severity"] for row in found if not row["resolved_at"]}
    raise typer.Exit(output.CRITICAL if "critical" in severities else output.DEGRADED if severities else output.HEALTHY)


@alerts.command()
def mute(
    fingerprint: Annotated[str, typer.Argument(help="As the message or `alerts list` shows it.")],
    hours: Annotated[int, typer.Option("--hours", min=1, max=LONGEST_MUTE, help="For how long.")] = 24,
    reason: Annotated[str, typer.Option("--reason", help="For whoever wonders.")] = "",
) -> None:
    """Say nothing of an open incident for a while; that it is over is told all the same."""
    from energy_ingest.loading import incidents

    until = utc_now() + timedelta(hours=hours)
    with options.warehouse() as connection:
        if not incidents.mute(connection, fingerprint, until, reason):
            raise Misconfigured(f"no open incident {fingerprint!r}: energy-ingest alerts list shows them")
    typer.echo(f"{fingerprint} is muted until {until:%Y-%m-%d %H:%M} UTC")


@alerts.command()
def test() -> None:
    """Send a test message through every channel. Exit code 1: one does not work; 3: there is none."""
    from energy_ingest.loading import incidents

    ways, now = _channels(), utc_now()
    if not ways.all:
        raise Misconfigured("no channel is configured: see docs/alerts.md for Slack, e-mail and the webhook")
    with options.warehouse() as connection:
        incidents.queue_test(connection, ways, now)
        sent = _deliver(connection, ways, now)
    typer.echo(f"{sent['delivered']} messages sent by {', '.join(ways.all)}; {sent['failed']} channels failed")
    raise typer.Exit(output.DEGRADED if sent["failed"] else output.HEALTHY)


def _channels() -> Channels:
    with redirect_stdout(sys.stderr):  # Airflow's imports may print
        from energy_ingest.hooks.channels import channels

        return channels()


def _deliver(connection: psycopg.Connection, ways: Channels, now: datetime) -> dict[str, int]:
    from energy_ingest.loading import incidents

    with redirect_stdout(sys.stderr):  # the providers' hooks log to standard output
        return incidents.deliver(connection, ways, now)


def _show(report: Report, verbose: bool) -> None:
    from energy_ingest.alerts import thresholds

    colour = {"healthy": "green", "degraded": "yellow", "critical": "red"}[report.status]
    typer.secho(report.status, fg=colour, bold=True)
    output.show_table(
        ("figure", "value", "target"),
        [(kpi.name, str(kpi), kpi.aim) for kpi in thresholds.kpis(report.figures)],
    )
    if verbose:
        _show_figures(report)
    for finding in report.findings:
        typer.echo(f"{finding.severity}: {finding.title}")
        if verbose:
            for text in filter(None, (finding.extent, finding.cause, finding.command)):
                typer.echo(f"    {text}")
    for job_id, status in report.handled:
        typer.echo(f"job {job_id}: {status}")


def _show_figures(report: Report) -> None:
    figures = report.figures
    rows = [(g.name, g.completed, g.failed, f"{g.failure_rate:.1%}", g.retries, g.waiting) for g in figures.groups]
    output.show_table(("upstream, 24 h", "completed", "failed", "failure rate", "retries", "waiting"), rows)
    durations = [(p.dataset, p.recent, p.recent_count, p.usual, p.usual_count) for p in figures.paces]
    output.show_table(("seconds each", "24 h", "attempts", "week before", "attempts"), durations)
    if figures.disk:
        left = f"full in {figures.disk.days_left:,.0f} days" if figures.disk.days_left is not None else "not growing"
        typer.echo(f"archive {figures.disk.path}: {figures.disk.used:.0%} of its disk, {left}")


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _shown(value: Any) -> Any:
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "isoformat") else value
