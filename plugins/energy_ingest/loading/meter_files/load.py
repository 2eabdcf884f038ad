"""From the pieces of a file to rows: staged by COPY, merged under one lock, each piece in its own transaction.

A piece's rows, former versions, new meters, quarantine and progress commit together, the last one's with the job's
outcome: whoever is killed leaves whole pieces, and the next attempt goes on behind them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from energy_ingest import settings
from energy_ingest.loading.meter_files import jobs
from energy_ingest.loading.meter_files.jobs import ImportType, Job
from energy_ingest.loading.meter_files.privacy import masked_text
from energy_ingest.reading import REJECT_SCHEMA
from energy_ingest.sources.meter_files import Piece
from energy_ingest.sql import statement

SHOWN: Final = 1000
"""Problems that a report names one by one; quarantine has them all."""

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('meter_files', 0))"
"""Files may share keys, so all of them are merged one after the other; parsing and copying go on side by side."""

COPIED: Final = 5_000
"""Rows that are sent at once: a fraction of a megabyte."""

ISO: Final = "%Y-%m-%dT%H:%M:%SZ"

BY_INDEX: Final = """
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off; SET LOCAL work_mem = '32MB'"""
"""Each row is looked up in the index: what a piece costs does not grow with the table, whose part between the first
and the last reading of a piece may be years of all other meters. The memory holds the piece for the triggers, which
have joins of their own choice again (migration 0018). All of it ends with the transaction."""


@dataclass(frozen=True)
class Target:
    """Where the rows of an import type go; `bound` is the column that limits which part of the table is read."""

    table: str
    columns: dict[str, str]
    key: tuple[str, ...]
    bound: str | None = None

    @property
    def compared(self) -> tuple[str, ...]:
        """What makes a row another one."""
        return tuple(name for name in self.columns if name not in self.key)

    @property
    def has_meters(self) -> bool:
        """Whether its rows are readings of meters."""
        return "mpan" in self.key


_READING: Final = {"quantity_kwh": "numeric", "reading_type": "text"}
_METER: Final = {"mpan": 'text COLLATE "C"', "register": 'text COLLATE "C"'}
TARGETS: Final[dict[ImportType, Target]] = {
    "hh": Target(
        "meter_reading",
        {"period_start": "timestamptz", **_METER, **_READING, "is_ambiguous": "boolean"},
        ("period_start", "mpan", "register"),
        "period_start",
    ),
    "daily": Target(
        "meter_daily_reading",
        {"local_date": "date", **_METER, **_READING},
        ("local_date", "mpan", "register"),
        "local_date",
    ),
    "sites": Target(
        "site",
        {
            "name": 'text COLLATE "C"',
            "company_id": "bigint",
            "region_id": "bigint",
            "address": "text",
            "postcode": "text",
            "site_type": "text",
            "floor_area_m2": "numeric",
            "latitude": "numeric",
            "longitude": "numeric",
            "is_active": "boolean",
            "created_on": "date",
        },
        ("name", "company_id"),
    ),
}


@dataclass
class Report:
    """What a job can say about its file: how it was read, what was skipped and why, what was wrong; fit for JSON."""

    decision: Any = None
    said: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    problems: list[dict[str, Any]] = field(default_factory=list)
    first: str | None = None
    last: str | None = None

    @classmethod
    def of(cls, job: Job) -> Report:
        """The report so far."""
        known = job.report or {}
        return cls(**{**known, **{name: Counter(known.get(name, {})) for name in ("skipped", "warnings")}})

    @property
    def first_problem(self) -> str:
        """In a sentence."""
        return told(self.problems[0]) if self.problems else ""

    def note(self, problems: pl.DataFrame) -> None:
        """Add the first of these; MPANs are masked."""
        for row in problems.head(SHOWN - len(self.problems)).iter_rows(named=True):
            self.problems.append({name: masked_text(row[name]) for name in TOLD})

    def reach(self, low: object, high: object) -> None:
        """Widen the range of times that the job touched: a rollback looks nowhere else."""
        self.first = min(filter(None, (self.first, f"{low}")))
        self.last = max(filter(None, (self.last, f"{high}")))

    def as_json(self) -> dict[str, Any]:
        """For the ledger."""
        return {**vars(self), "skipped": dict(self.skipped), "warnings": dict(self.warnings)}


TOLD: Final = ("row_number", "column", "value", "reason")


def told(problem: Mapping[str, Any]) -> str:
    """A problem in a sentence."""
    value = "" if problem["value"] is None else f" {problem['value']!r}"
    return f"row {problem['row_number']}, column {problem['column']}:{value} {problem['reason']}"


def prepare(connection: psycopg.Connection, target: Target) -> None:
    """Make this connection's temporary table."""
    definitions = ", ".join(f"{name} {kind}" for name, kind in target.columns.items())
    create = sql.SQL("CREATE TEMPORARY TABLE IF NOT EXISTS {} ({})")
    connection.execute(create.format(_stage(target), sql.SQL(definitions)))


