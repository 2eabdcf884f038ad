"""Clean-up of whatever there may be: a dry run lists exactly what the real one removes, and nothing needed goes.

What was removed is not asked of clean-up, but found by comparing tables and folders before and after.
"""

# ruff: noqa: S608 - the names put into statements here are those of our tables

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_ingest.loading.cleanup import clean_up
from energy_ingest.loading.database import connect

NOW = datetime.now(UTC)
START = datetime(2024, 3, 5, tzinfo=UTC)
DAYS, ANSWER_DAYS = 30, 60
STATUSES = ("queued", "processing", "completed", "failed", "cancelled")
FOLDERS = ("processed", "accepted", "failed", "checked")
KEYS = {
    "import_job": "job_id", "window": "window_start", "quarantine": "quarantine_id", "incident": "incident_id",
    "alert_delivery": "delivery_id", "execution": "execution_id", "kpi": "measured_at::text || name",
}  # fmt: skip


@dataclass(frozen=True)
class Job:
    """An attempt on one of three windows, or a meter file, and what came of it."""

    status: str
    age: int
    window: int | None
    rows: int
    dry: bool
    answer: int | None
    folder: str
    refused: str | None
    pending: bool


@dataclass(frozen=True)
class Other:
    """What is neither: an incident with its message, a telemetry row, a key figure, a file that nobody names."""

    kind: str
    age: int
    is_open: bool


AGES = st.sampled_from((0, 29, 31, 61, 500, 500))
JOBS = st.lists(
    st.builds(
        Job,
        status=st.sampled_from(STATUSES), age=AGES, window=st.sampled_from((0, 0, 1, None)),
        rows=st.sampled_from((0, 0, 0, 1)),
        dry=st.booleans(), answer=st.sampled_from((None, *range(10))), folder=st.sampled_from(FOLDERS),
        refused=st.sampled_from((*[None] * 6, "open", "settled")), pending=st.sampled_from((*[False] * 5, True)),
    ),
    min_size=5,
    max_size=25,
)  # fmt: skip
OTHERS = st.lists(
    st.builds(Other, st.sampled_from(("incident", "execution", "kpi", "orphan", "part")), AGES, st.booleans()),
    max_size=8,
)
STATES = st.lists(st.sampled_from(("complete", "complete", "complete", "failed")), min_size=3, max_size=3)


class Inbox:
    """As much of an ObjectStoragePath as is needed."""

    def __init__(self, folder: Path) -> None:
        self.fs, self.path = fsspec.filesystem("file"), f"{folder}"


