"""What the loading tests share: a made-up upstream, loaders on it, taps on every statement, and an audit."""

# ruff: noqa: S608 - the names put into statements here are the catalogue's

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from energy_ingest import catalog, clock
from energy_ingest.catalog import MARKET_INDEX, SYSTEM_PRICES, Dataset
from energy_ingest.loading.archive import Kept, Meta
from energy_ingest.loading.database import connect
from energy_ingest.loading.ingest import Loader, Summary
from energy_ingest.loading.ledger import Run
from energy_ingest.sources import Answer, Request, Scope
from energy_ingest.windows import EXPLAINED, Window

ALL = Scope("all")
UNITS = Scope("units:T_A-1,T_B-1", ("T_A-1", "T_B-1"))
DAY = date(2024, 3, 5)
SUMMER = date(2024, 3, 31)  # 46 half hours
AUTUMN = date(2024, 10, 27)  # 50 half hours
REPLAY = Run("replay")

Row = dict[str, Any]


def days(first: date, count: int = 1) -> list[Window]:
    """Adjoining settlement dates."""
    return list(SYSTEM_PRICES.windows(first, first + timedelta(days=count - 1)))


def _system_price(day: date, period: int, price: float = 0.0) -> Row:
    price = price or 80 + period / 4
    start = clock.period_start(day, period)
    numbers = {c.source: period / 8 for c in SYSTEM_PRICES.contract.columns if c.kind == "exact"}
    return {
        "settlementDate": f"{day}",
        "settlementPeriod": period,
        "startTime": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "createdDateTime": f"{start + timedelta(minutes=45):%Y-%m-%dT%H:%M:%SZ}",
        **numbers,
        "systemSellPrice": price,
        "systemBuyPrice": price,
        "bsadDefaulted": False,
        "priceDerivationCode": "N",
        "reserveScarcityPrice": 0.0,
    }


def _market_index(day: date, period: int, provider: str, price: float = 0.0) -> Row:
    return {
        "startTime": f"{clock.period_start(day, period):%Y-%m-%dT%H:%M:%SZ}",
        "dataProvider": provider,
        "settlementDate": f"{day}",
        "settlementPeriod": period,
        "price": price or 60 + period / 2,
        "volume": 100.25 + period,
    }


def _generation(day: date, period: int, unit: str, quantity: float = 0.0) -> Row:
    return {
        "dataset": "B1610",
        "psrType": "Generation",
        "bmUnit": unit,
        "nationalGridBmUnitId": unit[2:],
        "settlementDate": f"{day}",
        "settlementPeriod": period,
        "halfHourEndTime": f"{clock.period_start(day, period) + clock.HALF_HOUR:%Y-%m-%dT%H:%M:%S}",
        "quantity": quantity or period * 1.5,
        "settlementRunType": "II",
    }


def rows_of(dataset: Dataset, day: date, scope: Scope = ALL) -> list[Row]:
    """Every row that the source should have for a settlement date."""
    periods = range(1, clock.settlement_periods(day) + 1)
    if dataset is SYSTEM_PRICES:
        return [_system_price(day, period) for period in periods]
    if dataset is MARKET_INDEX:
        return [_market_index(day, period, provider) for period in periods for provider in dataset.members]
    return [
        _generation(day, period, unit) for period in periods for unit in scope.members or ("T_A-1", "T_B-1", "T_C-1")
    ]


