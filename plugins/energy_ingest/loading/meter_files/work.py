"""Working off the inbox and the queue: take what arrived, import job after job, put each file where it belongs."""

from __future__ import annotations

import contextlib
import logging
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import psycopg

from energy_ingest import settings
from energy_ingest.errors import IngestError, Misconfigured, Rejected
from energy_ingest.loading import database
from energy_ingest.loading.meter_files import jobs, replay, report
from energy_ingest.loading.meter_files.inbox import HELD, Found, Inbox, NoSuchFile, OpenFile
from energy_ingest.loading.meter_files.jobs import Job, NotOurs, Worker
from energy_ingest.loading.meter_files.load import TARGETS, Report, end, load_piece, note_nothing, prepare
from energy_ingest.loading.meter_files.privacy import masked_text
from energy_ingest.sources.meter_files import Decision, Options, Piece, decide, parse

log = logging.getLogger(__name__)

REPORT_EVERY: Final = 30.0
"""Seconds between progress lines."""


PIECE_BYTES: Final = 2**19
"""Up to 80,000 readings, which are a transaction: a second or two, and some 30 MB of memory."""


@dataclass
class Summary:
    """What a run did: the jobs it made, and those it had in hand, as they are now."""

    taken: list[int] = field(default_factory=list)
    ended: list[Job] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Every counter, for XCom and asset events."""
        rows = {name: sum(job.counts()[name] for job in self.ended) for name in jobs.COUNTS}
        states = {state: sum(job.status == state for job in self.ended) for state in ("completed", "failed")}
        return {"files": len(self.taken), **states, **rows}

    @property
    def failed(self) -> list[Job]:
        """Those that a person must look at."""
        return [job for job in self.ended if job.status == "failed"]


@dataclass(frozen=True)
class Importer:
    """Everything that an import needs: where from, where to, on whose behalf, and how much text a piece may have."""

    connect: database.Connect
    inbox: Inbox
    worker: Worker = field(default_factory=Worker)
    piece_bytes: int = PIECE_BYTES

    def take_all(self, summary: Summary) -> None:
        """Make jobs of the files that have arrived; end what a killed process left behind."""
        with closing(self.connect()) as connection, database.typed_errors():
            summary.ended += jobs.give_up(connection)
            for file, order in self.inbox.settled():
                try:
                    job_id = self.inbox.take(connection, file, order, self.worker)
                except OSError as error:  # it must not keep the others from their turn
                    log.warning("%s stays in the inbox: %s; check its rights", masked_text(file.name), error)
                    continue
                if job_id:
                    self._taken(connection, job_id, summary)
            self.inbox.tidy(connection, report.text)

    def take_named(self, name: str, order: jobs.Order, summary: Summary) -> None:
        """Make a job of one file of the inbox; a repeated attempt of the same run finds it made.

        Raises:
            Misconfigured: there is no such file, its bytes are a job already, or the order cannot be done.
        """
        order.check()
        with closing(self.connect()) as connection, database.typed_errors():
            if jobs.asked_by(connection, self.worker):
                return
            job_id = self.inbox.take(connection, self._named(connection, name), order, self.worker)
            if job_id is None:
                raise Misconfigured(
                    f"{name} is a job already: `energy-ingest jobs list` shows it; force imports it again"
                )
            self._taken(connection, job_id, summary)
            self.inbox.tidy(connection, report.text)

    def _named(self, connection: psycopg.Connection, name: str) -> Found:
        """A file of the inbox; that another run took it first is said."""
        try:
            return self.inbox.named(name)
        except NoSuchFile as error:
            job = jobs.newest_of(connection, name.rpartition("/")[2])
            if job is None:
                raise
            how = f"job {job.job_id} took the last one ({job.status}); in {HELD}/ files wait until they are named"
            raise Misconfigured(f"{error}; {how}") from None

    def _taken(self, connection: psycopg.Connection, job_id: int, summary: Summary) -> None:
        job = jobs.find(connection, job_id)
        log.info("%s", report.line(job))
        summary.taken.append(job_id)
        summary.ended += [job] if job.status == "failed" else []

    def work(self, summary: Summary, only: int | None = None) -> None:
        """Import until nothing is left that may run now, the most urgent first; with `only`, that job alone.

        Raises:
            Misconfigured: a setting is wrong; no job has suffered from it.
        """
        _check_settings()
        while job := self._import_next(only):
            summary.ended.append(job)
            log.info("%s", report.line(job))

    def _import_next(self, only: int | None) -> Job | None:
        with closing(self.connect()) as connection:
            with database.typed_errors():
                job = jobs.claim(connection, self.worker, only)
            if job is None:
                return None
            log.info("%s, from row %d", report.line(job), job.resume_row + 1)
            self._attempt(connection, job)
        return self._put_away(job)

    def _attempt(self, connection: psycopg.Connection, job: Job) -> None:
        """Import, and record whatever goes wrong: one file's trouble, even a bug of ours, must not stop the others."""
        try:
            with database.typed_errors(), self.inbox.opened(job) as open_file:
                self._import(connection, job, open_file)
        except NotOurs:
            log.info("job %d is another's or was cancelled; the piece in hand was not loaded", job.job_id)
        except IngestError as error:
            self._fail(job, str(error), may_retry=not isinstance(error, Rejected))
        except OSError as error:
            self._fail(job, f"the inbox cannot be read: {error}; check its store and rights", may_retry=True)
        except Exception as error:
            log.error("unexpected: %s", masked_text(traceback.format_exc()))
            self._fail(job, f"unexpected {type(error).__name__}: {error}; please report it", may_retry=True)

    def _import(self, connection: psycopg.Connection, job: Job, open_file: OpenFile) -> None:
        """Load the file piece by piece; the last one's transaction ends the job."""
        told, lines, state = Report.of(job), _Lines(job), job.status
        prepare(connection, TARGETS[job.import_type])
        with contextlib.closing(_ahead(self._pieces(connection, job, told, open_file))) as pieces:
            for piece, is_last in pieces:
                state = load_piece(connection, job, piece, told, is_last=is_last)
                lines.maybe(piece)
        if state == "processing":  # there was no piece (any more)
            with connection.transaction():
                if not job.resume_row:
                    note_nothing(connection, job, told)
                end(connection, job, told)

    def _pieces(self, connection: psycopg.Connection, job: Job, told: Report, open_file: OpenFile) -> Iterator[Piece]:
        """What is left of the file; that of a replay holds refused rows, and is read whole."""
        check: Any = job.metadata.get("mpan_check") or settings.METER_MPAN_CHECK.get_choice(*jobs.MPAN_CHECKS)
        options = Options(job.import_type, today=job.queued_at.date(), feed=job.feed, mpan_check=check)
        if "replays" in job.metadata:
            decision = replay.decision_of(connection, job)
            with open_file() as body:
                return iter(list(replay.pieces(job, body, decision, options)))
        return parse(open_file, _decision(job, told, open_file, options), options, job.resume_row, self.piece_bytes)

    def _fail(self, job: Job, error: str, *, may_retry: bool) -> None:
        with closing(self.connect()) as connection, database.typed_errors(), contextlib.suppress(NotOurs):
            jobs.fail(connection, job, error, may_retry=may_retry)

    def _put_away(self, job: Job) -> Job:
        with closing(self.connect()) as connection, database.typed_errors():
            now = jobs.find(connection, job.job_id)
            self.inbox.tidy(connection, report.text)
        return now


