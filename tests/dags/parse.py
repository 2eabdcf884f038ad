"""Parse a folder of DAGs as a DAG processor would, cut off from everything, and print what came of it as JSON.

Run as a process of its own, `python parse.py FOLDER`: what parsing imports and what loading plugins executes shows only
in a fresh interpreter.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

# What makes the library importable here must not: Airflow has to find it.
sys.path[:] = [path for path in sys.path if not (Path(path) / "energy_ingest").is_dir()]

from airflow import plugins_manager  # noqa: E402
from harness import AIRFLOW_3, digest, parse  # noqa: E402

FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "sqlite3.connect", "subprocess.Popen", "os.system")


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: no network, no database, no other program."""
    if event in FORBIDDEN:
        raise RuntimeError(f"{event}{arguments[1:]} while parsing")


def mocked_getenv(key: str, default: str | None = None) -> str:
    """Like the parse test that `astro dev init` makes: variables that are not set have made-up values."""
    return os.environ.get(key) or default or f"MOCKED_{key.upper()}_VALUE"


def main() -> None:
    """Parse, then load plugins."""
    os.getenv = mocked_getenv
    sys.addaudithook(refuse)
    bag = parse(Path(sys.argv[1]))
    imported = set(sys.modules)
    plugins = plugins_manager.get_plugin_info([])
    seen = {
        "errors": bag.import_errors,
        "dags": {dag_id: digest(dag) for dag_id, dag in bag.dags.items()},
        "library": sys.modules["energy_ingest"].__file__,
        "imported": sorted(imported),
        "plugins": sorted(plugin["name"] for plugin in plugins),
        "plugin_errors": plugins_manager.import_errors if not AIRFLOW_3 else plugins_manager.get_import_errors(),
        "added_by_plugins": sorted(set(sys.modules) - imported),
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
