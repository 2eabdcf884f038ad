"""The queue: order, retries that are really waited for, cancelling, poison files, and the same bytes only once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from energy_ingest.errors import Misconfigured, Retryable
from energy_ingest.loading.database import connect
from energy_ingest.loading.meter_files import jobs, work
from energy_ingest.loading.meter_files.jobs import Order, Worker
from energy_ingest.loading.meter_files.work import Summary
from energy_ingest.sql import statement
from tests.postgres.meter_files.files import DAY, METERS, Box, audit, days, readings, wide
from tests.postgres.processes import together
from tests.postgres.world import NOBODY_ELSE, ask, behind, doomed, one, wait_for


def test_high_priority_first_then_first_in_first_out(box: Box):
    order = ("low", "normal", "high", "normal", "high")
    for n, priority in enumerate(order):
        box.put(f"{n}.csv", wide(days(1, METERS[:1], DAY + timedelta(days=n))))
        box.create(f"{n}.csv", priority=priority)
    assert [job.file_name for job in box.run().ended] == ["2.csv", "4.csv", "1.csv", "3.csv", "0.csv"]


# --- retries ---


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception | None], None]:
    """Let every import fail with this error, or none any more."""
    parse = work.parse

    def fail_with(error: Exception | None) -> None:
        def failing(*given: Any) -> Any:
            if error:
                raise error
            return parse(*given)

        monkeypatch.setattr(work, "parse", failing)

    return fail_with


def wait_over(box: Box) -> None:
    """Let the time pass until the next attempt."""
    ask(
        box.url,
        "UPDATE ledger.import_job SET retry_at = now() - interval '1 second' WHERE retry_at IS NOT NULL RETURNING 1",
    )


def test_retries_wait_one_two_four_minutes_and_then_the_job_has_failed(box: Box, broken: Any):
    broken(Retryable("the store is away"))
    job = box.load("june.csv", wide(days(1)))
    waits = []
    while job.status == "queued":
        assert job.last_error == "the store is away"
        waits.append(
            one(box.url, "SELECT round(extract(epoch FROM retry_at - heartbeat_at) / 60) FROM ledger.import_job")
        )
        assert box.run().ended == [], "nothing runs before its time"
        wait_over(box)
        (job,) = box.run().ended
    assert (waits, job.status, job.retry_count) == ([1, 2, 4], "failed", 3)
    assert [error["error"] for error in job.metadata["errors"]] == ["the store is away"] * 4
    assert box.run().ended == [], "a failed job is never taken up again by itself"
    assert box.files() == {"failed": ["1_june.csv"]}


def test_waits_are_at_most_an_hour(box: Box, broken: Any):
    broken(Retryable("the store is away"))
    box.put("june.csv", wide(days(1)))
    box.create("june.csv", max_retries=9)
    ask(box.url, "UPDATE ledger.import_job SET retry_count = 8 RETURNING 1")
    (job,) = box.run().ended
    assert job.heartbeat_at and job.retry_at
    assert timedelta(minutes=59) < job.retry_at - job.heartbeat_at < timedelta(minutes=61)


def test_what_no_retry_can_help_fails_at_once(box: Box):
    job = box.load("note.csv", "Dear all,\nplease find attached nothing.\n")
    assert (job.status, job.retry_count) == ("failed", 0)
    assert job.last_error and job.last_error in box.report(job)


def test_a_bug_is_reported_and_retried_like_a_fault(box: Box, broken: Any):
    broken(ZeroDivisionError("made up"))
    job = box.load("june.csv", wide(days(1)))
    assert (job.status, job.last_error) == ("queued", "unexpected ZeroDivisionError: made up; please report it")


def test_a_wrong_setting_is_no_files_fault(box: Box, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENERGY_METER_UNKNOWN", "ask")
    box.put("june.csv", wide(days(1)))
    with pytest.raises(Misconfigured, match="ENERGY_METER_UNKNOWN='ask' is unknown: use create or quarantine"):
        box.run()
    monkeypatch.delenv("ENERGY_METER_UNKNOWN")
    (job,) = box.run().ended
    assert (job.status, job.claims) == ("completed", 1)


def test_one_bad_file_does_not_stop_the_others(box: Box):
    box.put("a.csv", "no readings here\n", age=9000)
    box.put("b.csv", wide(days(1)), age=8000)
    assert [job.status for job in box.run().ended] == ["failed", "completed"]


@pytest.mark.parametrize("delay", [timedelta(0), timedelta(minutes=10)])
def test_a_failed_job_is_retried_by_hand_now_or_later(box: Box, broken: Any, delay: timedelta):
    broken(Retryable("the store is away"))
    box.put("june.csv", wide(days(1)))
    job_id = box.create("june.csv", max_retries=0)
    assert [job.status for job in box.run().ended] == ["failed"]
    broken(None)
    with connect(box.url) as connection:
        jobs.retry(connection, job_id, delay)
    if delay:
        assert box.run().ended == []
        wait_over(box)
    assert [job.status for job in box.run().ended] == ["completed"]
    assert box.files() == {"processed": ["1_june.csv"]}
    audit(box.url)


def test_what_was_refused_as_a_whole_is_read_anew_by_another_feed(box: Box):
    text = "MPAN,ReadDateTime,ReadValue\n" + "".join(f"{mpan},2024-06-03 00:00,1\n" for mpan in METERS)
    job = box.load("ends.csv", text)
    assert job.status == "failed"
    with connect(box.url) as connection:
        jobs.retry(connection, job.job_id, feed="start-labelled")
    (job,) = box.run().ended
    assert (job.status, job.inserted_rows) == ("completed", 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("status = 'completed', total_rows = processed_rows", "is completed"),
        ("status = 'failed', rolled_back_at = now()", "is rolled back"),
        ("status = 'failed', file_sha256 = NULL", "is refused for good"),
    ],
)
def test_only_what_failed_or_was_cancelled_can_be_retried(box: Box, change: str, said: str):
    box.load("june.csv", wide(days(1)))
    ask(box.url, f"UPDATE ledger.import_job SET {change} RETURNING 1")  # noqa: S608
    with connect(box.url) as connection, pytest.raises(Misconfigured, match=said):
        jobs.retry(connection, 1)


def test_a_retry_that_waited_for_a_rivals_judges_what_it_left(box: Box):
    """Else it would queue again what a worker has begun by then."""
    box.load("june.csv", wide(days(1)))
    ask(box.url, "UPDATE ledger.import_job SET status = 'failed' RETURNING 1")
    with connect(box.url) as rival, connect(box.url) as late, pytest.raises(Misconfigured, match="is queued"):
        behind(box.url, rival, lambda: jobs.retry(rival, 1), lambda: jobs.retry(late, 1))


# --- cancelling ---


def test_a_queued_job_is_cancelled(box: Box):
    box.put("june.csv", wide(days(1)))
    job_id = box.create("june.csv")
    with connect(box.url) as connection:
        assert jobs.cancel(connection, job_id).status == "cancelled"
    assert box.run().ended == []
    assert (readings(box.url), box.files()) == ([], {"failed": ["1_june.csv"]})


def test_a_job_at_work_stops_before_its_next_commit(box: Box):
    def tap(step: str) -> None:
        seen.append(step)
        if seen.count("merge") == 3 and step == "merge":
            with connect(box.url) as connection:
                jobs.cancel(connection, 1)

    seen: list[str] = []
    job = box.load("june.csv", wide(days(6)), tap=tap, piece_bytes=1000)
    assert job.status == "cancelled"
    assert 0 < len(readings(box.url)) == job.inserted_rows < 6 * 3 * 48
    assert "energy-ingest jobs rollback 1" in box.report(job)
    with connect(box.url) as connection, pytest.raises(Misconfigured, match="is cancelled already"):
        jobs.cancel(connection, 1)
    with connect(box.url) as connection:
        jobs.retry(connection, 1)
    (job,) = box.run().ended
    assert (job.status, job.inserted_rows) == ("completed", 6 * 3 * 48)
    audit(box.url)


def test_a_job_that_ended_cannot_be_cancelled(box: Box):
    box.load("june.csv", wide(days(1)))
    with connect(box.url) as connection, pytest.raises(Misconfigured, match="jobs rollback 1"):
        jobs.cancel(connection, 1)


# --- the same bytes ---


def test_the_same_bytes_are_imported_once_under_any_name(box: Box):
    box.load("june.csv", wide(days(1)))
    box.put("copy of june.csv", wide(days(1)))
    summary = box.run()
    assert (summary.taken, summary.ended) == ([], [])
    assert box.files() == {"duplicates": ["1_copy of june.csv"], "processed": ["1_june.csv"]}
    box.put("third.csv", wide(days(1)))
    with pytest.raises(Misconfigured, match=r"third.csv is a job already"):
        box.create("third.csv")


def test_force_imports_them_again(box: Box):
    box.load("june.csv", wide(days(1)))
    box.put("june.csv", wide(days(1)))
    job_id = box.create("june.csv", force=True)
    (job,) = box.run().ended
    assert (job.job_id, job.unchanged_rows) == (job_id, 144)
    audit(box.url)


def test_a_failed_file_may_come_again(box: Box):
    for _ in range(2):
        assert box.load("note.csv", "nothing\n").status == "failed"
    assert box.files() == {"failed": ["1_note.csv", "2_note.csv"]}


def test_a_repetition_of_what_fails_in_this_moment_stays_in_the_inbox(box: Box, monkeypatch: pytest.MonkeyPatch):
    """Between finding that the bytes are a job and asking which."""
    same = jobs.same

    def fails_first(connection: psycopg.Connection, sha256: str) -> int | None:
        ask(box.url, "UPDATE ledger.import_job SET status = 'failed' WHERE job_id = 1 RETURNING 1")
        return same(connection, sha256)

    box.load("june.csv", wide(days(1)))
    box.put("again.csv", wide(days(1)))
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "same", fails_first)
        assert box.run().taken == []
    assert box.files()["."] == ["again.csv"] and "duplicates" not in box.files()
    assert [job.status for job in box.run().ended] == ["completed"]


def take_and_work(_: Callable[[str], None], url: str, folder: Path) -> None:
    box, summary = Box(folder, url), Summary()
    importer = box.importer()
    importer.take_all(summary)
    importer.work(summary)


def test_the_same_file_five_times_at_once_gives_one_import(box: Box):
    for n in range(5):
        box.put(f"{n}.csv", wide(days(5)))
    together(take_and_work, *[(box.url, box.folder)] * 5)
    assert ask(box.url, "SELECT status, inserted_rows, claims FROM ledger.import_job") == [("completed", 720, 1)]
    assert {folder: len(names) for folder, names in box.files().items()} == {"duplicates": 4, "processed": 1}
    audit(box.url)


def test_several_workers_share_the_queue(box: Box):
    for n in range(8):
        box.put(f"{n}.csv", wide(days(3, METERS, DAY + timedelta(days=n))))  # they overlap
    together(take_and_work, *[(box.url, box.folder)] * 3)
    assert one(box.url, "SELECT count(*) FROM ledger.import_job WHERE status = 'completed' AND claims = 1") == 8
    assert len(readings(box.url)) == 10 * 3 * 48
    audit(box.url)


# --- who has the job ---


def test_a_job_at_work_is_nobody_elses(box: Box):
    box.put("june.csv", wide(days(1)))
    job_id = box.create("june.csv")
    with connect(box.url) as first, connect(box.url) as second:
        assert jobs.claim(first, Worker())
        assert jobs.claim(second, Worker(), job_id) is None


@pytest.mark.parametrize(("claimed", "is_gone"), [("- interval '1 second'", True), ("+ interval '1 second'", False)])
def test_who_claimed_a_job_while_sessions_were_listed_is_not_taken_for_gone(box: Box, claimed: str, is_gone: bool):
    """No session has this number; one that has come since the statement began is in no list of it."""
    job = f"SELECT statement_timestamp() {claimed} AS heartbeat_at, 0 AS backend_pid"
    assert one(box.url, f"SELECT {statement('meter_files/gone')} FROM ({job}) AS j") is is_gone  # noqa: S608


def test_who_was_taken_for_dead_can_commit_nothing(box: Box):
    """A process that stood still too long: its job is another's, and it finds out before it commits."""
    rivals: list[psycopg.Connection] = []

    def tap(step: str) -> None:
        if step == "merge" and not rivals:
            ask(box.url, "UPDATE ledger.import_job SET heartbeat_at = now() - interval '16 minutes' RETURNING 1")
            rivals.append(connect(box.url))
            taken = jobs.claim(rivals[0], Worker(run_id="rival"))
            assert taken and (taken.claims, taken.retry_count) == (2, 1)

    job = box.load("june.csv", wide(days(1)), tap=tap)
    assert (job.status, job.claims, readings(box.url)) == ("processing", 2, [])
    rivals[0].close()
    wait_for(box.url, NOBODY_ELSE)
    (job,) = box.run().ended
    assert (job.status, job.claims, job.inserted_rows) == ("completed", 3, 144)


