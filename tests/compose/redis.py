"""A real Redis: the system's, or Debian's package, unpacked without root."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "energy-ingest" / "redis"
PACKAGES = ("redis-server", "redis-tools", "liblzf1", "libjemalloc2")


class Unavailable(Exception):
    """Redis cannot be had here; the message says why."""


def find() -> dict[str, str]:
    """The environment in which `redis-server` and `redis-cli` are found.

    Raises:
        Unavailable: no Debian, or no way to its archive.
    """
    if shutil.which("redis-server") and shutil.which("redis-cli"):
        return {}
    if not (CACHE / "usr" / "bin" / "redis-server").exists():
        _fetch()
    libraries = ":".join(str(path) for path in sorted((CACHE / "usr" / "lib").glob("*-linux-gnu")))
    return {"PATH": str(CACHE / "usr" / "bin"), "LD_LIBRARY_PATH": libraries}


def _fetch() -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise Unavailable("no redis-server on PATH and no Debian to fetch it from: install it")
    for folder in ("apt/lists/partial", "apt/archives/partial"):
        (CACHE / folder).mkdir(parents=True, exist_ok=True)
    own = CACHE / "apt"
    private = ["-o", f"Dir::State::lists={own / 'lists'}", "-o", f"Dir::Cache={own}", "-o", "APT::Sandbox::User="]
    for commands in ([["download", *PACKAGES]], [[*private, "update"], [*private, "download", *PACKAGES]]):
        runs = [
            subprocess.run(["apt-get", *c], cwd=CACHE, capture_output=True, text=True, timeout=180) for c in commands
        ]
        if not any(run.returncode for run in runs):
            break
    else:
        raise Unavailable(f"the Debian archive gives no Redis: {runs[-1].stderr.strip()[-200:]}")
    for package in CACHE.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, CACHE], check=True)
        package.unlink()
