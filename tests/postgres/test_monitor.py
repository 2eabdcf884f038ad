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
from tests.postgres.processes import together
from tests.postgres.world import DAY, Feed, ask, audit, days, doomed, load, one

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
    with doomed(url) as session:
        job = ledger.begin(session, SYSTEM_PRICES, ALL, days(DAY)[0], RUN)
        session.execute(
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


def test_exactly_an_hour_is_not_more_than_an_hour(warehouse_url: str, connection: psycopg.Connection):
    job = begun(warehouse_url, 0)
    start = one(warehouse_url, "SELECT started_at FROM ledger.import_job WHERE job_id = %s", job)
    hour = timedelta(hours=1)
    assert monitor.examine(connection, start + hour).figures.stuck == []
    (stuck,) = monitor.examine(connection, start + hour + timedelta.resolution).figures.stuck
    assert (stuck.job_id, stuck.since, stuck.is_alive) == (job, start, False)


def free(_: Any, url: str, number: int) -> None:
    with connect(url) as connection:
        report = monitor.examine(connection, datetime.now(UTC))
        monitor.tell(connection, report, Channels())
        monitor.handle_stuck(connection, report)


def test_several_monitors_at_once_free_a_job_once(warehouse_url: str):
    file = a_file(warehouse_url, 61)
    together(free, *((warehouse_url, number) for number in range(4)))
    row = "SELECT status, retry_count FROM ledger.import_job WHERE job_id = %s"
    assert ask(warehouse_url, row, file) == [("queued", 1)], "one of its retries is used up"


def test_a_file_whose_session_lives_is_never_queued_again(warehouse_url: str, connection: psycopg.Connection):
    file = a_file(warehouse_url, 61)
    with doomed(warehouse_url) as worker:
        worker.execute("UPDATE ledger.import_job SET backend_pid = pg_backend_pid() WHERE job_id = %s", [file])
        free(None, warehouse_url, 0)
        assert one(warehouse_url, "SELECT status FROM ledger.import_job WHERE job_id = %s", file) == "processing"
    free(None, warehouse_url, 0)
    assert one(warehouse_url, "SELECT status FROM ledger.import_job WHERE job_id = %s", file) == "queued"


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


@pytest.mark.parametrize(
    ("failed", "tried", "code"),
    [(19, 19, 0), (5, 20, 0), (6, 20, 1), (10, 20, 1), (11, 20, 2)],  # too few; 25 %, more; 50 %, more
)
def test_the_failure_rate_at_its_edges(
    energy_ingest: EnergyIngest, connection: psycopg.Connection, failed: int, tried: int, code: int
):
    fail(connection, tried, Rejected("x"))
    connection.execute(
        "UPDATE ledger.import_job SET status = 'completed', error_type = NULL WHERE job_id > %s", [failed]
    )
    shown = energy_ingest("monitor", "--json")
    assert shown.code == code
    assert [(item["completed"], item["failed"]) for item in shown.json["upstreams"]] == [(tried - failed, failed)]
    rate = {kpi["name"]: kpi for kpi in shown.json["kpis"]}["success_rate"]
    assert (rate["value"], rate["is_met"]) == (pytest.approx(1 - failed / tried), False)


def test_a_day_ends_after_24_hours(warehouse_url: str, connection: psycopg.Connection):
    fail(connection, 1, Rejected("x"))
    day, queued = timedelta(hours=24), one(warehouse_url, "SELECT queued_at FROM ledger.import_job")
    assert monitor.examine(connection, queued + day - timedelta.resolution).figures.total("failed") == 1
    assert monitor.examine(connection, queued + day).figures.total("failed") == 0


WAITING = """
    INSERT INTO ledger.window (dataset, scope, window_start, window_end, label, state, next_due_at)
    SELECT 'elexon_system_prices', 'all', day, day + interval '1 day', day, 'pending', now() - interval '1 hour'
    FROM generate_series(date '2024-01-01', date '2024-01-01' + %s - 1, interval '1 day') AS day"""


@pytest.mark.parametrize(("waiting", "code"), [(100, 0), (101, 1)])
def test_the_queue_at_its_edge(energy_ingest: EnergyIngest, connection: psycopg.Connection, waiting: int, code: int):
    connection.execute(WAITING, [waiting])
    shown = energy_ingest("monitor", "--json")
    assert shown.code == code
    assert {kpi["name"]: kpi["value"] for kpi in shown.json["kpis"]}["queue_depth"] == waiting
    assert [finding["rule"] for finding in shown.json["findings"]] == ["queue_depth"] * code
    assert all(finding["since"] for finding in shown.json["findings"]), "since the first was due"
    said = energy_ingest("monitor", "--verbose")
    assert "upstream, 24 h" in said.out and "seconds each" in said.out


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
    assert one(warehouse_url, "SELECT count(*) FROM ledger.execution") == 0
    handled = energy_ingest("monitor", "--handle-stuck", "--json")
    assert [job["status"] for job in handled.json["handled"]] == ["failed"]
    assert one(warehouse_url, "SELECT count(*) FROM ledger.incident") == 1
    recorded = "SELECT kind, status, warnings, details -> 'handled' -> 0 ->> 'status' FROM ledger.execution"
    assert ask(warehouse_url, recorded) == [("monitoring", "completed", 1, "failed")]


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
