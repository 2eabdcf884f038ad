"""What the tests of meter files share: made-up files, an inbox, importers on it, and what an import leaves."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from energy_ingest.loading.database import connect
from energy_ingest.loading.meter_files import jobs
from energy_ingest.loading.meter_files.inbox import local_inbox
from energy_ingest.loading.meter_files.jobs import Job
from energy_ingest.loading.meter_files.work import Importer, Summary
from tests.postgres import world
from tests.postgres.world import ask, tapped

METERS = ("1000000000012", "1000000000023", "1000000000034")
"""Made up; the third has a wrong check digit."""
DAY = date(2024, 6, 3)
HEADER = ",".join(["MPAN", "Date", *(f"HH{n:02}" for n in range(1, 49))])
LONG = "MPAN,ReadDateTime,ReadValue,Unit,ReadingType"
Values = Sequence[float | str]

world.STEPS.update(
    {
        "claim": "claims = claims \\+ 1",
        "meters": "INSERT INTO energy.meter ",
        "progress": "processed_rows = processed_rows \\+",
        "end": "total_rows = processed_rows",
    }
)


def wide(rows: Mapping[tuple[str, date], Values] | Sequence[tuple[str, date, Values]]) -> str:
    """A file of one row for each meter and day."""
    items = [(*key, values) for key, values in rows.items()] if isinstance(rows, Mapping) else rows
    return "\n".join([HEADER, *(",".join([m, f"{d:%d/%m/%Y}", *map(str, values)]) for m, d, values in items), ""])


def long(*rows: tuple[str, str, float | str, str]) -> str:
    """A file of one row for each reading: meter, start, kWh, type."""
    return "\n".join([LONG, *(f"{m},{stamp},{value},kWh,{kind}" for m, stamp, value, kind in rows), ""])


def days(
    count: int, meters: Sequence[str] = METERS, first: date = DAY, add: float = 0
) -> dict[tuple[str, date], Values]:
    """Whole days of some meters."""
    return {
        (meter, first + timedelta(days=n)): [round(add + n + (p + i) / 8, 3) for p in range(48)]
        for i, meter in enumerate(meters)
        for n in range(count)
    }


class Box:
    """An inbox in a folder, and importers on it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        folder.mkdir(exist_ok=True)

    def put(self, name: str, text: str | bytes, *, age: float = 3600) -> Path:
        """A file that was written some seconds ago."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        written = path.stat().st_mtime - age
        os.utime(path, (written, written))
        return path

    def importer(self, tap: Callable[[str], None] | None = None, **changes: Any) -> Importer:
        """An importer; `tap` is called with the name of each step."""
        opens = (lambda: tapped(self.url, tap)) if tap else (lambda: connect(self.url))
        return Importer(**{"connect": opens, "inbox": local_inbox(str(self.folder)), **changes})

    def run(self, **changes: Any) -> Summary:
        """What a run of the DAG does."""
        summary, importer = Summary(), self.importer(**changes)
        importer.take_all(summary)
        importer.work(summary)
        return summary

    def load(self, name: str, text: str | bytes, **changes: Any) -> Job:
        """Put a file into the inbox, and import it."""
        self.put(name, text)
        (job,) = self.run(**changes).ended
        return job

    def create(self, name: str, **order: Any) -> int:
        """Make a job of a file in the inbox."""
        summary = Summary()
        self.importer().take_named(name, jobs.Order(**order), summary)
        return summary.taken[0]

    def job(self, job_id: int) -> Job:
        """As it is now."""
        with connect(self.url) as connection:
            return jobs.find(connection, job_id)

    def files(self) -> dict[str, list[str]]:
        """Names by folder, without reports."""
        found: dict[str, list[str]] = {}
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and not path.name.endswith(".report.txt"):
                found.setdefault(str(path.parent.relative_to(self.folder)), []).append(path.name)
        return found

    def report(self, job: Job) -> str:
        """The text beside a job's file."""
        (path,) = self.folder.rglob(f"{job.job_id}_*.report.txt")
        return path.read_text()


def readings(url: str, columns: str = "mpan, period_start, quantity_kwh, reading_type") -> list[tuple[Any, ...]]:
    """The current half hours."""
    return ask(url, f"SELECT {columns} FROM energy.meter_reading ORDER BY mpan, register, period_start")  # noqa: S608


def left_by(url: str) -> tuple[object, ...]:
    """What imports left: rows, former versions, open quarantine, meters, marks; without times and job numbers."""
    former = "SELECT mpan, period_start, quantity_kwh, reading_type FROM energy.meter_reading_revision ORDER BY 1, 2, 3"
    refused = "SELECT row_number, value, reason FROM ledger.quarantine WHERE resolved_at IS NULL ORDER BY 1, 2"
    marks = "SELECT local_date, mpan, register FROM energy.meter_dirty ORDER BY 1, 2, 3"
    done = (
        "SELECT file_name, status, total_rows, inserted_rows, revised_rows, unchanged_rows, quarantined_rows,"
        " duplicate_rows FROM ledger.import_job ORDER BY job_id"
    )
    meters = "SELECT mpan, registers FROM energy.meter ORDER BY 1"
    return readings(url), *(ask(url, query) for query in (former, refused, marks, done, meters))


def audit(url: str) -> None:
    """The books balance: a job's counters are the versions it brought, and versions follow one another."""
    brought = """
        SELECT job_id, status, inserted_rows + revised_rows, coalesce(n, 0) FROM ledger.import_job LEFT JOIN (
          SELECT job_id, count(*) AS n FROM energy.meter_reading_versions GROUP BY 1) AS found USING (job_id)
        WHERE import_type = 'hh' AND NOT dry_run AND inserted_rows + revised_rows <> coalesce(n, 0)"""
    refused = """
        SELECT job_id, quarantined_rows, count(quarantine_id) FROM ledger.import_job
        LEFT JOIN ledger.quarantine USING (job_id) WHERE NOT dry_run
        GROUP BY 1, 2 HAVING quarantined_rows <> count(quarantine_id)"""
    counted = """
        SELECT job_id FROM ledger.import_job WHERE processed_rows <>
          inserted_rows + revised_rows + unchanged_rows + quarantined_rows + duplicate_rows"""
    overlapping = """
        SELECT * FROM (
          SELECT mpan, register, period_start, valid_from, valid_to, lead(valid_from) OVER (
            PARTITION BY period_start, mpan, register ORDER BY version_id) AS next FROM energy.meter_reading_versions
        ) AS version WHERE valid_from > valid_to OR next <> valid_to"""
    for rule in (brought, refused, counted, overlapping):
        assert ask(url, rule) == [], rule
