"""`energy-ingest stack`: which kind is meant, what it runs, what its exit codes say. The programs are stand-ins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from energy_ingest import stacks
from energy_ingest.cli import app
from energy_ingest.errors import Misconfigured
from energy_ingest.stacks import Compose, Local, Systemd, choose

ROOT = Path(__file__).parents[2]


class Other(Local):
    """A kind whose parts a test says."""

    installed, running = True, True

    def is_installed(self) -> bool:
        return self.installed

    def parts(self) -> dict[str, bool]:
        return {"scheduler": self.running, "triggerer": self.running}


class Second(Other):
    name = "systemd"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "stack.py").touch()
    return tmp_path


# --- Which ---


def test_the_only_one_installed_is_meant(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Other, "installed", False)
    monkeypatch.setattr(Second, "installed", True)
    monkeypatch.setattr(Second, "running", False)
    assert choose(None, [Other(), Second()]).name == "systemd"


def test_of_several_the_one_that_runs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Second, "running", False)
    assert choose(None, [Other(), Second()]).name == "local"
    assert choose("systemd", [Other(), Second()]).name == "systemd"
    monkeypatch.setattr(Other, "running", False)
    with pytest.raises(Misconfigured, match=r"local, systemd are installed, and 0 of them run.*--kind"):
        choose(None, [Other(), Second()])


def test_nothing_is_installed(tmp_path: Path):
    with pytest.raises(Misconfigured, match=r"make start.*make up.*make install-systemd"):
        choose(None, [kind(tmp_path, {}) for kind in (Local, Compose)] + [NoUnits(tmp_path, {})])
    with pytest.raises(Misconfigured, match="no kind 'docker': use local"):
        choose("docker", [Local()])


class NoUnits(Systemd):
    target = "no-such-thing.target"


def test_what_installed_means(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    local, compose = Local(checkout, {}), Compose(checkout, {})
    assert not local.is_installed() and not compose.is_installed()
    (checkout / ".stack").mkdir()
    (checkout / ".stack" / "state.json").write_text('{"ports": {"airflow": 18080}}')
    assert local.is_installed() and local.url() == "http://127.0.0.1:18080"
    monkeypatch.setattr(stacks.shutil, "which", lambda name: f"/bin/{name}")
    (checkout / ".env").write_text("ENERGY_START=2024-01-01\n")
    assert not compose.is_installed(), "a `.env` for the local stack only"
    (checkout / ".env").write_text("AIRFLOW_FERNET_KEY=x\nAIRFLOW_PORT=9090\n")
    assert compose.is_installed() and compose.url() == "http://127.0.0.1:9090"


# --- What it runs ---


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs before all others; each writes down how it was called, and answers from a file."""
    folder = tmp_path / "programs"
    folder.mkdir()
    script = f"""#!/bin/sh
echo "$(basename "$0") $*" >> {folder}/calls
for word in "$@"; do [ -f "{folder}/answer-$word" ] && cat "{folder}/answer-$word"; done
exit $(cat {folder}/code 2>/dev/null || echo 0)
"""
    for name in ("docker", "systemctl", "journalctl"):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def calls(programs: Path) -> list[str]:
    return (programs / "calls").read_text().splitlines() if (programs / "calls").exists() else []


def test_units(programs: Path):
    (programs / "answer-is-active").write_text("active\nfailed\n")
    (programs / "answer-is-enabled").write_text("enabled\n")
    units = "energy-ingest-worker.service energy-ingest-api-server.service multi-user.target"
    (programs / "answer-show").write_text(units)
    kind = Systemd(environ={})
    assert kind.parts() == {"api-server": True, "worker": False}
    assert stacks.carry_out("status", kind) == stacks.DEGRADED
    (programs / "calls").unlink()
    assert stacks.carry_out("restart", kind) == 0
    assert stacks.carry_out("logs", kind, "scheduler", 7, follow=True) == 0
    assert calls(programs) == [
        "systemctl stop energy-ingest.target energy-ingest-*.service",
        "systemctl start energy-ingest.target",
        "journalctl --no-pager --lines=7 --unit=energy-ingest-scheduler.service --follow",
    ]
    (programs / "code").write_text("1")
    assert stacks.carry_out("start", kind) == stacks.COULD_NOT_RUN


