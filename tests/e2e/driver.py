"""What the end-to-end tests share: Airflow through its API and its command line, the warehouse, and waiting."""

# ruff: noqa: S608 - the names put into statements here are the catalogue's

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import time
import urllib.error
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from energy_ingest.catalog import B1610, MARKET_INDEX, SYSTEM_PRICES, Dataset
from energy_ingest.loading import database
from energy_ingest.loading.ingest import Loader
from energy_ingest.loading.ledger import Run
from energy_ingest.sources import Answer, Request
from energy_ingest.windows import EXPLAINED
from tools.postgres import free_port
from tools.stack import BIN, PREFERRED_PORTS, ROOT, Stack

T = TypeVar("T")

DEADLINE = 180.0
"""Seconds for whatever should come: generous, as the machine may be busy; nothing waits longer than it must."""

FINISHED = ("success", "failed")
DATASETS = (SYSTEM_PRICES, MARKET_INDEX, B1610)
NAMES = tuple(dataset.name for dataset in DATASETS)

RANGE = [date(2024, 10, 26), date(2024, 10, 27), date(2024, 10, 28)]
"""What catch-up loads: three settlement dates around the clock change."""

SETTINGS = {
    "ENERGY_START": f"{RANGE[0]}",
    "ENERGY_UNTIL": f"{RANGE[-1]}",
    "ENERGY_NATIONAL_GAS_START": f"{RANGE[-1]}",
    "ENERGY_CAPACITY_START": f"{RANGE[-1] + timedelta(days=1)}",  # five postings, from the afternoon before on
    "ENERGY_RETRY_SECONDS": "2",
    "ENERGY_POSTING_POLL_SECONDS": "3",
    # Airflow takes minutes to believe that a scheduler or a task is dead; here it may be hasty.
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
}


def eventually(look: Callable[[], T], accept: Callable[[T], object], what: str, within: float = DEADLINE) -> T:
    """Look until what is seen is accepted; the failure tells what was seen last. No answer is no reason to give up."""
    deadline = time.monotonic() + within
    while True:
        try:
            if accept(seen := look()):
                return seen
        except (OSError, psycopg.OperationalError) as error:
            seen = error  # type: ignore[assignment]
        assert time.monotonic() < deadline, f"{what}: not within {within:.0f} s, seen last: {seen}"
        time.sleep(0.25)


def dates(first: date, last: date) -> list[date]:
    """First to last, both inclusive."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def own_ports() -> dict[str, int]:
    """Ports for a stack that nobody else prefers."""
    return {name: free_port() for name in PREFERRED_PORTS}


@contextmanager
def held(records: Warehouse, dataset: Dataset, day: date) -> Iterator[None]:
    """Hold the lock under which the window's rows and its ledger row are committed: a load stops there."""
    [window] = dataset.windows(day, day)
    with records.connection() as connection:
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"{dataset.name} {window.start}"])
        yield


