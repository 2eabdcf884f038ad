"""The units of systemd on this server: `sudo make install-systemd`, and `sudo make uninstall-systemd` to undo it.

    python3 -m tools.systemd install|uninstall

Standard library only. $DESTDIR puts every file below a folder instead and starts nothing, for packages and for tests.
What is installed is in `PLACES`; docs/servers.md is the guide.
"""

from __future__ import annotations

import argparse
import filecmp
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from tools.bootstrap import IMAGE_LOCK as LOCK
from tools.bootstrap import ROOT, code_version, find_python, find_uv, uv_environment
from tools.private import new_fernet_key, new_password, write_private

UNITS = ROOT / "include" / "systemd"
MAIN = ("init", "api-server", "scheduler", "dag-processor", "triggerer")
WORKER = "worker"
TARGET = "energy-ingest.target"
OPT, ETC, STATE, LOGS = "opt/energy-ingest", "etc/energy-ingest", "var/lib/energy-ingest", "var/log/energy-ingest"
ENV = f"{ETC}/energy-ingest.env"
SYSTEM = "etc/systemd/system"
PLACES = {  # where each file or folder of this repository goes
    "dags": f"{OPT}/dags",
    "plugins": f"{OPT}/plugins",
    "include/airflow": f"{OPT}/airflow",
    **{
        f"include/systemd/{path.name}": f"{SYSTEM}/{path.name}" for path in sorted(UNITS.glob("energy-ingest*.service"))
    },
    f"include/systemd/{TARGET}": f"{SYSTEM}/{TARGET}",
    "include/systemd/energy-ingest-.service.d": f"{SYSTEM}/energy-ingest-.service.d",
    "include/systemd/energy-ingest.sysusers.conf": "etc/sysusers.d/energy-ingest.conf",
    "include/systemd/energy-ingest.tmpfiles.conf": "etc/tmpfiles.d/energy-ingest.conf",
    "include/systemd/energy-ingest": "usr/local/bin/energy-ingest",
}
GENERATED = {
    "AIRFLOW_ADMIN_PASSWORD": new_password,
    "AIRFLOW__API__SECRET_KEY": new_password,
    "AIRFLOW__API_AUTH__JWT_SECRET": new_password,
    "AIRFLOW__CORE__FERNET_KEY": new_fernet_key,
}
NEEDED = (
    *("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW_CONN_ENERGY_WAREHOUSE", "AIRFLOW_CONN_ENERGY_WAREHOUSE_OWNER"),
    *GENERATED,
)
NEEDED_BY_WORKERS = (
    *("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "AIRFLOW__CELERY__BROKER_URL", "AIRFLOW__CELERY__RESULT_BACKEND"),
)
NOT_FOR_SERVICES = ("/home", "/root", "/run/user")  # ProtectHome= hides them


class Refused(RuntimeError):
    """It cannot be done; the message says what to do first."""


@dataclass(frozen=True)
class Server:
    """This machine, or a folder that stands for it.

    Attributes:
        root: `/`, or what DESTDIR names.
        parts: the units that are switched on.
        environment: whether to make the Python environment as well.
    """

    root: Path = Path("/")
    parts: tuple[str, ...] = MAIN
    environment: bool = True

    @property
    def is_real(self) -> bool:
        """Whether systemd is to be told."""
        return self.root == Path("/")

    # --- install -----------------------------------------------------------------------------------------------------

    def install(self) -> None:
        """Install, or bring up to date, and start; a second time changes nothing.

        Raises:
            Refused: a secret or a setting is missing, or this is no machine for it.
        """
        self._may_change_things()
        python = find_python() if self.environment else ""
        self._services_may_read(python)
        self._settings()
        stale = [source for source, place in PLACES.items() if not same(ROOT / source, self.root / place)]
        outdated = self.environment and not self._has_environment()
        changes = bool(stale or outdated or not self._has_service_env())
        if changes and self.is_real and same(UNITS / TARGET, Path("/", PLACES[f"include/systemd/{TARGET}"])):
            _systemctl("stop", TARGET, "energy-ingest-*.service")  # nothing may import what is half replaced
        for source in stale:
            self._place(source)
        if outdated:
            self._make_environment(python)
        if not self._has_service_env():
            write(self.root / OPT / "service.env", service_env())
        say("Installed, or brought up to date." if changes else "All is up to date.")
        if self.is_real:
            self._start()

    def _may_change_things(self) -> None:
        if self.is_real and not Path("/run/systemd/system").is_dir():
            raise Refused("systemd does not run this machine: use docker compose (`make up`) or `make start`")
        if self.is_real and os.geteuid():
            raise Refused("only root may install services: sudo make install-systemd")

    def _services_may_read(self, python: str) -> None:
        if python and self.is_real and str(Path(python).resolve()).startswith(NOT_FOR_SERVICES):
            raise Refused(
                f"{Path(python).resolve()} is in somebody's home, which services may not read: install a Python for all"
                " (`apt-get install python3.12`) and name it: make install-systemd PYTHON=/usr/bin/python3.12"
            )

    def _settings(self) -> None:
        """Make the file of settings and secrets, generate what can be, and refuse while anything is missing."""
        path = self.root / ENV
        text = path.read_text() if path.exists() else (UNITS / "energy-ingest.env").read_text()
        needed = NEEDED if set(self.parts) & set(MAIN) else NEEDED_BY_WORKERS
        missing = [name for name in GENERATED.keys() & {*needed} if not values(text).get(name)]
        if missing:
            made = "".join(f"{name}={GENERATED[name]()}\n" for name in sorted(missing))
            text = f"{text.rstrip()}\n\n# generated: keep a copy where backups are kept\n{made}"
        if missing or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.parent.chmod(0o700)
            write_private(path, text)
        path.chmod(0o600)
        known = values(text)
        if found := list(_check().faults({name: known.get(name, "") for name in needed})):
            raise Refused("\n".join((*found, f"Set them in {path} (docs/servers.md says how), then the same again.")))

    def _place(self, source: str) -> None:
        """Copy whole, then rename: what was there before is gone, and nothing is ever half there."""
        place = self.root / PLACES[source]
        new = place.with_name(f".{place.name}.new")
        remove(new)
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, new, ignore=shutil.ignore_patterns("__pycache__"), copy_function=_copy)
            for folder in (new, *(path for path in new.rglob("*") if path.is_dir())):
                folder.chmod(0o755)
        else:
            _copy(ROOT / source, new)
        remove(place)
        new.rename(place)

    def _has_service_env(self) -> bool:
        path = self.root / OPT / "service.env"
        return path.exists() and path.read_text() == service_env()

    def _has_environment(self) -> bool:
        stamp = self.root / OPT / "venv" / ".made-from"
        return stamp.exists() and stamp.read_bytes() == LOCK.read_bytes()

    def _make_environment(self, python: str) -> None:
        """The Python environment of the image, compiled here, as services may write nothing there."""
        venv = self.root / OPT / "venv"
        uv, env = find_uv(python), uv_environment(python)
        if not (venv / "bin" / "python").exists():
            # its scripts name no folder, as that is another one below DESTDIR
            command = ("venv", "--quiet", "--clear", "--relocatable", "--python", python, venv)
            subprocess.run([uv, *command], env=env, check=True)
        env.setdefault("UV_COMPILE_BYTECODE", "1")
        sync = ("pip", "sync", "--quiet", "--require-hashes", "--python", venv / "bin" / "python", LOCK)
        subprocess.run([uv, *sync], env=env, check=True)
        shutil.copyfile(LOCK, venv / ".made-from")

    def _start(self) -> None:
        subprocess.run(["systemd-sysusers", f"/{PLACES['include/systemd/energy-ingest.sysusers.conf']}"], check=True)
        _systemctl("daemon-reload")
        _systemctl("enable", "--quiet", TARGET, *(f"energy-ingest-{part}.service" for part in self.parts))
        _systemctl("start", TARGET)
        if set(self.parts) & {*MAIN} and _systemctl("is-active", "--quiet", "energy-ingest-init", check=False):
            raise Refused(
                "It is installed but did not start, and is tried again every 10 seconds: energy-ingest stack logs init"
            )
        say(f"Started: `energy-ingest stack status` shows it. The password of `admin` is in /{ENV}.")

    # --- uninstall ---------------------------------------------------------------------------------------------------

    def uninstall(self, purge: bool = False) -> None:
        """Stop and remove it all, but settings and data; with `purge` those as well.

        Raises:
            Refused: not root.
        """
        self._may_change_things()
        if self.is_real and Path("/", SYSTEM, TARGET).exists():
            units = [f"energy-ingest-{part}.service" for part in (*MAIN, WORKER)]
            _systemctl("disable", "--quiet", "--now", TARGET, *units, check=False)
        for place in (*PLACES.values(), OPT, *((ETC, STATE, LOGS) if purge else ())):
            remove(self.root / place)
        if self.is_real:
            _systemctl("daemon-reload")
            _systemctl("reset-failed", "energy-ingest*", check=False)
            if purge:
                subprocess.run(["userdel", "energy-ingest"], check=False)
        kept = [f"/{place}" for place in (ETC, STATE, LOGS) if (self.root / place).exists()]
        say(f"Removed. Kept: {', '.join(kept)}; PURGE=1 removes them too." if kept else "Removed, nothing is left.")


