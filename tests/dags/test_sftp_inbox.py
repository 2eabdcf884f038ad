"""An inbox on a real SFTP server, by Airflow's provider: it does what a folder does, and knows the server."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from energy_ingest.errors import Misconfigured, Retryable
from energy_ingest.hooks.inbox import inbox, inbox_root
from energy_ingest.loading.database import connect
from energy_ingest.loading.meter_files.jobs import Job
from energy_ingest.loading.meter_files.work import Importer, Summary
from tests.dags.test_meter_files import ask, put
from tools.postgres import free_port
from tools.private import new_password

HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")
PUBLIC_KEY = HOST_KEY.export_public_key().decode().strip()
PASSWORD = new_password()
asyncssh.set_log_level("WARNING")  # clients say goodbye when the process ends, to a log that is closed by then


class OldServer(asyncssh.SFTPServer):
    """One that knows no extensions of OpenSSH's, and gives no shell."""

    def posix_rename(self, *_: Any) -> None:
        raise asyncssh.SFTPOpUnsupported("posix-rename")


@contextmanager
def serving(folder: Path, kind: type[asyncssh.SFTPServer]) -> Iterator[int]:
    """An SFTP server on a thread of its own, whose root is the folder; its port."""
    connections: list[asyncssh.SSHServerConnection] = []

    class Login(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            connections.append(conn)

        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == ("supplier", PASSWORD)

    async def listen() -> asyncssh.SSHAcceptor:
        def session(channel: asyncssh.SSHServerChannel) -> asyncssh.SFTPServer:
            return kind(channel, chroot=os.fsencode(folder))

        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Login, server_host_keys=[HOST_KEY], sftp_factory=session
        )

    async def close(server: asyncssh.SSHAcceptor) -> None:
        server.close()
        for connection in connections:
            connection.close()
            await connection.wait_closed()
        await server.wait_closed()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(30)
    yield server.get_port()
    asyncio.run_coroutine_threadsafe(close(server), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)


@pytest.fixture
def arrived(tmp_path: Path) -> Path:
    """The folder that the server shows as /arrived."""
    folder = tmp_path / "server" / "arrived"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Point inbox and connection at a server."""

    def configured(port: int, password: str = PASSWORD, **extra: Any) -> None:
        connection = {"conn_type": "sftp", "host": "127.0.0.1", "port": port, "login": "supplier", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SUPPLIER_SFTP", json.dumps({**connection, "password": password}))
        monkeypatch.setenv("ENERGY_INBOX_URL", "sftp://supplier_sftp@supplier.example/arrived")

    return configured


def work(url: str) -> list[Job]:
    """What a run of the DAG does."""
    summary, importer = Summary(), Importer(lambda: connect(url), inbox())
    importer.take_all(summary)
    importer.work(summary)
    return summary.ended


@pytest.mark.parametrize("kind", [asyncssh.SFTPServer, OldServer], ids=["openssh", "old"])
def test_files_are_imported_and_put_away_on_the_server(
    arrived: Path, configure: Callable[..., None], warehouse_url: str, kind: type[asyncssh.SFTPServer]
):
    put(arrived / "june.csv", count=2)
    put(arrived / "july.csv.part")
    put(arrived / "bad.csv", value="x")
    with serving(arrived.parent, kind) as port:
        configure(port, host_key=PUBLIC_KEY)
        found = {job.file_name: (job.status, job.inserted_rows) for job in work(warehouse_url)}
        assert found == {"june.csv": ("completed", 96), "bad.csv": ("failed", 0)}
        put(arrived / "again.csv", count=2)
        assert work(warehouse_url) == []
    left = sorted(str(path.relative_to(arrived)).split("_", 1)[-1] for path in arrived.rglob("*") if path.is_file())
    assert left == ["again.csv", "bad.csv", "bad.csv.report.txt", "july.csv.part", "june.csv", "june.csv.report.txt"]
    assert [path.parent.name for path in arrived.rglob("*_again.csv")] == ["duplicates"]
    assert ask(warehouse_url, "SELECT count(*) FROM energy.meter_reading") == [(96,)]


def test_links_are_refused_and_linked_folders_left_alone(
    arrived: Path, configure: Callable[..., None], warehouse_url: str
):
    elsewhere = arrived.parent / "elsewhere"
    elsewhere.mkdir()
    put(elsewhere / "private.csv")
    (arrived / "link.csv").symlink_to(elsewhere / "private.csv")
    (arrived / "daily").symlink_to(elsewhere)
    with serving(arrived.parent, asyncssh.SFTPServer) as port:
        configure(port, host_key=PUBLIC_KEY)
        jobs = work(warehouse_url)
    assert {job.file_name: job.last_error for job in jobs} == {
        name: f"{name} is a link: put the file itself into the inbox" for name in ("link.csv", "daily")
    }
    assert ask(warehouse_url, "SELECT count(*) FROM energy.meter_reading") == [(0,)]


def test_a_server_that_is_not_who_it_should_be_is_not_spoken_to(
    arrived: Path, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("HOME", str(tmp_path))  # no known hosts
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    with serving(arrived.parent, asyncssh.SFTPServer) as port:
        for extra in ({}, {"host_key": other}):
            configure(port, **extra)
            with pytest.raises(Misconfigured, match=r"is not known .*ssh-keyscan 127\.0\.0\.1.*host_key"):
                inbox_root()
        configure(port, password="wrong", host_key=PUBLIC_KEY)
        with pytest.raises(Misconfigured, match="refuses connection supplier_sftp"):
            inbox_root()
        configure(port, no_host_key_check=True)
        assert inbox_root().fs.exists("/arrived")


def test_a_server_that_is_away_is_tried_again(configure: Callable[..., None]):
    configure(free_port(), host_key=PUBLIC_KEY)
    with pytest.raises(Retryable, match="supplier_sftp is not reached"):
        inbox_root()