def load_piece(
    connection: psycopg.Connection, job: Job, piece: Piece, report: Report, *, is_last: Callable[[], bool]
) -> str:
    """Load a piece and record it, in one transaction; returns the job's state. A dry run counts and takes back.

    Whether it is the last piece is asked at the end, so that the next one may be parsed meanwhile.

    Raises:
        NotOurs: the job was cancelled, or another process has it; nothing is loaded.
    """
    target = TARGETS[job.import_type]
    report.skipped.update(piece.skipped)
    report.warnings.update(piece.warnings)
    rows = piece.rows if target.has_meters else piece.rows.with_columns(pl.col("company_id").fill_null(0))
    rows, unknown = _known_meters(connection, job, target, rows)
    rejects = pl.concat([piece.rejects, unknown])
    rows, losers = deduplicated(rows, target)
    report.note(rejects)
    report.note(losers)
    counts = {"quarantined": rejects.height, "duplicates": piece.rows.height - unknown.height - rows.height}
    with connection.transaction():
        counts |= _counted(connection, job, target, rows, report)
        if not job.dry_run:
            _quarantine(connection, job, rejects)
        values = {"last_row": piece.last_row, "bytes_done": piece.bytes_read, "report": Jsonb(report.as_json())}
        jobs.progress(connection, job, {**counts, **values, "items": sum(counts.values())})
        return end(connection, job, report) if is_last() else job.status


def note_nothing(connection: psycopg.Connection, job: Job, report: Report) -> None:
    """Record how a file was read in which no row follows the header."""
    report.said.append("no row follows the header: there was nothing to load; ask for the file again")
    counts = dict.fromkeys(("inserted", "revised", "unchanged", "quarantined", "duplicates", "items"), 0)
    values = {"last_row": 0, "bytes_done": job.file_bytes, "report": Jsonb(report.as_json())}
    jobs.progress(connection, job, {**counts, **values})


def end(connection: psycopg.Connection, job: Job, report: Report) -> str:
    """Record that everything is loaded, in the transaction of the last piece; returns the job's state.

    What was replayed is open no more: what was refused again is an entry of this job.
    """
    if replays := job.metadata.get("replays"):
        query = (
            "UPDATE ledger.quarantine SET resolved_at = now(), resolution = %s"
            " WHERE job_id = %s AND quarantine_id = ANY(%s) AND resolved_at IS NULL"
        )
        connection.execute(query, [f"replayed by job {job.job_id}", replays, job.metadata["entries"]])
    return jobs.finish(connection, job, report.first_problem)


