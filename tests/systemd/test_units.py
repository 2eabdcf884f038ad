"""The units, read as data and by systemd's own tools; installed below a folder and removed again."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tools import systemd
from tools.bootstrap import ROOT
from tools.systemd import ENV, GENERATED, MAIN, NEEDED, NEEDED_BY_WORKERS, PLACES, UNITS, Refused, Server

SERVICES = {
    path.stem.removeprefix("energy-ingest-"): path.read_text() for path in UNITS.glob("energy-ingest-*.service")
}
COMMON = (UNITS / "energy-ingest-.service.d" / "10-common.conf").read_text()
DATABASES = {
    name: f"postgresql://me:{GENERATED['AIRFLOW_ADMIN_PASSWORD']()}@127.0.0.1/{name.lower()}"
    for name in NEEDED
    if name not in GENERATED
}
WORST = 20
"""Exposure, of 100, that `systemd-analyze security` may find: 14 were found when this was written."""


def options(text: str) -> list[tuple[str, str]]:
    """Each directive and its value, continued lines joined."""
    return re.findall(r"^(\w+)=(.*)$", text.replace("\\\n", ""), re.M)


def values(text: str, name: str) -> list[str]:
    return [value for key, value in options(text) if key == name]


# --- As data ---


def test_every_part_has_a_unit():
    assert set(SERVICES) == {*MAIN, systemd.WORKER}
    target = " ".join(values((UNITS / systemd.TARGET).read_text(), "Wants")).split()
    assert set(target) == {f"energy-ingest-{part}.service" for part in MAIN}


def test_all_are_confined():
    given = dict(options(COMMON))
    assert given["User"] == given["Group"] == "energy-ingest"
    assert given["ProtectSystem"] == "strict"
    for name in (
        "NoNewPrivileges",
        "ProtectHome",
        "PrivateTmp",
        "PrivateDevices",
        "ProtectKernelModules",
        "LockPersonality",
    ):
        assert given[name] == "yes", name
    assert given["CapabilityBoundingSet"] == given["AmbientCapabilities"] == ""
    assert values(COMMON, "EnvironmentFile")[-1] == f"/{ENV}", "which wins"
    for text in SERVICES.values():
        assert not {name for name, _ in options(text)} & (given.keys() - {"After", "Wants"}), "nothing is loosened"


@pytest.mark.parametrize("part", SERVICES)
def test_a_part_restarts_for_ever_and_has_limits(part):
    given = dict(options(SERVICES[part]))
    assert given["Restart"] == ("on-failure" if part == "init" else "always")
    assert dict(options(COMMON))["StartLimitIntervalSec"] == "0"
    assert given["MemoryMax"] and given["TasksMax"] and given["WantedBy"] == systemd.TARGET
    assert given["ExecStart"].startswith(("/opt/energy-ingest/venv/bin/airflow", "/usr/bin/touch"))


def test_order_of_the_start():
    after = {part: values(text, "After")[0].split() for part, text in SERVICES.items() if part != "init"}
    for part in set(MAIN) - {"init"}:
        assert "energy-ingest-init.service" in after[part]
        assert values(SERVICES[part], "ExecStartPre") == ["/usr/bin/test -e /run/energy-ingest/ready"]
    assert "energy-ingest-api-server.service" in after["scheduler"], "a task that starts before it listens fails"
    assert "healthy.py metadatabase" in values(SERVICES["api-server"], "ExecStartPost")[0]


def test_secrets_go_where_they_are_needed():
    secrets = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", *NEEDED}
    has = {part: secrets - set(" ".join(values(text, "UnsetEnvironment")).split()) for part, text in SERVICES.items()}
    metadata = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__FERNET_KEY"}
    assert has["worker"] == set()
    assert has["triggerer"] == metadata
    assert has["scheduler"] == metadata | {"AIRFLOW__API_AUTH__JWT_SECRET"}
    assert has["dag-processor"] == metadata | {"AIRFLOW_CONN_ENERGY_WAREHOUSE"}
    assert has["api-server"] == secrets - {"AIRFLOW_ADMIN_PASSWORD"}
    assert set(re.findall(r"AIRFLOW_+\w+", values(SERVICES["init"], "ExecStart")[0])) == set(NEEDED)


def test_no_secret_is_in_a_file_for_everybody():
    for path in UNITS.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert not re.search(r"^#?(?!\w*REDIS)\w*(PASSWORD|SECRET|KEY|TOKEN)=.", text, re.M), path
    assert "ENERGY_ARCHIVE_URL=file:///var/lib/energy-ingest/archive" in (UNITS / "service.env").read_text()


# --- Installed below a folder ---


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {f"{path.relative_to(folder)}": (path.stat().st_mode, path.read_bytes()) for path in files}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What DESTDIR names: with something of others', and with what a person has to say."""
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / "etc/systemd/system/other.service").write_text("[Service]\n")
    (tmp_path / ENV).parent.mkdir(parents=True)
    (tmp_path / ENV).write_text("".join(f"{name}={value}\n" for name, value in DATABASES.items()))
    return tmp_path


def server(root: Path, **options: object) -> Server:
    return Server(root, environment=False, **options)


