"""Make this repository's Python environments from its locks, and the locks.

    python3 tools/bootstrap.py airflow3 | airflow2 | mwaa-VERSION
    python3 tools/bootstrap.py lock [OPTIONS OF UV ...]
    python3 tools/bootstrap.py lock-mwaa VERSION [FILE OR URL OF ITS CONSTRAINTS]

Needs nothing but a Python: standard library only, and written so that an old `python3` still gets as far as finding a
newer one. An environment whose lock did not change is left alone, which takes a few milliseconds.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".venv-tools"
UV_VERSION = "0.13.9"
SUPPORTED = ((3, 11), (3, 12), (3, 13))
PYTHON_NAMES = ("python3", "python3.13", "python3.12", "python3.11")
MWAA = ROOT / "requirements-mwaa"
MWAA_VERSIONS = ("2.11.2", "3.2.1", "3.3.1")
ENVIRONMENTS = {
    "airflow3": (ROOT / ".venv", ROOT / "requirements.lock"),
    "airflow2": (ROOT / ".venv-airflow2", ROOT / "requirements-airflow2.lock"),
    **{f"mwaa-{version}": (ROOT / f".venv-mwaa-{version}", MWAA / f"{version}.lock") for version in MWAA_VERSIONS},
}
IMAGE_LOCK = ROOT / "requirements-image.lock"
AIRFLOW2 = "apache-airflow==2.11.2"

# A console script as pip and uv write it: a shell finds the interpreter, so that its path may be long or hold blanks.
LAUNCHER = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import os
import shlex
import sys
from pathlib import Path

stack = Path({stack!r})
if not os.environ.keys() & {{"WAREHOUSE_URL", "AIRFLOW_CONN_ENERGY_WAREHOUSE"}} and os.access(stack, os.R_OK):
    # no warehouse is named: the one that `make demo` left running in this checkout is meant
    for line in stack.read_text().splitlines():
        name, _, value = shlex.split(line)[1].partition("=")
        os.environ.setdefault(name, value)

from energy_ingest.cli import main

sys.exit(main())
"""


def answer(*command: str | Path) -> str | None:
    """What a command prints, or None if it is missing or fails (a pyenv shim exists but may fail)."""
    try:
        return subprocess.check_output([str(part) for part in command], stderr=subprocess.DEVNULL).decode().strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def code_version() -> str:
    """The commit of this checkout; root may ask, too, where it is somebody else's."""
    git = ("git", "-c", f"safe.directory={ROOT}", "-C", ROOT)
    return answer(*git, "describe", "--always", "--dirty", "--tags") or "unknown"


def find_python() -> str:
    """The first supported Python: $PYTHON, the one running this, or one of the usual names."""
    probe = "import sys; print(sys.version_info[0], sys.version_info[1], sys.executable)"
    seen = []
    for name in filter(None, (os.environ.get("PYTHON"), sys.executable, *PYTHON_NAMES)):
        major, minor, executable = (answer(name, "-c", probe) or "0 0 -").split(" ", 2)
        if (int(major), int(minor)) in SUPPORTED:
            return executable
        if major != "0":
            seen.append(f"{executable} is {major}.{minor}")
    raise SystemExit(
        "No Python 3.11, 3.12 or 3.13 found ({}).\nInstall one (`apt-get install python3.11`, "
        "`brew install python@3.12`), or name it: PYTHON=/path/to/python3.12 make env".format(
            "; ".join(seen) or "no python3 on PATH"
        )
    )


def find_uv(python: str) -> Path:
    """Uv in the version of the locks, installed with whatever this machine's Python has: venv, pip or neither."""
    uv = TOOLS / "bin" / "uv"
    package = f"uv=={UV_VERSION}"
    ways = (
        (),
        # Debian's python3 without python3-venv fails at the first of these, but may have pip, and the other way round
        ((python, "-m", "venv", TOOLS), (TOOLS / "bin" / "python", "-m", "pip", "install", "--quiet", package)),
        ((python, "-m", "pip", "install", "--quiet", "--upgrade", "--target", TOOLS, package),),
    )
    for way in ways:
        if all(answer(*command) is not None for command in way) and UV_VERSION in (answer(uv, "--version") or ""):
            return uv
    if shutil.which("uv"):
        return Path(str(shutil.which("uv")))
    raise SystemExit(
        f"Could not install uv: {python} has neither a working venv nor pip, or the package registry is not reached.\n"
        f"`{python} -m pip install --target {TOOLS} {package}` shows why; on Debian, `apt-get install python3-venv`."
    )


def uv_environment(python: str) -> dict[str, str]:
    """The environment for uv: what pip is told about the registry, and a cache where HOME cannot hold one."""
    env = dict(os.environ, UV_PYTHON_DOWNLOADS="never", UV_NO_PROGRESS="1")
    env.setdefault("UV_HTTP_TIMEOUT", "180")
    pip = dict(re.findall(r"^\S+\.([a-z-]+)='(.*)'$", answer(python, "-m", "pip", "config", "list") or "", re.M))
    same = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "cert": "SSL_CERT_FILE"}
    for option in same.keys() & pip.keys():
        env.setdefault(same[option], pip[option])
    if not os.access(os.path.expanduser("~"), os.W_OK):  # noqa: PTH111 - Path.home() raises for a uid without a name
        env.setdefault("UV_CACHE_DIR", str(TOOLS / "cache"))
    return env


