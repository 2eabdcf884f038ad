"""From windows to rows: fetch, parse, archive, load, each window in its own transaction, a few at a time.

A failing window never blocks the others; what is left is in the summary and in the ledger.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, Final, TypeVar

import polars as pl
import psycopg

from energy_ingest.alerts.redact import redact
from energy_ingest.calendars import within
from energy_ingest.catalog import Dataset
from energy_ingest.errors import IngestError, Misconfigured, Rejected, Retryable
from energy_ingest.loading import database, ledger
from energy_ingest.loading.archive import Kept, Tape
from energy_ingest.loading.ledger import Loaded, Run
from energy_ingest.loading.merge import stage
from energy_ingest.loading.pacing import pace
from energy_ingest.reading import Checked
from energy_ingest.sources import Answer, Request, Scope, source_of
from energy_ingest.windows import Window, utc_now

log = logging.getLogger(__name__)
T = TypeVar("T")

Fetch = Callable[[Request, Callable[[], None]], AbstractContextManager[Answer]]
"""Sends a request, calling the second argument before every attempt, and gives the answer; typed errors."""

GIVE_UP_AFTER: Final = 3
"""Failures in a row after which a task stops asking: the source is down, and Airflow retries later."""

REPORT_EVERY: Final = 30.0
"""Seconds between progress lines."""


@dataclass
class Summary:
    """What a whole load did."""

    total: int
    loaded: list[Loaded] = field(default_factory=list)
    failed: dict[Window, IngestError] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> int:
        """Windows that were not even tried."""
        return self.total - len(self.loaded) - len(self.failed)

    def count(self, name: str) -> int:
        """A counter of `Loaded` over all windows."""
        return sum(getattr(item, name) for item in self.loaded)

    def counts(self) -> dict[str, int]:
        """Every counter, for XCom and asset events."""
        names = ("received", "inserted", "revised", "unchanged", "quarantined", "duplicates")
        return {
            "windows": self.total,
            "failed": len(self.failed),
            "left": self.left,
            **{n: self.count(n) for n in names},
        }

    def progress(self) -> str:
        """One line: done of total, rows, rate, time left."""
        done, seconds = len(self.loaded) + len(self.failed), max(time.monotonic() - self.started, 0.001)
        rows = self.count("received")
        left = timedelta(seconds=round(seconds / done * (self.total - done))) if done else "unknown"
        return (
            f"{done}/{self.total} windows, {rows:,} rows, {rows / seconds:,.0f} rows/s, "
            f"{len(self.failed)} failed, {left} left"
        )


@dataclass(frozen=True)
class Loader:
    """Everything a load needs: where from, where to, on whose behalf; for `archive_prefix` see `Tape`."""

    dataset: Dataset
    scope: Scope
    fetch: Fetch
    connect: database.Connect
    archive: Any
    run: Run
    concurrency: int = 2
    archive_prefix: str = ""

    def load(self, windows: Sequence[Window], on_progress: Callable[[Summary], None] | None = None) -> Summary:
        """Load the windows, oldest first; `on_progress` is called after each request.

        Raises:
            Misconfigured: something that no window can get past.
        """
        summary, lines = Summary(len(windows)), _Lines()
        report = on_progress or lines.maybe
        misses = 0
        with _Connections(self.connect) as connections, ThreadPoolExecutor(self.concurrency) as pool:
            packs = self.dataset.pack(windows, self.scope, utc_now())
            running = {pool.submit(self._load_pack, connections, p) for p in islice(packs, self.concurrency)}
            while running:
                done, running = wait(running, timeout=1, return_when=FIRST_COMPLETED)
                for attempt in (future.result() for future in done):
                    summary.loaded += attempt.loaded
                    summary.failed.update(attempt.failed)
                    misses = misses + 1 if attempt.missed else 0
                report(summary)
                more = len(done) if misses < GIVE_UP_AFTER else 0
                running |= {pool.submit(self._load_pack, connections, p) for p in islice(packs, more)}
        log.info("%s: %s", self.dataset.name, summary.progress())
        return summary

    def load_answer(
        self, windows: Sequence[Window], chunks: Iterable[bytes], kept: Kept, retrieved_at: datetime
    ) -> Summary:
        """Load an answer that is in the archive already, as of the time at which it was retrieved."""
        with _Connections(self.connect) as connections:
            attempt = _Attempt(self, connections, windows, kept.meta.request)
            attempt.kept, attempt.retrieved_at = kept, retrieved_at
            attempt.run(lambda: attempt.load(Answer(chunks, kept.meta.headers), lambda: kept))
        return Summary(len(windows), attempt.loaded, attempt.failed)

    def _load_pack(self, connections: _Connections, windows: Sequence[Window]) -> _Attempt:
        """One request, its answer, and each of its windows loaded."""
        request = source_of(self.dataset).request(self.dataset, windows, self.scope, utc_now())
        attempt = _Attempt(self, connections, windows, str(request))
        with contextlib.closing(Tape(self.archive, self.archive_prefix)) as tape:
            attempt.run(lambda: attempt.fetch_and_load(request, tape))
        for window in attempt.to_part:  # one bad window must not take the others with it
            attempt.replace_by(self._load_pack(connections, [window]))
        return attempt


class _Attempt:
    """One answer for one or more windows: their jobs in the ledger, and what became of each."""

    def __init__(self, loader: Loader, connections: _Connections, windows: Sequence[Window], request: str) -> None:
        self._loader, self._connections, self._windows, self._request = loader, connections, windows, request
        self._jobs: list[ledger.Job] = []
        self.retrieved_at: datetime | None = None
        self.kept: Kept | None = None
        self.loaded: list[Loaded] = []
        self.failed: dict[Window, IngestError] = {}

    @property
    def missed(self) -> bool:
        """Whether the source or the warehouse seems to be down; a refused answer is no sign of that."""
        return not self.loaded and any(isinstance(error, Retryable) for error in self.failed.values())

    @property
    def to_part(self) -> list[Window]:
        """Windows to ask for one by one, because of what their common answer held."""
        return [w for w, error in self.failed.items() if len(self._windows) > 1 and isinstance(error, Rejected)]

    def run(self, work: Callable[[], None]) -> None:
        """Begin and do the work; whatever goes wrong is recorded for the windows that are not loaded.

        Raises:
            Misconfigured: no other window can get past this either.
        """
        try:
            with _typed_errors():
                self._begin()
                work()
        except IngestError as error:
            self._record(error)
            if isinstance(error, Misconfigured):
                raise

    def fetch_and_load(self, request: Request, tape: Tape) -> None:
        """Ask the source, and load its answer while it arrives."""
        with (
            self._loader.fetch(request, lambda: self._pace(request)) as answer,
            contextlib.closing(read_ahead(tape.play(answer))) as chunks,
        ):
            try:
                with _typed_errors():
                    self.load(Answer(chunks, answer.headers), lambda: self._keep(tape))
            except Rejected:
                deque(chunks, maxlen=0)  # the archive gets the whole answer, for whoever looks into it
                if tape.whole:
                    self._keep(tape)
                raise

    def load(self, answer: Answer, keep: Callable[[], Kept]) -> None:
        """Parse, stage and merge, each window in its own transaction."""
        dataset, scope, connection = self._loader.dataset, self._loader.scope, self._connections.mine()
        pieces = source_of(dataset).parse(dataset, answer, self._windows, scope, answer.headers)
        # Answers to several windows are small and split in memory; one window's answer may be large and is streamed.
        parts = split(dataset, list(pieces), self._windows) if len(self._windows) > 1 else [pieces]
        for job, part in zip(self._jobs, parts, strict=True):
            staged = stage(connection, dataset, scope, part)
            self.loaded.append(ledger.finish(connection, job, staged, keep(), self.retrieved_at or job.started_at))

    def replace_by(self, other: _Attempt) -> None:
        """Take over the result of a second attempt on some of the windows."""
        for window in other._windows:
            del self.failed[window]
        self.loaded += other.loaded
        self.failed.update(other.failed)

    def _begin(self) -> None:
        loader, connection = self._loader, self._connections.mine()
        for window in self._windows:
            self._jobs.append(ledger.begin(connection, loader.dataset, loader.scope, window, loader.run))

    def _pace(self, request: Request) -> None:
        """Wait for a slot; the answer is as new as the last request for it."""
        self.retrieved_at = pace(self._connections.mine(), self._loader.dataset.source, request)

    def _keep(self, tape: Tape) -> Kept:
        if self.kept is None:
            name, scope = self._loader.dataset.name, self._loader.scope
            retrieved_at = self.retrieved_at or self._jobs[0].started_at
            self.kept = tape.keep(name, scope, self._windows, self._request, retrieved_at)
        return self.kept

    def _record(self, error: IngestError) -> None:
        log.warning("%s %s: %s", self._loader.dataset.name, _span(self._windows), error)
        # a copy has no traceback, which would keep the answer's rows in memory
        self.failed = dict.fromkeys(self._windows[len(self.loaded) :], copy(error))
        try:
            with database.typed_errors():
                connection = self._connections.mine()
                for job in self._jobs[len(self.loaded) :]:
                    ledger.fail(connection, job, error, request=self._request, kept=self.kept)
        except IngestError as unrecorded:
            log.warning("the ledger does not know of it, the next attempt takes over: %s", unrecorded)


def split(dataset: Dataset, pieces: Sequence[Checked], windows: Sequence[Window]) -> list[list[Checked]]:
    """The pieces of one answer by window; rejected rows go to the window they name, else to the first."""
    field = next(column.source for column in dataset.contract.columns if column.name == dataset.time_column)
    named = pl.col("raw").str.json_path_match(f"$.{field}").fill_null("")
    bounds = [dataset.bounds(window) for window in windows]
    spans = [each[dataset.time_column] for each in bounds]
    refused = [named.is_between(pl.lit(_as_text(low)), pl.lit(_as_text(high))) for low, high in spans]
    refused[0] |= ~pl.any_horizontal(refused)
    return [
        [Checked(p.rows.filter(within(here)), p.rejects.filter(theirs), p.unknown_fields) for p in pieces]
        for here, theirs in zip(bounds, refused, strict=True)
    ]


def _as_text(value: date | datetime | str) -> str:
    """A bound as the source writes such values: ISO 8601."""
    return value if isinstance(value, str) else value.isoformat()


def read_ahead(chunks: Iterable[T], depth: int = 4) -> Generator[T, None, None]:
    """The same chunks, read by a thread of their own, so that the network and the database work at the same time."""
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: tuple[T | None, BaseException | None]) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                return ready.put(item, timeout=0.2)

    def read() -> None:
        try:
            for chunk in chunks:
                put((chunk, None))
                if stop.is_set():
                    return
            put((None, None))
        except BaseException as error:  # handed to the consumer
            put((None, error))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        while True:
            chunk, error = ready.get()
            if error:
                raise error
            if chunk is None:
                return
            yield chunk
    finally:
        stop.set()
        thread.join()


class _Connections:
    """One warehouse connection per thread, replaced when it broke, all closed at the end."""

    def __init__(self, connect: database.Connect) -> None:
        self._connect, self._mine = connect, threading.local()
        self._all: list[psycopg.Connection] = []

    def mine(self) -> psycopg.Connection:
        connection = getattr(self._mine, "connection", None)
        if connection is None or connection.closed or connection.broken:
            connection = self._mine.connection = self._connect()
            self._all.append(connection)
        return connection

    def __enter__(self) -> _Connections:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._all:
            connection.close()


@contextlib.contextmanager
def _typed_errors() -> Iterator[None]:
    """Whatever goes wrong as one of our errors: one window's trouble, even a bug of ours, must not stop the others."""
    try:
        with database.typed_errors():
            yield
    except IngestError:
        raise
    except Exception as error:
        log.error("unexpected: %s", redact(traceback.format_exc()))
        raise Rejected(f"unexpected {type(error).__name__}: {error}; please report it") from error


class _Lines:
    """Progress as plain log lines, at most one in `REPORT_EVERY` seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def maybe(self, summary: Summary) -> None:
        if time.monotonic() - self._last >= REPORT_EVERY:
            self._last = time.monotonic()
            log.info("%s", summary.progress())


def _span(windows: Sequence[Window]) -> str:
    return f"{windows[0]}" if len(windows) == 1 else f"{windows[0]} to {windows[-1]}"