class Feed:
    """A source that answers what `days` holds (complete days until a test changes them), after the next of `faults`.

    A fault is called before the answer goes out; it may raise, or wait. `tamper` changes the body.
    """

    def __init__(self, dataset: Dataset = SYSTEM_PRICES, scope: Scope = ALL, chunk: int = 2**14) -> None:
        self.dataset, self.scope, self.chunk = dataset, scope, chunk
        self.days: dict[date, list[Row]] = {}
        self.faults: list[Callable[[], None]] = []
        self.tamper: Callable[[bytes], bytes] = bytes
        self.requests: list[Request] = []

    def __getitem__(self, day: date) -> list[Row]:
        return self.days.setdefault(day, rows_of(self.dataset, day, self.scope))

    def __setitem__(self, day: date, rows: list[Row]) -> None:
        self.days[day] = rows

    def restate(self, day: date, field: str, value: Any, count: int = 1) -> None:
        """Give the first rows of a day another value."""
        self[day] = [{**row, field: value} if n < count else row for n, row in enumerate(self[day])]

    @contextmanager
    def fetch(self, request: Request, pace: Callable[[], None]) -> Iterator[Answer]:
        """What a hook does: pace, ask, give the body in chunks."""
        pace()
        self.requests.append(request)
        if self.faults:
            self.faults.pop(0)()
        yield Answer(self.chunks(request))

    def chunks(self, request: Request) -> Iterator[bytes]:
        """The body of the answer."""
        body = self.body(_days_of(request))
        yield from (body[at : at + self.chunk] for at in range(0, len(body), self.chunk))

    def body(self, days: Iterable[date]) -> bytes:
        """The answer for these settlement dates."""
        return self.tamper(json.dumps([row for day in days for row in self[day]]).encode())


def _days_of(request: Request) -> list[date]:
    bounds = [value for name, value in request.params if name in ("from", "to")]
    if not bounds:
        return [date.fromisoformat(request.path.rsplit("/", 1)[1])]
    first, last = (datetime.fromisoformat(bound).astimezone(clock.LONDON).date() for bound in bounds)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def fails(error: BaseException) -> Callable[[], None]:
    """A fault that raises."""

    def fault() -> None:
        raise error

    return fault


def loader(url: str, feed: Feed, archive: Path, tap: Callable[[str], None] | None = None, **changes: Any) -> Loader:
    """A loader on a made-up source; `tap` is called with the name of every step before the server is asked to do it."""
    return Loader(
        **{
            "dataset": feed.dataset,
            "scope": feed.scope,
            "fetch": feed.fetch,
            "connect": (lambda: tapped(url, tap)) if tap else (lambda: connect(url)),
            "archive": archive,
            "run": Run("command"),
            "concurrency": 1,
            **changes,
        }
    )


def load(url: str, feed: Feed, archive: Path, windows: Sequence[Window], **changes: Any) -> Summary:
    """Load, and expect that nothing fails."""
    summary = loader(url, feed, archive, **changes).load(windows)
    assert not summary.failed and not summary.left, summary.failed
    return summary


def answer(url: str, feed: Feed, windows: Sequence[Window], retrieved_at: datetime, run: Run = REPLAY) -> Summary:
    """Load what the feed holds now as an answer that was retrieved at some other time."""
    body = feed.body([window.label for window in windows])
    meta = Meta(
        dataset=feed.dataset.name,
        scope=feed.scope.name,
        members=feed.scope.members,
        first=f"{windows[0].label}",
        last=f"{windows[-1].label}",
        request="GET /somewhere",
        retrieved_at=retrieved_at.isoformat(),
        sha256=hashlib.sha256(body).hexdigest(),
        bytes=len(body),
    )
    kept = Kept(f"somewhere/{meta.stem}.gz", meta)
    return loader(url, feed, Path(), run=run).load_answer(windows, [body], kept, retrieved_at)


def run(number: int = 1, try_number: int = 1) -> Run:
    """An Airflow run."""
    return Run("scheduled", "some_dag", f"run_{number}", try_number)


# --- Statements that can be tapped ---

