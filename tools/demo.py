"""The demonstration: catch-up and a backfill of recorded data by a real Airflow, until every window is explained.

    python -m tools.demo [--days N]

Catch-up fills N days around the UK clock change of October 2024 (of National Gas's half-hourly publications the last
of them), a backfill of Elexon's data the week (at most N days) around the one in March, and a run of its own the gas
day of Transwestern's recorded file. Run again, it finds everything there and loads nothing twice.
"""

from __future__ import annotations

import argparse
import sys
import time
import urllib.error
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from energy_ingest import catalog, windows
from energy_ingest.catalog import Dataset
from energy_ingest.loading import ledger
from tools.stack import StackError, local

AUTUMN, SPRING = date(2024, 10, 27), date(2024, 3, 31)
RECORDED = date(2026, 6, 22)
"""Gas day of the recorded file of Transwestern."""

DATASETS = (
    catalog.SYSTEM_PRICES,
    catalog.MARKET_INDEX,
    catalog.B1610,
    catalog.NATIONAL_GAS_QUALITY,
    catalog.TRANSWESTERN_CAPACITY,
)
POOL = "elexon"
STALLED_AFTER = 240
"""Seconds without any progress after which the demonstration gives up and says where to look."""

console = Console(width=None if sys.stdout.isatty() else 120)


