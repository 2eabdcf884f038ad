"""Three rings: a pure core, loading around it, Airflow outermost. What is inside knows nothing of what is outside."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
LIBRARY = PLUGINS / "energy_ingest"
OUTER = {"hooks", "operators", "web"}
MODULES = {path: path.relative_to(PLUGINS).with_suffix("") for path in sorted(LIBRARY.rglob("*.py"))}
CORE = {
    "alerts", "calendars", "catalog", "clock", "contracts", "errors", "projection", "quality", "reading", "settings",
    "sources", "windows",
}  # fmt: skip
CORE_MAY_IMPORT = {"msgspec", "polars", "python_calamine"} | set(sys.stdlib_module_names)


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it, and the rings of ours."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] if name.startswith("energy_ingest.") else name.split(".")[0] for name in names}


def ring(path: Path) -> str:
    """The first part of a module's name below the library: `hooks`, `clock`."""
    return path.relative_to(LIBRARY).with_suffix("").parts[0]


@pytest.mark.parametrize("path", [p for p in MODULES if ring(p) not in OUTER], ids=lambda p: str(MODULES[p]))
def test_only_hooks_operators_and_pages_import_airflow(path):
    assert not {"airflow", "airflow_shared"} & imported(path)


@pytest.mark.parametrize("path", [p for p in MODULES if ring(p) in CORE], ids=lambda p: str(MODULES[p]))
def test_the_core_imports_the_core_and_two_libraries(path):
    ours = {module.parts[1] for module in MODULES.values() if len(module.parts) > 1}
    names = imported(path)
    assert not (names & ours) - CORE
    assert names - ours <= CORE_MAY_IMPORT


BLOCK = """
import importlib, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(f"{{name}} must not be imported here")

sys.meta_path.insert(0, Refuse())
for name in {modules!r}:
    importlib.import_module(name)
"""


def import_without(modules: list[str], blocked: set[str]) -> subprocess.CompletedProcess[str]:
    """Import modules in a process of their own that refuses some packages."""
    script = BLOCK.format(modules=modules, blocked=blocked)
    return subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(PLUGINS)}, capture_output=True, text=True, check=False
    )


def test_everything_else_works_where_airflow_is_not_installed():
    inner = [path for path in MODULES if ring(path) not in OUTER | {"migrations"} and path.stem != "__main__"]
    modules = [".".join(MODULES[path].parts).removesuffix(".__init__") for path in inner]
    assert len(modules) > 20
    done = import_without(modules, {"airflow"})
    assert done.returncode == 0, done.stderr


def test_dag_files_read_the_catalogue_without_the_heavy_libraries():
    done = import_without(
        ["energy_ingest.catalog", "energy_ingest.sources"], {"airflow", "polars", "msgspec", "psycopg"}
    )
    assert done.returncode == 0, done.stderr


def test_the_guard_of_these_tests_works():
    done = import_without(["energy_ingest.reading"], {"polars"})
    assert "polars must not be imported here" in done.stderr