class Airflow:
    """A running Airflow, as a person or a program uses it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Answer of the REST API."""
        return self.stack.api(method, f"/api/v2{path}", body)

    def refusal(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        """Status and text with which the REST API refuses."""
        try:
            answer = self.call(method, path, body)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        raise AssertionError(f"{method} {path} was not refused but answered with {answer}")

    def pause(self, *dag_ids: str) -> None:
        """Let no new task of these DAGs start."""
        for dag_id in dag_ids:
            self.call("PATCH", f"/dags/{dag_id}", {"is_paused": True})

    def unpause(self, *dag_ids: str) -> None:
        """Let these DAGs run, as soon as Airflow knows them."""
        known = lambda: {dag["dag_id"] for dag in self.call("GET", "/dags")["dags"]}  # noqa: E731
        eventually(known, set(dag_ids).issubset, "Airflow lists the DAGs")
        for dag_id in dag_ids:
            self.call("PATCH", f"/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, *, logical_date: str | None = None, **conf: str) -> str:
        """Trigger as the form of the UI does; the id of the run."""
        body = {"logical_date": logical_date, "conf": conf}
        return str(self.call("POST", f"/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def clear(self, dag_id: str, run_id: str) -> None:
        """Clear a run, so that it is done again."""
        self.call("POST", f"/dags/{dag_id}/dagRuns/{run_id}/clear", {"dry_run": False})

    def runs(self, dag_id: str, run_type: str) -> dict[date, dict[str, Any]]:
        """Runs by the settlement date that they own: the UTC date of the logical date."""
        runs = self.call("GET", f"/dags/{dag_id}/dagRuns?limit=100&run_type={run_type}")["dag_runs"]
        return {date.fromisoformat(run["logical_date"][:10]): run for run in runs if run["logical_date"]}

    def newest(self, dag_id: str) -> str:
        """Id of the newest scheduled run, which takes along what is due."""
        return str(max(self.runs(dag_id, "scheduled").items())[1]["dag_run_id"])

    def state(self, dag_id: str, run_id: str) -> str:
        """State of a run."""
        return str(self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def finish(self, dag_id: str, run_id: str, within: float = DEADLINE) -> str:
        """Wait for a run; `success` or `failed`."""
        return eventually(lambda: self.state(dag_id, run_id), FINISHED.__contains__, f"{run_id} ends", within)

    def finish_all(self, dag_id: str, run_type: str, days: Iterable[date], within: float = DEADLINE) -> dict[date, str]:
        """Wait until the runs that own these dates exist and have ended; their states."""
        wanted = set(days)

        def look() -> dict[date, str]:
            return {day: run["state"] for day, run in self.runs(dag_id, run_type).items() if day in wanted}

        ended = lambda seen: seen.keys() == wanted and set(seen.values()) <= set(FINISHED)  # noqa: E731
        return eventually(look, ended, f"{run_type} runs of {dag_id} end", within)

    def task(self, dag_id: str, run_id: str, task_id: str = "ingest") -> dict[str, Any]:
        """A task of a run."""
        task: dict[str, Any] = self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}")
        return task

    def log(self, dag_id: str, run_id: str, try_number: int = 1) -> str:
        """The log of a try of the ingest task, as the UI shows it."""
        task = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/ingest"
        return json.dumps(self.call("GET", f"{task}/logs/{try_number}?full_content=true")["content"])

    def cli(self, *arguments: str) -> str:
        """What an `airflow` command prints; it must succeed."""
        command = [str(BIN / "airflow"), *arguments]
        done = subprocess.run(command, env=self.stack.environment(), capture_output=True, text=True, timeout=DEADLINE)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def backfill(self, dag_id: str, first: date, last: date, reprocess: str) -> None:
        """`airflow backfill create`, as soon as the DAG has no other backfill."""
        for backfill in self.call("GET", f"/backfills?dag_id={dag_id}")["backfills"]:
            if not backfill["completed_at"]:  # its runs have ended, and Airflow would notice within half a minute
                with suppress(urllib.error.HTTPError):  # it just did
                    self.call("PUT", f"/backfills/{backfill['id']}/cancel")
        span = ("--from-date", f"{first}", "--to-date", f"{last + timedelta(days=1)}")  # as docs/operations.md says
        self.cli("backfill", "create", "--dag-id", dag_id, *span, "--reprocess-behavior", reprocess)


class Warehouse:
    """The warehouse of the stack, seen by its owner; a new connection each time, as tests kill the server."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection that commits each statement."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            yield connection

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Rows of an answer by column name."""
        with self.connection() as connection:
            return connection.cursor(row_factory=dict_row).execute(query, values).fetchall()

    def states(self, dataset: str, days: Iterable[date]) -> dict[date, str]:
        """States of those windows that the ledger knows."""
        query = "SELECT label, state FROM ledger.window WHERE dataset = %s AND label = ANY(%s)"
        return {row["label"]: row["state"] for row in self.rows(query, dataset, list(days))}

    def jobs(self, dataset: str, days: Iterable[date]) -> list[dict[str, Any]]:
        """Attempts on those windows, in their order."""
        query = "SELECT * FROM ledger.import_job WHERE dataset = %s AND window_label = ANY(%s) ORDER BY job_id"
        return self.rows(query, dataset, list(days))

    def last_job(self) -> int:
        """Number of the last attempt."""
        return int(self.rows("SELECT coalesce(max(job_id), 0) AS n FROM ledger.import_job")[0]["n"])

    def jobs_since(self, job_id: int) -> list[tuple[str, date, str]]:
        """Dataset, window and status of the attempts after that one."""
        query = "SELECT dataset, window_label, status FROM ledger.import_job WHERE job_id > %s ORDER BY 1, 2, 3"
        return [(row["dataset"], row["window_label"], row["status"]) for row in self.rows(query, job_id)]

    def versions(self, dataset: Dataset, days: Iterable[date]) -> list[dict[str, Any]]:
        """The physical version of every row of those windows: it changes if the row is written at all."""
        table = f"energy.{dataset.table}"
        query = f"SELECT ctid::text, xmin::text FROM {table} WHERE settlement_date = ANY(%s) ORDER BY ctid"
        return self.rows(query, list(days))

    def content(self, dataset: Dataset, days: Iterable[date]) -> list[dict[str, Any]]:
        """Every row of those windows, without who brought it and when."""
        names, key = ", ".join(dataset.contract.loaded), ", ".join(dataset.contract.key)
        query = f"SELECT {names} FROM energy.{dataset.table} WHERE settlement_date = ANY(%s) ORDER BY {key}"
        return self.rows(query, list(days))

    def make_due(self, dataset: str, days: Iterable[date]) -> None:
        """A time machine: what the calendar has due some day is due now."""
        with self.connection() as connection:
            connection.execute(
                "UPDATE ledger.window SET next_due_at = now() WHERE dataset = %s AND label = ANY(%s)",
                [dataset, list(days)],
            )

    def audit(self) -> None:
        """What must hold whenever nothing runs: every window explained, every row counted once, every answer kept."""
        gaps = "SELECT dataset, label, state, reason FROM ledger.window WHERE state <> 'complete' AND state <> ALL(%s)"
        assert self.rows(gaps, list(EXPLAINED)) == []
        assert self.rows("SELECT job_id FROM ledger.import_job WHERE status IN ('queued', 'processing')") == []
        for dataset in DATASETS:
            assert self.rows(_MISCOUNTED.format(table=dataset.table), dataset.name) == []
        kept = """SELECT DISTINCT archive_path, response_sha256 FROM ledger.import_job
                  WHERE status = 'completed' AND window_start IS NOT NULL"""
        for answer in self.rows(kept):
            body = gzip.decompress(Path(answer["archive_path"].removeprefix("file://")).read_bytes())
            assert hashlib.sha256(body).hexdigest() == answer["response_sha256"], answer


_MISCOUNTED = """
SELECT w.label, w.state, w.expected, w.actual, t.rows, r.revisions, j.inserted, j.revised
FROM ledger.window AS w
LEFT JOIN LATERAL (
  SELECT count(*) AS rows FROM energy.{table} WHERE settlement_date = w.label) AS t ON true
LEFT JOIN LATERAL (
  SELECT count(*) AS revisions FROM energy.{table}_revision WHERE settlement_date = w.label) AS r ON true
LEFT JOIN LATERAL (
  SELECT coalesce(sum(inserted_rows), 0) AS inserted, coalesce(sum(revised_rows), 0) AS revised
  FROM ledger.import_job
  WHERE dataset = w.dataset AND scope = w.scope AND window_start = w.window_start AND status = 'completed') AS j ON true
WHERE w.dataset = %s AND (
  t.rows <> j.inserted OR r.revisions <> j.revised OR (w.state = 'complete') <> (t.rows = w.expected))
"""
"""Windows whose rows are not those that their attempts say they wrote. In the twin's data every item is one row."""


def load_undisturbed(dataset: Dataset, days: Iterable[date], warehouse_url: str, twin: Any, archive: Path) -> None:
    """Load these dates without Airflow into another warehouse: what a source without faults gives."""

    @contextmanager
    def fetch(request: Request, pace: Callable[[], None]) -> Iterator[Answer]:
        query = "&".join(f"{name}={value}" for name, value in request.params)
        body = json.loads(request.body) if request.body else None
        status, _, answer = twin.request(request.method, f"{request.path}?{query}", body)
        assert status == 200, answer
        yield Answer([answer])

    connect = lambda: database.connect(warehouse_url)  # noqa: E731
    [scope] = dataset.scopes()
    loader = Loader(dataset, scope, fetch, connect, archive, Run("command"))
    windows = [window for day in days for window in dataset.windows(day, day)]
    assert loader.load(windows).failed == {}


def run_tool(module: str, *arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """`python -m tools.<module>`, as make runs it."""
    command = [str(BIN / "python"), "-m", f"tools.{module}", *arguments]
    environment = {**env, "PYTHONPATH": str(ROOT / "plugins")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=540)
