"""Each service's command and health check as docker-compose.yaml has them, without containers; and a worker killed.

Only hosts, ports and folders differ: containers have their own, here all are on loopback and below a temporary folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import psutil
import pytest
import yaml
from dotenv import dotenv_values

from energy_ingest.catalog import SYSTEM_PRICES
from include.influx_double.server import InfluxDouble, State, Token
from include.influx_double.stores import Memory
from include.twin.client import Twin
from tests.compose import redis
from tests.e2e.driver import Warehouse, dates, eventually
from tools import compose, postgres, private
from tools.bootstrap import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
PORTS = {"api-server": 8080, "redis": 6379, "twin": 8099}
DAYS = dates(date(2024, 10, 24), date(2024, 10, 29))
OWN = {
    "AIRFLOW_EXECUTOR": "CeleryExecutor",
    "ENERGY_START": f"{DAYS[0]}",
    "ENERGY_UNTIL": f"{DAYS[-1]}",
    "ENERGY_RETRY_SECONDS": "2",
    "INFLUXDB_TOKEN": private.new_password(),
    "WORKER_CONCURRENCY": "1",
}
HASTY = {  # Airflow takes minutes to believe that a task is dead
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
}


def interpolate(text: str, values: dict[str, str]) -> str:
    """What compose makes of it, the innermost first."""
    text, before = text.replace("$$", "\0"), None
    while text != before:
        before = text
        text = re.sub(
            r"\$\{(\w+)(?::([-?])([^{}]*))?\}", lambda m: values.get(m[1]) or (m[3] if m[2] == "-" else ""), text
        )
    return text.replace("\0", "$")


class Native:
    """The services as processes of this machine."""

    def __init__(self, folder: Path, server: postgres.Server, influx_url: str) -> None:
        self.folder, self.home, self.server = folder, folder / "opt" / "airflow", server
        for name in ("dags", "plugins"):
            shutil.copytree(ROOT / name, self.home / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "include" / "airflow", self.home, dirs_exist_ok=True)
        (self.home / "include").mkdir()
        (self.home / "include" / "twin").symlink_to(ROOT / "include" / "twin")
        (folder / "data").mkdir()
        compose.add_secrets(folder / ".env")
        self.ports = {name: postgres.free_port() for name in PORTS}
        self.values = {
            **{k: str(v) for k, v in dotenv_values(folder / ".env").items()},
            **OWN,
            "INFLUXDB_URL": influx_url,
        }
        twin = json.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{self.ports['twin']}"})
        self.values |= {f"AIRFLOW_CONN_{name}_DEFAULT": twin for name in compose.UPSTREAMS}
        self.redis = redis.find()
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def here(self, name: str, text: str) -> str:
        """With the hosts, ports and folders of this machine."""
        text = interpolate(text, self.values)
        for database in ("metadata", "warehouse"):
            text = text.replace(f"@{database}:5432", f"@127.0.0.1:{self.server.port}")
        for service, port in PORTS.items():
            text = text.replace(f"{service}:{port}", f"127.0.0.1:{self.ports[service]}")
            if service == name:
                text = re.sub(rf"\b{port}\b", str(self.ports[service]), text)
        text = text.replace("/data", str(self.folder / "data")) if name == "redis" else text
        return text.replace("/opt/airflow", str(self.home)).replace("0.0.0.0", "127.0.0.1")  # noqa: S104

    def environment(self, name: str, hostname: str) -> dict[str, str]:
        given = SERVICES[name].get("environment") or {}
        env = {k: self.values.get(k) if v is None else self.here(name, str(v)) for k, v in given.items()}
        path = os.pathsep.join(
            filter(None, (str(Path(sys.executable).parent), self.redis.get("PATH"), os.environ["PATH"]))
        )
        image = {"AIRFLOW_HOME": str(self.home), "PYTHONPATH": str(self.home / "plugins"), "PYTHONWARNINGS": "ignore"}
        libraries = {"LD_LIBRARY_PATH": self.redis["LD_LIBRARY_PATH"]} if name == "redis" and self.redis else {}
        machine = {"PATH": path, "HOME": str(self.folder), "LOGNAME": "airflow", "HOSTNAME": hostname}
        hasty = HASTY if name in ("scheduler", "worker") else {}
        return {**machine, **image, **hasty, **libraries, **{k: v for k, v in env.items() if v is not None}}

    def start(self, name: str, hostname: str = "") -> None:
        key = hostname or name
        command = [self.here(name, part) for part in SERVICES[name]["command"]]
        with (self.folder / f"{key}.log").open("wb") as log:
            self.running[key] = subprocess.Popen(
                command, env=self.environment(name, key), cwd=self.home, stdout=log, stderr=log, start_new_session=True
            )

    def run(self, name: str) -> None:
        self.start(name)
        assert self.running.pop(name).wait(240) == 0, (self.folder / f"{name}.log").read_text()[-4000:]

    def is_healthy(self, name: str, hostname: str = "") -> bool:
        kind, *test = (self.here(name, part) for part in SERVICES[name]["healthcheck"]["test"])
        command = test if kind == "CMD" else ["/bin/sh", "-c", *test]
        env = self.environment(name, hostname or name)
        return subprocess.run(command, env=env, cwd=self.home, capture_output=True, timeout=120).returncode == 0

    def await_health(self, name: str, hostname: str = "") -> None:
        def look() -> str:
            assert self.running[hostname or name].poll() is None, self.log(hostname or name)
            return "" if self.is_healthy(name, hostname) else self.log(hostname or name)

        eventually(look, lambda seen: not seen, f"{hostname or name} is healthy")

    def log(self, key: str) -> str:
        return (self.folder / f"{key}.log").read_text(errors="replace")[-3000:] or "no output"

    def session(self, key: str) -> list[psutil.Process]:
        leader = self.running[key].pid
        return [p for p in psutil.process_iter() if _session_of(p) == leader]

    def kill(self, key: str) -> None:
        for process in self.session(key):
            with suppress(psutil.NoSuchProcess):  # it ended with another one
                process.kill()
        self.running.pop(key).wait()

    def api(self, method: str, path: str, body: object = None, token: str = "") -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.ports['api-server']}{path}"
        request = Request(url, data, headers, method=method)
        with build_opener(ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)


def _session_of(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except (ProcessLookupError, PermissionError):
        return None


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Native]:
    """Everything that celery needs, healthy, in the order of depends_on."""
    try:
        redis.find()
    except redis.Unavailable as error:
        if os.environ.get("CI", "").lower() in ("true", "1"):
            raise
        pytest.skip(f"NOT TESTED WITH CELERY: {error}")
    influx = InfluxDouble(
        State(Memory(), "energy", ("energy",), {OWN["INFLUXDB_TOKEN"]: Token()})
    )  # InfluxDB 2.7 itself cannot be had here
    with postgres.temporary(**_options()) as server, influx:
        native = Native(tmp_path_factory.mktemp("compose"), server, influx.url)
        try:
            native.run("check")
            _initdb(server, native.values)
            native.run("init")
            for name in ("redis", "twin", "api-server", "dag-processor", "triggerer"):
                native.start(name)
            for name in ("redis", "twin", "api-server"):
                native.await_health(name)
            native.start("scheduler")
            for hostname in ("worker-1", "worker-2"):
                native.start("worker", hostname)
            yield native
        finally:
            for key in list(native.running):
                native.kill(key)


def _options() -> dict[str, str]:
    """The options of both databases, for the one server that stands for them."""
    return dict(option.split("=") for name in ("metadata", "warehouse") for option in SERVICES[name]["command"][2::2])


def _initdb(server: postgres.Server, values: dict[str, str]) -> None:
    """The scripts of both databases, as the image's entry point runs them."""
    env = {**os.environ, **values, "PGPASSWORD": server.password}
    for script in sorted((ROOT / "include" / "initdb").glob("*/*.sql")):
        place = ["--host=127.0.0.1", f"--port={server.port}", "--username=postgres", "--dbname=postgres"]
        psql = [str(server.bindir / "psql"), "--no-psqlrc", "--set=ON_ERROR_STOP=1", *place, f"--file={script}"]
        subprocess.run(psql, env=env, check=True, capture_output=True)


