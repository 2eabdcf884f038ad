"""Start, stop and watch what runs Airflow on this machine, whichever way it was installed.

Three kinds: `local`, what `make demo` and `make start` run in a checkout; `systemd`, the units of `make
install-systemd`; `compose`, the containers of `make up`. `energy-ingest stack ...` is its command line. Standard
library only, and `python -m energy_ingest.stacks ...` is the same: on Windows no other package need be installed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from energy_ingest.errors import Misconfigured

HEALTHY: Final = 0
DEGRADED: Final = 1
CRITICAL: Final = 2
COULD_NOT_RUN: Final = 3

VERBS: Final = {
    "start": "Start whatever does not run.",
    "stop": "Stop everything; data stays.",
    "restart": "Stop, then start.",
    "status": "Show each part and whether it runs. Exit code 1: some do not; 2: none does.",
    "logs": "Show the end of the logs.",
    "health": "Show how Airflow's parts are, and how loading is. The worse of both is the exit code.",
}
LINES: Final = 50


@dataclass(frozen=True)
class Kind(ABC):
    """One way of running Airflow on this machine: what all three have in common.

    Attributes:
        root: the checkout of the repository, if this library lies in one.
        environ: this process's environment.
    """

    root: Path = Path(__file__).resolve().parents[2]
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    name: ClassVar[str]
    first: ClassVar[str]
    """The command that installs or starts it for the first time."""

    @abstractmethod
    def is_installed(self) -> bool:
        """Whether it was installed, or started before."""

    @abstractmethod
    def parts(self) -> dict[str, bool]:
        """Each of its parts, and whether it runs."""

    @abstractmethod
    def url(self) -> str:
        """The address of Airflow's API server, on this machine."""

    @abstractmethod
    def commands(self, verb: str) -> list[list[str]]:
        """What starts, stops or restarts it, one after another."""

    @abstractmethod
    def logs(self, part: str, lines: int, follow: bool) -> list[str]:
        """What shows the end of its logs, or of one part's."""

    @abstractmethod
    def ingest(self, *arguments: str) -> list[str]:
        """`energy-ingest` with the warehouse and the settings of this kind."""

    def _checkout(self) -> bool:
        return (self.root / "tools" / "stack.py").exists()

    def _tool(self, *arguments: str) -> list[str]:
        own = self.root / ".venv" / "bin" / "python"
        return [str(own) if own.exists() else sys.executable, "-m", *arguments]


class Local(Kind):
    """What `make demo` and `make start` run: tools/stack.py, in `.stack/` or $ENERGY_STACK."""

    name = "local"
    first = "make start"

    def is_installed(self) -> bool:  # noqa: D102 - here and below: the base class says it
        return self._checkout() and (self._folder() / "state.json").exists()

    def parts(self) -> dict[str, bool]:  # noqa: D102
        told = _answer(self._tool("tools.stack", "status"), self.root)
        return {name: state == "running" for name, state in re.findall(r"^(\S+) +(running|stopped)$", told, re.M)}

    def url(self) -> str:  # noqa: D102
        state = json.loads((self._folder() / "state.json").read_text())
        return f"http://127.0.0.1:{state['ports']['airflow']}"

    def commands(self, verb: str) -> list[list[str]]:  # noqa: D102
        verbs = ("stop", "start") if verb == "restart" else (verb,)
        return [self._tool("tools.stack", each) for each in verbs]

    def logs(self, part: str, lines: int, follow: bool) -> list[str]:  # noqa: D102
        folder = self._folder() / "logs"
        if not (files := sorted(folder.glob(f"{part or '*'}.log"))):
            known = ", ".join(sorted(path.stem for path in folder.glob("*.log")))
            raise Misconfigured(f"no log of {part or 'anything'} in {folder}: {known or 'nothing was started yet'}")
        return ["tail", "-n", f"{lines}", *(["-F"] if follow else []), *map(str, files)]

    def ingest(self, *arguments: str) -> list[str]:  # noqa: D102
        return [str(self.root / ".venv" / "bin" / "energy-ingest"), *arguments]  # it reads the stack's `env`

    def _folder(self) -> Path:
        return Path(self.environ.get("ENERGY_STACK") or self.root / ".stack")


