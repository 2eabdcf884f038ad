"""How fast meter files are imported, as a ratio to what the same machine can do at best in the same run.

    python -m tools.bench_meters [--meters 60] [--rounds 3]

A made-up file of a year of half hours for some meters goes through the operator's code path: inbox, queue, parsing,
loading, history, marks. The limit is `COPY` and `MERGE` of the ready rows into an equal table without any of that.
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
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from energy_ingest import clock
from energy_ingest.loading import database
from tools.bootstrap import ROOT
from tools.memory import peak_mb

if TYPE_CHECKING:
    from rich.console import Console

FIRST_DAY: Final = date(2023, 1, 1)
DAYS: Final = 365
TARGET_PARSED, TARGET_LOADED, TARGET_RATIO, TARGET_MEMORY_MB = 100_000, 30_000, 2.0, 300
TUNED: Final = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}

LIMIT: Final = """
MERGE INTO ready AS t USING stage AS s ON (t.period_start, t.mpan, t.register) = (s.period_start, s.mpan, s.register)
WHEN MATCHED AND (t.quantity_kwh, t.reading_type, t.is_ambiguous)
  IS DISTINCT FROM (s.quantity_kwh, s.reading_type, s.is_ambiguous)
  THEN UPDATE SET quantity_kwh = s.quantity_kwh, reading_type = s.reading_type, is_ambiguous = s.is_ambiguous
WHEN NOT MATCHED THEN
  INSERT (period_start, mpan, register, quantity_kwh, reading_type, is_ambiguous, recorded_from, job_id)
  VALUES (s.period_start, s.mpan, s.register, s.quantity_kwh, s.reading_type, s.is_ambiguous, now(), 1)