@dataclass(frozen=True)
class Span:
    """Dates from first to last, both inclusive."""

    first: date
    last: date

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"

    @classmethod
    def around(cls, day: date, days: int) -> Span:
        """So many days with the given one in the middle."""
        first = day - timedelta(days=days // 2)
        return cls(first, first + timedelta(days=days - 1))


@dataclass(frozen=True)
class Row:
    """What the ledger says about one dataset's share of the demonstration."""

    dataset: Dataset
    expected: int
    complete: int
    explained: int
    rows: int
    quarantined: int
    seconds: float
    jobs: int

    @property
    def done(self) -> int:
        """Windows that need nothing more."""
        return self.complete + self.explained


def main() -> None:
    """Run the demonstration; exits 0 only if every expected window is complete or explained."""
    parser = argparse.ArgumentParser(description="Load recorded data through a real Airflow and watch it.")
    parser.add_argument("--days", type=int, default=14, help="days of catch-up (default: 14)")
    days = parser.parse_args().days
    if not 1 <= days <= 300:
        sys.exit(f"DAYS={days} is not between 1 and 300: try DAYS=3 for a quick look, or leave it out for 14")
    try:
        sys.exit(0 if Demo(Span.around(AUTUMN, days), Span.around(SPRING, min(days, 7))).run() else 1)
    except RuntimeError as error:
        sys.exit(str(error))


class Demo:
    """One demonstration: what it must load, and the stack that does."""

    def __init__(self, catch_up: Span, backfill: Span) -> None:
        self.catch_up, self.backfill = catch_up, backfill
        settings = {
            "ENERGY_START": str(catch_up.first),
            "ENERGY_UNTIL": str(catch_up.last),
            "ENERGY_NATIONAL_GAS_START": str(catch_up.last),
            "ENERGY_RETRY_SECONDS": "10",
            "ENERGY_ELEXON_POOL": POOL,
        }
        self.stack = local(settings=settings, say=lambda line: console.print(line, highlight=False))

    def run(self) -> bool:
        """Start, load, watch, report."""
        self._start()
        before = self._rows()
        if not self._finished(before):
            self._let_airflow_work()
            self._watch()
        rows = self._rows()
        self._report(before, rows)
        return self._finished(rows)

    def _start(self) -> None:
        console.print("Starting PostgreSQL, the upstream twin and Airflow ...")
        self.stack.start()

    def _let_airflow_work(self) -> None:
        console.print(f"Catch-up {self.catch_up}, backfill {self.backfill}, gas day {RECORDED}.", highlight=False)
        self._call("POST", "/api/v2/pools", {"name": POOL, "slots": 4}, accept=409)
        for dataset in DATASETS:
            self._wait_for_dag(dataset.name)
            self._call("PATCH", f"/api/v2/dags/{dataset.name}", {"is_paused": False})
            for span in self._outside_catch_up(dataset):
                self._backfill(dataset.name, span)
        conf = {"window_from": str(RECORDED), "window_to": str(RECORDED)}
        body = {"logical_date": None, "conf": conf}
        self._call("POST", f"/api/v2/dags/{catalog.TRANSWESTERN_CAPACITY.name}/dagRuns", body)

    def _spans(self, dataset: Dataset) -> list[Span]:
        """The dates of a dataset that the demonstration loads; what catch-up loads comes first."""
        if dataset is catalog.NATIONAL_GAS_QUALITY:
            return [Span(self.catch_up.last, self.catch_up.last)]
        if dataset is catalog.TRANSWESTERN_CAPACITY:
            return [self.catch_up, Span(RECORDED, RECORDED)]
        return [self.catch_up, self.backfill]

    def _outside_catch_up(self, dataset: Dataset) -> list[Span]:
        """What the scheduler will not create by itself: the spring, and days before a DAG's first scheduled run."""
        query = "run_type=scheduled&order_by=logical_date&limit=1"
        runs = self._call("GET", f"/api/v2/dags/{dataset.name}/dagRuns?{query}")["dag_runs"]
        caught_up, *_ = spans = self._spans(dataset)
        started_later = runs and runs[0]["logical_date"][:10] > str(caught_up.first)
        return [span for span in spans if span == self.backfill or (started_later and span == caught_up)]

    def _backfill(self, dag_id: str, span: Span) -> None:
        body = {
            "dag_id": dag_id,
            "from_date": f"{span.first}T00:00:00Z",
            "to_date": f"{span.last}T23:59:59Z",  # both ends are inclusive; runs start at 02:00 UK time
            "reprocess_behavior": "failed",
            "max_active_runs": 4,
            "run_backwards": False,
            "dag_run_conf": {},
        }
        deadline = time.monotonic() + STALLED_AFTER
        while self._call("POST", "/api/v2/backfills", body, accept=409) is None:  # one at a time for each DAG
            if time.monotonic() > deadline:
                raise StackError(f"An earlier backfill of {dag_id} does not end: look at it in {self.stack.url}")
            time.sleep(2)

    def _wait_for_dag(self, dag_id: str) -> None:
        deadline = time.monotonic() + 120
        while self._call("GET", f"/api/v2/dags/{dag_id}", accept=404) is None:
            if time.monotonic() > deadline:
                raise StackError(f"Airflow does not list {dag_id}: see {self.stack.folder}/logs/dag-processor.log")
            time.sleep(1)

    def _call(self, method: str, path: str, body: object = None, accept: int | None = None) -> Any:
        """Airflow's answer, or None where it is refused with the accepted status."""
        try:
            return self.stack.api(method, path, body)
        except urllib.error.HTTPError as error:
            if error.code == accept:
                return None
            raise StackError(f"Airflow refused {method} {path} with {error.code}: {error.read(400).decode()}") from None
        except OSError as error:
            why = f"Airflow at {self.stack.url} does not answer ({error}); the machine may be busy"
            raise StackError(f"{why}. Run this again: it goes on where it stopped.") from error

    def _watch(self) -> None:
        rate = TextColumn("{task.fields[rate]}")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
        began, last_change, seen = time.monotonic(), time.monotonic(), (-1, -1)
        there = sum(row.done for row in self._rows())  # by an earlier run that was stopped
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            bar = progress.add_task("windows", total=None, rate="")
            while True:
                rows = self._rows()
                done, total = sum(r.done for r in rows), sum(r.expected for r in rows)
                seconds, new = time.monotonic() - began, done - there
                pace = f"{sum(r.rows for r in rows):,} rows, {new / seconds * 60:.0f} windows/min"
                progress.update(bar, total=total, completed=done, rate=pace)
                state = (done, sum(r.jobs for r in rows))
                if state != seen:
                    last_change, seen = time.monotonic(), state
                    if not console.is_terminal:
                        left = f"about {seconds / new * (total - done):.0f} s left" if new else "time left unknown"
                        console.print(f"{done}/{total} windows, {pace}, {left}", highlight=False)
                if self._finished(rows):
                    return
                if time.monotonic() - last_change > STALLED_AFTER:
                    console.print(f"[red]No progress for {STALLED_AFTER} s.[/] See {self.stack.folder}/logs")
                    return
                time.sleep(2)

    def _rows(self) -> list[Row]:
        with closing(psycopg.connect(self.stack.warehouse_urls()["energy_reader"], autocommit=True)) as connection:
            return [self._row(connection, dataset) for dataset in DATASETS]

    def _row(self, connection: psycopg.Connection, dataset: Dataset) -> Row:
        scope = dataset.scopes()[0]
        starts = [w.start for span in self._spans(dataset) for w in dataset.windows(span.first, span.last)]
        states = ledger.states(connection, dataset, scope)
        mine = [states[start]["state"] for start in starts if start in states]
        query = (  # windows that share an answer are loaded in the same seconds
            "SELECT coalesce(sum(inserted), 0)::bigint, coalesce(sum(quarantined), 0)::bigint,"
            " coalesce(extract(epoch FROM sum(seconds)), 0)::float8, coalesce(sum(jobs), 0)::bigint FROM ("
            " SELECT sum(inserted_rows) AS inserted, sum(quarantined_rows) AS quarantined, max(duration) AS seconds,"
            " count(*) AS jobs FROM ledger.import_job WHERE dataset = %s AND scope = %s AND window_start = ANY(%s)"
            " GROUP BY coalesce(archive_path, job_id::text)) AS answer"
        )
        explained = sum(state in windows.EXPLAINED for state in mine)
        jobs = connection.execute(query, [dataset.name, scope.name, starts]).fetchone() or ()
        return Row(dataset, len(starts), mine.count("complete"), explained, *jobs)

    def _finished(self, rows: Sequence[Row]) -> bool:
        return all(row.done == row.expected for row in rows)

    def _report(self, before: Sequence[Row], rows: Sequence[Row]) -> None:
        table = Table("dataset", title="Loaded without gaps" if self._finished(rows) else "[red]Gaps are left[/]")
        for name in ("windows", "complete", "explained", "rows", "quarantined", "seconds"):
            table.add_column(name, justify="right")
        for r in rows:
            figures = (r.expected, r.complete, r.explained, f"{r.rows:,}", r.quarantined, f"{r.seconds:.1f}")
            table.add_row(r.dataset.name, *map(str, figures))
        console.print(table)
        new_jobs = sum(r.jobs for r in rows) - sum(r.jobs for r in before)
        if not new_jobs:
            console.print("Everything was there already: no request was sent and no row was loaded twice.")
        elif not self._finished(rows):
            console.print("What is missing and why: .venv/bin/energy-ingest gaps")
        console.print(f"Airflow: {self.stack.url}   user: admin   password: {self.stack.password}", highlight=False)
        console.print("The stack keeps running: make psql asks the warehouse, make stop ends it.")


if __name__ == "__main__":
    main()
