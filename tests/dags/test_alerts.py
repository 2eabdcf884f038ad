"""What people read when a run fails: the callback of each DAG, a real mail server, real HTTP in place of Slack."""

from __future__ import annotations

import json
import ssl
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from energy_ingest import settings, windows
from energy_ingest.alerts import text
from energy_ingest.alerts.finding import Finding
from energy_ingest.errors import Misconfigured
from energy_ingest.loading import incidents as incidents_
from include.twin.client import Twin
from tests.dags.harness import interval, parse, run
from tests.dags.listeners import Mailbox, Sink, certificate, deployment, mail_server, mailbox, nobody_else, sink

__all__ = ["certificate", "deployment", "mailbox", "nobody_else", "sink"]

PRICES = "elexon_system_prices"
MESSAGE = text.message(
    "opened", Finding("rule", "subject", "critical", "a title"), windows.utc_now(), windows.utc_now()
)

pytestmark = pytest.mark.usefixtures("metadata")


def today() -> tuple[Any, Any]:
    """The interval of the newest run."""
    return interval(windows.utc_now().date() - timedelta(days=1))


def incidents(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT rule, subject, severity, occurrences FROM ledger.incident").fetchall()


# --- callbacks ---


def test_every_dag_tells_of_its_failures():
    from energy_ingest.operators.alerts import alert_on_failure

    for dag in parse().dags.values():
        assert dag.on_failure_callback in (alert_on_failure, [alert_on_failure]), dag.dag_id
        for task in dag.tasks:
            assert not task.on_failure_callback and not task.on_retry_callback, "one message a run, none a retry"


def test_a_failed_run_is_a_mail_and_a_message_in_slack(
    deployment: str, twin: Twin, mailbox: Mailbox, sink: Sink, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{sink.url}/services/T0/B0/slack-secret")
    twin.add_fault("rename_field=systemSellPrice:other")
    ran = run(PRICES, today(), retries=1)
    assert ran.state == "failed" and len(ran.errors) == 2, "it tried twice"
    (mail,) = mailbox.mails
    title = f"[energy critical] {PRICES} failed: 1 window of 1 dataset"
    assert (mail["Subject"].strip(), mail["To"]) == (title, "a@example.org, b@example.org")
    assert mailbox.logins == [(b"me", b"mail-secret")]
    plain, html = (part.get_content() for part in mail.iter_parts())
    assert f"Do         energy-ingest load --dataset {PRICES}" in plain and f"<h3>{title}</h3>" in html
    ((attachment,),) = (body["attachments"] for body in sink.bodies)
    assert (attachment["color"], attachment["title"]) == ("danger", title)
    assert "/dags/" in plain, "a link to the log"
    assert "slack-secret" not in plain + html and "mail-secret" not in plain + html
    run(PRICES, today())
    assert len(mailbox.mails) == len(sink.bodies) == 1, "it is known"
    assert incidents(deployment) == [("run_failed", PRICES, "critical", 2)]


def test_of_a_dead_slack_the_mail_says_so(
    deployment: str, mailbox: Mailbox, sink: Sink, monkeypatch: pytest.MonkeyPatch
):
    from energy_ingest.hooks.channels import channels

    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{sink.url}/services/T0/B0/slack-secret")
    sink.status = 404
    now, finding = windows.utc_now(), Finding("queue_depth", "elexon", "warning", "120 jobs wait")
    with psycopg.connect(deployment, autocommit=True) as connection:
        incidents_.report(connection, [finding], channels(), now)
        for minutes in (0, 1, 11):  # three attempts
            incidents_.deliver(connection, channels(), now + timedelta(minutes=minutes))
        sink.status = 200
        incidents_.report(connection, [], channels(), now + timedelta(hours=1), rules=["queue_depth"])
        incidents_.deliver(connection, channels(), now + timedelta(hours=1))
    subjects = [mail["Subject"].strip() for mail in mailbox.mails]
    assert subjects == [
        "[energy warning] 120 jobs wait",
        "[energy critical] alerts do not arrive by slack",
        "[energy ok] resolved: 120 jobs wait",
        "[energy ok] resolved: alerts do not arrive by slack",
    ]
    assert "404" in mailbox.mails[1].get_body(("plain",)).get_content()
    assert len(sink.bodies) == 3 + 2


def test_nothing_that_is_kept_told_or_logged_has_a_secret(
    deployment: str, twin: Twin, mailbox: Mailbox, sink: Sink, monkeypatch: pytest.MonkeyPatch, caplog: Any, capfd: Any
):
    """Every channel is dead and the load fails, so that each secret is at hand where an error is told of."""
    secret = "planted-5ecret"
    conn = {"conn_type": "http", "host": f"{sink.url}/{secret}", "password": secret, "extra": {"X-Key": secret}}
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_ALERT_WEBHOOK", json.dumps(conn))
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"http://127.0.0.1:1/services/T0/B0/{secret}")
    monkeypatch.setenv("MAIL_PASSWORD", secret)
    monkeypatch.setenv("HEARTBEAT_URL", f"http://127.0.0.1:1/ping/{secret}")
    mailbox.refuses, sink.status = f"535 password={secret} is wrong".encode(), 500
    twin.add_fault("rename_field=systemSellPrice:other")
    run(PRICES, today())
    run("platform_monitor", kind="manual")
    with psycopg.connect(deployment) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'ledger'"
        )
        kept = {name: f"{connection.execute(f'TABLE {name}').fetchall()}" for (name,) in tables}
    assert "500" in kept["ledger.alert_delivery"] and "535" in kept["ledger.alert_delivery"], "they were tried"
    seen = capfd.readouterr()
    kept |= {"the log": caplog.text, "what is shown": seen.out + seen.err}
    assert [name for name, text in kept.items() if secret in text] == []
    url = urlsplit(deployment)
    assert url.password and not [name for name, text in kept.items() if url.password in text]