def test_a_file_that_kills_its_process_is_given_up_after_its_retries(box: Box):
    box.put("deadly.csv", wide(days(1)))
    job_id = box.create("deadly.csv", max_retries=2)
    for _ in range(3):
        with doomed(box.url) as connection:
            assert jobs.claim(connection, Worker())
    summary = Summary()
    box.importer().take_all(summary)
    (job,) = summary.failed
    assert (job.job_id, job.retry_count) == (job_id, 2)
    assert job.last_error and "ended without reporting, 3 times in all" in job.last_error
    assert box.files() == {"failed": ["1_deadly.csv"]}


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"import_type": "weekly"}, "'weekly' is no import type: use one of hh, daily, sites"),
        ({"priority": "critical"}, "'critical' is no priority: use one of high, normal, low"),
        ({"feed": "nobody"}, "'nobody' is no feed"),
        ({"max_retries": -1}, "-1 retries: use 0 to 100"),
        ({"mpan_check": "x"}, "'x' is no MPAN check"),
    ],
)
def test_an_order_that_cannot_be_done_is_refused(order: dict[str, Any], said: str):
    with pytest.raises(Misconfigured, match=said):
        Order(**order).check()


def test_a_default_site_must_be_one(box: Box):
    box.put("june.csv", wide(days(1)))
    with pytest.raises(Misconfigured, match="no site has the number or name 'Depot'"):
        box.create("june.csv", default_site="Depot")
    assert box.files() == {".": ["june.csv"]}
