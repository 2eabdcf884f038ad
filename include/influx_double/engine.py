"""The real engine of InfluxDB 1.6.7: fetched from Debian, unpacked without root, started on loopback.

Its parser, type checks and storage are those that InfluxDB 2.7 inherited; what 2.7 answers is the double's part.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PACKAGE: Final = "influxdb"
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "energy-ingest" / "influxdb-1"


class Unavailable(Exception):
    """The engine cannot be had here; the message says why."""


def find() -> Path:
    """The program: the one in INFLUXD1, the cache, the system, or a download from the Debian archive.

    Raises:
        Unavailable: no Debian, or no way to its archive.
    """
    cached = CACHE / "usr" / "bin" / "influxd"
    for place in (os.environ.get("INFLUXD1"), cached, shutil.which("influxd")):
        if place and Path(place).exists():
            return Path(place)
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise Unavailable("no apt-get and dpkg-deb: this is no Debian; set INFLUXD1 to an influxd 1.x")
    CACHE.mkdir(parents=True, exist_ok=True)
    _download()
    package = next(CACHE.glob(f"{PACKAGE}_*.deb"))
    subprocess.run(["dpkg-deb", "-x", package, CACHE], check=True)
    package.unlink()
    return cached


def _download() -> None:
    """Download the package; where the system's lists are empty or old, with lists of our own."""
    own = CACHE / "apt"
    for folder in ("lists/partial", "archives/partial"):
        (own / folder).mkdir(parents=True, exist_ok=True)
    private = ["-o", f"Dir::State::lists={own / 'lists'}", "-o", f"Dir::Cache={own}", "-o", "APT::Sandbox::User="]
    attempts = [["download", PACKAGE]], [[*private, "update"], [*private, "download", PACKAGE]]
    said = ""
    for commands in attempts:
        runs = (
            subprocess.run(["apt-get", *c], cwd=CACHE, capture_output=True, text=True, timeout=180) for c in commands
        )
        failed = next((run for run in runs if run.returncode), None)
        if not failed:
            return
        said = (failed.stderr.strip().splitlines() or ["no reason given"])[-1]
    raise Unavailable(f"the Debian archive gives no {PACKAGE}: {said}")


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The engine with its data in a folder; gives its URL."""
    program = find()
    port, rpc = _free_port(), _free_port()
    settings = {
        "REPORTING_DISABLED": "true",
        "BIND_ADDRESS": f"127.0.0.1:{rpc}",
        "HTTP_BIND_ADDRESS": f"127.0.0.1:{port}",
        "HTTP_LOG_ENABLED": "false",
        "META_DIR": folder / "meta",
        "DATA_DIR": folder / "data",
        "DATA_WAL_DIR": folder / "wal",
        "DATA_INDEX_VERSION": "tsi1",
        "DATA_MAX_VALUES_PER_TAG": "0",
        "DATA_MAX_SERIES_PER_DATABASE": "0",
    }
    environment = {**os.environ, **{f"INFLUXDB_{name}": str(value) for name, value in settings.items()}}
    with (folder / "influxd.log").open("wb") as log:
        server = subprocess.Popen([program, "run", "-config", os.devnull], env=environment, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{url}/ping", timeout=1).close()
        except (urllib.error.URLError, OSError):
            if server.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return
    raise Unavailable("influxd does not start: see influxd.log in its folder")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
