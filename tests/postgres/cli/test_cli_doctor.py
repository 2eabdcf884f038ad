"""`doctor`: a healthy installation as a whole document, and each thing that can be wrong with its fix."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest

from energy_ingest import catalog
from energy_ingest.doctor import Check, Report, machine, services, warehouse
from energy_ingest.loading import schema
from include.twin.client import Twin
from tools import postgres

ROOT = Path(__file__).parents[3]
OURS = ("AIRFLOW", "ENERGY", "INFLUXDB", "WAREHOUSE", "SLACK", "MAIL", "ADMIN", "HEARTBEAT")
HEALTHY = {
    "metadatabase": {"status": "healthy"},
    "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2024-10-27T00:00:00+00:00"},
    "triggerer": {"status": None, "latest_triggerer_heartbeat": None},
    "dag_processor": {"status": "healthy", "latest_dag_processor_heartbeat": "2024-10-27T00:00:00+00:00"},
}


@contextmanager
def airflow_says(health: dict[str, Any]) -> Iterator[str]:
    """An API server that knows only its health; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/api/v2/monitor/health" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(health).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def upstreams_at(url: str) -> dict[str, str]:
    """Airflow connections of all upstreams to one address."""
    conn = json.dumps({"conn_type": "http", "host": url})
    return {f"AIRFLOW_CONN_{upstream.conn_id.upper()}": conn for upstream in catalog.upstreams()}