def values(text: str) -> dict[str, str]:
    """The variables of a file as EnvironmentFile= reads it, as far as ours need it: a later line wins."""
    found = re.findall(r"^([A-Z]\w*)=(.*)$", text, re.M)
    return {name: value.strip().strip("'\"") for name, value in found}


def same(source: Path, place: Path) -> bool:
    """Whether a file or folder is there as the repository has it, what Python compiled aside."""
    if source.is_dir():
        return place.is_dir() and _files(source) == _files(place) and all(
            same(source / name, place / name) for name in _files(source)
        )  # fmt: skip
    return (
        place.is_file() and filecmp.cmp(source, place, shallow=False) and _mode(source) == place.stat().st_mode & 0o777
    )


def _files(folder: Path) -> set[Path]:
    return {p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts}


def _mode(path: Path) -> int:
    return 0o755 if os.access(path, os.X_OK) else 0o644


def _copy(source: str | Path, place: str | Path) -> str:
    """Copy for everybody to read, whatever the umask of the checkout was."""
    shutil.copyfile(source, place)
    Path(place).chmod(_mode(Path(source)))
    return str(place)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def service_env() -> str:
    """What the units have in common, and the version of the code."""
    return f"{(UNITS / 'service.env').read_text()}ENERGY_CODE_VERSION={code_version()}\n"


