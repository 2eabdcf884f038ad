"""The local stack on this machine: PostgreSQL, the twin and Airflow.

    python -m tools.stack start|stop|status|clean|psql

Everything lives in one folder (`.stack/`, or $ENERGY_STACK): data, logs, generated secrets, and `env`, which a shell
can source to talk to the stack. Only processes that this folder records, by pid and start time, are ever stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import psutil
from dotenv import load_dotenv
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from energy_ingest.loading import schema
from tools import postgres
from tools.postgres import WAREHOUSE_ROLES, free_port
from tools.private import new_fernet_key, new_password, write_private

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PROCESSES = ("twin", "api-server", "dag-processor", "triggerer", "scheduler")
PREFERRED_PORTS = {"airflow": 8080, "postgres": 15432, "twin": 8090}
ADMIN, EDITOR, VIEWER = "admin", "user", "viewer"
USERS = (ADMIN, EDITOR, VIEWER)
"""Airflow's users, each named as its role: who may do everything, who may run DAGs, and who may only look."""
START_SECONDS = 180
STOP_SECONDS = 15
PATIENCE = 120
"""Seconds for one answer of Airflow's: a busy machine takes many for its first."""


class StackError(RuntimeError):
    """The stack cannot do what was asked; the message says which part and what to do."""