def doctor(urls: dict[str, str], home: Path, **env: str) -> tuple[int, dict[str, Any]]:
    """The command in a process of its own: exit code and JSON."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    environment = {
        **clean,
        "PYTHONPATH": str(ROOT / "plugins"),
        "PYTHONWARNINGS": "ignore",
        "NO_PROXY": "127.0.0.1,localhost",
        "AIRFLOW_HOME": str(home / "airflow"),
        "WAREHOUSE_URL": urls["energy_loader"],
        "WAREHOUSE_OWNER_URL": urls["energy_owner"],
        "ENERGY_ARCHIVE_URL": (home / "archive").as_uri(),
    }
    command = [sys.executable, "-m", "energy_ingest.cli", "doctor", "--json"]
    done = subprocess.run(command, env=environment | env, capture_output=True, text=True)
    for url in urls.values():
        assert url.partition("@")[0].rpartition(":")[2] not in done.stdout + done.stderr, "a password was shown"
    return done.returncode, json.loads(done.stdout)


def test_a_healthy_installation(warehouse: dict[str, str], tmp_path: Path) -> None:
    with Twin.start() as twin, airflow_says(HEALTHY) as url:
        code, report = doctor(warehouse, tmp_path, **upstreams_at(twin.url), AIRFLOW__API__BASE_URL=f"{url}/")
    assert (code, report["status"], report["api_base_url"]) == (0, "healthy", url)
    nobody = {"alerts": "skipped", "heartbeat": "skipped"}
    assert {check["name"]: check["status"] for check in report["checks"]} == nobody | dict.fromkeys(
        [
            *("environment", "settings", "warehouse", "clock", "schema", "rights", "owner"),
            *(f"pacing of {upstream.name}" for upstream in catalog.upstreams()),
            *(f"upstream {upstream.name}" for upstream in catalog.upstreams()),
            *("archive", "influxdb", "airflow", "pool default_pool"),
        ],
        "ok",
    )
    details = {check["name"]: check["detail"] for check in report["checks"]}
    assert details["schema"] == f"version {schema.newest_version()}"
    assert details["rights"] == "energy_loader may load"
    assert details["upstream elexon"] == f"{twin.url} answers with 200"
    assert details["airflow"] == f"{url}: metadatabase, scheduler, dag_processor healthy"
    assert {check["fix"] for check in report["checks"] if check["status"] == "ok"} == {None}
    assert {"energy-ingest", "python", "apache-airflow", "polars", "psycopg", "postgresql"} <= report["versions"].keys()


def test_nothing_runs(tmp_path: Path) -> None:
    nowhere = dict.fromkeys(postgres.WAREHOUSE_ROLES, "postgresql://u:hunter2@127.0.0.1:1/w")
    down = "http://127.0.0.1:1"
    settings = {**upstreams_at(down), "AIRFLOW__API__BASE_URL": down, "ENERGY_ELEXON_POOL": "elexon"}
    code, report = doctor(nowhere, tmp_path, **settings)
    assert (code, report["status"], report["api_base_url"]) == (2, "critical", down)
    ill = {check["name"]: (check["status"], check["fix"]) for check in report["checks"] if check["status"] != "ok"}
    assert [ill.pop(name)[0] for name in ("alerts", "heartbeat")] == ["skipped"] * 2
    assert ill == {
        "warehouse": ("failed", "check WAREHOUSE_URL or AIRFLOW_CONN_ENERGY_WAREHOUSE, and that the server runs"),
        **{
            f"upstream {name}": ("warning", f"check `host` of the Airflow connection {name}_default, network and proxy")
            for name in ("elexon", "national_gas", "energy_transfer")
        },
        "airflow": (
            "warning",
            "start Airflow, or correct AIRFLOW__API__BASE_URL; schedules need it, this command line does not",
        ),
        "pool elexon": ("skipped", None),
    }


# --- the warehouse ---


def examined(monkeypatch: pytest.MonkeyPatch, url: str, **env: str) -> dict[str, Check]:
    monkeypatch.setenv("WAREHOUSE_URL", url)
    monkeypatch.delenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return {f"{check.name} {check.status}": check for check in warehouse.warehouse(Report())}


def test_a_reader_may_not_load(monkeypatch: pytest.MonkeyPatch, reader_url: str) -> None:
    check = examined(monkeypatch, reader_url)["rights warning"]
    assert check.detail.startswith("energy_reader may not write ledger.window, ledger.import_job, ")
    assert check.fix == "load as energy_loader, or grant that role to this user; to read, this user is enough"


def test_no_schema(monkeypatch: pytest.MonkeyPatch, pg_server: postgres.Server) -> None:
    found = examined(monkeypatch, pg_server.dsn)
    check = found["schema failed"]
    assert check.detail == f"version none, this code needs {schema.newest_version()}"
    assert check.fix == "run `energy-ingest migrate`, or trigger the DAG platform_migrate"
    assert found.keys() == {"warehouse ok", "clock ok", "schema failed"}


@pytest.mark.parametrize(
    ("version", "detail", "fix"),
    [
        (
            "0000",
            "version 0000, this code needs {}",
            "run `energy-ingest migrate`, or trigger the DAG platform_migrate",
        ),
        ("9999", "version 9999 is newer than this code, which knows {}", "deploy the code that migrated the warehouse"),
    ],
)
def test_code_and_schema_apart(
    monkeypatch: pytest.MonkeyPatch, warehouse_url: str, owner_url: str, version: str, detail: str, fix: str
) -> None:
    with psycopg.connect(owner_url) as connection:
        connection.execute("UPDATE ledger.schema_version SET version_num = %s", [version])
    check = examined(monkeypatch, warehouse_url)["schema failed"]
    assert (check.detail, check.fix) == (detail.format(schema.newest_version()), fix)


def test_tasks_load_into_another_warehouse(monkeypatch: pytest.MonkeyPatch, warehouse_url: str) -> None:
    other = "postgres://u:hunter2@elsewhere:5432/warehouse"
    check = examined(monkeypatch, warehouse_url, AIRFLOW_CONN_ENERGY_WAREHOUSE=other)["warehouse warning"]
    assert check.detail.endswith(", AIRFLOW_CONN_ENERGY_WAREHOUSE to elsewhere:5432/warehouse")
    assert check.fix == "let both name one database: commands use the first, tasks the second"
    same = warehouse_url.replace("postgresql://", "postgres://")
    assert "warehouse warning" not in examined(monkeypatch, warehouse_url, AIRFLOW_CONN_ENERGY_WAREHOUSE=same)


def test_a_clock_that_is_wrong(monkeypatch: pytest.MonkeyPatch, warehouse_url: str) -> None:
    now = warehouse.utc_now
    monkeypatch.setattr(warehouse, "utc_now", lambda: now().replace(year=2020))
    check = examined(monkeypatch, warehouse_url)["clock warning"]
    assert " s ahead of this machine's" in check.detail
    assert check.fix == "synchronise both machines (NTP): publication times are judged by them"


def test_a_long_queue_of_requests(monkeypatch: pytest.MonkeyPatch, warehouse_url: str) -> None:
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("INSERT INTO ledger.request_slot VALUES ('elexon', now() + interval '5 minutes')")
    check = examined(monkeypatch, warehouse_url)["pacing of elexon warning"]
    assert check.fix == "too many tasks ask at once: give them a smaller Airflow pool"


def test_who_may_not_migrate(monkeypatch: pytest.MonkeyPatch, warehouse_url: str) -> None:
    monkeypatch.setenv("WAREHOUSE_OWNER_URL", warehouse_url)
    (check,) = warehouse.owner(Report(versions={"postgresql": "18"}))
    assert (check.status, check.fix) == (
        "warning",
        "name the role that owns the warehouse in WAREHOUSE_OWNER_URL; only `migrate` needs it",
    )


# --- this machine ---


def configured(monkeypatch: pytest.MonkeyPatch, **env: str) -> list[tuple[str, str, str | None]]:
    for name in [name for name in os.environ if name.startswith("ENERGY_")]:
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return [(check.status, check.detail, check.fix) for check in machine.configuration(Report())]


def test_every_setting_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    ((status, detail, fix),) = configured(monkeypatch)
    assert (status, detail.endswith(" settings are valid"), fix) == ("ok", True, None)


@pytest.mark.parametrize(
    ("name", "value", "status", "detail"),
    [
        ("ENERGY_START", "soon", "failed", "ENERGY_START='soon' is not a date: use YYYY-MM-DD, such as 2024-01-01"),
        ("ENERGY_CONCURRENCY", "0", "failed", "ENERGY_CONCURRENCY='0' is not a positive whole number: use, say, 2"),
        ("ENERGY_UNTIL", "2023-12-31", "failed", "ENERGY_UNTIL=2023-12-31 is before ENERGY_START=2024-01-01"),
        (
            "ENERGY_ELEXON_BM_UNITS",
            ", ,",
            "failed",
            "no BM unit is named: list some in ENERGY_ELEXON_BM_UNITS, or `all`",
        ),
        ("ENERGY_CONCURENCY", "4", "warning", "ENERGY_CONCURENCY is not a setting"),
    ],
)
def test_each_wrong_setting_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, status: str, detail: str
) -> None:
    ((found, told, fix),) = configured(monkeypatch, **{name: value})
    assert (found, told.startswith(detail)) == (status, True)
    assert fix
    if status == "warning":
        assert fix == "did you mean ENERGY_CONCURRENCY?"


@pytest.mark.parametrize(("free", "status"), [(6 * 2**30, "ok"), (2**30, "warning"), (2**20, "failed")])
def test_room_for_the_archive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, status: str) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setenv("ENERGY_ARCHIVE_URL", (tmp_path / "not" / "yet" / "there").as_uri())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**40, 2**40 - free, free))
    (check,) = machine.archive(Report())
    assert check.status == status
    assert (check.fix is None) == (status == "ok")


# --- Airflow ---


@pytest.mark.parametrize(
    ("health", "configured", "status", "told"),
    [
        (HEALTHY, True, "ok", "scheduler"),
        (HEALTHY, False, "warning", "no base_url is set"),
        ({**HEALTHY, "scheduler": {"status": "unhealthy"}}, True, "warning", "scheduler not healthy"),
        ({**HEALTHY, "scheduler": {"status": None}}, True, "warning", "scheduler not healthy"),
        ({}, True, "warning", "does not answer"),
        ({}, False, "skipped", "nothing answers"),
    ],
)
def test_what_airflow_says_of_itself(health: dict[str, Any], configured: bool, status: str, told: str) -> None:
    check = services._airflow("http://airflow", configured, health, "AIRFLOW__API__BASE_URL")
    assert (check.status, told in check.detail) == (status, True)
    assert (check.fix is None) == (status == "ok")
