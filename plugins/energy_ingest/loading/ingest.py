"""From windows to rows: fetch, parse, archive, load, each window in its own transaction, a few at a time.

A failing window never blocks the others; what is left is in the summary and in the ledger.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any, Final, TypeVar

import polars as pl
import psycopg

from energy_ingest.catalog import Dataset
from energy_ingest.errors import IngestError, Misconfigured, Rejected
from energy_ingest.loading import database, ledger
from energy_ingest.loading.archive import Kept, Tape
from energy_ingest.loading.ledger import Loaded, Run
from energy_ingest.loading.merge import stage
from energy_ingest.loading.pacing import pace
from energy_ingest.reading import Checked
from energy_ingest.sources import Request, Scope, source_of
from energy_ingest.windows import Window, pack

log = logging.getLogger(__name__)
T = TypeVar("T")

Fetch = Callable[[Request, Callable[[], None]], AbstractContextManager[Iterable[bytes]]]
"""Sends a request, calling the second argument before every attempt, and gives the body in chunks; typed errors."""

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
    """Everything a load needs: where from, where to, on whose behalf."""

    dataset: Dataset
    scope: Scope
    fetch: Fetch
    connect: database.Connect
    archive: Any
    run: Run
    concurrency: int = 2

    def load(self, windows: Sequence[Window], on_progress: Callable[[Summary], None] | None = None) -> Summary:
        """Load the windows, oldest first; `on_progress` is called after each request.

        Raises:
            Misconfigured: something that no window can get past.
        """
        summary, lines = Summary(len(windows)), _Lines()
        report = on_progress or lines.maybe
        misses = 0
        with _Connections(self.connect) as connections, ThreadPoolExecutor(self.concurrency) as pool:
            packs = iter(pack(windows, self.dataset.span(self.scope)))
            running = {pool.submit(self._load_pack, connections, p) for p in islice(packs, self.concurrency)}
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for attempt in (future.result() for future in done):
                    summary.loaded += attempt.loaded
                    summary.failed.update(attempt.failed)
                    misses = misses + 1 if attempt.failed and not attempt.loaded else 0
                report(summary)
                more = len(done) if misses < GIVE_UP_AFTER else 0
                running |= {pool.submit(self._load_pack, connections, p) for p in islice(packs, more)}
        log.info("%s: %s", self.dataset.name, summary.progress())
        return summary

    def load_answer(
        self, windows: Sequence[Window], chunks: Iterable[bytes], kept: Kept, retrieved_at: datetime
    ) -> Summary:
        """Load an answer that is in the archive already, as of the time at which it was retrieved."""
        summary = Summary(len(windows))
        with contextlib.closing(self.connect()) as connection:
            attempt = _Attempt(self, connection, windows)
            attempt.run(lambda: attempt.load(chunks, lambda: kept, retrieved_at), lambda: kept)
        summary.loaded, summary.failed = attempt.loaded, attempt.failed
        return summary

    def _load_pack(self, connections: _Connections, windows: Sequence[Window]) -> _Attempt:
        """One request, its answer, and each of its windows loaded."""
        request = source_of(self.dataset).request(self.dataset, windows, self.scope)
        connection = connections.mine()
        attempt = _Attempt(self, connection, windows, str(request))
        with contextlib.closing(Tape(self.archive)) as tape:

            @cache
            def keep() -> Kept:
                return tape.keep(self.dataset.name, self.scope, windows, str(request), attempt.started_at)

            def fetch_and_load() -> None:
                with self.fetch(request, lambda: pace(connection, self.dataset.source)) as body:
                    chunks = read_ahead(tape.play(body))
                    try:
                        attempt.load(chunks, keep, attempt.started_at)
                    except Rejected:
                        deque(chunks, maxlen=0)  # the archive gets the whole answer, for whoever looks into it
                        raise

            attempt.run(fetch_and_load, keep)
        if attempt.rejected_together:  # one bad window must not take the others with it
            for window in windows:
                attempt.replace_by(self._load_pack(connections, [window]))
        return attempt


class _Attempt:
    """One answer for one or more windows: their jobs in the ledger, and what became of each."""

    def __init__(
        self, loader: Loader, connection: psycopg.Connection, windows: Sequence[Window], request: str | None = None
    ) -> None:
        self._loader, self._connection, self._windows, self._request = loader, connection, windows, request
        self.loaded: list[Loaded] = []
        self.failed: dict[Window, IngestError] = {}
        with database.typed_errors():
            self.jobs = [
                ledger.begin(connection, loader.dataset, loader.scope, window, loader.run) for window in windows
            ]
        self.started_at = self.jobs[0].started_at

    @property
    def missed(self) -> bool:
        """Whether the source or the warehouse seems to be down; a refused answer is no sign of that."""
        return not self.loaded and any(isinstance(error, Retryable) for error in self.failed.values())

    @property
    def to_part(self) -> list[Window]:
        """Windows to ask for one by one, because of what their common answer held."""
        return [w for w, error in self.failed.items() if len(self._windows) > 1 and isinstance(error, Rejected)]

    def run(self, work: Callable[[], None], keep: Callable[[], Kept]) -> None:
        """Do the work; whatever goes wrong is recorded for the windows that are not loaded.

        Raises:
            Misconfigured: no other window can get past this either.
        """
        try:
            with database.typed_errors():
                work()
        except IngestError as error:
            self._record(error, keep() if isinstance(error, Rejected) else None)
            if isinstance(error, Misconfigured):
                raise
        except Exception as error:
            self._record(IngestError(f"unexpected {type(error).__name__}: {error}; please report it"), None)
            raise

    def load(self, chunks: Iterable[bytes], keep: Callable[[], Kept], retrieved_at: datetime) -> None:
        """Parse, stage and merge, each window in its own transaction."""
        dataset, scope = self._loader.dataset, self._loader.scope
        pieces = source_of(dataset).parse(dataset, chunks, self._windows, scope)
        # Answers to several windows are small and split in memory; one window's answer may be large and is streamed.
        parts = split(dataset, list(pieces), self._windows) if len(self._windows) > 1 else [pieces]
        for job, part in zip(self.jobs, parts, strict=True):
            staged = stage(self._connection, dataset, scope, part)
            self.loaded.append(ledger.finish(self._connection, job, staged, keep(), retrieved_at))

    def replace_by(self, other: _Attempt) -> None:
        """Take over the result of a second attempt on some of the windows."""
        for window in other._windows:
            self.failed.pop(window, None)
        self.loaded += other.loaded
        self.failed.update(other.failed)

    def _record(self, error: IngestError, kept: Kept | None) -> None:
        open_jobs = self.jobs[len(self.loaded) :]
        self.failed = {job.window: error for job in open_jobs}
        log.warning("%s %s: %s", self._loader.dataset.name, _span(self._windows), error)
        connection = self._loader.connect() if self._connection.broken else contextlib.nullcontext(self._connection)
        with connection as usable, database.typed_errors():
            for job in open_jobs:
                ledger.fail(usable, job, error, request=self._request, kept=kept)


def split(dataset: Dataset, pieces: Sequence[Checked], windows: Sequence[Window]) -> list[list[Checked]]:
    """The pieces of one answer by window; rejected rows go to the window they name, else to the first."""
    parts: list[list[Checked]] = []
    for window in windows:
        here, refused = pl.col(dataset.time_column) == window.label, named == f"{window.label}"
        refused = refused if parts else refused | ~named.is_in(labels)
        parts.append([Checked(p.rows.filter(here), p.rejects.filter(refused), p.unknown_fields) for p in pieces])
    return parts


def read_ahead(chunks: Iterable[T], depth: int = 4) -> Iterator[T]:
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
        self._connect, self._mine, self._all = connect, threading.local(), []

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


class _Lines:
    """Progress as plain log lines, at most one in `REPORT_EVERY` seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def maybe(self, summary: Summary) -> None:
        if time.monotonic() - self._last >= REPORT_EVERY:
            self._last = time.monotonic()
            log.info("%s", summary.progress())


def _span(windows: Sequence[Window]) -> str:
    return f"{windows[0].label}" if len(windows) == 1 else f"{windows[0].label} to {windows[-1].label}"