STEPS = {
    "begin": "INSERT INTO ledger.import_job",
    "pace": "INSERT INTO ledger.request_slot",
    "stage": "CREATE TEMPORARY TABLE",
    "copy": "COPY .?stage_",
    "lock": "pg_advisory_xact_lock",
    "deduplicate": "row_number\\(\\) OVER",
    "merge": "MERGE INTO",
    "count revised": "superseded_by =",
    "count items": "SELECT count\\(\\*\\) FROM \\(SELECT DISTINCT",
    "quarantine": "COPY ledger.quarantine",
    "drift": "INSERT INTO ledger.drift",
    "finish": "UPDATE ledger.window\nSET state = CASE|UPDATE ledger.window\nSET state = %",
    "fail": "status = 'failed', completed_at = clock_timestamp\\(\\), last_error = %",
}


def step_of(statement: str) -> str:
    """The name of the step that a statement is."""
    return next((name for name, pattern in STEPS.items() if re.search(pattern, statement)), statement.split("\n")[0])


def tapped(url: str, tap: Callable[[str], None]) -> psycopg.Connection:
    """A connection that calls `tap` before each statement, inside each COPY, and before and after each commit."""

    class Cursor(psycopg.Cursor):
        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            tap(step_of(_text(query, self)))
            return super().execute(query, *args, **kwargs)

        @contextmanager
        def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Iterator[psycopg.Copy]:
            step = step_of(_text(statement, self))
            tap(step)
            with super().copy(statement, *args, **kwargs) as copy:
                tap(f"inside {step}")
                yield copy

    class Transaction:
        """Psycopg's own would not let us in before the commit."""

        def __init__(self, transaction: Any) -> None:
            self._transaction = transaction

        def __enter__(self) -> Any:
            return self._transaction.__enter__()

        def __exit__(self, *error: Any) -> Any:
            if error[0] is None:
                tap("commit")
            outcome = self._transaction.__exit__(*error)
            if error[0] is None:
                tap("committed")
            return outcome

    connection = connect(url)
    connection.cursor_factory = Cursor
    begin = connection.transaction
    connection.transaction = lambda *args, **kwargs: Transaction(begin(*args, **kwargs))  # type: ignore[method-assign]
    return connection


def _text(query: Any, cursor: psycopg.Cursor) -> str:
    return query.as_string(cursor) if isinstance(query, sql.Composable) else str(query)


# --- Looking at the warehouse ---

TERMINATE_OTHERS = """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


NOBODY_ELSE = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user"
WAITS = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def ask(url: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with connect(url) as connection:
        return connection.execute(query, values or None).fetchall()  # type: ignore[call-overload]


def one(url: str, query: str, *values: Any) -> Any:
    """The only value of a query."""
    ((value,),) = ask(url, query, *values)
    return value


def wait_for(url: str, condition: str) -> None:
    """Until a query says true."""
    deadline = time.monotonic() + 120
    with connect(url) as connection:  # one for all turns: each counts, until the server has forgotten it
        while not connection.execute(condition).fetchone()[0]:  # type: ignore[call-overload,index]
            assert time.monotonic() < deadline, condition
            time.sleep(0.02)


def kill(url: str, pid: int) -> None:
    """End a process at work, until the server has forgotten it; nobody else may be connected."""
    os.kill(pid, signal.SIGKILL)
    wait_for(url, NOBODY_ELSE)


def behind(url: str, rival: psycopg.Connection, first: Callable[[], Any], second: Callable[[], Any]) -> Any:
    """What the second says, which came while the rival's transaction had done the first, and waited for its end."""
    with ThreadPoolExecutor(1) as pool:
        with rival.transaction():
            first()
            answer = pool.submit(second)
            wait_for(url, WAITS)
        return answer.result(60)


@contextmanager
def doomed(url: str) -> Iterator[psycopg.Connection]:
    """A connection of somebody who dies: behind it, the server has no such session any more."""
    with connect(url) as connection:
        yield connection
        pid = connection.info.backend_pid
    wait_for(url, f"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid})")