class World:
    """A warehouse, an archive and an inbox, made up."""

    def __init__(self, owner: psycopg.Connection, root: Path) -> None:
        self.owner, self.archive, self.inbox = owner, root / "archive", root / "inbox"
        shutil.rmtree(root, ignore_errors=True)
        for folder in (self.archive / "elexon", *(self.inbox / name for name in FOLDERS)):
            folder.mkdir(parents=True)
        owner.execute(
            "TRUNCATE ledger.import_job, ledger.window, ledger.quarantine, ledger.incident, ledger.alert_delivery,"
            " ledger.execution, ledger.kpi RESTART IDENTITY CASCADE"
        )

    def add(self, number: int, job: Job) -> None:
        """A job with its files; the later one is the younger one only by its number."""
        at = NOW - timedelta(days=job.age, hours=1)
        is_file = job.window is None
        file = self.inbox / job.folder / f"{number}.csv"
        if is_file:
            file.write_text("a file")
            Path(f"{file}.report.txt").write_text("a report")
        answer = None if is_file or job.answer is None else self._answer(job.answer)
        done = at if job.status in ("completed", "failed", "cancelled") else None
        (job_id,) = self.owner.execute(
            "INSERT INTO ledger.import_job (dataset, import_type, scope, status, window_start, window_label, file_name,"
            " file_uri, total_rows, inserted_rows, queued_at, completed_at, retrieved_at, dry_run, archive_path,"
            " influx_pending, code_version)"
            " VALUES (%s, %s, 'all', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, '0') RETURNING job_id",
            [
                *("meter_files" if is_file else "elexon_b1610", "hh" if is_file else "scheduled", job.status),
                *(
                    (None, None)
                    if is_file
                    else (self._start(job.window), START.date() + timedelta(days=job.window or 0))
                ),
                *((file.name, str(file)) if is_file else (None, None)),
                *(job.rows, job.rows, at, done, at, job.dry and is_file, answer, job.pending and not is_file),
            ],
        ).fetchone() or (0,)
        if job.refused:
            self.owner.execute(
                "INSERT INTO ledger.quarantine (job_id, dataset, scope, window_start, row_number, reason, raw,"
                " resolved_at) VALUES (%s, 'elexon_b1610', 'all', %s, 1, 'x', '{}', %s)",
                [job_id, self._start(0), at if job.refused == "settled" else None],
            )

    def _start(self, window: int | None) -> datetime:
        return START + timedelta(days=window or 0)

    def _answer(self, number: int) -> str:
        body = self.archive / "elexon" / f"2024-03-05_{number}.gz"
        body.write_bytes(b"an answer")
        body.with_name(f"2024-03-05_{number}_1.meta.json").write_text("{}")
        return str(body)

    def know(self, states: list[str]) -> None:
        """What the ledger says of the three windows; the last attempt is their job."""
        for window, state in enumerate(states):
            self.owner.execute(
                "INSERT INTO ledger.window (dataset, scope, window_start, window_end, label, state, last_job_id)"
                " SELECT 'elexon_b1610', 'all', %(at)s, %(at)s + interval '1 day', %(at)s::date, %(state)s,"
                " (SELECT max(job_id) FROM ledger.import_job WHERE window_start = %(at)s)",
                {"at": self._start(window), "state": state},
            )

    def add_other(self, number: int, other: Other) -> None:
        """An incident of which people were told, telemetry, a key figure, or a file."""
        at, ended = NOW - timedelta(days=other.age, hours=1), not other.is_open
        values = {"at": at, "ended": at if ended else None, "name": f"{number}"}
        if other.kind == "incident":
            self.owner.execute(
                "WITH i AS (INSERT INTO ledger.incident (fingerprint, rule, subject, severity, opened_at, last_seen_at,"
                " resolved_at, told, is_digest, finding)"
                " VALUES (%(name)s, 'r', 's', 'warning', %(at)s, %(at)s, %(ended)s,"
                " CASE WHEN %(ended)s::timestamptz IS NULL THEN 'warning' END, false, '{}') RETURNING incident_id)"
                " INSERT INTO ledger.alert_delivery (incident_id, kind, channel, message, created_at, next_try_at,"
                " delivered_at) SELECT incident_id, 'opened', 'email', '{}', %(at)s, %(at)s, %(ended)s FROM i",
                values,
            )
        elif other.kind == "execution":
            self.owner.execute(
                "INSERT INTO ledger.execution (kind, target, status, started_at, completed_at, code_version)"
                " VALUES ('monitoring', '', CASE WHEN %(ended)s::timestamptz IS NULL THEN 'running' ELSE 'completed'"
                " END, %(at)s, %(ended)s, '0')",
                values,
            )
        elif other.kind == "kpi":
            self.owner.execute("INSERT INTO ledger.kpi (measured_at, name, value) VALUES (%(at)s, %(name)s, 1)", values)
        else:
            path = self.archive / "elexon" / (f"{number}_alone.gz" if other.kind == "orphan" else f".{number}.part")
            path.write_bytes(b"x")
            os.utime(path, (at.timestamp(), at.timestamp()))

    def rows(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Every row by table and key."""
        found = {}
        for table, key in KEYS.items():
            cursor = self.owner.cursor(row_factory=psycopg.rows.dict_row)
            rows = cursor.execute(f"SELECT ({key})::text AS row_key, * FROM ledger.{table}").fetchall()  # type: ignore[arg-type]
            found[table] = {row["row_key"]: row for row in rows}
        return found

    def files(self) -> set[str]:
        """Every file."""
        return {str(path) for root in (self.archive, self.inbox) for path in root.rglob("*") if path.is_file()}

    def clean(self, *, dry_run: bool) -> Any:
        """Clean up."""
        return clean_up(self.owner, self.archive, Inbox(self.inbox), DAYS, NOW, dry_run=dry_run)


@pytest.fixture
def owner(owner_url: str) -> Iterator[psycopg.Connection]:
    with connect(owner_url) as connection:
        yield connection


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(jobs=JOBS, others=OTHERS, states=STATES, answers_expire=st.booleans())
def test_a_dry_run_tells_the_truth_and_nothing_needed_goes(
    owner: psycopg.Connection,
    tmp_path: Path,
    jobs: list[Job],
    others: list[Other],
    states: list[str],
    answers_expire: bool,
):
    world = World(owner, tmp_path / "world")
    for number, job in enumerate(jobs):
        world.add(number, job)
    world.know(states)
    for number, other in enumerate(others):
        world.add_other(number, other)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENERGY_ARCHIVE_DAYS", f"{ANSWER_DAYS}" if answers_expire else "")
        rows, files = world.rows(), world.files()
        announced = world.clean(dry_run=True)
        assert (world.rows(), world.files()) == (rows, files), "a dry run changes nothing"
        done = world.clean(dry_run=False)
    after, gone = world.rows(), files - world.files()
    assert (announced.rows, announced.files) == (done.rows, done.files)
    lost = {table: [known for key, known in rows[table].items() if key not in after[table]] for table in rows}
    for table, listed in announced.rows.items():
        if table in lost:
            assert len(lost[table]) == len(listed), table
    listed = {path for paths in announced.files.values() for path in paths}
    assert listed <= gone | {path for path in listed if path not in files}
    assert {path for path in gone - listed if not path.endswith((".report.txt", ".meta.json"))} == set()
    nothing_needed(rows, after, lost, gone)


def nothing_needed(rows: Any, after: Any, lost: Any, gone: set[str]) -> None:
    """Nothing queued, running, young, unresolved or the only copy went."""
    cutoff = NOW - timedelta(days=DAYS)
    for job in lost["import_job"]:
        assert job["status"] in ("completed", "failed", "cancelled")
        assert job["inserted_rows"] == 0 and job["completed_at"] < cutoff and not job["influx_pending"]
    assert lost["window"] == []
    assert all(row["resolved_at"] and row["resolved_at"] < cutoff for row in lost["quarantine"] + lost["incident"])
    assert all(row["completed_at"] and row["completed_at"] < cutoff for row in lost["execution"])
    for window in rows["window"].values():
        completed = [
            job for job in rows["import_job"].values()
            if job["window_start"] == window["window_start"] and job["status"] == "completed"
        ]  # fmt: skip
        if completed:
            newest = max(completed, key=lambda job: job["retrieved_at"])["retrieved_at"]
            kept = [job for job in completed if str(job["job_id"]) in after["import_job"]]
            assert newest in [job["retrieved_at"] for job in kept], "the newest answer of a window"
    for job in rows["import_job"].values():
        if job["file_uri"] in gone:
            assert job["status"] == "completed" and not job["dry_run"] and "/processed/" in job["file_uri"]
            assert job["completed_at"] < cutoff
        if job["archive_path"] in gone:
            assert job["status"] in ("completed", "failed", "cancelled") and job["completed_at"] < cutoff
