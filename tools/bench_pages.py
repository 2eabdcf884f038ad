"""How fast pages are answered: ten years of twenty datasets, a hundred thousand jobs and issues, whole requests.

    python -m tools.bench_pages

A test asks Airflow's own app, with our plugin, in its process. CPU of both servers, Airflow's and the database, is what
counts: it is what an answer takes on a machine with nothing else to do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.table import Table

from tools.stack import ROOT

TEST: Final = "tests/dags/web/test_scale.py"
TARGET_MS: Final = 300
TURNS: Final = 5


def bench(console: Console) -> bool:
    """Whether every answer stays below the target."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", f"--junitxml={report}", TEST]
        environment = {**os.environ, "BENCH_TURNS": f"{TURNS}"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if not report.exists():
            raise SystemExit(done.stdout + done.stderr)
        found = ET.parse(report).iter("property")  # noqa: S314 - pytest wrote it
    taken = {item.get("name", ""): [int(part) for part in item.get("value", "").split()] for item in found}
    if not taken:
        raise SystemExit(done.stdout)
    table = Table("request", title="Pages: ten years of twenty datasets, a hundred thousand jobs and issues")
    table.add_column("ms, best of five", justify="right")
    table.add_column("ms of CPU", justify="right")
    for path, (best, cpu) in taken.items():
        table.add_row(path, f"{best}", f"[{'green' if cpu < TARGET_MS else 'red'}]{cpu}[/]")
    console.print(table)
    return all(cpu < TARGET_MS for _, cpu in taken.values())


if __name__ == "__main__":
    sys.exit(0 if bench(Console(width=None if sys.stdout.isatty() else 120)) else 1)
