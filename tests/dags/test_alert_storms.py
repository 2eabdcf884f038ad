"""However much goes wrong: one message when it opens, one when it is over, by a real mail server and a webhook."""

from __future__ import annotations

import json
import shlex
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from energy_ingest import settings, windows
from energy_ingest.alerts.lifecycle import QUIET
from energy_ingest.catalog import SYSTEM_PRICES
from energy_ingest.cli import app
from energy_ingest.errors import Rejected
from energy_ingest.loading import ledger
from energy_ingest.loading.database import connect
from energy_ingest.sources import Scope
from include.twin.client import Twin
from tests.dags.harness import interval, parse, run
from tests.dags.listeners import Mailbox, Sink, deployment, mailbox, nobody_else, sink

__all__ = ["deployment", "mailbox", "nobody_else", "sink"]

PRICES = SYSTEM_PRICES.name
MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.usefixtures("metadata")


@pytest.fixture
def webhook(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Sink:
    """Where the generic webhook leads."""
    monkeypatch.setenv(
        "AIRFLOW_CONN_ENERGY_ALERT_WEBHOOK", json.dumps({"conn_type": "http", "host": f"{sink.url}/hook"})
    )
    return sink


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, datetime]:
    """The time, for those who ask when people were told."""
    clock = {"now": windows.utc_now()}
    monkeypatch.setattr(windows, "utc_now", lambda: clock["now"])
    return clock


def headlines(webhook: Sink) -> list[str]:
    return [body["headline"] for body in webhook.bodies if body["kind"] != "test"]


def fail(url: str, count: int, first: date = date(2024, 3, 5)) -> None:
    """Windows that a run of the DAG tried and failed."""
    task = ledger.Run("scheduled", PRICES, "scheduled__1", 1)
    with connect(url) as connection:
        for window in SYSTEM_PRICES.windows(first, first + timedelta(days=count - 1)):
            job = ledger.begin(connection, SYSTEM_PRICES, Scope("all"), window, task)
            ledger.fail(connection, job, Rejected("no JSON"))


def load_all(url: str) -> None:
    with connect(url) as connection:
        connection.execute("UPDATE ledger.import_job SET status = 'completed', total_rows = 0")


def callback(dag: Any, run_id: str) -> None:
    """What Airflow's DAG processor does after a run has failed."""
    from energy_ingest.operators.alerts import alert_on_failure

    alert_on_failure({"dag": dag, "run_id": run_id, "reason": "task_failure"})


def test_five_hundred_failing_windows_are_one_message_and_their_recovery_one_more(
    deployment: str, mailbox: Mailbox, webhook: Sink
):
    fail(deployment, 500)
    dag = parse().dags[PRICES]
    for number in range(10):
        callback(dag, f"manual__{number}")
    opened = f"[energy critical] {PRICES} failed: 500 windows of 1 dataset"
    assert mailbox.subjects == headlines(webhook) == [opened]
    assert run("platform_monitor", kind="manual").state == "success"
    load_all(deployment)
    for _ in range(2):
        run("platform_monitor", kind="manual")
    resolved = f"[energy ok] resolved: {PRICES} failed: 500 windows of 1 dataset"
    told = [title for title in mailbox.subjects if "failed:" in title]
    assert told == [title for title in headlines(webhook) if "failed:" in title] == [opened, resolved]


def test_a_backfill_of_a_failing_month_is_one_digest(
    deployment: str, mailbox: Mailbox, webhook: Sink, clock: dict[str, datetime]
):
    dag = parse().dags[PRICES]
    for number in range(31):
        day = date(2024, 3, 1) + timedelta(days=number)
        fail(deployment, 1, day)
        callback(dag, f"backfill__{day}T02:00:00+00:00")
        clock["now"] += MINUTE
    assert mailbox.subjects == headlines(webhook) == [], "it is not over yet"
    clock["now"] += QUIET
    for _ in range(2):
        run("platform_monitor", kind="manual")
    digest = f"[energy warning] {PRICES} failed: 31 windows of 1 dataset"
    assert [title for title in mailbox.subjects if "failed:" in title] == [digest]
    assert [title for title in headlines(webhook) if "failed:" in title] == [digest]
    facts = next(body["facts"] for body in webhook.bodies if body["headline"] == digest)
    assert facts["Extent"] == f"31 windows of {PRICES}, 2024-03-01 to 2024-03-31" and "31 times" in facts["Since"]


def test_the_command_in_a_mail_mends_what_it_tells_of(
    deployment: str, twin: Twin, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
):
    """The only one who acts is who reads: the line after "Do", as it stands."""
    twin.add_fault("rename_field=systemSellPrice:other")
    day = windows.utc_now().date() - timedelta(days=3)
    conf = {"window_from": f"{day}", "window_to": f"{day + timedelta(days=1)}"}
    assert run(PRICES, conf=conf, kind="manual").state == "failed"
    (mail,) = mailbox.mails
    lines = mail.get_body(("plain",)).get_content().splitlines()
    command = next(line.removeprefix("Do").strip() for line in lines if line.startswith("Do "))
    twin.clear_faults()
    monkeypatch.setenv("WAREHOUSE_URL", deployment)
    program, *arguments = shlex.split(command)
    ran = CliRunner().invoke(app, arguments)
    assert (program, ran.exit_code) == ("energy-ingest", 0), ran.output
    run("platform_monitor", kind="manual")
    assert mailbox.subjects[1:] == [f"[energy ok] resolved: {PRICES} failed: 2 windows of 1 dataset"]


def test_runs_that_are_late_and_succeed_are_nothing_to_be_told_of(
    deployment: str, twin: Twin, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
):
    today = windows.utc_now().date()
    monkeypatch.setenv(settings.START.env, f"{today - timedelta(days=50)}")
    for number in (40, 20):
        ran = run(PRICES, interval(today - timedelta(days=number)))
        assert ran.state == "success" and ran.result["inserted"] in (46, 48, 50)
    run("platform_monitor", kind="manual")
    assert mailbox.subjects == []