def add_project(venv: Path) -> None:
    """Put the library on the environment's path and `energy-ingest` into its bin folder."""
    for site in venv.glob("lib/python3*/site-packages"):
        (site / "energy_ingest.pth").write_text(f"{ROOT / 'plugins'}\n")
    launcher = venv / "bin" / "energy-ingest"
    launcher.write_text(LAUNCHER.format(python=venv / "bin" / "python", stack=str(ROOT / ".stack" / "env")))
    launcher.chmod(0o755)


def make_environment(name: str) -> None:
    """Create or update one environment, unless it is already what its lock says."""
    venv, lock = ENVIRONMENTS[name]
    stamp = venv / ".made-from"
    digest = hashlib.sha256(lock.read_bytes() + Path(__file__).read_bytes()).hexdigest()
    made_at, made_from = stamp.read_text().splitlines() if stamp.exists() else ["", ""]
    usable = made_at == str(venv) and (venv / "bin" / "python").exists()  # scripts name the folder they were made in
    if usable and made_from == digest:
        return
    started = time.monotonic()
    python = find_python()
    print(f"Making {venv.name} from {lock.name} with {python} ...", file=sys.stderr, flush=True)
    uv, env = find_uv(python), uv_environment(python)
    if not usable:
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", python, venv], env=env, check=True)
    sync = ("pip", "sync", "--quiet", "--require-hashes", "--python", venv / "bin" / "python", lock)
    subprocess.run([uv, *sync], env=env, check=True)
    add_project(venv)
    stamp.write_text(f"{venv}\n{digest}\n")
    print(f"{venv.name} is ready after {time.monotonic() - started:.0f} s", file=sys.stderr)


def write_locks() -> None:
    """Resolve the requirements for both Airflow majors; Airflow 2 with the versions that Amazon MWAA has."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as override:
        override.write(AIRFLOW2)
        override.flush()
        as_mwaa = ("--override", override.name, "--constraint", MWAA / "2.11.2.lock")
        resolve(ENVIRONMENTS["airflow3"][1], "requirements-dev.txt", *sys.argv[2:])
        resolve(ENVIRONMENTS["airflow2"][1], "requirements-dev.txt", *as_mwaa, *sys.argv[2:])
        resolve(IMAGE_LOCK, "requirements-image.txt", "--constraint", ENVIRONMENTS["airflow3"][1], *sys.argv[2:])


def write_mwaa_lock(version: str, constraints: str) -> None:
    """Resolve what an MWAA version installs: its Airflow and our package, held to the versions of its constraints."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as airflow:
        airflow.write(f"apache-airflow[celery,statsd]=={version}\n")
        airflow.flush()
        sources = (airflow.name, MWAA / "packages.txt", MWAA / "tests.txt")
        command = f"make lock-mwaa VERSION={version}"
        resolve(MWAA / f"{version}.lock", *sources, "--constraint", constraints, command=command)


def resolve(lock: Path, *arguments: str | Path, command: str = "make lock") -> None:
    """Write a lock of requirements.txt and more, with hashes, for every supported Python and platform at once."""
    python = find_python()
    uv, env = find_uv(python), uv_environment(python)
    # MWAA's constraints line must not decide what the locks hold
    lines = (ROOT / "requirements.txt").read_text().splitlines(keepends=True)
    loose = "".join(line for line in lines if not line.startswith("--constraint"))
    compile_ = ("pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes")
    header = ("--no-annotate", "--custom-compile-command", command)
    whole = [uv, *compile_, *header, "-", *arguments, "--output-file", lock]
    subprocess.run(whole, cwd=ROOT, env=env, input=loose.encode(), check=True)


def mwaa_constraints(version: str) -> str:
    """The constraints of an MWAA version: those of its Airflow and Python, which requirements.txt names for one."""
    line = re.search(r'(?m)^--constraint "(.*)"', (ROOT / "requirements.txt").read_text())
    return re.sub(r"constraints-[0-9.]+/", f"constraints-{version}/", line[1] if line else "")


def main() -> None:
    """Run one command at a time, however many `make` started."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else "airflow3"
    if wanted not in (*ENVIRONMENTS, "lock", "lock-mwaa"):
        raise SystemExit(f"Unknown environment {wanted!r}: use {', '.join(ENVIRONMENTS)}, lock or lock-mwaa")
    import fcntl  # Windows has none: there, docker compose runs everything, and this module is imported only

    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / ".lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        try:
            if wanted == "lock":
                write_locks()
            elif wanted == "lock-mwaa":
                version = sys.argv[2]
                write_mwaa_lock(version, sys.argv[3] if len(sys.argv) > 3 else mwaa_constraints(version))
            else:
                make_environment(wanted)
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"Failed: {' '.join(map(str, error.cmd))}\nThe reason stands above.") from None


if __name__ == "__main__":
    main()