class Systemd(Kind):
    """The units of `make install-systemd`."""

    name = "systemd"
    first = "sudo make install-systemd"
    target: ClassVar[str] = "energy-ingest.target"
    settings: ClassVar[tuple[str, ...]] = ("/opt/energy-ingest/service.env", "/etc/energy-ingest/energy-ingest.env")

    def is_installed(self) -> bool:  # noqa: D102
        return Path("/etc/systemd/system", self.target).exists()

    def parts(self) -> dict[str, bool]:  # noqa: D102
        wanted = _answer(["systemctl", "show", "--value", "--property=Wants,ConsistsOf", self.target]).split()
        units = sorted({unit for unit in wanted if unit.startswith("energy-ingest-")})
        enabled = [unit for unit in units if _answer(["systemctl", "is-enabled", unit]) == "enabled"]
        states = _answer(["systemctl", "is-active", *enabled]).split() if enabled else []
        return {
            unit.removeprefix("energy-ingest-").removesuffix(".service"): state == "active"
            for unit, state in zip(enabled, states, strict=True)
        }

    def url(self) -> str:  # noqa: D102
        known = {"AIRFLOW__API__HOST": "127.0.0.1", "AIRFLOW__API__PORT": "8080"}
        for path in self.settings:
            if os.access(path, os.R_OK):  # the file with the secrets is root's
                known |= dict(re.findall(r"^(AIRFLOW__API__\w+)=(\S+)$", Path(path).read_text(), re.M))
        return f"http://{known['AIRFLOW__API__HOST']}:{known['AIRFLOW__API__PORT']}"

    def commands(self, verb: str) -> list[list[str]]:  # noqa: D102
        start, stop = ["systemctl", "start", self.target], ["systemctl", "stop", self.target, "energy-ingest-*.service"]
        # the target alone would stop its units, but not wait for their end
        return {"start": [start], "stop": [stop], "restart": [stop, start]}[verb]

    def logs(self, part: str, lines: int, follow: bool) -> list[str]:  # noqa: D102
        unit = f"--unit=energy-ingest-{part or '*'}.service"
        return ["journalctl", "--no-pager", f"--lines={lines}", unit, *(["--follow"] if follow else [])]

    def ingest(self, *arguments: str) -> list[str]:  # noqa: D102
        return ["/usr/local/bin/energy-ingest", *arguments]


class Compose(Kind):
    """The containers of `make up`."""

    name = "compose"
    first = "make up"

    def is_installed(self) -> bool:  # noqa: D102
        env = self.root / ".env"
        # `.env` serves the local stack too; these secrets are there for containers only
        made = env.exists() and re.search(r"^AIRFLOW_FERNET_KEY=.", env.read_text(), re.M)
        return self._checkout() and bool(made) and shutil.which("docker") is not None

    def parts(self) -> dict[str, bool]:  # noqa: D102
        told = _answer(self._compose("ps", "--all", "--format", "json"), self.root)
        # one document a line, or before compose 2.21 one list
        found = json.loads(told) if told.startswith("[") else [json.loads(line) for line in told.splitlines()]
        ended = [item for item in found if item["State"] == "exited" and item["ExitCode"] == 0]
        one_shot = {item["Service"] for item in ended} & {"check", "init", "cli"}
        return {i["Service"]: i["State"] == "running" for i in found if i["Service"] not in one_shot}

    def url(self) -> str:  # noqa: D102
        env = self.root / ".env"
        ports = re.findall(r"^AIRFLOW_PORT=(\d+)$", env.read_text(), re.M) if env.exists() else []
        return f"http://127.0.0.1:{self.environ.get('AIRFLOW_PORT') or (ports or ['8080'])[-1]}"

    def commands(self, verb: str) -> list[list[str]]:  # noqa: D102
        verbs = {"start": ("up",), "stop": ("down",), "restart": ("down", "up")}[verb]
        return [self._tool("tools.compose", each) for each in verbs]

    def logs(self, part: str, lines: int, follow: bool) -> list[str]:  # noqa: D102
        options = [f"--tail={lines}", *(["--follow"] if follow else []), *([part] if part else [])]
        return self._compose("logs", *options)

    def ingest(self, *arguments: str) -> list[str]:  # noqa: D102
        return self._compose("run", "--rm", "cli", "energy-ingest", *arguments)

    def _compose(self, *arguments: str) -> list[str]:
        return ["docker", "compose", "--project-directory", str(self.root), *arguments]


KINDS: Final[dict[str, type[Kind]]] = {kind.name: kind for kind in (Local, Systemd, Compose)}