def deduplicated(rows: pl.DataFrame, target: Target) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One row for each key, and those that lost against another with other values, as problems.

    The last row wins, as when a supplier corrects itself further down; but an estimate never wins against a reading.
    """
    key = list(target.key)
    if rows.select(pl.struct(key).hash().n_unique()).item() == rows.height:
        return rows, _no_rejects()
    rank = [pl.col("reading_type") != "estimated"] if target.has_meters else []
    ordered = rows.with_row_index("place").sort([*rank, "place"])
    winners = ordered.unique(key, keep="last")
    differs = ~pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_won")) for name in target.compared)
    losers = (
        ordered.join(winners.select("place"), on="place", how="anti")
        .join(winners, on=key, how="left", suffix="_won")
        .filter(differs)
        .select(
            "row_number",
            column=pl.lit(", ".join(key)),
            value=pl.concat_str(pl.col(key).cast(pl.String), separator=" "),
            reason=pl.format("repeats the key of row {} with other values; that row was loaded", "row_number_won"),
            raw=pl.lit(""),
        )
        .sort("row_number")
    )
    return winners.sort("place").drop("place"), losers


def _counted(
    connection: psycopg.Connection, job: Job, target: Target, rows: pl.DataFrame, report: Report
) -> dict[str, int]:
    """Merge the rows; returns how many were inserted, revised and left as they are. A dry run takes it all back."""
    if not rows.height:
        return {"inserted": 0, "revised": 0, "unchanged": 0}
    _copy(connection, target, rows)
    if target.bound:
        report.reach(rows[target.bound].min(), rows[target.bound].max())
    with connection.transaction() as attempt:
        connection.execute(LOCK)
        if target.has_meters:
            _note_meters(connection, job, rows)
        counts = _merge(connection, job, target, rows, report)
        if job.dry_run:
            raise psycopg.Rollback(attempt)
    return counts


def _copy(connection: psycopg.Connection, target: Target, rows: pl.DataFrame) -> None:
    """To the temporary table, in the order of the key: neighbours in the index are merged together.

    Part by part, so that the server reads one while the next one is written.
    """
    connection.execute(sql.SQL("TRUNCATE {}").format(_stage(target)))
    copy_in = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(_stage(target), _names(target.columns))
    ordered = rows.select(list(target.columns)).sort(list(target.key))
    with connection.cursor().copy(copy_in) as copy:
        for part in ordered.iter_slices(COPIED):
            copy.write(part.write_csv(include_header=False, datetime_format=ISO))


def _merge(
    connection: psycopg.Connection, job: Job, target: Target, rows: pl.DataFrame, report: Report
) -> dict[str, int]:
    """MERGE of what differs, as of now: the clock is read under the lock, so versions follow one another."""
    at = _one(connection, "SELECT clock_timestamp()")
    values = {"job_id": job.job_id, "at": at}
    connection.execute(BY_INDEX)
    keep_actual = _keeps_actual(target)
    if keep_actual and (rows["reading_type"] == "estimated").any():
        kept = _one(connection, _statement(KEPT_OUT, target), values)
        report.warnings.update({"estimate kept out by an actual reading": kept} if kept else {})
    touched = connection.execute(_statement(MERGE, target, keep_actual), values).rowcount
    revised = _one(connection, _revised(target, rows), values) if touched else 0
    return {"inserted": touched - revised, "revised": revised, "unchanged": rows.height - touched}


MERGE: Final = """
MERGE INTO {table} AS t USING {stage} AS s ON {same_key}
WHEN MATCHED AND ({old}) IS DISTINCT FROM ({new}){unless} THEN
  UPDATE SET {sets}, recorded_from = %(at)s, job_id = %(job_id)s
