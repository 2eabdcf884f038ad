"""What GitHub runs: its files by their linters, and the deployment to a server over a real SSH conversation."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
import yaml

from tools.bootstrap import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPT = ROOT / ".github" / "deploy-server.sh"
BIN = Path(sys.executable).parent
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"
HOST_KEY, USER_KEY = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
IMAGES = [f"ghcr.io/someone/energy-ingest@sha256:{digit * 64}" for digit in "ab"]

DOCKER = """#!/bin/sh
# In place of docker: writes down how it was called, and what image compose would read; `sick` never becomes healthy.
echo "$* $(sed -n 's/^AIRFLOW_IMAGE=//p' .env)" >> {calls}
case "$*" in *up*) ! grep -q '^AIRFLOW_IMAGE={sick}$' .env ;; esac
"""


def test_zizmor_finds_nothing():
    subprocess.run([BIN / "zizmor", "--quiet", "--offline", "--persona", "pedantic", ROOT / ".github"], check=True)


def test_actionlint_finds_nothing():
    if not shutil.which("go"):
        pytest.skip("actionlint comes from Go's module proxy, and there is no go here; the workflow `test` runs it")
    env = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}")  # it hands the scripts to shellcheck
    done = subprocess.run(["go", "run", ACTIONLINT], cwd=ROOT, env=env, capture_output=True, text=True)
    if "dial tcp" in done.stderr:
        pytest.skip("Go's module proxy is not reached; the workflow `test` runs actionlint")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert f"run: go run {ACTIONLINT}" in (ROOT / ".github" / "workflows" / "test.yml").read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_nothing_and_its_jobs_what_they_say(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    assert all(job["permissions"] and job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())
    uses = re.findall(r"uses: (.*)", path.read_text())
    assert uses
    assert [line for line in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", line)] == []


def test_every_airflow_is_tested_on_every_python():
    matrix = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())["jobs"]["test"]["strategy"][
        "matrix"
    ]
    assert (matrix["airflow"], matrix["python"]) == (["2.11.2", "3.2.1", "3.3.2"], ["3.11", "3.12"])
    targets = {line["airflow"]: line["target"] for line in matrix["include"]}
    assert targets.keys() == set(matrix["airflow"])
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in targets.values())


def test_new_versions_wait():
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"github-actions", "docker", "docker-compose", "pip"}
    assert all(update["cooldown"]["default-days"] >= 7 for update in updates)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An SSH server whose commands find our docker; what the script is given for it."""
    home, programs = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    docker = programs / "docker"
    docker.write_text(DOCKER.format(calls=tmp_path / "calls", sick=IMAGES[1]))
    docker.chmod(0o755)
    env = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home)}

    async def run(session: asyncssh.SSHServerProcess) -> None:
        command = await asyncio.create_subprocess_exec(
            "bash", "-c", session.command, cwd=home, env=env, stdin=-1, stdout=-1, stderr=-1
        )
        await session.redirect(stdin=command.stdin, stdout=command.stdout, stderr=command.stderr)
        code = await command.wait()
        await session.stdout.drain()
        await session.stderr.drain()
        session.exit(code)
        await session.wait_closed()

    async def listen() -> asyncssh.SSHAcceptor:
        allowed = asyncssh.import_authorized_keys(USER_KEY.export_public_key().decode())
        options = {"server_host_keys": [HOST_KEY], "authorized_client_keys": allowed, "encoding": None}
        return await asyncssh.listen("127.0.0.1", 0, process_factory=run, **options)

    async def close(acceptor: asyncssh.SSHAcceptor) -> None:
        acceptor.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    acceptor = asyncio.run_coroutine_threadsafe(listen(), loop).result(30)
    port = acceptor.get_port()
    yield {
        "AIRFLOW_IMAGE": IMAGES[0],
        "EC2_HOST": "127.0.0.1",
        "EC2_PORT": str(port),
        "EC2_USER": "deploy",
        "EC2_SSH_KEY": USER_KEY.export_private_key().decode(),
        "EC2_HOST_KEY": f"[127.0.0.1]:{port} {HOST_KEY.export_public_key().decode().strip()}",
    }
    asyncio.run_coroutine_threadsafe(close(acceptor), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)
    loop.close()


def deploy(given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **given}
    return subprocess.run(["bash", SCRIPT], env=env, capture_output=True, text=True, timeout=120)


needs_ssh = pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh client here: apt-get install openssh-client")


@needs_ssh
def test_a_server_gets_the_files_and_the_image_and_goes_back_if_that_is_sick(server, tmp_path):
    folder, calls = tmp_path / "home" / "energy-ingest", tmp_path / "calls"
    refused = deploy(server)
    assert refused.returncode == 1
    assert "energy-ingest/.env is missing: copy one here" in refused.stderr

    (folder / ".env").write_text("AIRFLOW_JWT_SECRET=kept\n")
    done = deploy(server)
    assert done.returncode == 0, done.stderr
    assert (folder / "docker-compose.yaml").read_bytes() == (ROOT / "docker-compose.yaml").read_bytes()
    assert (folder / "include" / "initdb" / "warehouse").is_dir()
    assert (folder / ".env").read_text() == f"AIRFLOW_JWT_SECRET=kept\nAIRFLOW_IMAGE={IMAGES[0]}\n"
    assert [line.split()[:2] for line in calls.read_text().splitlines()] == [
        ["compose", "pull"],
        ["compose", "up"],
        ["compose", "ps"],
    ]

    calls.unlink()
    sick = deploy(server | {"AIRFLOW_IMAGE": IMAGES[1]})
    assert sick.returncode == 1
    assert f"{IMAGES[1]} did not become healthy: going back to {IMAGES[0]}" in sick.stderr
    ups = [line.split()[-1] for line in calls.read_text().splitlines() if " up " in line]
    assert ups == [IMAGES[1], IMAGES[0]]
    assert (folder / ".env").read_text() == f"AIRFLOW_JWT_SECRET=kept\nAIRFLOW_IMAGE={IMAGES[0]}\n"


@needs_ssh
def test_another_server_at_the_address_gets_nothing(server, tmp_path):
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    port = server["EC2_PORT"]
    done = deploy(server | {"EC2_HOST_KEY": f"[127.0.0.1]:{port} {other}"})
    assert done.returncode != 0
    assert "verification failed" in done.stderr.lower()
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"EC2_HOST_KEY": ""}, "EC2_HOST_KEY is missing"),
        ({"AIRFLOW_IMAGE": "ghcr.io/someone/energy-ingest:latest"}, "is not named by its digest"),
        ({"EC2_FOLDER": "x'; rm -rf /tmp/y"}, "may have letters, digits"),
    ],
    ids=["no-host-key", "no-digest", "odd-folder"],
)
def test_refused_before_anything_is_sent(changed, says):
    given = {
        "AIRFLOW_IMAGE": IMAGES[0],
        "EC2_HOST": "localhost",
        "EC2_USER": "x",
        "EC2_HOST_KEY": "x",
        "EC2_SSH_KEY": "x",
    }
    done = deploy(given | changed)
    assert done.returncode == 1
    assert says in done.stderr