def choose(name: str | None, kinds: Sequence[Kind]) -> Kind:
    """The kind of this name; without one, the only one installed, or of several the only one that runs.

    Raises:
        Misconfigured: it cannot be told which is meant.
    """
    if name:
        if found := [kind for kind in kinds if kind.name == name]:
            return found[0]
        raise Misconfigured(f"no kind {name!r}: use {', '.join(kind.name for kind in kinds)}")
    installed = [kind for kind in kinds if kind.is_installed()]
    chosen = installed if len(installed) < 2 else [kind for kind in installed if any(kind.parts().values())]
    if len(chosen) == 1:
        return chosen[0]
    if not installed:
        ways = "; ".join(f"{kind.first} ({kind.name})" for kind in kinds)
        raise Misconfigured(f"nothing is installed here. The first time: {ways}")
    names = ", ".join(kind.name for kind in installed)
    raise Misconfigured(f"{names} are installed, and {len(chosen)} of them run: say which, with --kind")


def carry_out(verb: str, kind: Kind, part: str = "", lines: int = LINES, follow: bool = False) -> int:
    """Do one of `VERBS`; return its exit code.

    Raises:
        Misconfigured: no such part, or a program is missing.
    """
    if verb == "status":
        return _status(kind)
    if verb == "health":
        return _health(kind)
    if verb == "logs":
        return _run(kind.logs(part, lines, follow), kind.root)
    codes = (_run(command, kind.root) for command in kind.commands(verb))
    return next((COULD_NOT_RUN for code in codes if code), HEALTHY)


def _status(kind: Kind) -> int:
    parts = kind.parts()
    for name, runs in parts.items():
        print(f"{name:15}{'running' if runs else 'stopped'}")
    if not any(parts.values()):
        print(f"nothing of {kind.name} runs: energy-ingest stack start", file=sys.stderr)
        return CRITICAL
    return HEALTHY if all(parts.values()) else DEGRADED


def _health(kind: Kind) -> int:
    """Airflow's answer about its parts, then that of `energy-ingest health` about loading."""
    answer = _airflow(kind.url())
    for name, part in answer.items():
        if part.get("status"):  # a part that this Airflow does not have says nothing
            print(f"{name:15}{part['status']}")
    if not answer:
        print(f"Airflow's API server does not answer at {kind.url()}: energy-ingest stack logs api-server")
        return CRITICAL
    ill = [name for name, part in answer.items() if part.get("status") not in (None, "healthy")]
    loading = _run(kind.ingest("health"), kind.root)
    return max(CRITICAL if "scheduler" in ill or "metadatabase" in ill else DEGRADED if ill else HEALTHY, loading)


def _airflow(url: str) -> dict[str, Any]:
    from urllib.request import ProxyHandler, build_opener  # which no other command need wait for

    try:
        with build_opener(ProxyHandler({})).open(f"{url}/api/v2/monitor/health", timeout=30) as answer:
            return dict(json.load(answer))
    except (OSError, ValueError):
        return {}


def _run(command: Sequence[str], folder: Path) -> int:
    sys.stdout.flush()
    try:
        return subprocess.run(command, cwd=folder, check=False).returncode
    except FileNotFoundError:
        raise Misconfigured(f"{command[0]} is not here: it belongs to this way of running Airflow") from None
    except KeyboardInterrupt:  # how one stops to follow logs
        return HEALTHY


def _answer(command: Sequence[str], folder: Path | None = None) -> str:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        raise Misconfigured(f"{command[0]} is not here: it belongs to this way of running Airflow") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="energy-ingest stack", description="Start, stop and watch Airflow here.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(VERBS))
    for verb, text in VERBS.items():
        command = verbs.add_parser(verb, help=text, description=text)
        command.add_argument("--kind", choices=KINDS, help="which, where several are installed")
        if verb == "logs":
            command.add_argument("part", nargs="?", default="", help="such as scheduler; by default all")
            command.add_argument("--lines", type=int, default=LINES)
            command.add_argument("--follow", "-f", action="store_true")
    chosen = vars(parser.parse_args(arguments))
    try:
        kind = choose(chosen.pop("kind"), [each() for each in KINDS.values()])
        return carry_out(kind=kind, **chosen)
    except Misconfigured as error:
        print(f"energy-ingest: {error}", file=sys.stderr)
        return COULD_NOT_RUN


if __name__ == "__main__":
    sys.exit(main())