"""
COLUMNS: Final = "period_start, mpan, register, quantity_kwh, reading_type, is_ambiguous"


@dataclass(frozen=True)
class Figures:
    """One measurement."""

    readings: int
    wall: float
    peak_mb: float = 0.0


def main() -> None:
    """Measure, print, and exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(description="Measure the import of meter files.")
    parser.add_argument("--meters", type=int, default=60, help="meters with a year of half hours each (default: 60)")
    parser.add_argument("--rounds", type=int, default=3, help="times that each figure is taken (default: 3)")
    parser.add_argument("--worker", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return _worker(arguments.worker[0], Path(arguments.worker[1]))
    from rich.console import Console  # not in the worker: its memory is measured

    console = Console(width=None if sys.stdout.isatty() else 120)
    sys.exit(0 if bench(arguments.rounds, console, arguments.meters) else 1)


def bench(rounds: int, console: Console, meters: int = 60) -> bool:
    """Measure and print; whether the targets are met."""
    from tools import postgres

    names = ("parse", "limit new", "limit again", "ours new", "ours again")
    measured: dict[str, list[Figures]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder, postgres.temporary(durable=True, **TUNED) as server:
        file, ready = Path(folder) / "year.csv", Path(folder) / "ready.csv"
        readings = _write(file, ready, meters)
        for _ in range(rounds):
            dsn = _reset(server)
            measured["parse"].append(_run("parse", dsn, file))
            measured["limit new"].append(_limit(dsn, ready, readings))
            measured["limit again"].append(_limit(dsn, ready, 0))
            measured["ours new"].append(_run("import", dsn, file))
            measured["ours again"].append(_run("import", dsn, file))
    if any(run.readings != readings for runs in measured.values() for run in runs):
        raise RuntimeError(f"not all of the {readings} readings came through")
    return _report(measured, console)


def _write(file: Path, ready: Path, meters: int) -> int:
    """The file, and the rows that it holds; returns how many. A positional file has 46, 48 or 50 half hours a day."""
    readings = 0
    with file.open("w") as wide, ready.open("w") as rows:
        wide.write(",".join(["MPAN", "Date", *(f"HH{n:02}" for n in range(1, 51))]) + "\n")
        for meter in (f"{1_000_000_000_000 + number * 11}" for number in range(meters)):
            for day in (FIRST_DAY + timedelta(days=n) for n in range(DAYS)):
                count, start = clock.settlement_periods(day), clock.period_start(day, 1)
                values = [f"{(number * 7919 + day.toordinal()) % 5000 / 1000:.3f}" for number in range(count)]
                wide.write(f"{meter},{day:%d/%m/%Y}," + ",".join(values) + "," * (50 - count) + "\n")
                for number, value in enumerate(values):
                    rows.write(f"{start + number * clock.HALF_HOUR:%Y-%m-%dT%H:%MZ},{meter},import,{value},actual,f\n")
                readings += count
    return readings


def _reset(server: object) -> str:
    """An empty, migrated warehouse; returns its address."""
    from energy_ingest.loading import schema

    dsn: str = server.dsn  # type: ignore[attr-defined]
    with closing(database.connect(dsn)) as connection:
        connection.execute("DROP DATABASE IF EXISTS bench WITH (FORCE)")
        connection.execute("CREATE DATABASE bench")
    bench_dsn = dsn.rsplit("/", 1)[0] + "/bench"
    schema.migrate(bench_dsn)
    with closing(database.connect(bench_dsn)) as connection:
        connection.execute("CREATE TABLE ready (LIKE energy.meter_reading INCLUDING ALL)")
        connection.execute("CHECKPOINT")
    return bench_dsn


def _limit(dsn: str, ready: Path, new: int) -> Figures:
    """The best there is: COPY and MERGE of ready rows, of which so many are new."""
    with closing(database.connect(dsn)) as connection, ready.open("rb") as rows:
        began = time.perf_counter()
        with connection.transaction():
            connection.execute(f"CREATE TEMPORARY TABLE stage AS SELECT {COLUMNS} FROM ready LIMIT 0")  # noqa: S608
            copied = connection.cursor()
            with copied.copy("COPY stage FROM STDIN (FORMAT csv)") as copy:
                while chunk := rows.read(2**20):
                    copy.write(chunk)
            merged = connection.execute(LIMIT).rowcount
        wall = time.perf_counter() - began
        connection.execute("CHECKPOINT")
    return Figures(copied.rowcount if merged == new else 0, wall)


def _run(what: str, dsn: str, file: Path) -> Figures:
    """One measurement in a process of its own, imports done before the clock starts."""
    with tempfile.TemporaryDirectory() as inbox:
        copy = Path(inbox) / file.name
        copy.write_bytes(file.read_bytes() + b"\n" * (1 + time.perf_counter_ns() % 1000))  # other bytes each time
        os.utime(copy, (1, 1))
        command = [sys.executable, "-m", "tools.bench_meters", "--worker", what, inbox]
        environment = {**os.environ, "WAREHOUSE_URL": dsn, "AIRFLOW_HOME": inbox}
        done = subprocess.run(command, env=environment, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{what} failed:\n{done.stdout}\n{done.stderr}")
    return Figures(**json.loads(done.stdout.splitlines()[-1]))


def _worker(what: str, folder: Path) -> None:
    """Parse or import what lies in the inbox, and print the figures."""
    from energy_ingest.hooks.warehouse import WarehouseHook
    from energy_ingest.loading.meter_files.inbox import local_inbox
    from energy_ingest.loading.meter_files.work import Importer, Summary

    importer, summary = Importer(WarehouseHook().get_conn, local_inbox(str(folder))), Summary()
    with closing(importer.connect()):  # connections and modules are warm in an Airflow worker too
        began = time.perf_counter()
        if what == "parse":
            (file,) = folder.glob("*.csv")
            readings = _parse(file)
        else:
            importer.take_all(summary)
            importer.work(summary)
            readings = sum(job.total_rows or 0 for job in summary.ended)
        wall = time.perf_counter() - began
    print(json.dumps(asdict(Figures(readings, wall, peak_mb()))))


def _parse(file: Path) -> int:
    from energy_ingest.loading.meter_files.work import PIECE_BYTES
    from energy_ingest.sources.meter_files import Options, decide, parse

    def opened() -> BinaryIO:
        return file.open("rb")

    options = Options("hh", today=FIRST_DAY + timedelta(days=2 * DAYS))
    decision = decide(opened, file.name, options)
    return sum(piece.rows.height for piece in parse(opened, decision, options, 0, PIECE_BYTES))


def _report(measured: dict[str, list[Figures]], console: Console) -> bool:
    from rich.table import Table

    title = f"a file of {measured['parse'][0].readings:,} half hours, median of {len(measured['parse'])}"
    table = Table("meter files", title=title)
    for name in ("readings/s", "wall s", "peak MB", "x limit"):
        table.add_column(name, justify="right")
    rate, ratio, peak = dict[str, float](), dict[str, float](), 0.0
    for name, runs in measured.items():
        rate[name] = statistics.median(run.readings / run.wall for run in runs)
        pairs = zip(runs, measured["limit again" if name.endswith("again") else "limit new"], strict=True)
        ratio[name] = statistics.median(run.wall / limit.wall for run, limit in pairs)
        peak = max(peak, *(run.peak_mb for run in runs))
        wall, most = statistics.median(run.wall for run in runs), max(run.peak_mb for run in runs)
        table.add_row(name, f"{rate[name]:,.0f}", f"{wall:.1f}", f"{most:.0f}" if most else "", f"{ratio[name]:.2f}")
    met = rate["parse"] >= TARGET_PARSED and rate["ours new"] >= TARGET_LOADED
    met &= max(ratio["ours new"], ratio["ours again"]) <= TARGET_RATIO and peak < TARGET_MEMORY_MB
    console.print(table)
    console.print(
        f"Targets: {TARGET_PARSED:,} readings/s parsed, {TARGET_LOADED:,} imported, at most {TARGET_RATIO} x the "
        f"limit, under {TARGET_MEMORY_MB} MB: {'met' if met else '[red]missed[/]'}"
    )
    return met


if __name__ == "__main__":
    main()
