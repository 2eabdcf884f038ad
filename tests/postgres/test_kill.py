"""Death at every step, of the process, its connection, the server: a retry leaves what an undisturbed run leaves."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from energy_ingest.catalog import B1610
from energy_ingest.errors import Retryable
from energy_ingest.loading import ledger, schema
from energy_ingest.loading.database import connect
from energy_ingest.loading.ingest import GIVE_UP_AFTER, Summary
from energy_ingest.windows import Window
from tests.postgres.processes import process_at
from tests.postgres.world import (
    DAY,
    NOBODY_ELSE,
    TERMINATE_OTHERS,
    UNITS,
    Feed,
    ask,
    audit,
    content,
    days,
    kill,
    load,
    loader,
    one,
    run,
    states,
    tapped,
    wait_for,
)
from tools import postgres

WINDOWS = days(DAY, 2)
STEPS = (
    "begin",
    "pace",
    "stage",
    "copy",
    "inside copy",
    "lock",
    "merge",
    "count revised",
    "finish",
    "commit",
    "committed",
)
"""Every step of loading a window with revised rows, in order."""


def restated() -> Feed:
    """What the source says by the time of the load under test: revised, new and refused rows."""
    feed = Feed(B1610, UNITS)
    feed.restate(DAY, "quantity", 3.25, count=5)
    feed[DAY] = [*feed[DAY], feed[DAY][0]]
    feed.restate(WINDOWS[1].label, "quantity", "n/a", count=2)
    return feed


@pytest.fixture
def loaded_once(warehouse_url: str, tmp_path: Path) -> str:
    """A warehouse that has a former version of the first day."""
    load(warehouse_url, Feed(B1610, UNITS), tmp_path, WINDOWS[:1], run=run(0))
    return warehouse_url


@pytest.fixture(scope="module")
def undisturbed(new_warehouse: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """What the load under test leaves if nobody dies."""
    archive = tmp_path_factory.mktemp("archive")
    with new_warehouse() as urls:
        load(urls["energy_loader"], Feed(B1610, UNITS), archive, WINDOWS[:1], run=run(0))
        load(urls["energy_loader"], restated(), archive, WINDOWS, run=run())
        return left_by(urls["energy_loader"])


def left_by(url: str) -> tuple[object, ...]:
    """Rows, former versions, quarantine and states, without times and job numbers."""
    former = "SELECT bm_unit, settlement_period, quantity_mwh FROM energy.elexon_b1610_revision ORDER BY 1, 2"
    refused = "SELECT window_start, value, raw FROM ledger.quarantine WHERE resolved_at IS NULL ORDER BY 1, 3"
    windows = "SELECT label, state, reason, expected, actual, source_version FROM ledger.window ORDER BY 1"
    return content(url, B1610), ask(url, former), ask(url, refused), ask(url, windows)


def retry(url: str, archive: Path, expected: tuple[object, ...]) -> None:
    """The same Airflow run tries again what it has not completed."""
    again = run(try_number=2)
    done = {label for (label,) in ask(url, COMPLETED_BY_RUN, again.run_id)}
    load(url, restated(), archive, [w for w in WINDOWS if w.label not in done], run=again)
    assert left_by(url) == expected
    audit(url)


COMPLETED_BY_RUN = "SELECT window_label FROM ledger.import_job WHERE run_id = %s AND status = 'completed'"


# --- The process ---


def load_restated(tap: Callable[[str], None], url: str, archive: Path) -> None:
    feed = restated()
    feed.faults = [lambda: tap("answer")]
    loader(url, feed, archive, tap, run=run()).load(WINDOWS)


@pytest.mark.parametrize("step", [*STEPS, "answer"])
def test_the_process_is_killed(loaded_once: str, tmp_path: Path, undisturbed: tuple[object, ...], step: str):
    with process_at(step, load_restated, loaded_once, tmp_path) as pid:
        os.kill(pid, signal.SIGKILL)
    audit(loaded_once, settled=False)
    retry(loaded_once, tmp_path, undisturbed)


def test_whoever_comes_next_takes_over(loaded_once: str, tmp_path: Path, undisturbed: tuple[object, ...]):
    """Not only the same run's retry: a load by hand, minutes later, finds that nobody is at work any more."""
    with process_at("copy", load_restated, loaded_once, tmp_path) as pid:
        load(loaded_once, restated(), tmp_path, WINDOWS)
        alive = "SELECT count(*) FROM ledger.import_job WHERE status = 'processing'"
        assert one(loaded_once, alive) == len(WINDOWS), "who is at work is left alone"
        kill(loaded_once, pid)
    load(loaded_once, restated(), tmp_path, WINDOWS)
    assert left_by(loaded_once) == undisturbed
    audit(loaded_once)


