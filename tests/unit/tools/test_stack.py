"""The local stack: its settings and secrets, and which processes it may end. Nothing of Airflow is started here."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tools.stack import Stack, StackError

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


class Sleepers(Stack):
    """A stack whose processes only sleep."""

    def command(self, name: str) -> list[str]:
        return getattr(self, "commands", {}).get(name, SLEEP)


@pytest.fixture
def stack(tmp_path, monkeypatch):
    for name in ("WAREHOUSE_URL", "WAREHOUSE_OWNER_URL", "WAREHOUSE_READER_URL"):
        monkeypatch.delenv(name, raising=False)
    stack = Sleepers(tmp_path / "stack")
    stack._prepare()
    yield stack
    stack.clean()


def test_shell_that_sources_env_sees_what_processes_see(stack):
    dump = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    done = subprocess.run(["sh", "-c", f". {stack.folder}/env; {dump}"], capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    assert {name: seen[name] for name in stack.env()} == stack.env()


def test_secrets_are_generated_once_per_stack_and_private(stack, tmp_path):
    again, other = Stack(stack.folder), Stack(tmp_path / "other")
    other._prepare()
    assert again.env() == stack.env()
    assert not set(stack.secrets.values()) & set(other.secrets.values())
    assert min(map(len, stack.secrets.values())) >= 32
    for path in ("env", "state.json", "airflow/passwords.json"):
        assert stat.S_IMODE((stack.folder / path).stat().st_mode) == 0o600


def test_taken_port_is_replaced_and_the_choice_remembered(stack):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        stack.ports["airflow"] = taken.getsockname()[1]
        stack._prepare()
        chosen = stack.ports["airflow"]
        assert chosen != taken.getsockname()[1]
    assert Stack(stack.folder).ports["airflow"] == chosen
    assert stack.env()["AIRFLOW__API__BASE_URL"] == f"http://127.0.0.1:{chosen}"
    assert stack.env()["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"http://127.0.0.1:{chosen}/execution/"


def test_own_warehouse_replaces_the_embedded_one_and_has_its_own_metadata(stack, monkeypatch):
    assert stack.metadata == "airflow"
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://me:pw@db.test/energy")
    monkeypatch.setenv("WAREHOUSE_OWNER_URL", "postgresql://boss:pw@db.test/energy")
    env = stack.env()
    assert env["AIRFLOW_CONN_ENERGY_WAREHOUSE"] == "postgresql://me:pw@db.test/energy"
    assert env["AIRFLOW_CONN_ENERGY_WAREHOUSE_OWNER"] == "postgresql://boss:pw@db.test/energy"
    assert env["WAREHOUSE_READER_URL"] == "postgresql://me:pw@db.test/energy"
    metadata = stack.metadata
    assert env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].endswith(f"@127.0.0.1:{stack.ports['postgres']}/{metadata}")
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://me:a-new-password@db.test/energy")
    assert stack.metadata == metadata
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://me:pw@db.test/another")
    assert stack.metadata not in (metadata, "airflow")


def test_shell_that_sourced_env_means_the_embedded_warehouse(stack, monkeypatch):
    before = stack.env()
    monkeypatch.setenv("WAREHOUSE_URL", before["WAREHOUSE_URL"])
    assert stack.env() == before


def test_other_settings_restart_what_runs(stack, monkeypatch):
    stack.launch("twin")
    stack._prepare()
    assert stack.is_alive("twin")
    monkeypatch.setenv("ENERGY_START", "2020-02-02")
    stack._prepare()
    assert not stack.is_alive("twin")
    assert "ENERGY_START=2020-02-02" in (stack.folder / "env").read_text()


def test_settings_of_another_airflow_do_not_leak_in(stack, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__UNIT_TEST_MODE", "True")
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "99")
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", "kept")
    environment = Stack(stack.folder, settings={"AIRFLOW__CORE__PARALLELISM": "2"}).environment()
    assert "AIRFLOW__CORE__UNIT_TEST_MODE" not in environment
    assert environment["AIRFLOW__CORE__PARALLELISM"] == "2"
    assert environment["AIRFLOW_CONN_SLACK_DEFAULT"] == "kept"


def has_ended(pid: int) -> bool:
    """Also if nobody has asked for its exit code yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_stop_ends_its_own_processes_in_a_later_session_too(stack):
    stack.launch("twin")
    stack.launch("scheduler")
    pids = [int(record["pid"]) for record in stack.processes.values()]
    stack.launch("twin")  # runs already
    assert [int(record["pid"]) for record in Stack(stack.folder).processes.values()] == pids
    Stack(stack.folder).stop(grace=5)
    assert all(has_ended(pid) for pid in pids)
    assert not any(Stack(stack.folder).status().values())


def test_stop_leaves_a_process_alone_that_got_the_pid_later(stack):
    foreign = subprocess.Popen(SLEEP, start_new_session=True)
    try:
        stack.processes["twin"] = {"pid": foreign.pid, "started": psutil.Process(foreign.pid).create_time() - 60}
        assert not stack.is_alive("twin")
        stack.stop(grace=0)
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_stop_ends_what_a_killed_leader_left_and_what_ignores_sigterm(stack, tmp_path):
    worker = tmp_path / "worker.pid"
    stubborn = (
        f"import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); pid = os.fork()\n"
        f"pid and open({str(worker)!r}, 'w').write(str(pid)); time.sleep(60)"
    )
    stack.commands = {"scheduler": [sys.executable, "-c", stubborn]}
    stack.launch("scheduler")
    while not (worker.exists() and worker.read_text()):
        time.sleep(0.02)
    os.kill(int(stack.processes["scheduler"]["pid"]), signal.SIGKILL)
    stack.stop(grace=0.2)
    pid = int(worker.read_text())
    assert has_ended(pid)


def test_failed_part_is_named_with_the_end_of_its_log(stack):
    stack.commands = {"twin": [sys.executable, "-c", "raise SystemExit('no port for me')"]}
    stack.launch("twin")
    with pytest.raises(StackError, match=r"(?s)twin ended while starting.*twin\.log.*no port for me"):
        stack._await("twin", lambda: False)


def test_clean_removes_everything(tmp_path):
    stack = Sleepers(tmp_path / "stack")
    stack.clean()  # nothing there yet
    stack._prepare()
    stack.launch("twin")
    stack.clean()
    assert not Path(stack.folder).exists()
