"""What managed Airflows are given, unpacked as they do: the same DAGs, no import error, and one of them loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import psycopg
import pytest

from energy_ingest import settings
from include.twin.client import Twin
from tests.dags.harness import ROOT, digest, parse, parse_alone
from tools import package

pytestmark = pytest.mark.slow

REQUIREMENTS = [
    line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith(("#", "--"))
]


def unpacked(name: str, folder: Path) -> tuple[Path, Path]:
    """The folder of DAGs that the platform parses, and its folder of plugins."""
    platform, _, layout = name.partition(" ")
    package.build(platform, folder, layout or "plugins")
    archive = folder / "plugins.zip"
    if archive.exists():
        zipfile.ZipFile(archive).extractall(folder / "plugins")
    return (folder if platform == "astro" else folder / "dags"), folder / "plugins"  # Astro parses the project's root


@pytest.mark.parametrize("name", ["mwaa plugins", "mwaa dags", "astro"])
def test_the_same_dags(name: str, tmp_path: Path):
    dags, plugins = unpacked(name, tmp_path / "deployed")
    seen = parse_alone(dags, plugins, tmp_path)
    assert seen["errors"] == {}
    assert seen["plugin_errors"] == {}
    assert seen["dags"] == {dag_id: digest(dag) for dag_id, dag in parse().dags.items()}
    assert Path(seen["library"]).is_relative_to(tmp_path)


def test_composer_is_given_what_mwaa_unpacks(tmp_path: Path):
    """So what is tried of the one is tried of the other."""
    mwaa, composer = unpacked("mwaa plugins", tmp_path / "mwaa"), unpacked("composer", tmp_path / "composer")
    for ours, theirs in zip(mwaa, composer, strict=True):
        assert _contents(ours) == _contents(theirs) != {}


def _contents(folder: Path) -> dict[str, bytes]:
    return {f"{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_dag_loads(tmp_path: Path, metadata: None, twin: Twin, warehouse_url: str):
    """By Airflow's own command, from the layout that is least like this repository."""
    dags, plugins = unpacked("mwaa dags", tmp_path / "deployed")
    own = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
        "AIRFLOW_CONN_ENERGY_WAREHOUSE": warehouse_url,
        "AIRFLOW_CONN_ELEXON_DEFAULT": json.dumps({"conn_type": "http", "host": twin.url}),
        settings.ARCHIVE_URL.env: (tmp_path / "archive").as_uri(),
    }
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | own
    command = [sys.executable, "-m", "airflow", "dags", "test", "elexon_system_prices", "2024-10-28T02:00:00+00:00"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with psycopg.connect(warehouse_url) as connection:
        rows = connection.execute("SELECT label::text, state, actual FROM ledger.window").fetchall()
    assert rows == [("2024-10-27", "complete", 50)]


@pytest.mark.parametrize(("name", "constrained"), [("mwaa", True), ("composer", False), ("astro", False)])
def test_requirements(name: str, constrained: bool, tmp_path: Path):
    """MWAA wants a line with constraints, the others have their own."""
    package.build(name, tmp_path / "deployed")
    lines = (tmp_path / "deployed" / "requirements.txt").read_text().splitlines()
    assert any(line.startswith("--constraint") for line in lines) is constrained
    assert [line for line in lines if line and not line.startswith(("#", "--"))] == REQUIREMENTS


def test_the_archive_is_the_same_for_the_same_sources(tmp_path: Path):
    """A new version of `plugins.zip` must be selected by hand, so it comes only with a change."""
    for name in ("once", "again"):
        package.build("mwaa", tmp_path / name)
    once, again = ((tmp_path / name / "plugins.zip").read_bytes() for name in ("once", "again"))
    assert once == again
    names = zipfile.ZipFile(tmp_path / "once" / "plugins.zip").namelist()
    assert {".airflowignore", "energy_ui.py", "energy_ingest/__init__.py"} <= set(names)
    assert not any("__pycache__" in name for name in names)


def test_start_up_is_a_script_that_a_shell_accepts(tmp_path: Path):
    package.build("mwaa", tmp_path / "deployed")
    script = tmp_path / "deployed" / "startup.sh"
    shown: Any = subprocess.run(["sh", "-c", f". {script} && env"], capture_output=True, text=True, check=True)
    assert f"{settings.CODE_VERSION.env}=" in shown.stdout