def test_a_retry_that_helps_is_no_alert(deployment: str, twin: Twin, mailbox: Mailbox):
    twin.add_fault("rename_field=systemSellPrice:other", count=1)
    ran = run(PRICES, today(), retries=1)
    assert (ran.state, len(ran.errors)) == ("success", 1)
    assert mailbox.mails == [] and incidents(deployment) == []


def test_a_failing_run_of_the_past_waits_for_the_digest(
    deployment: str, twin: Twin, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(settings.START.env, "2024-03-01")
    twin.add_fault("rename_field=systemSellPrice:other")
    for day in (5, 6):
        run(PRICES, interval(date(2024, 3, day)), kind="backfill" if day == 5 else "scheduled")
    assert incidents(deployment) == [("run_failed", PRICES, "warning", 2)]
    assert mailbox.mails == []


def test_a_killed_task_is_told_of_with_what_airflow_knows(deployment: str, mailbox: Mailbox):
    """The callback of a DAG gets no exception, and where no task is at fault neither task nor run."""
    from energy_ingest.operators.alerts import alert_on_failure

    dag = parse().dags[PRICES]
    stamp = f"{windows.utc_now():%Y-%m-%dT%H:%M:%S+00:00}"
    alert_on_failure({"dag": dag, "run_id": f"scheduled__{stamp}", "reason": "timed_out"})
    (mail,) = mailbox.mails
    assert mail["Subject"].strip() == f"[energy critical] {PRICES} failed: run scheduled__{stamp}"


def test_a_warehouse_that_is_down_breaks_no_callback(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: Any):
    from energy_ingest.operators.alerts import alert_on_failure

    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", "postgresql://nobody@127.0.0.1:1/none")
    alert_on_failure({"dag": parse().dags[PRICES], "run_id": "manual__1"})
    assert "nobody could be told" in caplog.text


@pytest.mark.parametrize(
    ("run_id", "past"),
    [
        ("backfill__2026-11-20T02:00:00+00:00", True),
        ("scheduled__2024-03-05T02:00:00+00:00", True),
        ("scheduled__2024-03-05T02:00:00+00:00_Xy12", True),
        ("scheduled__{now}", False),
        ("manual__2024-03-05T02:00:00+00:00", False),
        ("asset_triggered__2024-03-05T02:00:00+00:00", False),
        ("anything", False),
    ],
)
def test_a_run_of_the_past(run_id: str, past: bool):
    from energy_ingest.operators.alerts import run_of

    name = run_id.format(now=f"{windows.utc_now() - timedelta(hours=23):%Y-%m-%dT%H:%M:%S+00:00}")
    assert run_of({"dag": parse().dags[PRICES], "run_id": name}).past is past


# --- the monitor ---


def test_a_pass_of_the_monitor(deployment: str, mailbox: Mailbox, sink: Sink, monkeypatch: pytest.MonkeyPatch):
    """It keeps its figures, sends the weekly test once, and shows last of all that it lives."""
    monkeypatch.setenv("HEARTBEAT_URL", f"{sink.url}/ping/uuid")
    for _ in range(2):
        ran = run("platform_monitor", kind="manual")
        assert (ran.state, ran.result["status"]) == ("success", "healthy")
    assert [mail["Subject"].strip() for mail in mailbox.mails] == ["[energy ok] test: alerts arrive"]
    assert sink.bodies == ["/ping/uuid"] * 2
    with psycopg.connect(deployment) as connection:
        kept = connection.execute("SELECT kind, status, dag_id FROM ledger.execution").fetchall()
    assert kept == [("monitoring", "completed", "platform_monitor")] * 2


def test_a_monitor_that_does_not_work_sends_no_heartbeat(sink: Sink, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEARTBEAT_URL", f"{sink.url}/ping/uuid")
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", "postgresql://nobody@127.0.0.1:1/none")
    assert run("platform_monitor", kind="manual").state == "failed"
    assert sink.bodies == []


# --- channels ---


def test_what_is_configured_is_used(mailbox: Mailbox, sink: Sink, monkeypatch: pytest.MonkeyPatch):
    from energy_ingest.hooks.channels import channels

    assert list(channels().first) == ["email"]
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{sink.url}/x")
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_ALERT_WEBHOOK", json.dumps({"conn_type": "http", "host": sink.url}))
    assert list(channels().first) == ["slack", "email", "webhook"]
    monkeypatch.setenv(settings.ALERT_CHANNELS.env, "slack")
    assert (list(channels().first), list(channels().fallback)) == (["slack"], ["email", "webhook"])
    monkeypatch.delenv("SLACK_WEBHOOK_URL")
    assert list(channels().first) == ["email", "webhook"], "rather another channel than none"
    monkeypatch.setenv(settings.ALERT_CHANNELS.env, "slack,pager")
    with pytest.raises(Misconfigured, match="names pager: use any of slack, email, webhook"):
        channels()


def test_a_connection_wins_over_the_environment(mailbox: Mailbox, sink: Sink, monkeypatch: pytest.MonkeyPatch):
    from energy_ingest.hooks.channels import channels

    monkeypatch.setenv("SLACK_WEBHOOK_URL", "http://127.0.0.1:1/x")
    connection = {"conn_type": "slackwebhook", "password": f"{sink.url}/services/y"}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(connection))
    channels().all["slack"](MESSAGE)
    assert len(sink.bodies) == 1


def test_mail_by_starttls_is_the_default(certificate: Path, monkeypatch: pytest.MonkeyPatch):
    """A server that is not trusted gets neither password nor message."""
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    from energy_ingest.hooks.channels import channels

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    with mail_server(Mailbox(), monkeypatch, "", tls_context=tls, require_starttls=True) as box:
        channels().all["email"](MESSAGE)
        assert len(box.mails) == 1 and box.logins == [(b"me", b"mail-secret")]
        if not hasattr(SmtpHook, "_build_ssl_context"):
            return  # as docs/alerts.md says, the provider before 3 asks for no certificate
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(ssl.SSLCertVerificationError):
            channels().all["email"](MESSAGE)
        assert len(box.mails) == len(box.logins) == 1


def test_slack_by_its_api(sink: Sink, monkeypatch: pytest.MonkeyPatch):
    """It answers with 200 whatever is wrong; `ok` says whether it took the message."""
    from energy_ingest.hooks.channels import channels

    connection = {"conn_type": "slack", "password": "xoxb-token", "extra": {"base_url": f"{sink.url}/api/"}}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_API_DEFAULT", json.dumps(connection))
    sink.answer = b'{"ok": false, "error": "invalid_auth"}'
    with pytest.raises(Exception, match="invalid_auth"):
        channels().all["slack"](MESSAGE)
    sink.answer = b'{"ok": true}'
    channels().all["slack"](MESSAGE)
    assert sink.bodies[1]["channel"] == "#energy-alerts"
    assert [item["color"] for item in sink.bodies[1]["attachments"]] == ["danger"]
    assert sink.headers[0]["Authorization"] == "Bearer xoxb-token"


@pytest.mark.parametrize("status", [302, 403, 404, 500])
@pytest.mark.parametrize("channel", ["slack", "webhook"])
def test_a_channel_that_refuses_is_an_error(channel: str, status: int, sink: Sink, monkeypatch: pytest.MonkeyPatch):
    from energy_ingest.hooks.channels import channels

    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{sink.url}/x")
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_ALERT_WEBHOOK", json.dumps({"conn_type": "http", "host": sink.url}))
    sink.status = status
    with pytest.raises(Exception, match=str(status)):
        channels().all[channel](MESSAGE)


def test_the_webhook_gets_json_and_its_password(sink: Sink, monkeypatch: pytest.MonkeyPatch):
    from energy_ingest.hooks.channels import channels

    connection = {"conn_type": "http", "host": sink.url, "password": "hook", "extra": {"X-Team": "energy"}}
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_ALERT_WEBHOOK", json.dumps(connection))
    channels().all["webhook"](MESSAGE)
    assert sink.bodies == [json.loads(json.dumps(MESSAGE.as_json()))]
    assert (sink.headers[0]["Authorization"], sink.headers[0]["X-Team"]) == ("Bearer hook", "energy")


def test_only_https_leaves_the_machine(monkeypatch: pytest.MonkeyPatch):
    from energy_ingest.hooks.channels import channels

    monkeypatch.setenv(
        "AIRFLOW_CONN_ENERGY_ALERT_WEBHOOK", json.dumps({"conn_type": "http", "host": "http://a.example"})
    )
    with pytest.raises(Misconfigured, match="use https://host/path"):
        channels().all["webhook"](MESSAGE)


# --- what doctor finds ---


def test_doctor_tries_each_channel_and_tells_nobody(mailbox: Mailbox, sink: Sink, monkeypatch: pytest.MonkeyPatch):
    from energy_ingest.doctor import Report, services

    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{sink.url}/services/slack-secret")
    monkeypatch.setenv("HEARTBEAT_URL", "https://hc-ping.com/uuid")
    sink.status = 400  # as Slack answers to a message without text
    found = {check.name: check for check in services.alerts(Report())}
    assert {check.status for check in found.values()} == {"ok"}
    assert found.keys() == {"alerts by slack", "alerts by email", "heartbeat"}
    assert mailbox.logins and not mailbox.mails
    assert sink.bodies == [{}]
    sink.status = 404
    monkeypatch.setenv("MAIL_PORT", "1")
    found = {check.name: check.status for check in services.alerts(Report())}
    assert found == {"alerts by slack": "warning", "alerts by email": "warning", "heartbeat": "ok"}


# --- the heartbeat ---


def test_the_heartbeat_goes_where_it_may(sink: Sink, monkeypatch: pytest.MonkeyPatch):
    from energy_ingest.hooks.channels import heartbeat

    assert heartbeat() is None
    monkeypatch.setenv("HEARTBEAT_URL", f"{sink.url}/ping/uuid")
    assert heartbeat() == "127.0.0.1"
    assert sink.bodies == ["/ping/uuid"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_heartbeat_that_is_not_taken_is_no_heartbeat(sink: Sink, monkeypatch: pytest.MonkeyPatch, status: int):
    """Nor is a redirection followed: it may lead anywhere."""
    from energy_ingest.errors import Retryable
    from energy_ingest.hooks.channels import heartbeat

    monkeypatch.setenv("HEARTBEAT_URL", f"{sink.url}/ping/uuid")
    sink.status = status
    with pytest.raises(Retryable, match=f"127.0.0.1 did not take the heartbeat .{status}"):
        heartbeat()
    assert sink.bodies == ["/ping/uuid"]


def test_a_heartbeat_by_connection_and_to_hosts_that_are_named(sink: Sink, monkeypatch: pytest.MonkeyPatch):
    from energy_ingest.hooks.channels import heartbeat, heartbeat_url

    monkeypatch.setenv("HEARTBEAT_URL", "https://never.example/x")
    conn = json.dumps({"conn_type": "http", "host": f"{sink.url}/by-connection"})
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_HEARTBEAT", conn)
    assert heartbeat() == "127.0.0.1"
    assert sink.bodies == ["/by-connection"]
    monkeypatch.delenv("AIRFLOW_CONN_ENERGY_HEARTBEAT")
    monkeypatch.setenv(settings.HEARTBEAT_HOSTS.env, "never.example")
    assert heartbeat_url() == "https://never.example/x"


def test_the_monitor_runs_each_quarter_of_an_hour():
    dag = parse().dags["platform_monitor"]
    assert dag.timetable.summary == "*/15 * * * *" and not dag.catchup


def test_no_dag_has_a_deadline_that_every_run_of_the_past_would_miss():
    for dag in parse().dags.values():
        assert not getattr(dag, "deadline", None) and not getattr(dag, "sla_miss_callback", None), dag.dag_id


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://hc-ping.com.evil.example/x", "is not among"),
        ("https://user@169.254.169.254/latest", "is not among"),
        ("https://hc-ping.com@evil.example/x", "is not among"),
        ("http://hc-ping.com/x", "use https"),
        ("file:///etc/passwd", "use https"),
    ],
)
def test_and_nowhere_else(url: str, why: str, monkeypatch: pytest.MonkeyPatch):
    from energy_ingest.hooks.channels import heartbeat

    monkeypatch.setenv("HEARTBEAT_URL", url)
    with pytest.raises(Misconfigured, match=why):
        heartbeat()
