"""The monitor on real rows: what it measures, whom it tells, what it frees; and its commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from energy_ingest.alerts.thresholds import Group
from energy_ingest.catalog import MARKET_INDEX, SYSTEM_PRICES
from energy_ingest.errors import NotYetPublished, Rejected, Retryable
from energy_ingest.loading import incidents, ledger, monitor
from energy_ingest.loading.database import connect
from energy_ingest.loading.incidents import Channels
from energy_ingest.sources import Scope
from tests.postgres.cli.conftest import EnergyIngest, energy_ingest
from tests.postgres.world import DAY, Feed, ask, audit, days, load, one

__all__ = ["energy_ingest"]

ALL = Scope("all")
RUN = ledger.Run("scheduled", "elexon_system_prices", "scheduled__1", 1)


@pytest.fixture
def connection(warehouse_url: str) -> Iterator[psycopg.Connection]:
    with connect(warehouse_url) as connection:
        yield connection


def fail(connection: psycopg.Connection, count: int, error: Any, dataset: Any = SYSTEM_PRICES) -> None:
    for window in days(DAY, count):
        ledger.fail(connection, ledger.begin(connection, dataset, ALL, window, RUN), error)


def figures(connection: psycopg.Connection, after: timedelta = timedelta(0)) -> Any:
    return monitor.examine(connection, datetime.now(UTC) + after).figures


def begun(url: str, minutes: int, status: str = "processing") -> int:
    """A job whose process died, and when it began."""
    with connect(url) as doomed:
        job = ledger.begin(doomed, SYSTEM_PRICES, ALL, days(DAY)[0], RUN)
        doomed.execute(
            "UPDATE ledger.import_job SET started_at = clock_timestamp() - %s, status = %s WHERE job_id = %s",
            [timedelta(minutes=minutes), status, job.job_id],
        )
    return job.job_id


FILE = """
    INSERT INTO ledger.import_job (dataset, import_type, scope, status, file_name, started_at, heartbeat_at,
      retry_count, max_retries, code_version)
    VALUES ('meter_files', 'hh', 'all', 'processing', 'a.csv', now() - interval '2 days',
      now() - %s * interval '1 minute', %s, 3, '0') RETURNING job_id"""


PASS = """
    INSERT INTO ledger.execution (kind, target, status, started_at, completed_at, details, code_version)
    VALUES ('monitoring', '', 'completed', %s, %s, %s, '0')"""


def a_file(url: str, minutes: int, retry_count: int = 0) -> int:
    """A meter file that a process began, and when it gave the last sign of life."""
    return one(url, FILE, minutes, retry_count)


# --- what is measured ---


def test_each_window_counts_once_by_its_last_attempt(warehouse_url: str, connection: psycopg.Connection, tmp_path: Any):
    fail(connection, 3, Rejected("x"))
    fail(connection, 2, Rejected("x"))
    load(warehouse_url, Feed(), tmp_path, days(DAY, 1))
    load(warehouse_url, Feed(MARKET_INDEX), tmp_path, days(DAY, 2))
    # of 8 attempts 5 failed, 2 of these for good
    assert figures(connection).groups == [Group("elexon", 3, 2, 8, 3, 48 + 2 * 96, 0)]
    assert figures(connection, timedelta(hours=23)).groups[0].waiting == 2
    later = figures(connection, timedelta(hours=25)).groups
    assert later == [Group("elexon", waiting=2)], "only what waits"


def test_what_is_not_published_is_no_failure(connection: psycopg.Connection):
    fail(connection, 2, NotYetPublished("tomorrow"))
    assert figures(connection).groups == [Group("elexon", completed=2, attempts=2)]


def test_growth_and_availability(connection: psycopg.Connection, tmp_path: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENERGY_ARCHIVE_URL", tmp_path.as_uri())
    now = datetime.now(UTC)
    assert figures(connection).availability == 1.0
    report = monitor.examine(connection, now)
    for number in range(5, 96):  # the last four did not take place
        at = now - number * timedelta(minutes=15)
        status = "critical" if number in (50, 51) else "healthy"
        connection.execute(PASS, [at, at, f'{{"status": "{status}"}}'])
        monitor.keep(connection, replace(report, measured_at=at))
    found = monitor.examine(connection, now).figures
    assert found.availability == pytest.approx((91 - 2) / 94)
    assert found.disk is not None and found.disk.path == f"{tmp_path}" and found.disk.days_left is None
    connection.execute("UPDATE ledger.kpi SET value = value - 0.1, measured_at = measured_at - interval '2 days'")
    disk = monitor.examine(connection, now).figures.disk
    assert disk is not None and disk.days_left == pytest.approx((1 - disk.used) / 0.1 * 2.98, rel=0.02)
    assert found.sizes["database_bytes"] > 1_000_000


def test_key_figures_are_kept_with_their_targets(connection: psycopg.Connection, warehouse_url: str):
    report = monitor.examine(connection, datetime.now(UTC))
    monitor.keep(connection, report)
    monitor.keep(connection, report)
    kept = ask(warehouse_url, "SELECT name, value, target, is_met FROM ledger.kpi WHERE target IS NOT NULL ORDER BY 1")
    expected = [("availability", 1, 0.99, True), ("queue_depth", 0, 10, True), ("retry_rate", 0, 0.1, True)]
    assert kept == [*expected, ("success_rate", 1, 0.95, True)]


# --- what is stuck ---


@pytest.mark.parametrize(("minutes", "count"), [(59, 0), (61, 1)])
def test_stuck_after_an_hour(warehouse_url: str, connection: psycopg.Connection, minutes: int, count: int):
    begun(warehouse_url, minutes)
    assert len(figures(connection).stuck) == count


def test_people_are_told_first_then_the_dead_are_freed_once(warehouse_url: str, connection: psycopg.Connection):
    dead, file = begun(warehouse_url, 61), a_file(warehouse_url, 61)
    given_up = a_file(warehouse_url, 61, 3)
    read: list[str] = []
    ways = Channels({"email": lambda message: read.append(message.headline)})
    now = datetime.now(UTC)
    report = monitor.examine(connection, now)
    assert monitor.handle_stuck(connection, report) == [], "nobody was told yet"
    monitor.tell(connection, report, ways)
    incidents.deliver(connection, ways, now)
    assert read == ["[energy warning] 3 job(s) stuck in processing state"]
    assert monitor.handle_stuck(connection, report) == [(dead, "failed"), (file, "queued"), (given_up, "failed")]
    assert monitor.handle_stuck(connection, report) == []
    assert one(warehouse_url, "SELECT retry_count FROM ledger.import_job WHERE job_id = %s", file) == 1
    error = one(warehouse_url, "SELECT last_error FROM ledger.import_job WHERE job_id = %s", dead)
    assert error == "Job stuck in processing state for over 60 minutes - marked as failed"
    due = "SELECT state, reason, next_due_at <= now() FROM ledger.window"
    assert ask(warehouse_url, due) == [("failed", error, True)]
    later = monitor.examine(connection, now + timedelta(minutes=15))
    monitor.tell(connection, later, ways)
    incidents.deliver(connection, ways, later.measured_at)
    assert read[1:] == ["[energy ok] resolved: 3 job(s) stuck in processing state"]


def test_what_is_alive_is_left_alone(warehouse_url: str, connection: psycopg.Connection, tmp_path: Any):
    with connect(warehouse_url) as slow:
        job = ledger.begin(slow, SYSTEM_PRICES, ALL, days(DAY)[0], RUN)
        slow.execute("UPDATE ledger.import_job SET started_at = started_at - interval '2 hours'")
        busy = a_file(warehouse_url, 5)
        report = monitor.examine(connection, datetime.now(UTC))
        assert [(item.job_id, item.is_alive) for item in report.figures.stuck] == [(job.job_id, True)]
        monitor.tell(connection, report, Channels())
        assert monitor.handle_stuck(connection, report) == []
    assert one(warehouse_url, "SELECT status FROM ledger.import_job WHERE job_id = %s", busy) == "processing"


def test_a_window_that_was_freed_loads_and_the_books_balance(
    warehouse_url: str, connection: psycopg.Connection, tmp_path: Any
):
    begun(warehouse_url, 61)
    report = monitor.examine(connection, datetime.now(UTC))
    monitor.tell(connection, report, Channels())
    monitor.handle_stuck(connection, report)
    due = ledger.due(connection, SYSTEM_PRICES, ALL, datetime.now(UTC), never_tried=False)
    assert due == days(DAY)
    load(warehouse_url, Feed(), tmp_path, due)
    audit(warehouse_url, expected=days(DAY))


# --- a source that is silent ---


def test_a_source_is_down_when_it_was_silent_for_an_hour(connection: psycopg.Connection):
    fail(connection, 3, Retryable("no route to host"))
    now = datetime.now(UTC)
    assert monitor.examine(connection, now).findings == []
    (finding, *_) = monitor.examine(connection, now + timedelta(hours=1)).findings
    assert (finding.rule, finding.subject) == ("source_down", "elexon")


# --- commands ---


def test_the_exit_code_is_the_status(energy_ingest: EnergyIngest, connection: psycopg.Connection):
    assert energy_ingest("monitor").code == 0
    fail(connection, 20, Rejected("x"))
    load_ok = energy_ingest("monitor", "--verbose", ENERGY_FAILURE_CRITICAL="100")
    assert load_ok.code == 1
    assert "warning: Elevated failure rate of elexon: 100.0% in last 24h" in load_ok.out
    shown = energy_ingest("monitor", "--json")
    assert (shown.code, shown.json["status"]) == (2, "critical")
    assert {kpi["name"]: kpi["is_met"] for kpi in shown.json["kpis"]}["success_rate"] is False
    assert energy_ingest("monitor", WAREHOUSE_URL="postgresql://nobody@127.0.0.1:1/none").code == 3
    assert energy_ingest("monitor", "--jsn").code == 3
    assert energy_ingest("monitor", ENERGY_STUCK_MINUTES="-1").code == 3


def test_looking_changes_nothing(energy_ingest: EnergyIngest, warehouse_url: str):
    begun(warehouse_url, 61)
    assert energy_ingest("monitor").code == 1
    assert one(warehouse_url, "SELECT count(*) FROM ledger.incident") == 0
    handled = energy_ingest("monitor", "--handle-stuck", "--json")
    assert [job["status"] for job in handled.json["handled"]] == ["failed"]
    assert one(warehouse_url, "SELECT count(*) FROM ledger.incident") == 1


def test_incidents_are_listed_and_muted(energy_ingest: EnergyIngest, warehouse_url: str):
    assert energy_ingest("alerts", "list").code == 0
    begun(warehouse_url, 61)
    energy_ingest("monitor", "--send-alerts")
    listed = energy_ingest("alerts", "list", "--json")
    assert (listed.code, [row["rule"] for row in listed.json]) == (1, ["stuck"])
    mark = listed.json[0]["fingerprint"]
    assert energy_ingest("alerts", "mute", mark, "--hours", "2", "--reason", "known").code == 0
    assert mark in energy_ingest("alerts", "list").out
    assert "no open incident 'x'" in energy_ingest("alerts", "mute", "x").err
    assert "no channel is configured" in energy_ingest("alerts", "test").err
    until = one(warehouse_url, "SELECT muted_until - now() FROM ledger.incident")
    assert timedelta(minutes=119) < until < timedelta(minutes=121)
    assert json.dumps(listed.json)