def test_make_installs_and_removes(root: Path):
    before = everything(root)
    make = ["make", f"PYTHON={sys.executable}", f"DESTDIR={root}"]
    env = {**os.environ, "DESTDIR": str(root)}
    done = subprocess.run([*make, "install-systemd", "ARGS=--no-environment"], cwd=ROOT, env=env, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert set(PLACES.values()) <= {f"{path.relative_to(root)}" for path in root.rglob("*")}
    assert stat.S_IMODE((root / ENV).stat().st_mode) == 0o600
    assert os.access(root / "usr/local/bin/energy-ingest", os.X_OK)
    assert "ENERGY_CODE_VERSION=" in (root / "opt/energy-ingest/service.env").read_text()
    settings = everything(root)[ENV]
    subprocess.run([*make, "uninstall-systemd"], cwd=ROOT, env=env, check=True, capture_output=True)
    assert everything(root) == before | {ENV: settings}, "secrets stay"
    subprocess.run([*make, "uninstall-systemd", "PURGE=1"], cwd=ROOT, env=env, check=True, capture_output=True)
    assert everything(root).keys() == before.keys() - {ENV}


def test_a_second_time_changes_nothing_and_an_update_only_what_differs(root: Path):
    server(root).install()
    times = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    server(root).install()
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()} == times
    old, unit = (
        root / "opt/energy-ingest/dags/of_a_former_version.py",
        root / PLACES[f"include/systemd/{systemd.TARGET}"],
    )
    old.write_text("")
    unit.write_text("edited")
    server(root).install()
    assert not old.exists() and unit.read_bytes() == (UNITS / systemd.TARGET).read_bytes()
    changed = {path for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert {f"{path.relative_to(root)}".split("/")[2] for path in changed} == {"dags", "system"}


def test_a_strict_umask_of_the_checkout_does_not_hide_the_code(root: Path):
    before = os.umask(0o077)
    try:
        server(root).install()
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (root / "opt/energy-ingest/plugins").rglob("*")}
    assert modes == {0o755, 0o644}


def test_it_generates_what_it_can_and_refuses_while_something_is_missing(tmp_path: Path):
    with pytest.raises(
        Refused, match=r"AIRFLOW_CONN_ENERGY_WAREHOUSE is missing(?s:.*)Set them in .*energy-ingest\.env"
    ):
        server(tmp_path).install()
    assert list(everything(tmp_path)) == [ENV], "nothing else was installed"
    made = systemd.values((tmp_path / ENV).read_text())
    assert all(made[name] for name in GENERATED) and stat.S_IMODE((tmp_path / ENV).stat().st_mode) == 0o600
    with (tmp_path / ENV).open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in DATABASES.items())
    server(tmp_path).install()
    assert systemd.values((tmp_path / ENV).read_text()) == made | DATABASES, "secrets are generated once"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite:////tmp/airflow.db"),
        ("AIRFLOW_CONN_ENERGY_WAREHOUSE", "postgresql://me:changeme@host/db"),
        ("AIRFLOW_CONN_ENERGY_WAREHOUSE_OWNER", "postgresql://me:...@host/db"),
        ("AIRFLOW__API_AUTH__JWT_SECRET", "short"),
        ("AIRFLOW__CORE__FERNET_KEY", "no-fernet-key-but-long-enough"),
    ],
)
def test_placeholders_are_refused_by_name(root: Path, name: str, value: str):
    with (root / ENV).open("a") as file:
        file.write(f"{name}={value}\n")
    with pytest.raises(Refused, match=name) as refused:
        server(root).install()
    assert value not in str(refused.value)


def test_a_server_of_workers_needs_no_key_of_airflows(root: Path):
    (root / ENV).write_text("")
    with pytest.raises(Refused, match="AIRFLOW__CELERY__BROKER_URL"):
        server(root, parts=("worker",)).install()
    (root / ENV).write_text("".join(f"{name}=redis://:x@host/0\n" for name in NEEDED_BY_WORKERS))
    server(root, parts=("worker",)).install()
    assert not systemd.values((root / ENV).read_text()).keys() & GENERATED.keys()


def test_a_python_in_somebodys_home_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Path, "resolve", lambda _: Path("/root/python/bin/python3.12"))
    with pytest.raises(Refused, match=r"home.*PYTHON=/usr/bin/python3"):
        Server()._services_may_read("python3.12")


# --- Read by systemd ---


@pytest.fixture
def staged(root: Path) -> Path:
    """An installation with every program that the units name."""
    if not shutil.which("systemd-analyze"):
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail("systemd-analyze is missing: apt-get install systemd")
        pytest.skip("NOT READ BY SYSTEMD: no systemd-analyze here")
    server(root).install()
    shutil.copytree("/lib/systemd/system", root / "lib/systemd/system", symlinks=True)
    for program in (
        "opt/energy-ingest/venv/bin/python",
        "opt/energy-ingest/venv/bin/airflow",
        "usr/bin/test",
        "usr/bin/touch",
    ):
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile("/bin/true", root / program)
        (root / program).chmod(0o755)
    return root


def analyze(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", f"--root={root}", "--no-pager", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def names() -> list[str]:
    return [f"energy-ingest-{part}.service" for part in SERVICES]


def test_systemd_finds_nothing_wrong(staged: Path, names: list[str]):
    done = analyze(staged, "--man=no", "verify", *names, systemd.TARGET)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "energy-ingest" in line]
    assert (done.returncode, ours) == (0, []), done.stderr
    common = staged / PLACES["include/systemd/energy-ingest-.service.d"] / "10-common.conf"
    common.write_text(common.read_text().replace("ProtectSystem=strict", "ProtectSystem=strictly"))
    assert "strictly" in analyze(staged, "--man=no", "verify", names[0]).stderr, "what is wrong would be seen"


def test_systemd_finds_little_exposed(staged: Path, names: list[str]):
    done = analyze(staged, "security", "--offline=true", f"--threshold={WORST}", *names)
    assert done.returncode == 0, done.stdout[-2000:]
    shutil.rmtree(staged / PLACES["include/systemd/energy-ingest-.service.d"])
    assert analyze(staged, "security", "--offline=true", f"--threshold={WORST}", *names).returncode, (
        "without it, much is"
    )