@dataclass
class Stack:
    """One local stack in one folder.

    Attributes:
        folder: where everything of this stack lives.
        settings: environment variables that win over the stack's own.
        twin_options: further options for the twin's command line.
        say: receives one line per step.
    """

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    twin_options: Sequence[str] = ()
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)

    def __post_init__(self) -> None:
        self.folder = self.folder.resolve()
        path = self.folder / "state.json"
        state = json.loads(path.read_text()) if path.exists() else {}
        self.ports: dict[str, int] = state.get("ports", {})
        self.secrets: dict[str, str] = state.get("secrets", {})
        self.processes: dict[str, dict[str, float]] = state.get("processes", {})
        self.schemas: dict[str, str] = state.get("schemas", {})
        self._tokens: dict[str, str] = {}

    # --- what the stack is -------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Address of the Airflow UI and API."""
        return f"http://127.0.0.1:{self.ports['airflow']}"

    @property
    def twin_url(self) -> str:
        """Address of the twin."""
        return f"http://127.0.0.1:{self.ports['twin']}"

    @property
    def password(self) -> str:
        """Generated password of the Airflow user `admin`."""
        return self.secrets[ADMIN]

    def warehouse_urls(self) -> dict[str, str]:
        """URL per role: of the user's own warehouse if WAREHOUSE_URL is set, else of the embedded one."""
        if own := self._own_warehouse():
            owner, reader = (os.environ.get(f"WAREHOUSE_{role}_URL", own) for role in ("OWNER", "READER"))
            return dict(zip(WAREHOUSE_ROLES, (owner, own, reader), strict=True))
        return {role: self._database_url("warehouse", role) for role in WAREHOUSE_ROLES}

    def _own_warehouse(self) -> str:
        url = self.settings.get("WAREHOUSE_URL") or os.environ.get("WAREHOUSE_URL", "")
        # a shell that sourced our `env` names the embedded one
        is_embedded = "postgres" in self.ports and url == self._database_url("warehouse", "energy_loader")
        return "" if is_embedded else url

    @property
    def metadata(self) -> str:
        """Airflow's database: one per warehouse, because what Airflow remembers as done is true of that one only."""
        if not (own := self._own_warehouse()):
            return "airflow"
        place = {name: value for name, value in conninfo_to_dict(own).items() if name in ("host", "port", "dbname")}
        return f"airflow_{hashlib.sha256(json.dumps(place, sort_keys=True).encode()).hexdigest()[:8]}"

    def env(self) -> dict[str, str]:
        """Every variable that a process of this stack needs on top of the machine's own."""
        warehouse = self.warehouse_urls()
        owner, loader, reader = (warehouse[role] for role in WAREHOUSE_ROLES)
        upstream = json.dumps({"conn_type": "http", "host": self.twin_url})
        own = {
            "WAREHOUSE_URL": loader,
            "WAREHOUSE_OWNER_URL": owner,
            "WAREHOUSE_READER_URL": reader,
            "ENERGY_ARCHIVE_URL": (self.folder / "archive").as_uri(),
            "AIRFLOW_CONN_ENERGY_WAREHOUSE": loader,
            "AIRFLOW_CONN_ENERGY_WAREHOUSE_OWNER": owner,
            **{f"AIRFLOW_CONN_{name}_DEFAULT": upstream for name in ("ELEXON", "NATIONAL_GAS", "ENERGY_TRANSFER")},
            "PYTHONPATH": str(ROOT / "plugins"),
            "PYTHONWARNINGS": "ignore",  # the Airflow CLI would mix warnings into what it prints
        }
        users = {name: value for name, value in os.environ.items() if name.startswith(("ENERGY_", "AIRFLOW_CONN_"))}
        return {**users, **own, **self._airflow_env(), **self.settings}

    def environment(self) -> dict[str, str]:
        """The environment of a process of this stack: the machine's, less the settings of other Airflows, and ours."""
        # compiled imports are kept, or each of Airflow's processes would spend seconds on compiling them again
        mine = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW__") and k != "PYTHONDONTWRITEBYTECODE"}
        path = os.pathsep.join((str(BIN), mine.get("PATH", os.defpath)))
        local = ",".join(filter(None, (mine.get("NO_PROXY"), "127.0.0.1,localhost")))
        return {**mine, "PATH": path, "NO_PROXY": local, "no_proxy": local, **self.env()}

    def _airflow_env(self) -> dict[str, str]:
        """Airflow's settings, each the reason why it is not the default."""
        home = self.folder / "airflow"
        settings = {
            "CORE__DAGS_FOLDER": ROOT / "dags",
            "CORE__PLUGINS_FOLDER": ROOT / "plugins",
            "CORE__LOAD_EXAMPLES": False,
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": 4,  # the default of 32 keeps 32 idle workers
            "CORE__FERNET_KEY": self.secrets["fernet_key"],
            "CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{user}" for user in USERS),
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": home / "passwords.json",
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "API__HOST": "127.0.0.1",
            "API__PORT": self.ports["airflow"],
            "API__BASE_URL": self.url,
            "API__WORKERS": 1,
            "API__SECRET_KEY": self.secrets["api_secret_key"],
            "API_AUTH__JWT_SECRET": self.secrets["jwt_secret"],
            "DATABASE__SQL_ALCHEMY_CONN": self._database_url(self.metadata, "airflow").replace(
                "://", "+psycopg2://", 1
            ),
            "CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": 5,
            "DAG_PROCESSOR__REFRESH_INTERVAL": 10,  # a new or changed DAG file shows within seconds,
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 300,  # an unchanged one costs nothing meanwhile
            "DAG_PROCESSOR__PARSING_PROCESSES": 1,
            "LOGGING__BASE_LOG_FOLDER": home / "logs",
            "WORKERS__EXECUTION_API_TIMEOUT": 30,  # the default of 5 s fails tasks when the machine is busy
        }
        return {"AIRFLOW_HOME": str(home), **{f"AIRFLOW__{name}": str(value) for name, value in settings.items()}}

    def _database_url(self, database: str, role: str) -> str:
        return f"postgresql://{role}:{self.secrets[role]}@127.0.0.1:{self.ports['postgres']}/{database}"

    def command(self, name: str) -> list[str]:
        """The command line of one of the long-running processes."""
        if name == "twin":
            twin = [sys.executable, str(ROOT / "include" / "twin" / "server.py"), "--port", str(self.ports["twin"])]
            return [*twin, *self.twin_options]
        # task logs are read from the shared folder, so that no process needs to serve them
        options = ["--skip-serve-logs"] if name in ("scheduler", "triggerer") else []
        return [str(BIN / "airflow"), name, *options]

    # --- start -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start whatever does not run yet, and return when all of it is healthy."""
        began = time.monotonic()
        server = self._prepare()
        if not server.is_running():
            server.start(max_wal_size="2GB", jit="off")
        # A local stack may forget the last moments of Airflow's metadata in a power cut, but not of the warehouse.
        postgres.create_database(server, self.metadata, "airflow", self.secrets["airflow"], synchronous_commit="off")
        postgres.create_warehouse(server, self.secrets)
        self.launch("twin")
        self._migrate()
        for name in ("api-server", "dag-processor", "triggerer"):
            self.launch(name)
        # A task that starts before the API server listens fails without having run: the scheduler comes last.
        self._await("api-server", self._lets_us_in)
        self.launch("scheduler")
        self._await("twin", self._twin_listens)
        for name in ("dag-processor", "triggerer", "scheduler"):
            self._await(name, partial(self._has_beaten, name))
        self.say(f"The stack is healthy after {time.monotonic() - began:.0f} s: {self.url}")

    def _prepare(self) -> postgres.Server:
        """Choose ports and secrets, once, and write what the processes read."""
        home = self.folder / "airflow"
        for path in (self.folder, self.folder / "logs", self.folder / "archive", home):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (*WAREHOUSE_ROLES, "airflow", "postgres", "api_secret_key", "jwt_secret", *USERS):
            self.secrets.setdefault(name, new_password())
        self.secrets.setdefault("fernet_key", new_fernet_key())
        self._choose_ports()
        if self._env_changed() and any(self.status().values()):
            self.say("The settings are not those it was started with: the stack restarts.")
            self.stop()
            self._choose_ports()
        self._save()
        write_private(home / "passwords.json", json.dumps({user: self.secrets[user] for user in USERS}))
        write_private(self.folder / "env", self._env_file())
        return self._server()

    def _choose_ports(self) -> None:
        runs = self.status()
        for name, part in (("airflow", "api-server"), ("postgres", "postgres"), ("twin", "twin")):
            if not runs[part]:
                self.ports[name] = free_port(self.ports.get(name, PREFERRED_PORTS[name]))

    def _env_file(self) -> str:
        return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in self.env().items())

    def _env_changed(self) -> bool:
        path = self.folder / "env"
        return path.exists() and path.read_text() != self._env_file()

    def _server(self) -> postgres.Server:
        return postgres.at(self.folder / "postgres", self.ports.get("postgres", 0), self.secrets.get("postgres", ""))

    def _migrate(self) -> None:
        """Bring both schemas up to date, at the same time: Airflow's takes seconds, nearly all of it imports."""
        airflow = importlib.metadata.version("apache-airflow")
        process = None
        if self.schemas.get(self.metadata) != airflow:
            process = self._spawn("airflow-migrate", [str(BIN / "airflow"), "db", "migrate"])
        schema.migrate(self.warehouse_urls()["energy_owner"])
        if process and process.wait():
            raise self._failure("airflow-migrate", f"failed with exit code {process.returncode}")
        self.schemas[self.metadata] = airflow
        self._save()

    def launch(self, name: str) -> None:
        """Start one of the long-running processes, in a session of its own, unless it runs."""
        if self.is_alive(name):
            return
        self._end(0, name)  # what a killed one left: a scheduler's workers wait for ever
        process = psutil.Process(self._spawn(name, self.command(name)).pid)
        self.processes[name] = {"pid": process.pid, "started": process.create_time()}
        self._save()

    def _spawn(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self._log(name).open("wb") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _await(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if not self.is_alive(name):
                raise self._failure(name, "ended while starting")
            if time.monotonic() > deadline:
                raise self._failure(name, f"is not healthy after {START_SECONDS} s")
            time.sleep(0.2)

    def _failure(self, name: str, what: str) -> StackError:
        log = self._log(name)
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        return StackError(f"{name} {what}. The end of {log}:\n{tail}")

    def _log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def _save(self) -> None:
        state = {key: getattr(self, key) for key in ("ports", "secrets", "processes", "schemas")}
        write_private(self.folder / "state.json", json.dumps(state, indent=1))

    # --- is it well? -------------------------------------------------------------------------------------------------

    def is_alive(self, name: str) -> bool:
        """Whether this process runs and is the one that was started here."""
        with suppress(psutil.NoSuchProcess):
            process = self._process(name)
            return process is not None and process.status() != psutil.STATUS_ZOMBIE
        return False

    def _process(self, name: str) -> psutil.Process | None:
        """The recorded process, unless its pid came to mean another; clocks may be set, so starts may differ a bit."""
        record = self.processes.get(name)
        with suppress(psutil.NoSuchProcess):
            if record and abs((process := psutil.Process(int(record["pid"]))).create_time() - record["started"]) < 2:
                return process
        return None

    def _health(self) -> dict[str, Any]:
        """What Airflow says about its parts, or nothing while its API server does not answer."""
        with suppress(OSError, ValueError):
            return dict(json.load(_open(f"{self.url}/api/v2/monitor/health")))
        return {}

    def _lets_us_in(self) -> bool:
        """Whether the API server answers and is ours: another one on this port does not know the password."""
        with suppress(OSError):
            self.api("GET", "/api/v2/dags?limit=1")
            return True
        return False

    def _has_beaten(self, name: str) -> bool:
        """Whether a part of Airflow sent a heartbeat since it was started here."""
        part = name.replace("-", "_")
        beat = self._health().get(part, {}).get(f"latest_{part}_heartbeat")
        return bool(beat) and datetime.fromisoformat(beat).timestamp() > self.processes[name]["started"]

    def _twin_listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.ports["twin"]), timeout=1):
            return True
        return False

    def status(self) -> dict[str, bool]:
        """Each part of the stack and whether it runs."""
        return {"postgres": self._server().is_running(), **{name: self.is_alive(name) for name in PROCESSES}}

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Call Airflow's REST API as admin; raises urllib.error.HTTPError with Airflow's answer when refused."""
        with _open(self.url + path, method, body, {"Authorization": f"Bearer {self.token()}"}) as answer:
            return json.loads(answer.read() or b"null")

    def token(self, user: str = ADMIN) -> str:
        """A token of Airflow's for one of its users; in the cookie `_token` it is a browser's login."""
        if user not in self._tokens:
            login = {"username": user, "password": self.secrets[user]}
            self._tokens[user] = json.load(_open(f"{self.url}/auth/token", "POST", login))["access_token"]
        return self._tokens[user]

    # --- stop --------------------------------------------------------------------------------------------------------

    def stop(self, grace: float = STOP_SECONDS) -> None:
        """End what this folder recorded: running tasks get `grace` seconds to finish, the rest at most five."""
        self._end(grace, "scheduler")  # first: its tasks need the others
        self._end(min(grace, 5), "triggerer", "dag-processor", "twin")
        self._end(min(grace, 5), "api-server")
        if self._server().is_running():
            self._server().stop()

    def _end(self, grace: float, *names: str) -> None:
        members = [process for name in names for process in self._session(name)]
        leaders = [process for name in names if self.is_alive(name) and (process := self._process(name))]
        for process in leaders:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        psutil.wait_procs(members, timeout=grace if leaders else 0)  # workers whose scheduler died wait for ever
        stubborn = [process for name in names for process in self._session(name)]
        for process in stubborn:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(stubborn, timeout=STOP_SECONDS)
        for name in names:
            self.processes.pop(name, None)
        self._save()

    def _session(self, name: str) -> list[psutil.Process]:
        """The processes of the session that one of ours leads, or led: its number stays taken while one is left."""
        pid = int(self.processes.get(name, {}).get("pid", 0))
        if not pid or (psutil.pid_exists(pid) and not self._process(name)):
            return []
        return [process for process in psutil.process_iter() if _session_of(process) == pid]

    def clean(self) -> None:
        """Stop at once, and remove everything."""
        if self.folder.exists():
            self.stop(grace=0)
            shutil.rmtree(self.folder)


def _session_of(process: psutil.Process) -> int | None:
    with suppress(ProcessLookupError, PermissionError):
        return os.getsid(process.pid)
    return None


def _open(url: str, method: str = "GET", body: object = None, headers: Mapping[str, str] | None = None) -> HTTPResponse:
    """Send JSON to a local server, past any proxy."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
    answer: HTTPResponse = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PATIENCE)
    return answer


