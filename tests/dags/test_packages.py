"""What managed Airflows are given, unpacked as they do: the same DAGs, no import error, and one of them loads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as metadata_version
from pathlib import Path
from typing import Any

import airflow
import psycopg
import pytest

from energy_ingest import settings
from include.twin.client import Twin
from tests.dags.harness import AIRFLOW_3, ROOT, Serialization, alone, digest, parse, parse_alone
from tools import package

pytestmark = pytest.mark.slow

REQUIREMENTS = [
    line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith(("#", "--"))
]
LAYOUTS = ["mwaa plugins", "mwaa dags", "composer", "astro dags", *(["astro"] if AIRFLOW_3 else [])]
RUN = ["mwaa dags", *(["composer", "astro"] if AIRFLOW_3 else [])]
"""Composer is given what MWAA unpacks, so what is tried of the one is tried of the other."""


def unpacked(name: str, home: Path) -> tuple[Path, Path]:
    """AIRFLOW_HOME as a platform lays it out: the folder of DAGs that it parses, and its folder of plugins."""
    platform, _, variant = name.partition(" ")
    package.build(platform, home, variant if platform == "mwaa" else "plugins")
    archive = home / "plugins.zip"
    if archive.exists():
        zipfile.ZipFile(archive).extractall(home / "plugins")
    # on Astro with Airflow 3 the bundle's root may be the project, as its image, or its folder of DAGs
    return (home if name == "astro" else home / "dags"), home / "plugins"


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_same_dags(name: str, tmp_path: Path):
    dags, plugins = unpacked(name, tmp_path / "airflow")
    seen = parse_alone(dags, plugins, tmp_path)
    assert seen["errors"] == {}
    assert seen["plugin_errors"] == {}
    assert seen["dags"] == {dag_id: digest(dag) for dag_id, dag in parse().dags.items()}
    assert Path(seen["library"]).is_relative_to(tmp_path)


def test_composer_is_given_what_mwaa_unpacks(tmp_path: Path):
    mwaa, composer = unpacked("mwaa plugins", tmp_path / "mwaa"), unpacked("composer", tmp_path / "composer")
    for ours, theirs in zip(mwaa, composer, strict=True):
        assert _contents(ours) == _contents(theirs) != {}


def _contents(folder: Path) -> dict[str, bytes]:
    return {f"{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_scheduler_without_plugins_plans_every_dag(tmp_path: Path):
    """Composer gives its scheduler and its triggerer none, nor the library: they know a DAG by its serialised form."""
    bag = parse()
    (tmp_path / "dags.json").write_text(json.dumps([Serialization.to_dict(dag) for dag in bag.dags.values()]))
    seen = alone("schedule.py", tmp_path / "dags.json", dags=tmp_path, plugins=tmp_path / "none", home=tmp_path)
    assert seen["library"] is False
    assert seen["planned"] == {dag_id: dag.timetable.can_be_scheduled for dag_id, dag in bag.dags.items()}
    assert seen["deferring"] == []


@pytest.mark.parametrize("name", RUN)
def test_a_dag_loads(name: str, tmp_path: Path, metadata: None, twin: Twin, warehouse_url: str):
    archive = (tmp_path / "archive").as_uri()
    own = {"AIRFLOW_CONN_ENERGY_WAREHOUSE": warehouse_url, settings.ARCHIVE_URL.env: archive}
    load(name, tmp_path, twin, own)
    assert windows(warehouse_url) == [("2024-10-27", "complete", 50)]


def test_mwaa_reads_secrets_manager_and_archives_on_s3(
    tmp_path: Path, metadata: None, twin: Twin, warehouse_url: str, aws: dict[str, str]
):
    """As docs/managed.md sets it up, with what MWAA installs."""
    import boto3

    page = (ROOT / "docs" / "managed.md").read_text()
    options = dict(re.findall(r"^\| `secrets\.(backend\w*)` \| `(.*)` \|$", page, re.M))
    own = {f"AIRFLOW__SECRETS__{name.upper()}": value.replace("\\|", "|") for name, value in options.items()}
    client = {"region_name": "eu-west-2", "endpoint_url": aws["AWS_ENDPOINT_URL"]}
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    secret = {"Name": "airflow/connections/energy_warehouse", "SecretString": warehouse_url}
    boto3.client("secretsmanager", **client, **keys).create_secret(**secret)
    store = boto3.client("s3", **client, **keys)
    store.create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})

    load("mwaa plugins", tmp_path, twin, own | aws | {settings.ARCHIVE_URL.env: "s3://data/energy-archive"})
    assert windows(warehouse_url) == [("2024-10-27", "complete", 50)]
    kept = [entry["Key"] for entry in store.list_objects_v2(Bucket="data")["Contents"]]
    assert [key.rpartition(".")[2] for key in sorted(kept)] == ["gz", "json"]
    assert all(key.startswith("energy-archive/elexon_system_prices/") for key in kept)


@pytest.fixture
def aws() -> Iterator[dict[str, str]]:
    """S3 and Secrets Manager on this machine, where MWAA's packages are: the variables that lead there."""
    moto = pytest.importorskip("moto.server", reason="MWAA's packages are not here: make test-mwaa")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_DEFAULT_REGION": "eu-west-2",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    server.stop()