WHEN NOT MATCHED THEN INSERT ({names}, recorded_from, job_id) VALUES ({values}, %(at)s, %(job_id)s)"""

REVISED: Final = """
SELECT count(*) FROM {revisions} AS t WHERE superseded_by = %(job_id)s AND recorded_to = %(at)s{within}"""

KEPT_OUT: Final = """
SELECT count(*) FROM {table} AS t JOIN {stage} AS s ON {same_key}
WHERE s.reading_type = 'estimated' AND t.reading_type <> 'estimated'"""


def _statement(text: str, target: Target, keep_actual: bool = False) -> sql.Composed:
    keep = " AND NOT (t.reading_type <> 'estimated' AND s.reading_type = 'estimated')"
    return sql.SQL(text).format(
        table=sql.Identifier("energy", target.table),
        stage=_stage(target),
        same_key=sql.SQL(" AND ").join(sql.SQL("t.{0} = s.{0}").format(sql.Identifier(name)) for name in target.key),
        old=_names(target.compared, "t"),
        new=_names(target.compared, "s"),
        unless=sql.SQL(keep if keep_actual else ""),
        sets=sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in target.compared),
        names=_names(target.columns),
        values=_names(target.columns, "s"),
    )


def _revised(target: Target, rows: pl.DataFrame) -> sql.Composed:
    """Count the former versions; the range of the rows lets it read that part of the table only."""
    within: sql.Composable = sql.SQL("")
    if target.bound:
        low, high = rows[target.bound].min(), rows[target.bound].max()
        within = sql.SQL(" AND t.{} BETWEEN {} AND {}").format(sql.Identifier(target.bound), low, high)
    revisions = sql.Identifier("energy", f"{target.table}_revision")
    return sql.SQL(REVISED).format(revisions=revisions, within=within)


def _keeps_actual(target: Target) -> bool:
    return target.has_meters and settings.METER_ESTIMATES.get_choice("keep-actual", "overwrite") == "keep-actual"


# --- meters ---


def _known_meters(
    connection: psycopg.Connection, job: Job, target: Target, rows: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows whose meters are known or may be created, and the others as rejects."""
    if not target.has_meters or _creates_meters(job) or not rows.height:
        return rows, _no_rejects()
    query = "SELECT mpan FROM energy.meter WHERE mpan = ANY(%s)"
    known = [mpan for (mpan,) in connection.execute(query, [rows["mpan"].unique().to_list()])]
    is_known = pl.col("mpan").is_in(known)
    rejects = rows.filter(~is_known).select(
        "row_number",
        column=pl.lit("mpan"),
        value="mpan",
        reason=pl.lit(
            f"is no known meter: insert it into energy.meter, or replay with --create-meters, or set "
            f"{settings.METER_UNKNOWN.env}=create"
        ),
        raw=pl.struct(list(target.columns)).struct.json_encode(),
    )
    return rows.filter(is_known), rejects.cast(REJECT_SCHEMA)  # type: ignore[arg-type]


def _creates_meters(job: Job) -> bool:
    default = settings.METER_UNKNOWN.get_choice("create", "quarantine") == "create"
    return bool(job.metadata.get("create_meters", default))


def _note_meters(connection: psycopg.Connection, job: Job, rows: pl.DataFrame) -> None:
    """New meters come under the job's default site; known ones may have a new register."""
    pairs = rows.select("mpan", "register").unique()
    values = {"mpans": pairs["mpan"].to_list(), "registers": pairs["register"].to_list()}
    connection.execute(
        statement("meter_files/meters"), {**values, "job_id": job.job_id, "site_id": job.default_site_id}
    )


# --- helpers ---


def _quarantine(connection: psycopg.Connection, job: Job, rejects: pl.DataFrame) -> None:
    command = "COPY ledger.quarantine (job_id, dataset, scope, row_number, column_name, value, reason, raw) FROM STDIN"
    if not rejects.height:
        return
    with connection.cursor().copy(command) as copy:
        for row in rejects.iter_rows():
            texts = (text and text.replace("\x00", "") for text in row[1:])
            copy.write_row([job.job_id, "meter_files", "file", row[0], *texts])


def _no_rejects() -> pl.DataFrame:
    return pl.DataFrame(schema=REJECT_SCHEMA)


def _stage(target: Target) -> sql.Identifier:
    return sql.Identifier(f"stage_{target.table}")


def _names(names: Iterable[str], prefix: str = "") -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(prefix, name) if prefix else sql.Identifier(name) for name in names)


def _one(connection: psycopg.Connection, query: Any, values: Any = None) -> Any:
    row = connection.execute(query, values).fetchone()
    return row[0] if row else None
