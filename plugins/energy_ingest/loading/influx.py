"""From committed rows to InfluxDB: what waits is written window by window, and the ledger keeps what is.

One transaction per window: its lock, its rows, the acknowledged writes, the mark. Killed anywhere, the window still
waits; writing it again gives the same points. Rows are streamed, so memory is bounded by a few batches.
"""

from __future__ import annotations

import gc
import io
import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, Final

import polars as pl
import psycopg
from psycopg import sql

from energy_ingest import settings
from energy_ingest.catalog import Dataset
from energy_ingest.errors import IngestError, Rejected
from energy_ingest.loading import database, line_protocol
from energy_ingest.loading.influx_client import Batch, Influx, Refusal, is_outside_retention
from energy_ingest.loading.influx_sql import Stale, rows_query, span_query, stale_query
from energy_ingest.loading.ingest import REPORT_EVERY, read_ahead
from energy_ingest.loading.ledger import Run
from energy_ingest.projection import Points
from energy_ingest.sql import statement
from energy_ingest.windows import Window

log = logging.getLogger(__name__)

REFUSALS: Final = 1_000
"""Refused lines of one window beyond which it is no matter of single values: the window fails as a whole."""

SERIES: Final = 100
"""Series that are deleted one by one; beyond, the whole measurement is deleted over their time and written anew."""


@dataclass
class Summary:
    """What was written, of `total` windows."""

    total: int
    windows: int = 0
    points: int = 0
    refused: int = 0
    outside_retention: int = 0
    failed: dict[Window, IngestError] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> int:
        """Windows that were not tried, or are in other hands."""
        return self.total - self.windows - len(self.failed)

    def counts(self) -> dict[str, int]:
        """Every counter, for XCom."""
        names = ("windows", "points", "refused", "outside_retention")
        return {**{name: getattr(self, name) for name in names}, "failed": len(self.failed), "left": self.left}

    def progress(self) -> str:
        """One line: done of total, points, rate."""
        rate = self.points / max(time.monotonic() - self.started, 0.001)
        return f"{self.windows}/{self.total} windows, {self.points:,} points, {rate:,.0f} points/s"


class Busy(Exception):
    """Another process writes this window."""


@dataclass(frozen=True)
class Projector:
    """Writes a dataset's rows to InfluxDB, in the mapping in force."""

    dataset: Dataset
    connect: database.Connect
    influx: Influx
    on_progress: Callable[[Summary], None] = lambda summary: None

    def project(self, run: Run | None = None, backlog: timedelta | None = None) -> Summary:
        """Write what the loads of a run left to write, then what else waits, the oldest first.

        After the time `backlog`, no other window is taken up; None sets no limit, zero takes up none.

        Raises:
            Retryable, Misconfigured: InfluxDB or the warehouse cannot be used; what was not written waits.
        """
        end = time.monotonic() + (backlog.total_seconds() if backlog is not None else float("inf"))
        with closing(self.connect()) as connection:
            own, others = self._waiting(connection, run)
            others = others if backlog is None or backlog else []
            summary = Summary(len(own) + len(others))
            for window in own:
                self._one(connection, window, summary)
            for window in others:
                if time.monotonic() > end:
                    break
                self._one(connection, window, summary, wait=False)
        return summary

    def rebuild(self, first: date, last: date) -> Summary:
        """Delete and write every window labelled first to last that ever brought rows.

        Raises:
            Retryable, Misconfigured: InfluxDB or the warehouse cannot be used; run it again.
        """
        values = {"dataset": self.dataset.name, "first": first, "last": last}
        with closing(self.connect()) as connection:
            with database.typed_errors():
                windows = [Window(*row) for row in connection.execute(statement("influx/known"), values)]
            summary = Summary(len(windows))
            for window in windows:
                self._one(connection, window, summary, anew=True)
        return summary

    def _waiting(self, connection: psycopg.Connection, run: Run | None) -> tuple[list[Window], list[Window]]:
        """Windows that wait: those that this run loaded, and the others."""
        values = {"dataset": self.dataset.name, "dag_id": run and run.dag_id, "run_id": run and run.run_id}
        with database.typed_errors():
            rows = connection.execute(statement("influx/waiting"), values).fetchall()
        return [Window(*row) for *row, own in rows if own], [Window(*row) for *row, own in rows if not own]

    def _one(
        self, connection: psycopg.Connection, window: Window, summary: Summary, wait: bool = True, anew: bool = False
    ) -> None:
        """Write one window; where InfluxDB refuses its rows, the others go on."""
        try:
            with database.typed_errors(), connection.transaction():
                Attempt(self, connection, window, summary).run(wait, anew)
        except Busy:
            return
        except IngestError as error:
            self._note(connection, window, error)
            if not isinstance(error, Rejected):
                raise
            summary.failed[window] = error
        else:
            summary.windows += 1
        self.on_progress(summary)

    def _note(self, connection: psycopg.Connection, window: Window, error: IngestError) -> None:
        """Keep why a window is not written; only what InfluxDB refuses outright has to wait for a person."""
        log.warning("%s %s waits for InfluxDB: %s", self.dataset.name, window, error)
        state = "failed" if isinstance(error, Rejected) else "pending"
        values = {"dataset": self.dataset.name, "start": window.start, "state": state, "error": str(error)}
        if not connection.broken:
            with database.typed_errors():
                connection.execute(statement("influx/failed"), values)