def write(path: Path, text: str) -> None:
    """Write a file for everybody to read."""
    path.write_text(text)
    path.chmod(0o644)


def _check() -> ModuleType:
    """What refuses secrets in containers; it is a program of its own there, not a module of ours."""
    spec = importlib.util.spec_from_file_location("check", ROOT / "include" / "airflow" / "check.py")
    assert spec and spec.loader  # noqa: S101 - it is a file with a Python name
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _systemctl(*arguments: str, check: bool = True) -> int:
    return subprocess.run(["systemctl", *arguments], check=check).returncode


def say(line: str) -> None:
    """A line for the person at the terminal."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(description="The services of systemd on this server.")
    parser.add_argument("command", choices=("install", "uninstall"))
    parser.add_argument("--parts", default=" ".join(MAIN), help=f"of {', '.join((*MAIN, WORKER))}")
    parser.add_argument("--no-environment", action="store_true", help="files only, no Python environment")
    parser.add_argument("--purge", action="store_true", help="uninstall: settings, secrets and data as well")
    chosen = parser.parse_args()
    parts = tuple(chosen.parts.split())
    if unknown := {*parts} - {*MAIN, WORKER}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    os.umask(0o022)
    server = Server(Path(os.environ.get("DESTDIR") or "/"), parts, not chosen.no_environment)
    try:
        server.uninstall(chosen.purge) if chosen.command == "uninstall" else server.install()
    except Refused as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        sys.exit(f"Failed: {' '.join(map(str, error.cmd))}\nThe reason stands above.")


if __name__ == "__main__":
    main()