def test_containers(programs: Path, checkout: Path):
    rows = [("check", "exited", 0), ("init", "exited", 0), ("api-server", "running", 0), ("scheduler", "exited", 1)]
    documents = [{"Service": name, "State": state, "ExitCode": code} for name, state, code in rows]
    lines, whole = "\n".join(json.dumps(each) for each in documents), json.dumps(documents)
    for answer in (lines, whole):  # compose 2.21 and later, and before
        (programs / "answer-ps").write_text(answer)
        assert Compose(checkout, {}).parts() == {"api-server": True, "scheduler": False}
    (programs / "answer-ps").write_text("")
    assert stacks.carry_out("status", Compose(checkout, {})) == stacks.CRITICAL
    stacks.carry_out("logs", Compose(checkout, {}), "scheduler", 7, follow=True)
    assert calls(programs)[-1] == f"docker compose --project-directory {checkout} logs --tail=7 --follow scheduler"
    starts = Compose(checkout, {}).commands("restart")
    assert [each[1:] for each in starts] == [["-m", "tools.compose", "down"], ["-m", "tools.compose", "up"]]


def test_logs_of_the_local_stack(checkout: Path, capfd: pytest.CaptureFixture[str]):
    (checkout / ".stack" / "logs").mkdir(parents=True)
    (checkout / ".stack" / "logs" / "scheduler.log").write_text("one\ntwo\nthree\n")
    assert stacks.carry_out("logs", Local(checkout, {}), "scheduler", 2) == 0
    assert capfd.readouterr().out == "two\nthree\n"
    with pytest.raises(Misconfigured, match=r"no log of worker in .*: scheduler"):
        Local(checkout, {}).logs("worker", 2, follow=False)


def test_a_missing_program_is_named(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Misconfigured, match="docker is not here"):
        stacks.carry_out("status", Compose(checkout, {}))


# --- Health ---


@pytest.fixture
def airflow():
    """What answers like Airflow's API server; a test sets the parts' states."""
    parts: dict[str, dict[str, str | None]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(parts).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield parts, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("ill", "loading", "code"),
    [("", 0, 0), ("", 1, 1), ("triggerer", 0, 1), ("triggerer", 2, 2), ("scheduler", 0, 2), ("metadatabase", 1, 2)],
)
def test_the_worse_of_airflow_and_loading_is_the_exit_code(airflow, monkeypatch, ill, loading, code):
    parts, url = airflow
    parts |= {name: {"status": "healthy"} for name in ("metadatabase", "scheduler", "triggerer")}
    parts["dag_processor"] = {"status": None}
    parts |= {ill: {"status": "unhealthy"}} if ill else {}
    monkeypatch.setattr(Local, "url", lambda _: url)
    monkeypatch.setattr(Local, "ingest", lambda _, *words: [sys.executable, "-c", f"raise SystemExit({loading})"])
    assert stacks.carry_out("health", Local()) == code


def test_an_api_server_that_does_not_answer_is_critical(monkeypatch, capsys):
    monkeypatch.setattr(Local, "url", lambda _: "http://127.0.0.1:9")
    assert stacks.carry_out("health", Local()) == stacks.CRITICAL
    assert "does not answer" in capsys.readouterr().out


# --- The command lines ---


def test_it_needs_nothing_but_the_standard_library():
    """So that it runs on Windows, beside docker compose."""
    refuse = "import sys; sys.modules.update(dict.fromkeys(['fcntl', 'pwd', 'resource', 'termios', 'grp']))"
    run = "import runpy; runpy.run_module('energy_ingest.stacks', run_name='__main__', alter_sys=True)"
    env = {"PYTHONPATH": str(ROOT / "plugins"), "PATH": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"{refuse}; {run}", "status", "--kind=compose"],
        env=env,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (
        3,
        "energy-ingest: docker is not here: it belongs to this way of running Airflow\n",
    )
    imports = f"{refuse}; sys.path.insert(0, {str(ROOT)!r}); import tools.bootstrap, tools.private, tools.compose"
    subprocess.run([sys.executable, "-c", imports], check=True)


def test_both_command_lines_are_the_same():
    done = CliRunner().invoke(app, ["stack", "--help"])
    assert done.exit_code == 0 and all(verb in done.stdout for verb in stacks.VERBS)
    for verb in stacks.VERBS:
        assert CliRunner().invoke(app, ["stack", verb, "--kind", "nothing"]).exit_code == stacks.COULD_NOT_RUN