def load(name: str, home: Path, twin: Twin, own: dict[str, str]) -> None:
    """Run a DAG of a package by Airflow's own command, for the day with 50 half hours."""
    dags, plugins = unpacked(name, home / "airflow")
    own |= {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
        "AIRFLOW_CONN_ELEXON_DEFAULT": json.dumps({"conn_type": "http", "host": twin.url}),
    }
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | own
    command = [sys.executable, "-m", "airflow", "dags", "test", "elexon_system_prices", "2024-10-28T02:00:00+00:00"]
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def windows(url: str) -> list[tuple[Any, ...]]:
    """What the ledger knows."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT label::text, state, actual FROM ledger.window").fetchall()


@pytest.mark.parametrize("version", package.MWAA_VERSIONS)
def test_requirements_of_mwaa(version: str, tmp_path: Path):
    """The constraints of its Airflow, and every package of ours in the version that the lock has."""
    package.build("mwaa", tmp_path / "deployed", version=version)
    first, *lines = (tmp_path / "deployed" / "requirements.txt").read_text().splitlines()
    assert first.startswith("--constraint ") and f"/constraints-{version}/" in first
    lock = (ROOT / "requirements-mwaa" / f"{version}.lock").read_text()
    assert [line for line in lines if f"\n{_bare(line)} " not in lock] == []
    assert [re.split("[<>=]", line)[0] for line in lines] == [
        *(re.split("[<>=]", line)[0] for line in REQUIREMENTS),
        "apache-airflow-providers-amazon[s3fs]",
    ]


@pytest.mark.skipif(airflow.__version__ not in package.MWAA_VERSIONS, reason="this Airflow is not MWAA's")
def test_here_is_what_mwaa_installs():
    """So what the tests beside this one show, they show with its versions."""
    wanted = dict(line.split("==") for line in package.pinned(airflow.__version__))
    here = {name: _version(_bare(name)) for name in wanted}
    if here["apache-airflow-providers-amazon[s3fs]"] is None:  # not in .venv-airflow2: that takes `make test-mwaa`
        del wanted["apache-airflow-providers-amazon[s3fs]"], here["apache-airflow-providers-amazon[s3fs]"]
    assert here == wanted


def _bare(requirement: str) -> str:
    """Without the extras, which neither a lock nor what is installed shows."""
    return re.sub(r"\[[a-z0-9,]+\]", "", requirement)


def _version(name: str) -> str | None:
    try:
        return metadata_version(name)
    except PackageNotFoundError:
        return None


@pytest.mark.parametrize("name", ["composer", "astro"])
def test_requirements(name: str, tmp_path: Path):
    """These have constraints of their own."""
    package.build(name, tmp_path / "deployed")
    assert (tmp_path / "deployed" / "requirements.txt").read_text().splitlines() == REQUIREMENTS


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
