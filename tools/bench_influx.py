"""How fast InfluxDB follows, as a ratio to posting the ready payload in the same run.

    python -m tools.bench_influx [--rounds 3]

One whole-market B1610 day (440,496 rows) from PostgreSQL through the operator's code path into the real engine of
InfluxDB 1.6.7, behind the double of 2.7. The limit is posting the same requests, made ready before, to the same server.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING

from energy_ingest import catalog
from energy_ingest.loading import database
from energy_ingest.loading.influx_client import Target
from tools.bootstrap import ROOT
from tools.memory import peak_mb

if TYPE_CHECKING:
    from rich.console import Console

    from energy_ingest.loading.influx import Projector
    from energy_ingest.loading.influx_client import Batch

DATASET = catalog.B1610
DAY = date(2024, 10, 21)
UNITS = 9177
TARGET_RATIO, TARGET_MEMORY_MB = 1.3, 256


@dataclass(frozen=True)
class Figures:
    """One measured day."""

    points: int
    wall: float
    cpu: float
    peak_mb: float


def main() -> None:
    """Measure, print, and exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(description="Measure the projection to InfluxDB.")
    parser.add_argument("--rounds", type=int, default=3, help="times that each figure is taken (default: 3)")
    parser.add_argument("--worker", choices=("ready", "ours"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return _worker(arguments.worker)
    from rich.console import Console  # not in the worker: its memory is measured

    sys.exit(0 if bench(arguments.rounds, Console(width=None if sys.stdout.isatty() else 120)) else 1)


def bench(rounds: int, console: Console) -> bool:
    """Measure and print; whether the targets are met. Where the engine cannot be had, it is said and left out."""
    from energy_ingest.loading import schema
    from include.influx_double import engine
    from tools import made_up, postgres

    try:
        engine.find()
    except engine.Unavailable as error:
        console.print(f"[red]The projection to InfluxDB was not measured[/]: {error}")
        return True
    measured: dict[str, list[Figures]] = {"ready payload": [], "ours": []}
    with postgres.temporary(durable=True) as server:
        schema.migrate(server.dsn)
        made_up.load(server.dsn, DATASET, DAY, UNITS)
        for _ in range(rounds):
            measured["ready payload"].append(_run("ready", server.dsn))
            measured["ours"].append(_run("ours", server.dsn))
    return _report(measured, console)


def _run(which: str, dsn: str) -> Figures:
    """One measurement in a process of its own, against an empty server."""
    from tools.smoke_influx import count_by_influxql

    with closing(database.connect(dsn)) as connection:
        connection.execute("UPDATE ledger.import_job SET influx_pending = true")
        connection.execute("CHECKPOINT")
    with _influx() as url:
        own = {"WAREHOUSE_URL": dsn, "INFLUXDB_URL": url, "INFLUXDB_TOKEN": "token", "INFLUXDB_ORG": "org"}
        command = [sys.executable, "-m", "tools.bench_influx", "--worker", which]
        with tempfile.TemporaryDirectory() as home:
            environment = {**os.environ, **own, "INFLUXDB_BUCKET": "bucket", "AIRFLOW_HOME": home}
            done = subprocess.run(command, env=environment, cwd=ROOT, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{which} failed:\n{done.stdout}\n{done.stderr}")
        figures = Figures(**json.loads(done.stdout.splitlines()[-1]))
        arrived = count_by_influxql(Target(url, "token", "org", "bucket"), DATASET.name, "quantity_mwh")
        if not figures.points == arrived == UNITS * 48:
            raise RuntimeError(f"{figures.points} points were sent, {arrived} arrived, {UNITS * 48} are due")
    return figures


@contextmanager
def _influx() -> Iterator[str]:
    """The double with the engine behind it, in a process of its own; gives its URL."""
    command = [sys.executable, "-m", "include.influx_double", "--port", "0", "--engine", "--engine-parses"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = server.stdout.readline() if server.stdout else ""
            yield json.loads(line)["url"]
        finally:
            server.terminate()


def _worker(which: str) -> None:
    """Post, with all that an Airflow task has loaded, and print the figures."""
    from energy_ingest.hooks.influxdb import InfluxDBHook
    from energy_ingest.hooks.warehouse import WarehouseHook
    from energy_ingest.loading.influx import Projector

    with closing(InfluxDBHook().influx()) as influx:
        projector = Projector(DATASET, WarehouseHook().get_conn, influx)
        bodies = [] if which == "ours" else _ready(projector)
        influx.check()
        cpu, began = time.process_time(), time.perf_counter()
        if which == "ours":
            points = projector.project().points
        else:
            points = sum(batch.lines.len() - len(influx.write(batch)) for batch in bodies)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(json.dumps(asdict(Figures(points, wall, cpu, peak_mb()))))


def _ready(projector: Projector) -> list[Batch]:
    """Every batch of the day, made before the clock starts."""
    from energy_ingest.loading.influx import Attempt, Summary

    (window,) = DATASET.windows(DAY, DAY)
    with closing(projector.connect()) as connection, connection.transaction():
        attempt = Attempt(projector, connection, window, Summary(1))
        return [batch for _, batch in attempt.batches(None)]


def _report(measured: dict[str, list[Figures]], console: Console) -> bool:
    from rich.table import Table

    table = Table("project", title=f"a whole-market day to InfluxDB, median of {len(measured['ours'])}")
    for name in ("points/s", "wall s", "client CPU s", "peak MB", "x ready payload"):
        table.add_column(name, justify="right")
    pairs = zip(measured["ours"], measured["ready payload"], strict=True)
    ratio = statistics.median(ours.wall / ready.wall for ours, ready in pairs)
    for name, runs in measured.items():
        wall, cpu = (statistics.median(getattr(run, kind) for run in runs) for kind in ("wall", "cpu"))
        ours = (f"{max(run.peak_mb for run in runs):.0f}", f"{ratio:.2f}") if name == "ours" else ("", "1")
        table.add_row(name, f"{runs[0].points / wall:,.0f}", f"{wall:.1f}", f"{cpu:.1f}", *ours)
    met = ratio <= TARGET_RATIO and max(run.peak_mb for run in measured["ours"]) < TARGET_MEMORY_MB
    console.print(table)
    verdict = "met" if met else "missed"
    console.print(f"Targets: at most {TARGET_RATIO} x the ready payload, under {TARGET_MEMORY_MB} MB: {verdict}")
    return met


if __name__ == "__main__":
    main()
