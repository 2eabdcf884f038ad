"""docs/configuration.md is whole, and what it says of precedence is so."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from energy_ingest import catalog, settings
from energy_ingest.doctor import machine
from energy_ingest.doctor.report import Report
from tools import bootstrap, configuration, stack
from tools.bootstrap import ROOT

PAGE = (ROOT / "docs" / "configuration.md").read_text()
LISTED = set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", PAGE, re.M))
CONNECTIONS = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.M))
FILES = sorted(path for folder in ("plugins", "dags", "tools", "include") for path in (ROOT / folder).rglob("*.py"))
ANY_NAME = {
    "plugins/energy_ingest/settings.py": "Setting.get",
    "plugins/energy_ingest/loading/database.py": "AIRFLOW_CONN_*, and the settings' names",
    "plugins/energy_ingest/hooks/upstream.py": "AIRFLOW_CONN_*",
    "plugins/energy_ingest/loading/upstream.py": "AIRFLOW_CONN_*, and whether any of Airflow's names a secret store",
    "plugins/energy_ingest/doctor/machine.py": "looks for variables that are no setting",
    "plugins/energy_ingest/doctor/warehouse.py": "AIRFLOW_CONN_*",
    "plugins/energy_ingest/stacks.py": "the variables of the stacks that it drives",
    "tools/stack.py": "WAREHOUSE_OWNER_URL and WAREHOUSE_READER_URL; hands on what is set",
    "include/airflow/check.py": "looks at every secret",
}
"""Where a name is made up at run time, or the whole environment is looked through."""


def reads(path: Path) -> Iterator[str | None]:
    """The name of each variable that a file reads; None where only running it tells."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Attribute(value=where, attr="get" | "pop" | "setdefault"), args=[name, *_]):
                pass
            case ast.Subscript(value=where, slice=name):
                pass
            case ast.Compare(left=name, ops=[ast.In() | ast.NotIn()], comparators=[where]):
                pass
            case ast.Call(func=ast.Attribute(attr="getenv") as where, args=[name, *_]):
                pass
            case ast.comprehension(iter=where, target=name):
                pass
            case _:
                continue
        if re.search(r"\b(environ|getenv)\b", ast.unparse(where)):
            yield name.value if isinstance(name, ast.Constant) else None


def test_every_variable_that_the_code_reads_is_in_the_reference():
    found = {f"{path.relative_to(ROOT)}": set(reads(path)) for path in FILES}
    named = {name for names in found.values() for name in names if name}
    assert {"CHROMIUM", "ENERGY_STACK"} <= named, "what looks for them finds them"
    assert named - LISTED - configuration.OTHERS == set()
    assert {place for place, names in found.items() if None in names} <= ANY_NAME.keys()
    for setting in (*settings.SETTINGS, *settings.ADDRESSES):
        assert setting.env in LISTED


def test_the_library_reads_its_environment_in_one_place():
    """So nothing can be set that `settings.py`, and with it the reference, does not name."""
    library = {
        f"{path.relative_to(ROOT)}" for path in FILES if {*reads(path)} and path.is_relative_to(ROOT / "plugins")
    }
    assert {"plugins/energy_ingest/settings.py"} < library <= ANY_NAME.keys(), "declare it in settings.py, and use that"


def test_the_reference_names_nothing_that_is_gone():
    read = [path for path in FILES if path.name != "configuration.py"]
    text = "\n".join(path.read_text() for path in (*read, ROOT / "docker-compose.yaml", ROOT / "Makefile"))
    compose_itself = {"COMPOSE_PROFILES"}
    assert [name for name in LISTED - compose_itself if not re.search(rf"\b{name}\b", text)] == []


def test_every_variable_of_docker_compose_is_in_the_reference():
    text = (ROOT / "docker-compose.yaml").read_text()
    named = set(re.findall(r"\$\{(\w+)", text))
    assert named - LISTED == set()
    for name, default in re.findall(r"\$\{(\w+):-([^}$]*)\}", text):
        assert name not in configuration.COMPOSE or f"| `{name}` | `{default}` |" in PAGE


def test_every_connection_is_in_the_reference():
    """Found where the library names one: by a constant, by a hook of a provider, by the catalogue."""
    text = "\n".join(path.read_text() for path in FILES if path.is_relative_to(ROOT / "plugins"))
    named = set(re.findall(r'"((?:energy_(?:warehouse|alert_webhook|heartbeat)\w*|[a-z_]+_default))"', text)) - {
        "default"
    }
    assert "smtp_default" in named and "energy_heartbeat" in named
    assert named | {upstream.conn_id for upstream in catalog.upstreams()} | {"slack_api_default"} <= CONNECTIONS
    assert {setting.conn_id for setting in settings.ADDRESSES} - {""} <= CONNECTIONS


def test_no_airflow_variable_is_read():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("airflow"):
                assert "Variable" not in [name.name for name in node.names], path


def test_every_example_is_valid_and_differs_from_the_default(monkeypatch):
    for setting in settings.SETTINGS:
        assert setting.example not in ("", setting.default)
        monkeypatch.setenv(setting.env, setting.example)
    assert [check.found for check in machine.configuration(Report()) if check.status != "ok"] == []


# --- what wins ---


def test_the_environment_wins_over_dotenv_and_that_over_the_default(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("ENERGY_START=2020-02-02\nENERGY_UNTIL=2020-03-03\nMAIL_HOST=file.example\n")
    for name in ("ENERGY_START", "ENERGY_UNTIL", "ENERGY_MIN_SAMPLE", "MAIL_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    monkeypatch.setattr(os, "environ", {**os.environ, "ENERGY_STACK": str(tmp_path), "ENERGY_START": "2024-04-04"})
    stack.local()
    assert settings.START.get() == "2024-04-04", "the environment"
    assert (settings.UNTIL.get(), settings.MAIL_HOST.get()) == ("2020-03-03", "file.example"), "the file"
    assert settings.MIN_SAMPLE.get() == "20", "the default"


@pytest.mark.parametrize(("own", "seen"), [({}, "file"), ({"ENERGY_START": "environment"}, "environment")])
def test_the_environment_wins_over_what_the_stack_wrote(own, seen, tmp_path):
    """As the command of the checkout reads it, which stands in for our own here."""
    (tmp_path / "energy_ingest").mkdir()
    (tmp_path / "energy_ingest" / "__init__.py").touch()
    (tmp_path / "energy_ingest" / "cli.py").write_text(
        "import os\ndef main():\n    print(os.environ['ENERGY_START'])\n"
    )
    (tmp_path / "env").write_text("export ENERGY_START=file\nexport WAREHOUSE_URL=postgresql://stack/warehouse\n")
    command = tmp_path / "energy-ingest"
    command.write_text(bootstrap.LAUNCHER.format(python=sys.executable, stack=str(tmp_path / "env")))
    command.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), **own}
    done = subprocess.run([shutil.which("sh") or "sh", command], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == seen, done.stderr


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("ENERGY_START", "  ")
    assert settings.START.get() == settings.START.default
