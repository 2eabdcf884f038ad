"""Refused rows, again: corrected by hand, or as they are once the reason is gone (a meter that is known by now).

What is replayed becomes a file of JSON lines and a job of its own; its last transaction closes the entries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, BinaryIO, Final

import msgspec
import polars as pl
import psycopg

from energy_ingest.errors import Misconfigured
from energy_ingest.loading.meter_files import jobs
from energy_ingest.loading.meter_files.inbox import Inbox
from energy_ingest.loading.meter_files.jobs import Job, Order, Worker
from energy_ingest.loading.meter_files.load import TARGETS, Report
from energy_ingest.reading import REJECT_SCHEMA
from energy_ingest.sources.meter_files import DAILY, READINGS, SHAPE, Decision, Options, Piece, parse_again

SCHEMAS: Final = {"hh": READINGS, "daily": DAILY}

Entry = dict[str, Any]
Fixes = Mapping[int, Mapping[str, str]]
"""By number of the entry: what stands in which columns instead."""


def entries(connection: psycopg.Connection, job_id: int, *, limit: int | None = None) -> list[Entry]:
    """The open entries of a job: `quarantine_id`, `row_number`, `column_name`, `value`, `reason`, `raw`."""
    query = (
        "SELECT quarantine_id, row_number, column_name, value, reason, raw FROM ledger.quarantine"
        " WHERE job_id = %s AND resolved_at IS NULL ORDER BY row_number, quarantine_id LIMIT %s"
    )
    cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
    return cursor.execute(query, [job_id, limit]).fetchall()


def order_again(
    connection: psycopg.Connection, inbox: Inbox, job: Job, fixes: Fixes, order: Order, worker: Worker
) -> int:
    """Make a job of a job's open entries, or of those that are corrected where some are; returns its number.

    Raises:
        Misconfigured: there is nothing to replay, or a correction names an entry or a column that is not there.
    """
    open_entries = {entry["quarantine_id"]: entry for entry in entries(connection, job.job_id)}
    if unknown := sorted(set(fixes) - set(open_entries)):
        raise Misconfigured(
            f"entry {unknown[0]} is no open one of job {job.job_id}: energy-ingest quarantine show {job.job_id}"
        )
    names = decision_of(connection, job).columns if fixes else ()
    chosen = [_fixed(open_entries[number], fixes[number], names) for number in sorted(fixes)]
    chosen = chosen or list(open_entries.values())
    if not chosen:
        raise Misconfigured(f"job {job.job_id} has no open entries in quarantine: there is nothing to replay")
    order = replace(
        order,
        import_type=job.import_type,
        feed=job.feed,
        replays=job.job_id,
        entries=tuple(entry["quarantine_id"] for entry in chosen),
        default_site=f"{job.default_site_id}" if job.default_site_id else None,
    )
    lines = [json.dumps({name: entry[name] for name in ("row_number", "raw")}) for entry in chosen]
    return inbox.add_text(connection, f"replay_of_{job.job_id}.jsonl", "\n".join(lines).encode(), order, worker)


def _fixed(entry: Entry, fix: Mapping[str, str], names: Sequence[str]) -> Entry:
    """The entry as corrected: what it has, its blank cell, or anything in a row that was not whole."""
    raw = json.loads(entry["raw"])
    known = dict.fromkeys((*raw, *(names if SHAPE in raw else (entry["column_name"],))))
    if unknown := sorted(set(fix) - set(known)):
        raise Misconfigured(
            f"entry {entry['quarantine_id']} has no column {unknown[0]!r}: its columns are {', '.join(known)}"
        )
    return {**entry, "raw": json.dumps({**raw, **fix})}


def decision_of(connection: psycopg.Connection, job: Job) -> Decision:
    """How the file was read that had these rows first."""
    while "replays" in job.metadata:
        job = jobs.find(connection, job.metadata["replays"])
    return msgspec.convert(Report.of(job).decision, Decision)


def pieces(job: Job, body: BinaryIO, decision: Decision, options: Options) -> Iterator[Piece]:
    """The rows of a replay: those that a parser refused are read again, those that the loader refused are typed.

    Row numbers are those of the file that had them first.
    """
    lines = [json.loads(line) for line in body]
    cells = [line for line in lines if not _is_typed(job, line)]
    if cells:
        piece = parse_again([line["raw"] for line in cells], decision, options)
        numbers = pl.DataFrame(
            {"row_number": range(1, len(cells) + 1), "original": [line["row_number"] for line in cells]}
        )
        yield replace(piece, rows=_renumbered(piece.rows, numbers), rejects=_renumbered(piece.rejects, numbers))
    if typed := [line for line in lines if _is_typed(job, line)]:
        rows = pl.DataFrame([_typed(line) for line in typed], schema=SCHEMAS[job.import_type])
        yield Piece(rows, pl.DataFrame(schema=REJECT_SCHEMA), last_row=len(lines), bytes_read=body.tell())


def _is_typed(job: Job, line: Entry) -> bool:
    """Whether the loader refused it, which knows columns of the table; a parser refuses cells of the file."""
    return set(json.loads(line["raw"])) == set(TARGETS[job.import_type].columns)


def _typed(line: Entry) -> Entry:
    """A row as the loader had it."""
    row = {**json.loads(line["raw"]), "row_number": line["row_number"]}
    times = {"period_start": datetime.fromisoformat, "local_date": date.fromisoformat}
    return {name: times[name](value) if name in times else value for name, value in row.items()}


def _renumbered(frame: pl.DataFrame, numbers: pl.DataFrame) -> pl.DataFrame:
    joined = frame.join(numbers, on="row_number", how="left", maintain_order="left")
    return joined.with_columns(row_number="original").drop("original")
