"""A server, from `make install-systemd` to its removal, under a real systemd: confined, loading, restarted, undone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from energy_ingest.catalog import SYSTEM_PRICES
from include.twin.client import Twin
from tests.e2e.driver import Warehouse, dates, eventually
from tests.systemd.machine import Machine, Unavailable
from tools import postgres, systemd
from tools.bootstrap import ROOT
from tools.private import new_password

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not os.environ.get("ENERGY_TEST_SYSTEMD"), reason="a server under systemd: make test-systemd"),
]

PATIENCE = 900.0
"""Seconds for whatever should come: two minutes on a quiet machine, all in all."""

DAYS = dates(date(2024, 10, 26), date(2024, 10, 27))
PASSWORDS = {name: new_password() for name in ("METADATA", "WAREHOUSE_OWNER", "WAREHOUSE_LOADER", "WAREHOUSE_READER")}


class Installed:
    """That server: its machine, and what a person sees of it."""

    def __init__(self, machine: Machine, database: postgres.Server, twin: str) -> None:
        self.machine, self.database, self.port = machine, database, postgres.free_port()
        url = lambda user, name, password: database.url(name, user, PASSWORDS[password])  # noqa: E731
        upstream = json.dumps({"conn_type": "http", "host": twin})
        self.owner = url("energy_owner", "warehouse", "WAREHOUSE_OWNER")
        self.settings = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url("airflow", "airflow", "METADATA").replace(
                "://", "+psycopg2://", 1
            ),
            "AIRFLOW_CONN_ENERGY_WAREHOUSE": url("energy_loader", "warehouse", "WAREHOUSE_LOADER"),
            "AIRFLOW_CONN_ENERGY_WAREHOUSE_OWNER": self.owner,
            "AIRFLOW_CONN_ELEXON_DEFAULT": f"'{upstream}'",
            "AIRFLOW__API__BASE_URL": f"http://localhost:{self.port}",
            "AIRFLOW__API__PORT": f"{self.port}",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port}/execution/",
            "ENERGY_RETRY_SECONDS": "2",
            "ENERGY_START": f"{DAYS[0]}",
            "ENERGY_UNTIL": f"{DAYS[-1]}",
            # compiled once and on the way: compiling everything, as an installation does, takes a minute
            "PYTHONPYCACHEPREFIX": "/var/lib/energy-ingest/pycache",
        }

    def make(self, target: str, *arguments: str) -> str:
        python = f"PYTHON={self.machine.python}"
        done = self.machine.run("make", target, python, *arguments, UV_COMPILE_BYTECODE="0")
        assert done.returncode == 0, done.stdout + done.stderr + self.journal()
        return done.stderr

    def journal(self) -> str:
        return self.machine.run("journalctl", "--no-pager", "--lines=60").stdout

    def ingest(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.machine.run("energy-ingest", *words)

    def show(self, part: str, name: str) -> str:
        return self.machine.run(
            "systemctl", "show", "--value", f"--property={name}", f"energy-ingest-{part}"
        ).stdout.strip()

    def api(self, method: str, path: str, body: object = None, token: str = "") -> dict:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        with build_opener(ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def twin() -> Iterator[str]:
    port = postgres.free_port()
    command = [sys.executable, str(ROOT / "include" / "twin" / "server.py"), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, twin: str) -> Iterator[Installed]:
    """Installed and started."""
    with postgres.temporary() as database:
        env = {**os.environ, **{f"{name}_PASSWORD": value for name, value in PASSWORDS.items()}}
        for script in sorted((ROOT / "include" / "initdb").glob("*/*.sql")):
            psql = [
                str(database.bindir / "psql"),
                "--no-psqlrc",
                "--set=ON_ERROR_STOP=1",
                database.dsn,
                f"--file={script}",
            ]
            subprocess.run(psql, env=env, check=True, capture_output=True)
        try:
            machine = Machine(tmp_path_factory.mktemp("machine")).__enter__()
        except Unavailable as error:
            pytest.skip(f"NOT RUN UNDER SYSTEMD: {error}")
        try:
            installed = Installed(machine, database, twin)
            lines = "".join(f"{name}={value}\n" for name, value in installed.settings.items())
            machine.run("sh", "-c", f'mkdir -p /{systemd.ETC} && printf "%s" "$LINES" > /{systemd.ENV}', LINES=lines)
            installed.make("install-systemd")
            yield installed
        finally:
            machine.__exit__()


def test_every_part_runs_confined(server: Installed):
    done = server.ingest("stack", "status")
    assert (done.returncode, set(done.stdout.split()) & {"stopped"}) == (0, set()), done.stdout + done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == {*systemd.MAIN}
    uid = server.machine.run("id", "-u", "energy-ingest").stdout.strip()
    for part in set(systemd.MAIN) - {"init"}:
        status = server.machine.run("cat", f"/proc/{server.show(part, 'MainPID')}/status").stdout
        seen = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert seen["Uid"].split() == [uid] * 4 and uid != "0", part
        assert (seen["NoNewPrivs"], seen["Seccomp"], int(seen["CapBnd"], 16)) == ("1", "2", 0), part


def test_it_loads_and_is_healthy(server: Installed, twin: str):
    Twin(twin).clear_faults()
    password = server.machine.run("sed", "-n", "s/^AIRFLOW_ADMIN_PASSWORD=//p", f"/{systemd.ENV}").stdout.strip()
    token = server.api("POST", "/auth/token", {"username": "admin", "password": password})["access_token"]
    name, records = SYSTEM_PRICES.name, Warehouse(server.owner)
    known = lambda: {d["dag_id"] for d in server.api("GET", "/api/v2/dags?limit=100", token=token)["dags"]}  # noqa: E731
    eventually(known, lambda seen: name in seen, "Airflow lists the DAG", within=PATIENCE)
    server.api("PATCH", f"/api/v2/dags/{name}", {"is_paused": False}, token)
    states = lambda: records.states(name, DAYS)  # noqa: E731
    eventually(states, lambda seen: seen == dict.fromkeys(DAYS, "complete"), "catch-up is complete", within=PATIENCE)
    parts = lambda: server.ingest("stack", "health").stdout  # noqa: E731
    told = eventually(parts, lambda text: text.count(" healthy") >= 4, "every part is healthy", within=PATIENCE)
    assert f"\n{name}" in told, "the ledger is asked too"


def test_commands_run_as_the_services_do(server: Installed):
    done = server.ingest(
        "coverage", "--dataset", SYSTEM_PRICES.name, "--from", f"{DAYS[0]}", "--to", f"{DAYS[-1]}", "--json"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(each["complete"], each["rows"]) for each in json.loads(done.stdout)] == [(2, 48 + 50)]
    archive = server.machine.run("stat", "--format=%U %a", "/var/lib/energy-ingest/archive").stdout
    assert archive.split() == ["energy-ingest", "750"]
    assert server.machine.run("stat", "--format=%U %a", f"/{systemd.ENV}").stdout.split() == ["root", "600"]
    assert "airflow" in server.ingest("stack", "logs", "scheduler", "--lines", "5").stdout


def test_a_killed_part_comes_back(server: Installed):
    before = server.show("triggerer", "MainPID")
    server.machine.run("systemctl", "kill", "--signal=KILL", "energy-ingest-triggerer")
    state = lambda: (server.show("triggerer", "ActiveState"), server.show("triggerer", "MainPID") not in ("0", before))  # noqa: E731
    eventually(state, lambda seen: seen == ("active", True), "systemd starts it again", within=PATIENCE)
    assert server.show("triggerer", "NRestarts") == "1"


def test_a_second_installation_changes_nothing(server: Installed):
    pids = [server.show(part, "MainPID") for part in systemd.MAIN]
    assert "All is up to date." in server.make("install-systemd")
    assert [server.show(part, "MainPID") for part in systemd.MAIN] == pids


def test_stopped_and_undone(server: Installed):
    assert server.ingest("stack", "stop").returncode == 0
    done = server.ingest("stack", "status")
    assert done.returncode == 2 and "running" not in done.stdout
    assert f"Kept: /{systemd.ETC}" in server.make("uninstall-systemd")
    there = lambda *places: server.machine.run("ls", "-d", *places).stdout.split()  # noqa: E731
    units = "energy-ingest.target", "energy-ingest-scheduler.service", "energy-ingest-.service.d"
    assert (
        there("/opt/energy-ingest", "/usr/local/bin/energy-ingest", *(f"/etc/systemd/system/{u}" for u in units)) == []
    )
    assert there(f"/{systemd.ENV}", "/var/lib/energy-ingest/archive") == [
        f"/{systemd.ENV}",
        "/var/lib/energy-ingest/archive",
    ]
    server.make("uninstall-systemd", "PURGE=1")
    assert there(f"/{systemd.ETC}", f"/{systemd.STATE}", f"/{systemd.LOGS}") == []
    assert server.machine.run("id", "energy-ingest").returncode
