"""The environments: which Python is taken, what the locks hold, when nothing is to be done."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools import bootstrap


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_first_supported_python_is_taken(tmp_path, monkeypatch):
    script(tmp_path / "python3", "echo 3 9 /old/python3")
    script(tmp_path / "python3.13", "exit 127")  # as a pyenv shim of a version that is not selected
    script(tmp_path / "python3.12", "echo 3 12 /right/python3.12")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PYTHON", raising=False)
    assert bootstrap.find_python() == "/right/python3.12"


def test_named_python_wins(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHON", str(script(tmp_path / "mine", "echo 3 11 /named/python")))
    assert bootstrap.find_python() == "/named/python"


def test_no_supported_python_says_what_was_found_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(script(tmp_path / "python3", "echo 3 14 /new/python3")))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PYTHON", raising=False)
    with pytest.raises(SystemExit, match=r"(?s)/new/python3 is 3\.14.*PYTHON="):
        bootstrap.find_python()


def test_uv_comes_from_pip_where_venv_is_missing(tmp_path, monkeypatch):
    made = tmp_path / "tools" / "bin" / "uv"
    pip = f'mkdir -p {made.parent}; printf "#!/bin/sh\\necho uv {bootstrap.UV_VERSION}" > {made}; chmod +x {made}'
    python = script(tmp_path / "python", f'[ "$2" = venv ] && exit 1\n{pip}')
    monkeypatch.setattr(bootstrap, "TOOLS", tmp_path / "tools")
    assert bootstrap.find_uv(str(python)) == made


def test_uv_that_cannot_be_had_names_the_fix(tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "TOOLS", tmp_path / "tools")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="python3-venv"):
        bootstrap.find_uv(str(script(tmp_path / "python", "exit 1")))


def test_uv_is_told_what_pip_knows_of_the_registry(tmp_path, monkeypatch):
    python = script(tmp_path / "python", "echo \"global.index-url='https://mirror.test/simple'\"")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    assert bootstrap.uv_environment(str(python))["UV_DEFAULT_INDEX"] == "https://mirror.test/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://own.test/simple")
    assert bootstrap.uv_environment(str(python))["UV_DEFAULT_INDEX"] == "https://own.test/simple"


def test_an_environment_made_from_this_lock_is_left_alone(tmp_path, monkeypatch):
    venv, lock = tmp_path / ".venv", tmp_path / "some.lock"
    lock.write_text("polars==1.0")
    script(venv / "bin" / "python", "exit 0")
    digest = hashlib.sha256(lock.read_bytes() + Path(bootstrap.__file__).read_bytes()).hexdigest()
    (venv / ".made-from").write_text(f"{venv}\n{digest}\n")
    monkeypatch.setattr(bootstrap, "ENVIRONMENTS", {"airflow3": (venv, lock)})
    monkeypatch.setattr(bootstrap, "find_python", lambda: pytest.fail("nothing was to be done"))
    bootstrap.make_environment("airflow3")


def test_library_and_command_are_found_in_an_environment(tmp_path):
    venv = tmp_path / "a folder"
    (venv / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    script(venv / "bin" / "python", f'exec "{sys.executable}" "$@"')
    bootstrap.add_project(venv)
    assert (
        (venv / "lib" / "python3.11" / "site-packages" / "energy_ingest.pth").read_text().strip().endswith("/plugins")
    )
    package = tmp_path / "energy_ingest"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "cli.py").write_text("import sys\ndef main():\n    print(sys.argv)\n    return 3\n")
    command = [venv / "bin" / "energy-ingest", "gaps"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 3
    assert "'gaps'" in done.stdout


LOCKS = {
    "airflow3": "3.3.2",
    "airflow2": "2.11.2",
    **{f"mwaa-{version}": version for version in bootstrap.MWAA_VERSIONS},
}


def pins(lock: Path) -> dict[str, str]:
    """What a lock pins with at least one hash."""
    return dict(re.findall(r"^([a-z0-9.-]+)(?:\[[a-z,]+\])?==(\S+).*\n    --hash=sha256:", lock.read_text(), re.M))


@pytest.mark.parametrize("name", LOCKS)
def test_locks_pin_and_hash_every_package_and_name_no_host(name):
    text = bootstrap.ENVIRONMENTS[name][1].read_text()
    found = re.findall(r"^[a-z0-9.-]+(?:\[[a-z,]+\])?==\S+.*\n    --hash=sha256:", text, re.M)
    assert pins(bootstrap.ENVIRONMENTS[name][1])["apache-airflow"] == LOCKS[name]
    assert len(found) == len([line for line in text.splitlines() if line and line[0] not in " #"])
    assert "://" not in text


@pytest.mark.parametrize("name", LOCKS)
def test_every_lock_is_within_the_bounds_of_the_requirements(name):
    """So what an MWAA version's constraints allow is never below what we say we need."""
    files = [bootstrap.ROOT / "requirements.txt", *([bootstrap.MWAA / "packages.txt"] if "mwaa" in name else [])]
    lines = [line.partition("  #")[0] for file in files for line in file.read_text().splitlines()]
    wanted = [Requirement(line) for line in lines if line and line[0] not in "#-"]
    found = pins(bootstrap.ENVIRONMENTS[name][1])
    assert len(wanted) > 15
    assert [f"{need}, not {found[need.name]}" for need in wanted if found[need.name] not in need.specifier] == []


def test_airflow_2_is_tested_with_the_versions_of_mwaa():
    mwaa, ours = (pins(bootstrap.ENVIRONMENTS[name][1]) for name in ("mwaa-2.11.2", "airflow2"))
    assert {name: ours[name] for name in mwaa.keys() & ours.keys()} == {name: mwaa[name] for name in mwaa.keys() & ours}
    assert {name for name in mwaa if name.startswith("apache-airflow")} - ours.keys() == {
        "apache-airflow-providers-amazon"  # with make test-mwaa
    }


def test_constraints_of_an_mwaa_version_are_those_of_its_airflow():
    assert bootstrap.mwaa_constraints("2.11.2").endswith("/constraints-2.11.2/constraints-3.12.txt")