def test_a_window_whose_loader_died_is_due_again_without_its_run(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ENERGY_START", f"{DAY}")
    monkeypatch.setenv("ENERGY_UNTIL", f"{WINDOWS[-1].label}")
    with process_at("copy", load_restated, warehouse_url, tmp_path) as pid:
        os.kill(pid, signal.SIGKILL)

    def due(later: timedelta) -> list[Window]:
        with connect(warehouse_url) as connection:
            return ledger.due(connection, B1610, UNITS, datetime.now(UTC) + later)

    assert states(warehouse_url) == {w.label: "running" for w in WINDOWS}
    assert due(timedelta(minutes=50)) == []
    assert due(timedelta(minutes=70)) == WINDOWS


def test_killed_while_waiting_for_a_lock(loaded_once: str, tmp_path: Path, undisturbed: tuple[object, ...]):
    """The server notices late: the dead process's connection still gets the lock, and must change nothing."""
    with window_locked(loaded_once), process_at("lock", load_restated_through, loaded_once, tmp_path) as pid:
        wait_for(loaded_once, "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        os.kill(pid, signal.SIGKILL)
    wait_for(loaded_once, NOBODY_ELSE)
    audit(loaded_once, settled=False)
    retry(loaded_once, tmp_path, undisturbed)


def load_restated_through(tap: Callable[[str], None], url: str, archive: Path) -> None:
    """Report the lock from a thread of its own, so that this one goes on and waits for it."""

    def report(step: str) -> None:
        if step == "lock":
            threading.Thread(target=tap, args=[step]).start()

    load_restated(report, url, archive)


# --- The connection ---


@pytest.mark.parametrize("step", STEPS)
def test_the_connection_is_terminated(loaded_once: str, tmp_path: Path, undisturbed: tuple[object, ...], step: str):
    strikes = [step]

    def tap(now: str) -> None:
        if strikes and now == strikes[0]:
            strikes.clear()
            ask(loaded_once, TERMINATE_OTHERS)

    summary = loader(loaded_once, restated(), tmp_path, tap, run=run()).load(WINDOWS)
    assert [type(error) for error in summary.failed.values()] == [Retryable] * (1 if step == "committed" else 2)
    audit(loaded_once, settled=False)
    assert one(loaded_once, "SELECT count(*) FROM ledger.import_job WHERE status = 'processing'") == 0
    retry(loaded_once, tmp_path, undisturbed)


def test_the_answer_to_a_commit_is_lost(loaded_once: str, tmp_path: Path, undisturbed: tuple[object, ...]):
    """The server committed, the client cannot know: what is complete must not be recorded as failed."""
    connections: list[psycopg.Connection] = []

    def tap(now: str) -> None:
        if now == "commit" and len(connections) == 1:
            connections[0].pgconn.exec_(b"COMMIT")
            ask(loaded_once, TERMINATE_OTHERS)

    def connect_tapped() -> psycopg.Connection:
        connections.append(tapped(loaded_once, tap))
        return connections[-1]

    summary = loader(loaded_once, restated(), tmp_path, connect=connect_tapped, run=run()).load(WINDOWS)
    assert [type(error) for error in summary.failed.values()] == [Retryable] * 2
    jobs = "SELECT window_label, status FROM ledger.import_job WHERE run_id = 'run_1' ORDER BY 1"
    assert ask(loaded_once, jobs) == [(WINDOWS[0].label, "completed"), (WINDOWS[1].label, "failed")]
    assert states(loaded_once) == {WINDOWS[0].label: "complete", WINDOWS[1].label: "failed"}
    retry(loaded_once, tmp_path, undisturbed)


def test_who_was_given_up_for_dead_does_not_speak_for_the_window(warehouse_url: str):
    """Its successor is at work; the failure of the first is no news."""
    with connect(warehouse_url) as first, connect(warehouse_url) as second:
        lost = ledger.begin(first, B1610, UNITS, WINDOWS[0], run(try_number=1))
        ledger.begin(second, B1610, UNITS, WINDOWS[0], run(try_number=2))
        ledger.fail(first, lost, Retryable("I am late"))
        assert states(warehouse_url) == {WINDOWS[0].label: "running"}


def test_a_connection_lost_between_two_windows_costs_one_window(warehouse_url: str, tmp_path: Path):
    feed, windows = Feed(), days(DAY, 4)

    def lose(summary: Summary) -> None:
        if len(summary.loaded) == 1 and not summary.failed:
            ask(warehouse_url, TERMINATE_OTHERS)

    summary = loader(warehouse_url, feed, tmp_path).load(windows, lose)
    assert (len(summary.loaded), len(summary.failed), summary.left) == (3, 1, 0)
    load(warehouse_url, feed, tmp_path, list(summary.failed))
    audit(warehouse_url, expected=windows)


def test_a_lock_that_is_not_had_in_time(loaded_once: str, tmp_path: Path, undisturbed: tuple[object, ...]):
    def impatient() -> psycopg.Connection:
        connection = connect(loaded_once)
        connection.execute("SET lock_timeout = '50ms'")
        return connection

    with window_locked(loaded_once):
        summary = loader(loaded_once, restated(), tmp_path, connect=impatient, run=run()).load(WINDOWS)
    assert {str(error) for error in summary.failed.values()} == {
        "the warehouse broke off: canceling statement due to lock timeout"
    }
    audit(loaded_once, settled=False)
    retry(loaded_once, tmp_path, undisturbed)


# --- The server ---

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[postgres.Server, str]]:
    """A server that may be stopped, and the loader's URL of a warehouse in it; commits survive a crash."""
    with postgres.temporary(synchronous_commit="on") as server:
        urls = postgres.create_warehouse(server, dict.fromkeys(postgres.WAREHOUSE_ROLES, "made-up"))
        schema.migrate(urls["energy_owner"])
        yield server, urls["energy_loader"]


@pytest.mark.parametrize("mode", ["fast", "immediate"])
@pytest.mark.parametrize("step", ["inside copy", "merge", "commit", "committed"])
def test_the_server_restarts(mortal: tuple[postgres.Server, str], tmp_path: Path, step: str, mode: str):
    server, url = mortal
    windows, feed, this = days(DAY + timedelta(days=10 * next(_numbers)), 3), Feed(), run(next(_numbers))
    strikes = [step]

    def tap(now: str) -> None:
        if strikes and now == strikes[0]:
            strikes.clear()
            server.pg_ctl("-m", mode, "stop")
            server.start(durable=False, synchronous_commit="on")

    summary = loader(url, feed, tmp_path, tap, run=this).load(windows)
    assert len(summary.failed) == 1
    audit(url, settled=False)
    load(url, feed, tmp_path, list(summary.failed), run=this)
    audit(url, expected=windows)


def test_a_standby_is_waited_for(warehouse_url: str, owner_url: str, tmp_path: Path):
    """After a fail-over the address may lead to the wrong server for a while; no answer is to blame."""
    windows, read_only = days(DAY, 5), "ALTER DATABASE {} SET default_transaction_read_only = {}"
    with connect(owner_url) as owner:
        owner.execute(read_only.format(owner.info.dbname, "on"))
        summary = loader(warehouse_url, Feed(), tmp_path).load(windows)
        assert {type(error) for error in summary.failed.values()} == {Retryable}
        assert (len(summary.failed), summary.left) == (GIVE_UP_AFTER, 5 - GIVE_UP_AFTER)
        owner.execute(read_only.format(owner.info.dbname, "off"))
    load(warehouse_url, Feed(), tmp_path, windows)
    audit(warehouse_url, expected=windows)


def test_a_server_that_is_away_ends_the_load_in_order(mortal: tuple[postgres.Server, str], tmp_path: Path):
    server, url = mortal
    windows, feed = days(DAY + timedelta(days=10 * next(_numbers)), 9), Feed()

    def tap(now: str) -> None:
        if now == "merge" and server.is_running():
            server.pg_ctl("-m", "immediate", "stop")

    summary = loader(url, feed, tmp_path, tap, run=run()).load(windows)
    assert (len(summary.loaded), len(summary.failed), summary.left) == (0, GIVE_UP_AFTER, 9 - GIVE_UP_AFTER)
    server.start(durable=False, synchronous_commit="on")
    load(url, feed, tmp_path, windows, run=run(try_number=2))
    audit(url, expected=windows)


# --- Helpers ---


@contextmanager
def window_locked(url: str) -> Iterator[None]:
    """Somebody else is loading the first window."""
    with connect(url) as rival, rival.transaction():
        place = f"{B1610.name} {WINDOWS[0].start}"
        rival.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [place])
        yield