def test_every_service_is_healthy(native: Native):
    for name in ("scheduler", "dag-processor", "triggerer"):
        native.await_health(name)
    for hostname in ("worker-1", "worker-2"):
        native.await_health("worker", hostname)


def test_the_command_line_has_what_it_needs(native: Native):
    assert SERVICES["cli"]["command"] == ["energy-ingest", "doctor"]
    native.start("cli")
    assert native.running.pop("cli").wait(240) in (0, 1), native.log("cli")  # 1: nobody is told of anything here
    assert "warehouse" in native.log("cli")


def test_a_killed_worker_loses_nothing(native: Native):
    """Killed with a window in hand: the other worker does it again, and the windows that were still to come."""
    login = {"username": "admin", "password": native.values["AIRFLOW_ADMIN_PASSWORD"]}
    token = native.api("POST", "/auth/token", login)["access_token"]
    name, twin = SYSTEM_PRICES.name, Twin(f"http://127.0.0.1:{native.ports['twin']}")
    twin.add_fault("latency=4", dataset="DISEBSP")
    known = lambda: {d["dag_id"] for d in native.api("GET", "/api/v2/dags?limit=100", token=token)["dags"]}  # noqa: E731
    eventually(known, lambda seen: name in seen, "Airflow lists the DAG")
    native.api("PATCH", f"/api/v2/dags/{name}", {"is_paused": False}, token)

    owner = f"energy_owner:{native.values['WAREHOUSE_OWNER_PASSWORD']}"
    records = Warehouse(f"postgresql://{owner}@127.0.0.1:{native.server.port}/warehouse")
    busy = lambda: _tasks(native, "worker-1") if records.jobs(name, DAYS) else 0  # noqa: E731
    eventually(busy, bool, "worker-1 has a task in hand")
    native.kill("worker-1")
    twin.clear_faults()

    runs = f"/api/v2/dags/{name}/dagRuns?limit=50"
    states = lambda: [r["state"] for r in native.api("GET", runs, token=token)["dag_runs"]]  # noqa: E731
    eventually(states, lambda seen: len(seen) == len(DAYS) and {*seen} <= {"success", "failed"}, "all runs end")
    assert states() == ["success"] * len(DAYS)
    assert records.states(name, DAYS) == dict.fromkeys(DAYS, "complete")
    done = [job for job in records.jobs(name, DAYS) if job["status"] == "completed"]
    assert sorted(job["window_label"] for job in done) == DAYS
    records.audit()
    tries = [
        t["try_number"]
        for r in native.api("GET", runs, token=token)["dag_runs"]
        for t in native.api("GET", f"/api/v2/dags/{name}/dagRuns/{r['dag_run_id']}/taskInstances", token=token)[
            "task_instances"
        ]
        if t["task_id"] == "ingest"
    ]
    assert max(tries) > 1, "the kill hit nothing"


def _tasks(native: Native, key: str) -> int:
    """How many processes of a worker's tasks there are: Airflow names them after the task."""
    count = 0
    for process in psutil.Process(native.running[key].pid).children():
        with suppress(psutil.NoSuchProcess):  # it ends while we look
            count += len(process.children())
    return count