class Attempt:
    """One window on its way to InfluxDB, in the caller's transaction."""

    def __init__(self, projector: Projector, connection: psycopg.Connection, window: Window, summary: Summary) -> None:
        self._dataset, self._influx = projector.dataset, projector.influx
        self._connection, self._window = connection, window
        self._summary, self._report = summary, projector.on_progress
        self._points = projector.dataset.influx_points
        self._refused: list[tuple[int, str, str]] = []
        self._place = {"dataset": projector.dataset.name, "start": window.start}

    def run(self, wait: bool, anew: bool) -> None:
        """Lock the window, delete what is wrong, write what is missing (`anew`: everything), and mark it."""
        self._lock(wait)
        row = self._connection.execute(statement("influx/jobs"), self._place).fetchone()
        jobs, revised = row or ([], False)
        stale: list[Stale] = []
        for points in self._points if anew or revised else ():
            stale += self._all(points) if anew else self._stale(points, jobs)
        for one in stale:
            self._delete(one)
        if jobs or anew:
            self._write(None if anew else jobs, stale)
        self._mark(jobs, anew)

    def _lock(self, wait: bool) -> None:
        """Two writers of one window could leave the older value: who writes later must have read later."""
        function = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
        place = f"influx {self._dataset.name} {self._window.start}"
        query = sql.SQL("SELECT {}(hashtextextended(%s, 0))").format(sql.Identifier(function))
        if self._connection.execute(query, [place]).fetchone() == (False,):
            raise Busy

    def _all(self, points: Points) -> list[Stale]:
        """Whatever InfluxDB may have of the window; only former versions where its time is not its own."""
        span = self._connection.execute(span_query(self._dataset, self._window, points)).fetchone()
        first, last = span or (None, None)
        if first and self._owns(first, last):
            return [Stale(points, self._window.start, self._window.end - timedelta(microseconds=1), {})]
        return self._stale(points, None)

    def _stale(self, points: Points, jobs: Sequence[int] | None) -> list[Stale]:
        """Points of former versions that the new ones do not overwrite."""
        query = stale_query(self._dataset, self._window, points, jobs)
        found = []
        for first, last, *values in self._connection.execute(query):
            tags = dict(zip(points.tags.values(), values, strict=True))
            there = {name: value for name, value in tags.items() if value}
            found.append(Stale(points, first, last + points.slack, there))
        if len(found) <= SERIES:
            return found
        first, last = min(one.first for one in found), max(one.last for one in found)
        return [Stale(points, first, last, {})] if self._owns(first, last) else found

    def _owns(self, first: datetime, last: datetime) -> bool:
        """Whether no other window has points between these instants."""
        return self._window.start <= first and last < self._window.end

    def _delete(self, stale: Stale) -> None:
        points = stale.points
        tags = {name: stale.tags[column] for name, column in points.tags.items() if column in stale.tags}
        self._influx.delete(points.measurement, stale.first + points.shift, stale.last + points.shift, tags)

    def _write(self, jobs: Sequence[int] | None, stale: Sequence[Stale]) -> None:
        """Write the rows in batches; the next one is made while one is on its way."""
        with closing(self.batches(jobs, stale)) as batches, closing(read_ahead(batches, depth=2)) as ahead:
            for brought_by, batch in ahead:
                refusals = self._influx.write(batch)
                self._keep(brought_by, batch, refusals)
                self._summary.points += batch.lines.len() - len(refusals)
                self._report(self._summary)

    def batches(
        self, jobs: Sequence[int] | None, stale: Sequence[Stale] = ()
    ) -> Generator[tuple[pl.Series, Batch], None, None]:
        """The rows of these loads (None: all of the window) as batches of lines, with the load that brought each."""
        columns, size = line_protocol.columns(self._points), settings.INFLUX_BATCH.get_int()
        schema: Any = {"job_id": pl.Int64, **{c.name: pl.Int64 if c.is_time else pl.String for c in columns}}
        query, kinds = rows_query(self._dataset, self._window, columns, jobs, stale), self._dataset.contract.loaded
        with _without_old_objects(), self._connection.cursor().copy(query) as copy:
            rows = iter(copy)  # the server sends each row on its own
            while text := b"".join(islice(rows, size)):
                frame = pl.read_csv(io.BytesIO(text), has_header=False, schema=schema)
                for points in self._points:
                    lines = line_protocol.lines(frame, points, kinds)
                    made = lines.is_not_null()
                    if made.any():
                        yield frame["job_id"].filter(made), Batch.of(lines.filter(made))

    def _keep(self, brought_by: pl.Series, batch: Batch, refusals: Sequence[Refusal]) -> None:
        """Count refused lines and keep them, unless it is only their age, or they are too many to be single values."""
        for refusal in refusals:
            if is_outside_retention(refusal.reason):
                self._summary.outside_retention += 1
            else:
                self._refused.append((brought_by[refusal.place], batch.lines[refusal.place], refusal.reason))
        if len(self._refused) > REFUSALS:
            raise Rejected(
                f"more than {REFUSALS:,} lines of {self._window} are refused; first {self._first_refused()}. "
                f"Correct {self._influx.target} or the mapping, then run: energy-ingest influx rebuild "
                f"--dataset {self._dataset.name} --from {self._window.label} --to {self._window.label}"
            )

    def _first_refused(self) -> str:
        _, line, reason = self._refused[0]
        return f"{line} ({reason})"

    def _mark(self, jobs: Sequence[int], anew: bool) -> None:
        """Keep the refused lines, close those of earlier attempts, and mark the loads as written."""
        values = {**self._place, "jobs": jobs, "anew": anew}
        self._connection.execute(statement("influx/answered"), values)
        if self._refused:
            log.warning("InfluxDB refused %d lines, the first: %s", len(self._refused), self._first_refused())
            command = "COPY ledger.influx_quarantine (job_id, dataset, window_start, line, reason) FROM STDIN"
            with self._connection.cursor().copy(command) as copy:
                for job_id, line, reason in self._refused:
                    copy.write_row([job_id, *self._place.values(), line, reason])
        # Without this lock, a load that finishes at this moment could go unnoticed.
        self._connection.execute(statement("influx/hold"), values)
        self._connection.execute(statement("influx/written"), values)
        self._summary.refused += len(self._refused)


@contextmanager
def _without_old_objects() -> Iterator[None]:
    """Keep the garbage collector from searching all of Airflow every few thousand rows: that is half of the work."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def log_progress() -> Callable[[Summary], None]:
    """Progress as plain log lines, at most one in `REPORT_EVERY` seconds."""
    last = time.monotonic()

    def report(summary: Summary) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_EVERY:
            last = time.monotonic()
            log.info("%s", summary.progress())

    return report
