"""Ten years of twenty datasets, a hundred thousand jobs and issues: pages ask a few statements and read a few rows.

How long that takes is for `make bench`, which runs this several times (tools/bench_pages.py).
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, NamedTuple

import psycopg
import pytest

from energy_ingest import catalog, windows
from energy_ingest.catalog import B1610, SYSTEM_PRICES
from energy_ingest.loading.database import connect
from energy_ingest.web import access
from tools.postgres import Server

pytestmark = pytest.mark.slow

STATEMENTS = 10
"""What an answer asks the warehouse at most."""
ROWS = 8192
"""What it takes from the warehouse at most: as many as the days that one answer covers; the rest is counted there."""
TURNS = int(os.environ.get("BENCH_TURNS", "1"))
DAYS = 3650
TWENTY = {f"made_up_{n}": replace(SYSTEM_PRICES, name=f"made_up_{n}") for n in range(18)}

WINDOWS = """
INSERT INTO ledger.window (dataset, scope, window_start, window_end, label, state, attempts, last_attempt_at,
                           completed_at)
SELECT dataset.name, dataset.scope, label AT TIME ZONE 'Europe/London',
       (label + interval '1 day') AT TIME ZONE 'Europe/London', label,
       CASE WHEN number %% 97 = 0 THEN 'failed' WHEN number %% 31 = 0 THEN 'partial' ELSE 'complete' END,
       1, label, label
FROM unnest(%(names)s::text[], %(scopes)s::text[]) AS dataset (name, scope),
     generate_series(%(first)s::timestamp, %(last)s, '1 day') WITH ORDINALITY AS day (label, number)"""
JOBS = """
INSERT INTO ledger.import_job (dataset, import_type, scope, status, priority, file_name, file_sha256, last_error,
                               queued_at, started_at, completed_at, run_id, code_version, total_rows)
SELECT 'meter_files', 'hh', 'file', CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'completed' END,
       CASE WHEN n % 1000 = 0 THEN 'high' ELSE 'normal' END, format('readings-%s.csv', n), md5(n::text),
       CASE WHEN n % 50 = 0 THEN 'row 7: not a number' END, now(), now(), now(), format('scheduled__%s', n / 10), '1', 0
FROM generate_series(1, 100000) AS n"""

ISSUES = """
INSERT INTO ledger.quality_issue (dataset, rule, subject, day, severity, value_count, detail, first_seen, last_seen,
                                  resolved_at)
SELECT CASE WHEN n % 3 = 0 THEN 'elexon_b1610' ELSE 'meter_files' END, 'frozen', n::text, date '2020-01-01' + n % 1000,
       CASE WHEN n % 90 = 0 THEN 'red' ELSE 'amber' END, 12, '{}', now() - n % 40 * interval '1 day', now(),
       CASE WHEN n % 2 = 0 THEN now() - n % 20 * interval '1 day' END
FROM generate_series(1, 100000) AS n"""


@pytest.fixture
def first(monkeypatch: pytest.MonkeyPatch) -> date:
    """Twenty datasets, two of ours and those made up, all daily for ten years until yesterday; the first day."""
    first = windows.utc_now().date() - timedelta(days=DAYS)
    monkeypatch.setenv("ENERGY_START", f"{first}")
    datasets = {B1610.name: B1610, SYSTEM_PRICES.name: SYSTEM_PRICES, **TWENTY}
    monkeypatch.setattr(catalog, "DATASETS", datasets)
    monkeypatch.setattr(access, "NAMES", (*datasets, access.METER_FILES))
    return first


@pytest.fixture
def old(first: date, warehouse: dict[str, str]) -> date:
    """The same, and what happened since."""
    scopes = [item.scopes()[0].name for item in catalog.DATASETS.values()]
    span = {"first": first, "last": first + timedelta(days=DAYS - 1)}
    with connect(warehouse["energy_owner"]) as connection:
        connection.execute(WINDOWS, {"names": list(catalog.DATASETS), "scopes": scopes, **span})
        connection.execute(JOBS)
        connection.execute(ISSUES)
        connection.execute("VACUUM ANALYZE ledger.window")
        connection.execute("VACUUM ANALYZE ledger.import_job")
        connection.execute("VACUUM ANALYZE ledger.quality_issue")
    return first


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of each statement that the warehouse is asked."""
    rows: list[int] = []
    execute = psycopg.Cursor.execute

    def counted(self: psycopg.Cursor, *arguments: Any, **options: Any) -> psycopg.Cursor:
        done = execute(self, *arguments, **options)
        if self.connection.info.parameter_status("application_name") == "energy_ingest":
            rows.append(max(0, self.rowcount))
        return done

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    return rows


class Took(NamedTuple):
    """Milliseconds of a request: the best of some; on average the CPU of both servers, Airflow's and the database."""

    best: int
    cpu: int


def milliseconds(caller: Any, path: str, database: Server) -> Took:
    """What the server takes, once it has made what is made once."""
    taken, began = [], 0.0
    for turn in range(1 + TURNS):
        if turn == 1:
            began = time.process_time() + database.cpu_seconds()
        start = time.perf_counter()
        answer = caller.client.get(f"/energy{path}", headers=caller.headers)
        taken.append(time.perf_counter() - start)
        assert answer.status_code == 200, answer.text[:500]
    cpu = time.process_time() + database.cpu_seconds() - began
    return Took(round(1000 * min(taken)), round(1000 * cpu / TURNS))


def test_pages_of_years_and_of_many_jobs_ask_little(editor, old, pg_server, asked, record_property):
    year = old.year + 5
    paths = [
        f"/coverage?year={year}",
        "/coverage",
        f"/coverage?dataset=made_up_1&from={old}&to={old + timedelta(days=DAYS)}",
        f"/coverage/made_up_3/{year}-03-05",
        "/gaps",
        "/gaps?limit=500",
        f"/gaps?from={year}-01-01&to={year}-12-31",
        "/gaps?dataset=made_up_3",
        "/freshness",
        "/progress",
        "/health",
        "/jobs",
        "/jobs?status=failed&limit=500",
        "/jobs?priority=high",
        "/jobs?type=hh&status=completed",
        "/jobs?q=readings-777.csv",
        "/jobs?q=nowhere-to-be-found",
        "/quality/issues",
        "/quality/issues?state=acknowledged",
        "/quality/issues?state=resolved&severity=red",
        "/quality/trend?days=366",
    ]
    much = {}
    for path in paths:
        asked.clear()
        took = milliseconds(editor, path, pg_server)
        record_property(path, f"{took.best} {took.cpu}")
        statements, rows = len(asked) / (1 + TURNS), sum(asked) / (1 + TURNS)
        if not (0 < statements <= STATEMENTS and rows <= ROWS):
            much[path] = (statements, rows)
    assert much == {}


def test_more_than_a_page_shows_is_asked_for_in_parts(editor, first):
    answer = editor.get(f"/coverage?from={first}&to={first + timedelta(days=DAYS)}")
    assert answer.status_code == 400
    assert "ask for a year" in answer.json()["detail"]