def _check_settings() -> None:
    """Before a job is taken: what is wrong with the configuration is no file's fault."""
    settings.METER_MPAN_CHECK.get_choice(*jobs.MPAN_CHECKS)
    settings.METER_UNKNOWN.get_choice("create", "quarantine")
    settings.METER_ESTIMATES.get_choice("keep-actual", "overwrite")


def _decision(job: Job, told: Report, open_file: OpenFile, options: Options) -> Decision:
    """How the file is read: as an earlier attempt did if that has loaded some of it, for the rest must match."""
    if job.resume_row and told.decision:
        return msgspec.convert(told.decision, Decision)
    decision = decide(open_file, job.file_name, options)
    told.decision, told.said = msgspec.to_builtins(decision), list(decision.said)
    for sentence in decision.said:
        log.info("job %d: %s", job.job_id, sentence)
    return decision


def _ahead(pieces: Iterator[Piece]) -> Generator[tuple[Piece, Callable[[], bool]], None, None]:
    """Each piece while the next one is parsed, with a way to ask whether there is a next one."""
    with ThreadPoolExecutor(1, thread_name_prefix="parse") as pool:
        following = pool.submit(next, pieces, None)
        while (piece := following.result()) is not None:
            following = pool.submit(next, pieces, None)
            yield piece, lambda ahead=following: ahead.result() is None  # type: ignore[misc]


class _Lines:
    """Progress as plain log lines, at most one in `REPORT_EVERY` seconds."""

    def __init__(self, job: Job) -> None:
        self._job, self._began, self._last, self._items = job, time.monotonic(), time.monotonic(), 0

    def maybe(self, piece: Piece) -> None:
        """Say how far the job is."""
        self._items += piece.rows.height + piece.rejects.height
        now = time.monotonic()
        if now - self._last >= REPORT_EVERY:
            self._last, seconds, share = now, now - self._began, piece.bytes_read / max(self._job.file_bytes or 0, 1)
            log.info(
                "job %d: %.0f %%, %s items, %s items/s, %.0f s left",
                *(self._job.job_id, 100 * share, f"{self._items:,}", f"{self._items / seconds:,.0f}"),
                seconds / max(share, 0.01) * (1 - share),
            )
