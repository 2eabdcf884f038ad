"""Every attempt on a window and every file, as people look at them: lists, one with its story, the rows it refused.

All of it is read from `ledger.import_job` and `ledger.quarantine`; `meter_files.jobs` is what changes jobs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from energy_ingest.errors import Misconfigured
from energy_ingest.loading.meter_files.jobs import COUNTS, PRIORITIES
from energy_ingest.loading.meter_files.privacy import masked_text
from energy_ingest.sql import statement
from energy_ingest.windows import Window

Row = dict[str, Any]

METER_FILES: Final = "meter_files"
STATUSES: Final = ("queued", "processing", "completed", "failed", "cancelled")
TYPES: Final = ("scheduled", "backfill", "manual", "asset_triggered", "command", "replay", "hh", "daily", "sites")
SHOWN: Final = (
    *("job_id", "batch_id", "dataset", "import_type", "scope", "status", "priority", "total_rows", "processed_rows"),
    *("queued_at", "started_at", "completed_at", "retry_count", "max_retries", "retry_at", "last_error", "error_type"),
    *("notes", "tags", "dag_id", "run_id", "try_number", "dry_run", "rolled_back_at", "file_name"),
)
TOLD_OF_ONE: Final = (
    *("window_start", "request", "response_sha256", "response_bytes", "retrieved_at", "code_version"),
    *("file_sha256", "file_bytes", "feed"),
)


@dataclass(frozen=True)
class Search:
    """Which attempts: all that is given must hold.

    `text` is looked for in file names, errors, notes, run and batch ids; of meter files, whose texts may hold MPANs,
    only in the ids unless `reveal`.
    """

    datasets: Sequence[str]
    status: str | None = None
    import_type: str | None = None
    priority: str | None = None
    text: str | None = None
    reveal: bool = False

    def check(self) -> Search:
        """This search.

        Raises:
            Misconfigured: a value that no attempt can have.
        """
        for name, value, known in (
            ("status", self.status, STATUSES),
            ("type", self.import_type, TYPES),
            ("priority", self.priority, PRIORITIES),
        ):
            if value is not None and value not in known:
                raise Misconfigured(f"{value[:80]!r} is no {name}: use one of {', '.join(known)}")
        return self


def listed(connection: psycopg.Connection, search: Search, limit: int, before: int | None = None) -> list[Row]:
    """The newest attempts, those with numbers below `before`."""
    text = (search.text or "").strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    values = {
        **vars(search.check()),
        "datasets": list(search.datasets),
        "before": before,
        "like": f"%{text}%" if text else None,
        "limit": limit,
    }
    return _rows(connection, "attempts/list", values)


def of_windows(
    connection: psycopg.Connection, dataset: str, scopes: Sequence[str], windows: Sequence[Window], limit: int = 100
) -> list[Row]:
    """The newest attempts on these windows."""
    starts = [window.start for window in windows]
    values = {"dataset": dataset, "scopes": list(scopes), "starts": starts, "limit": limit}
    return _rows(connection, "attempts/of_a_day", values)


def find(connection: psycopg.Connection, batch_id: UUID) -> Row:
    """One attempt.

    Raises:
        Misconfigured: there is none.
    """
    query = "SELECT * FROM ledger.import_job WHERE batch_id = %s"
    row = connection.cursor(row_factory=dict_row).execute(query, [batch_id]).fetchone()
    if row is None:
        raise Misconfigured(f"there is no job {batch_id}: it may have been cleaned up; the list shows those there are")
    return row


def refused(
    connection: psycopg.Connection, row: Row, limit: int, after: tuple[int, int] = (-1, -1), *, only_open: bool = False
) -> list[Row]:
    """The rows that an attempt refused, each with what would load it."""
    values = {"job_id": row["job_id"], "open": only_open, "row": after[0], "entry": after[1], "limit": limit}
    return [{**item, "fix": _fix(row, item)} for item in _rows(connection, "attempts/refused", values)]


def shown(row: Row) -> Row:
    """An attempt in a list; MPANs are masked."""
    seconds = (
        (row["completed_at"] - row["started_at"]).total_seconds() if row["completed_at"] and row["started_at"] else None
    )
    return {
        **{name: row[name] for name in SHOWN},
        "file_name": masked_text(row["file_name"]),
        "last_error": masked_text(row["last_error"]),
        "notes": masked_text(row["notes"]),
        "tags": [masked_text(tag) for tag in row["tags"]],
        "label": row["window_label"],
        "part": row["window_part"],
        "progress_percent": _percent(row),
        "counts": {name: row[f"{name}_rows"] for name in COUNTS},
        "seconds": seconds,
        "actions": possible(row),
    }


def described(row: Row) -> Row:
    """An attempt with all that is known of it: how its file was read, and what happened when; MPANs are masked."""
    report = row["report"] or {}
    return {
        **shown(row),
        **{name: row[name] for name in TOLD_OF_ONE},
        "has_raw": has_raw(row),
        "said": [masked_text(sentence) for sentence in report.get("said", ())],
        "skipped": report.get("skipped", {}),
        "warnings": report.get("warnings", {}),
        "problems": report.get("problems", []),
        "timeline": timeline(row),
    }


def timeline(row: Row) -> list[Row]:
    """What happened when, oldest first."""
    return sorted(_events(row), key=lambda event: event["at"])


def possible(row: Row) -> list[str]:
    """What can be done about a job in its state: only meter files have jobs that people act on."""
    if row["dataset"] != METER_FILES:
        return []
    if row["status"] in ("queued", "processing"):
        return ["cancel"]
    retry = row["status"] in ("failed", "cancelled") and row["file_sha256"] and not row["rolled_back_at"]
    rollback = not row["rolled_back_at"] and not row["dry_run"]
    return [name for name, can in (("retry", retry), ("rollback", rollback)) if can]


def has_raw(row: Row) -> bool:
    """Whether the answer's body is archived; a meter file is none, and holds personal data."""
    return bool(row["archive_path"]) and row["dataset"] != METER_FILES


def _events(row: Row) -> Iterator[Row]:
    ended = row["status"] if row["status"] in ("completed", "failed", "cancelled") else None
    for at, what, detail in (
        (row["queued_at"], "queued", ""),
        (row["started_at"], "started", row["run_id"] or ""),
        (row["completed_at"], ended, row["last_error"] or ""),
        (row["retry_at"], "retry due", ""),
        (row["rolled_back_at"], "rolled back", ""),
    ):
        if at and what:
            yield {"at": at, "what": what, "detail": masked_text(detail)}
    for error in row["metadata"].get("errors", ()):
        at = datetime.fromisoformat(error["at"])
        yield {"at": at, "what": "error", "detail": masked_text(error["error"])}


def _percent(row: Row) -> float:
    if row["status"] == "completed":
        return 100.0
    return round(100 * row["bytes_done"] / row["file_bytes"], 1) if row["file_bytes"] else 0.0


def _fix(row: Row, item: Mapping[str, Any]) -> str:
    if item["resolved_at"]:
        return f"nothing: {item['resolution']}"
    if row["dataset"] == METER_FILES:
        return f"energy-ingest quarantine replay {row['job_id']} --set {item['entry']}:{item['column']}=VALUE"
    day = row["window_label"]
    return f"once the source has corrected it: energy-ingest load --dataset {row['dataset']} --from {day} --to {day}"


def _rows(connection: psycopg.Connection, name: str, values: Mapping[str, Any]) -> list[Row]:
    return connection.cursor(row_factory=dict_row).execute(statement(name), values).fetchall()