def psql(stack: Stack, statement: str) -> None:
    """Become psql on the warehouse, as its owner or as $ROLE; the password stays off the command line."""
    role = f"energy_{os.environ.get('ROLE', 'owner')}"
    if role not in WAREHOUSE_ROLES:
        raise StackError(f"No role {role!r} in the warehouse: ROLE is owner, loader or reader")
    if not os.environ.get("WAREHOUSE_URL") and not stack.status()["postgres"]:
        raise StackError("The local warehouse does not run: `make demo` starts it, or set WAREHOUSE_URL to your own")
    target = {name: str(value) for name, value in conninfo_to_dict(stack.warehouse_urls()[role]).items()}
    environment = {**os.environ, "PGPASSWORD": target.pop("password", "")}
    client = str(postgres.find_bindir() / "psql")
    options = ["--no-psqlrc", "--set=ON_ERROR_STOP=1", "--pset=pager=off", "--dbname", make_conninfo("", **target)]
    os.execve(client, [client, *options, *(["--command", statement] if statement else [])], environment)


def local(**options: Any) -> Stack:
    """Return the stack of this repository or of $ENERGY_STACK, after adding to the environment what `.env` says."""
    load_dotenv(ROOT / ".env")
    return Stack(Path(os.environ.get("ENERGY_STACK") or ROOT / ".stack"), **options)


def main() -> None:
    """Run one command on the stack of this repository."""
    parser = argparse.ArgumentParser(description="The local stack: PostgreSQL, the twin and Airflow.")
    parser.add_argument("command", choices=("start", "stop", "status", "clean", "psql"))
    command, stack = parser.parse_args().command, local()
    try:
        if command == "psql":
            psql(stack, os.environ.get("STATEMENT", ""))
        elif command == "status":
            for name, runs in stack.status().items():
                print(f"{name:15}{'running' if runs else 'stopped'}")
        else:
            getattr(stack, command)()
    except RuntimeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
