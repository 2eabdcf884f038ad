"""How fast it loads, as a ratio to what the same machine can do at best in the same run.

    python -m tools.bench [--days 5] [--rounds 3] [--schedule 365] [--meters 1000]

*Loading*: whole-market B1610 days (440,496 rows each) from the twin, through the operator's code path: fetch, parse,
validate, archive, load, ledger, history. The limit is psql with `COPY` and `MERGE` of ready rows into an equal table
without any of that. *Projecting*: such a day to InfluxDB, see `bench_influx`. *Meters*: importing and aggregating a
year of half hours, see `bench_meters` and `bench_aggregates`. *Scheduling*: catch-up of one-window days by a real
scheduler, in runs a minute. *Pages*: what the server takes to answer, see `bench_pages`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

import psycopg
from psycopg import sql
from rich.console import Console
from rich.progress import track
from rich.table import Table

from energy_ingest import catalog, settings
from energy_ingest.loading import database, merge, schema
from energy_ingest.sources import Scope, source_of
from energy_ingest.windows import utc_now
from tools import postgres
from tools.memory import peak_mb
from tools.stack import ROOT, Stack

sys.path.insert(0, str(ROOT / "include"))
from twin.client import Twin

DATASET = catalog.B1610
FIRST_DAY = date(2024, 10, 21)
UNITS = 9177
TARGET_RATIO, TARGET_MEMORY_MB, TARGET_RUNS = 1.3, 512, 40
TUNED = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}

console = Console(width=None if sys.stdout.isatty() else 120)


@dataclass(frozen=True)
class Figures:
    """One measured load."""

    rows: int
    wall: float
    cpu: float
    server_cpu: float
    peak_mb: float = 0.0


def main() -> None:
    """Measure, print, and exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(description="Measure loading, projecting and scheduling.")
    parser.add_argument("--days", type=int, default=5, help="whole-market days to load (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="times that each figure is taken (default: 3)")
    parser.add_argument("--schedule", type=int, default=365, help="days of scheduled catch-up, 0 to leave it out")
    parser.add_argument("--meters", type=int, default=1000, help="meters whose year is aggregated (default: 1000)")
    parser.add_argument("--worker", nargs=2, metavar=("FIRST", "LAST"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return _worker(*map(date.fromisoformat, arguments.worker))
    # not in the worker: its memory is measured
    from tools import bench_aggregates, bench_influx, bench_meters, bench_pages

    met = _bench_loading(arguments.days, arguments.rounds)
    met &= bench_influx.bench(arguments.rounds, console)
    met &= bench_meters.bench(arguments.rounds, console)
    met &= bench_pages.bench(console)
    met &= bench_aggregates.bench(arguments.rounds, console, arguments.meters)
    if arguments.schedule:
        met &= _bench_scheduling(arguments.schedule)
    sys.exit(0 if met else 1)


# --- loading ---


def _bench_loading(days: int, rounds: int) -> bool:
    labels = [FIRST_DAY + timedelta(days=n) for n in range(days)]
    measured: dict[str, list[Figures]] = {name: [] for name in ("limit new", "ours new", "limit again", "ours again")}
    with (
        tempfile.TemporaryDirectory() as scratch,
        postgres.temporary(durable=True, **TUNED) as server,
        Twin.start("--b1610-units", str(UNITS)) as twin,
    ):
        bench = _Loading(Path(scratch), server, twin, labels)
        bench.prepare()
        for _ in track(range(rounds), "loading", console=console):
            bench.reset()
            for when in ("new", "again"):
                measured[f"limit {when}"].append(bench.limit())
                measured[f"ours {when}"].append(bench.ours())
    return _report_loading(measured, days)


class _Loading:
    """Both ways to load the same days into the same server."""

    def __init__(self, folder: Path, server: postgres.Server, twin: Twin, labels: Sequence[date]) -> None:
        self._folder, self._server, self._twin, self._labels = folder, server, twin, labels
        self._rows = 0

    def prepare(self) -> None:
        """Have the twin make its answers, and the limit's rows ready as CSV."""
        columns = list(DATASET.contract.loaded)
        with (self._folder / "ready.csv").open("wb") as ready:
            for label in track(self._labels, "preparing", console=console):
                windows = list(DATASET.windows(label, label))
                request = source_of(DATASET).request(DATASET, windows, Scope("all"), utc_now())
                query = "&".join(f"{name}={value}" for name, value in request.params)
                _, _, body = self._twin.get(f"{request.path}?{query}")
                for piece in source_of(DATASET).parse(DATASET, [body], windows, Scope("all")):
                    piece.rows.select(columns).write_csv(ready, include_header=False)
                    self._rows += piece.rows.height

    def reset(self) -> None:
        """An empty, migrated warehouse, and an empty archive."""
        with closing(psycopg.connect(self._server.dsn, autocommit=True)) as connection:
            connection.execute("DROP DATABASE IF EXISTS bench WITH (FORCE)")
            connection.execute("CREATE DATABASE bench")
        schema.migrate(self._dsn)
        with closing(database.connect(self._dsn)) as connection:
            columns = ", ".join(DATASET.contract.loaded)
            bounds = {DATASET.time_column: (self._labels[0], self._labels[-1])}
            connection.execute("CREATE TABLE ready AS SELECT * FROM energy.elexon_b1610")
            connection.execute(f"ALTER TABLE ready ADD PRIMARY KEY ({', '.join(DATASET.contract.key)})")
            merging = merge.merge_statement(
                DATASET, bounds, sql.Identifier("ready"), sql.Identifier("stage")
            ).as_string(connection)
        values = {"retrieved_at": "2024-12-01", "job_id": 1}
        for name, value in values.items():
            merging = merging.replace(f"%({name})s", f"'{value}'")
        (self._folder / "limit.sql").write_text(  # our own catalogue's names and a folder of our own
            f"BEGIN; CREATE TEMPORARY TABLE stage ON COMMIT DROP AS SELECT {columns} FROM ready LIMIT 0;\n"  # noqa: S608
            f"\\copy stage from '{self._folder / 'ready.csv'}' csv\n{merging};\nCOMMIT;\n"
        )

    def limit(self) -> Figures:
        """The best there is: COPY and MERGE of ready rows by psql."""
        self._settle()
        psql = [str(postgres.find_bindir() / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d", self._dsn]
        with self._measured() as figures:
            subprocess.run([*psql, "-f", str(self._folder / "limit.sql")], check=True)
        return Figures(self._rows, *figures)

    def ours(self) -> Figures:
        """The operator's code path in a process of its own, imports done before the clock starts."""
        self._settle()
        own = {
            "WAREHOUSE_URL": self._dsn,
            "AIRFLOW_CONN_ELEXON_DEFAULT": json.dumps({"conn_type": "http", "host": self._twin.url}),
            "ENERGY_ARCHIVE_URL": (self._folder / "archive").as_uri(),
            settings.BM_UNITS.env: "all",
            "AIRFLOW_HOME": str(self._folder / "airflow"),
        }
        command = [sys.executable, "-m", "tools.bench", "--worker", str(self._labels[0]), str(self._labels[-1])]
        before = self._server.cpu_seconds()
        done = subprocess.run(command, env={**os.environ, **own}, cwd=ROOT, check=False, capture_output=True, text=True)
        figures = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}
        if figures.get("rows") != self._rows:
            raise RuntimeError(f"not all of the {self._rows} rows were loaded:\n{done.stdout}\n{done.stderr}")
        return Figures(**{**figures, "server_cpu": self._server.cpu_seconds() - before})

    @property
    def _dsn(self) -> str:
        return self._server.dsn.rsplit("/", 1)[0] + "/bench"

    def _settle(self) -> None:
        with closing(psycopg.connect(self._server.dsn, autocommit=True)) as connection:
            connection.execute("CHECKPOINT")

    @contextmanager
    def _measured(self) -> Iterator[list[float]]:
        """Fills the list with wall, client CPU and server CPU seconds."""
        figures: list[float] = []
        began, client, server = time.perf_counter(), _children_cpu(), self._server.cpu_seconds()
        yield figures
        figures += [time.perf_counter() - began, _children_cpu() - client, self._server.cpu_seconds() - server]


def _worker(first: date, last: date) -> None:
    """Load a range through the operator's code path and print the figures."""
    from energy_ingest.hooks.loader import loader_for
    from energy_ingest.loading.ledger import Run

    loader = loader_for(DATASET, DATASET.scopes()[0], Run("command"))
    with closing(loader.connect()):  # connections and modules are warm in an Airflow worker too
        cpu, began = time.process_time(), time.perf_counter()
        summary = loader.load(list(DATASET.windows(first, last)))
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(json.dumps(asdict(Figures(summary.count("received"), wall, cpu, 0.0, peak_mb()))))


def _report_loading(measured: dict[str, list[Figures]], days: int) -> bool:
    table = Table("load", title=f"{days} whole-market settlement days of B1610, median of {len(measured['limit new'])}")
    for name in ("rows/s", "wall s", "client CPU s", "server CPU s", "peak MB", "x limit"):
        table.add_column(name, justify="right")
    met = True
    for name, runs in measured.items():
        limit = measured[name.replace("ours", "limit")]
        ratio = statistics.median(ours.wall / best.wall for ours, best in zip(runs, limit, strict=True))
        wall, peak = statistics.median(run.wall for run in runs), max(run.peak_mb for run in runs)
        cpu, server = (statistics.median(getattr(run, kind) for run in runs) for kind in ("cpu", "server_cpu"))
        figures = (
            f"{runs[0].rows / wall:,.0f}",
            f"{wall:.1f}",
            f"{cpu:.1f}",
            f"{server:.1f}",
            f"{peak:.0f}" if peak else "",
            f"{ratio:.2f}",
        )
        table.add_row(name, *figures)
        met &= ratio <= TARGET_RATIO and peak < TARGET_MEMORY_MB
    console.print(table)
    console.print(f"Targets: at most {TARGET_RATIO} x the limit, under {TARGET_MEMORY_MB} MB: {_verdict(met)}")
    return met


# --- scheduling ---


def _bench_scheduling(days: int) -> bool:
    """Catch-up of one-window days by a real scheduler."""
    first = date(2024, 1, 1)
    last = first + timedelta(days=days - 1)
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder), settings={"ENERGY_START": str(first), "ENERGY_UNTIL": str(last)})
        try:
            stack.start()
            per_minute = _catch_up(stack, days)
        finally:
            stack.stop()
    met = per_minute >= TARGET_RUNS
    console.print(
        f"Catch-up: {days} one-window days, {per_minute:.0f} runs a minute; target {TARGET_RUNS}: {_verdict(met)}"
    )
    return met


def _catch_up(stack: Stack, days: int) -> float:
    dag = catalog.SYSTEM_PRICES.name
    while not any(item["dag_id"] == dag for item in stack.api("GET", "/api/v2/dags")["dags"]):
        time.sleep(1)
    stack.api("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})
    began, done = time.monotonic(), 0
    while done < days:
        if time.monotonic() - began > days * 10:
            raise RuntimeError(f"catch-up stands at {done} of {days} runs: see the task logs")
        time.sleep(2)
        runs = stack.api("GET", f"/api/v2/dags/{dag}/dagRuns?state=success&limit=1")
        done = runs["total_entries"]
    return days / (time.monotonic() - began) * 60


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _verdict(met: bool) -> str:
    return "met" if met else "[red]missed[/]"


if __name__ == "__main__":
    main()
