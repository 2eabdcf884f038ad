"""`doctor` finds each thing that can be wrong, alone, where all else is well."""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from energy_ingest import catalog, doctor
from energy_ingest.doctor import machine, services, warehouse
from include.influx_double.server import InfluxDouble, State
from include.twin.client import Twin
from tests.dags.listeners import Mailbox, Sink, mailbox, nobody_else, sink

__all__ = ["mailbox", "nobody_else", "sink"]

Patch = pytest.MonkeyPatch
DEAD = "http://127.0.0.1:1"

pytestmark = pytest.mark.usefixtures("metadata")


@pytest.fixture
def well(
    warehouse: dict[str, str], twin: Twin, mailbox: Mailbox, sink: Sink, tmp_path: Path, monkeypatch: Patch
) -> dict[str, str]:
    """All that can be configured is, and works: a warehouse, upstreams, InfluxDB, Slack, e-mail, webhook, heartbeat."""
    for upstream in catalog.upstreams():
        monkeypatch.setenv(f"AIRFLOW_CONN_{upstream.conn_id.upper()}", connection(twin.url))
    sink.status = 400  # as Slack answers to a message without text
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{sink.url}/services/x")
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_ALERT_WEBHOOK", connection(sink.url))
    monkeypatch.setenv("HEARTBEAT_URL", "https://hc-ping.com/uuid")
    monkeypatch.setenv("WAREHOUSE_URL", warehouse["energy_loader"])
    monkeypatch.setenv("WAREHOUSE_OWNER_URL", warehouse["energy_owner"])
    monkeypatch.setenv("ENERGY_ARCHIVE_URL", (tmp_path / "archive").as_uri())
    monkeypatch.setattr(services, "_health", lambda _: {"scheduler": {"status": "healthy"}})
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AIRFLOW__WEBSERVER__BASE_URL", "http://127.0.0.1:1")
    return warehouse


def connection(url: str) -> str:
    return json.dumps({"conn_type": "http", "host": url})


def ill() -> dict[str, str]:
    """What is not well; what says so names a fix."""
    checks = [check for check in doctor.examine().checks if check.status != "ok"]
    assert all(check.fix for check in checks)
    return {check.name: check.status for check in checks}


def test_nothing_is_wrong(well: dict[str, str]):
    assert ill() == {}
    names = [check.name for check in doctor.examine().checks]
    assert {"alerts by slack", "alerts by email", "alerts by webhook", "heartbeat", "archive", "clock", "owner"} <= {
        *names
    }


@pytest.mark.parametrize(
    ("variable", "value", "found"),
    [
        ("AIRFLOW_CONN_ELEXON_DEFAULT", connection(DEAD), {"upstream elexon": "warning"}),
        ("AIRFLOW_CONN_NATIONAL_GAS_DEFAULT", connection(DEAD), {"upstream national_gas": "warning"}),
        ("AIRFLOW_CONN_ENERGY_TRANSFER_DEFAULT", connection(DEAD), {"upstream energy_transfer": "warning"}),
        ("SLACK_WEBHOOK_URL", f"{DEAD}/services/x", {"alerts by slack": "warning"}),
        ("MAIL_PORT", "1", {"alerts by email": "warning"}),
        ("AIRFLOW_CONN_ENERGY_ALERT_WEBHOOK", connection("http://a.example"), {"alerts by webhook": "warning"}),
        ("HEARTBEAT_URL", "https://elsewhere.example/x", {"alerts": "failed"}),
        ("WAREHOUSE_OWNER_URL", "postgresql://x@127.0.0.1:1/x", {"owner": "warning"}),
        ("ENERGY_ARCHIVE_URL", "file:///proc/nowhere", {"archive": "failed"}),
        ("ENERGY_CONCURENCY", "4", {"settings": "warning"}),
        ("ENERGY_START", "soon", {"settings": "failed"}),
        ("ENERGY_ELEXON_POOL", "nobody", {"pool nobody": "failed"}),
    ],
)
def test_one_variable_is_wrong(
    well: dict[str, str], monkeypatch: Patch, variable: str, value: str, found: dict[str, str]
):
    monkeypatch.setenv(variable, value)
    assert ill() == found


def slow_clock(monkeypatch: Patch) -> None:
    now = warehouse.utc_now
    for module in (warehouse, services):
        monkeypatch.setattr(module, "utc_now", lambda: now() - timedelta(minutes=2))


def full_disk(monkeypatch: Patch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage(2**40, 2**40, 0))


CLOCKS = {"clock": "warning", **{f"upstream {upstream.name}": "warning" for upstream in catalog.upstreams()}}


@pytest.mark.parametrize(
    ("breaks", "found"),
    [
        (slow_clock, CLOCKS),
        (full_disk, {"archive": "failed"}),
        (lambda patch: patch.setattr(warehouse, "POSTGRESQL", 999_999), {"warehouse": "failed"}),
        (lambda patch: patch.setattr(machine, "TESTED_AIRFLOW", ("9",)), {"environment": "warning"}),
        (lambda patch: patch.setattr(services, "_health", lambda _: {}), {"airflow": "warning"}),
    ],
)
def test_one_thing_is_wrong(
    well: dict[str, str], monkeypatch: Patch, breaks: Callable[[Patch], None], found: dict[str, str]
):
    breaks(monkeypatch)
    assert ill() == found


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE ledger.schema_version SET version_num = '0000'", {"schema": "failed"}),
        ("REVOKE INSERT ON ledger.window FROM energy_loader", {"rights": "warning"}),
        (
            "INSERT INTO ledger.request_slot VALUES ('elexon', now() + interval '5 minutes')",
            {"pacing of elexon": "warning"},
        ),
    ],
)
def test_one_thing_is_wrong_in_the_warehouse(well: dict[str, str], statement: str, found: dict[str, str]):
    with psycopg.connect(well["energy_owner"]) as owner:
        owner.execute(statement)  # type: ignore[arg-type]
    assert ill() == found


def test_a_wrong_password_of_the_mail_server_and_a_webhook_that_is_gone(
    well: dict[str, str], mailbox: Mailbox, sink: Sink
):
    mailbox.refuses = b"535 no"
    assert ill() == {"alerts by email": "warning"}
    mailbox.refuses, sink.status = b"", 404
    assert ill() == {"alerts by slack": "warning"}
    assert not mailbox.mails, "nobody was told anything"


def test_influxdb_without_its_bucket(well: dict[str, str], monkeypatch: Patch):
    with InfluxDouble(State()) as influx:
        for name, value in {"URL": influx.url, "TOKEN": "token", "ORG": "org", "BUCKET": "bucket"}.items():
            monkeypatch.setenv(f"INFLUXDB_{name}", value)
        assert ill() == {}
        monkeypatch.setenv("INFLUXDB_BUCKET", "another")
        assert ill() == {"influxdb": "failed"}
    assert ill() == {"influxdb": "warning"}, "it does not run"