def content(url: str, dataset: Dataset, *, with_times: bool = False) -> str:
    """A checksum over all current rows, without what depends on when and by which job they came."""
    columns = [*dataset.contract.loaded, *(["recorded_from"] if with_times else [])]
    order = ", ".join(dataset.contract.key)
    rows = ask(url, f"SELECT {', '.join(columns)} FROM energy.{dataset.table} ORDER BY {order}")
    return f"{len(rows)} rows {hashlib.md5(repr(rows).encode()).hexdigest()}"  # noqa: S324


def states(url: str) -> dict[date, str]:
    """State by window label."""
    return dict(ask(url, "SELECT label, state FROM ledger.window ORDER BY 1"))


def audit(url: str, *, expected: Iterable[Window] = (), settled: bool = True) -> None:
    """The books balance: every counter agrees with the tables, versions join without gap, and nothing is half done.

    With `settled`, no job is under way, and every expected window is complete or explained.
    """
    with connect(url) as connection:
        used = ask(url, "SELECT DISTINCT dataset FROM ledger.import_job WHERE window_label IS NOT NULL")
        for rule in (rule for (name,) in used for rule in _rules(catalog.get(name))):
            assert connection.execute(rule).fetchall() == [], rule  # type: ignore[call-overload]
    if settled:
        assert ask(url, "SELECT job_id, run_id FROM ledger.import_job WHERE status = 'processing'") == []
        known = states(url)
        gaps = {w.label: known.get(w.label) for w in expected}
        assert {label: state for label, state in gaps.items() if state not in ("complete", *EXPLAINED)} == {}


def _rules(dataset: Dataset) -> Iterator[str]:
    """Queries that find nothing where the rules are kept."""
    table, key = f"energy.{dataset.table}", ", ".join(dataset.contract.key)
    yield f"""
        -- a job's counters are the versions it brought; a job that did not complete brought none
        SELECT job_id, status, inserted_rows + revised_rows AS counted, coalesce(n, 0) AS found FROM ledger.import_job
        LEFT JOIN (SELECT job_id, count(*) AS n FROM {table}_versions GROUP BY 1) AS brought USING (job_id)
        WHERE dataset = '{dataset.name}' AND (inserted_rows + revised_rows <> coalesce(n, 0)
           OR status <> 'completed' AND (total_rows IS NOT NULL OR coalesce(n, 0) > 0))"""
    yield f"""
        -- every row was brought by a job on its own window
        SELECT job_id, {key} FROM {table}_versions LEFT JOIN ledger.import_job USING (job_id)
        WHERE {dataset.time_column} IS DISTINCT FROM window_label"""
    yield f"""
        -- quarantined rows are counted
        SELECT job_id, quarantined_rows, count(quarantine_id) FROM ledger.import_job
        LEFT JOIN ledger.quarantine USING (job_id) WHERE import_job.dataset = '{dataset.name}'
        GROUP BY 1, 2 HAVING quarantined_rows <> count(quarantine_id)"""
    yield f"""
        -- the versions of a row follow one another without gap or overlap, the current one last
        SELECT * FROM (
          SELECT {key}, valid_from, valid_to, is_current, lead(valid_from) OVER w AS next_from FROM {table}_versions
          WINDOW w AS (PARTITION BY {key} ORDER BY version_id)
        ) AS version WHERE valid_from > valid_to OR next_from <> valid_to OR is_current = (next_from IS NOT NULL)"""
    yield f"""
        -- what is complete has its items
        SELECT w.label, expected, actual, found FROM ledger.window AS w CROSS JOIN LATERAL
          (SELECT count(*) AS found FROM {table} WHERE {dataset.time_column} = w.label) AS rows
        WHERE dataset = '{dataset.name}' AND state = 'complete' AND (found < expected OR actual < expected)"""
    yield f"""
        -- a window's last job is one of its own
        SELECT label FROM ledger.window AS w JOIN ledger.import_job AS j ON job_id = last_job_id
        WHERE w.dataset = '{dataset.name}'
          AND (j.dataset, j.scope, j.window_start) <> (w.dataset, w.scope, w.window_start)"""
