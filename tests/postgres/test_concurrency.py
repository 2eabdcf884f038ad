"""Several loads at once: of one window, of many, by threads and by processes, older and newer answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from energy_ingest.catalog import B1610, SYSTEM_PRICES
from energy_ingest.errors import Retryable
from energy_ingest.loading import ledger
from energy_ingest.loading.database import connect
from energy_ingest.loading.ingest import Summary
from energy_ingest.loading.ledger import Run
from tests.postgres.processes import together
from tests.postgres.world import (
    ALL,
    DAY,
    UNITS,
    Feed,
    ask,
    audit,
    content,
    days,
    load,
    loader,
    one,
    run,
    states,
)


def at_once(*loads: Callable[[], Summary]) -> list[Summary]:
    """Do all in threads."""
    with ThreadPoolExecutor(len(loads)) as pool:
        return [future.result() for future in [pool.submit(each) for each in loads]]


def meeting(parties: int, step: str) -> Callable[[str], None]:
    """A tap that lets nobody pass its first visit to a step before all are there."""
    barrier = threading.Barrier(parties, timeout=120)
    met = threading.local()

    def tap(now: str) -> None:
        if now == step and not hasattr(met, "here"):
            met.here = True
            barrier.wait()

    return tap


@pytest.mark.parametrize("step", ["begin", "stage", "lock"])
def test_two_loads_of_one_new_window(warehouse_url: str, tmp_path: Path, step: str):
    """MERGE alone would have both insert the same keys."""
    tap, windows = meeting(2, step), days(DAY)
    loads = [lambda n=n: loader(warehouse_url, Feed(), tmp_path, tap, run=run(n)).load(windows) for n in (1, 2)]
    summaries = at_once(*loads)
    assert [summary.failed for summary in summaries] == [{}, {}]
    assert sorted((s.count("inserted"), s.count("unchanged")) for s in summaries) == [(0, 48), (48, 0)]
    audit(warehouse_url, expected=windows)


def test_two_loads_of_one_window_that_revise_it(warehouse_url: str, tmp_path: Path):
    windows, feed = days(DAY), Feed()
    load(warehouse_url, feed, tmp_path, windows)
    feed.restate(DAY, "systemSellPrice", -5.0, count=10)
    tap = meeting(2, "lock")
    summaries = at_once(*[lambda: loader(warehouse_url, feed, tmp_path, tap).load(windows)] * 2)
    assert sorted((s.count("revised"), s.count("unchanged")) for s in summaries) == [(0, 48), (10, 38)]
    assert one(warehouse_url, "SELECT count(*) FROM energy.elexon_system_prices_revision") == 10
    audit(warehouse_url, expected=windows)


def test_two_scopes_of_one_window_share_their_rows(warehouse_url: str, tmp_path: Path):
    tap, windows = meeting(2, "lock"), days(DAY)
    feeds = Feed(B1610, UNITS), Feed(B1610, ALL)
    summaries = at_once(*[lambda feed=feed: loader(warehouse_url, feed, tmp_path, tap).load(windows) for feed in feeds])
    assert sum(summary.count("inserted") for summary in summaries) == 3 * 48
    assert ask(warehouse_url, "SELECT scope, state, expected, actual FROM ledger.window ORDER BY 1") == [
        ("all", "complete", 48, 48),
        (UNITS.name, "complete", 96, 96),
    ]
    audit(warehouse_url, expected=windows)


@pytest.mark.parametrize(
    ("older", "newer"), [(48, 48), (40, 48), (48, 40)], ids=["both whole", "older short", "newer short"]
)
def test_the_older_answer_is_the_slower_one(warehouse_url: str, tmp_path: Path, older: int, newer: int):
    """Asked first, loaded last: its values must not come back, and its state must not be the window's."""
    windows, newer_is_loaded = days(DAY), threading.Event()
    old, new = Feed(), Feed()
    old[DAY] = old[DAY][:older]
    new.restate(DAY, "systemSellPrice", 321.0, count=48)
    new[DAY] = new[DAY][48 - newer :]

    def dawdle(step: str) -> None:
        if step == "lock":
            assert newer_is_loaded.wait(120)

    def overtake() -> Summary:
        asked = "SELECT count(*) = 1 FROM ledger.request_slot"
        while not one(warehouse_url, asked):
            pass
        summary = loader(warehouse_url, new, tmp_path).load(windows)
        newer_is_loaded.set()
        return summary

    summaries = at_once(lambda: loader(warehouse_url, old, tmp_path, dawdle).load(windows), overtake)
    assert [summary.failed for summary in summaries] == [{}, {}]
    assert summaries[0].count("inserted") == 48 - newer
    assert summaries[0].count("revised") == 0
    priced = "SELECT count(*) FROM energy.elexon_system_prices WHERE system_sell_price_gbp_per_mwh = 321"
    assert one(warehouse_url, priced) == newer
    assert ask(warehouse_url, "SELECT state, expected, actual FROM ledger.window") == [("complete", 48, 48)]
    audit(warehouse_url, expected=windows)


def test_an_older_answer_does_not_undo_a_newer_one_that_changed_nothing(warehouse_url: str, tmp_path: Path):
    """The newer answer left no trace on the rows: that it confirmed them is in the ledger only."""
    windows, passing = days(DAY), Feed()
    load(warehouse_url, Feed(), tmp_path, windows)
    passing.restate(DAY, "systemSellPrice", 321.0, count=48)

    def overtaken(step: str) -> None:
        if step == "lock":
            load(warehouse_url, Feed(), tmp_path, windows)

    summary = load(warehouse_url, passing, tmp_path, windows, tap=overtaken)
    assert (summary.count("unchanged"), summary.count("revised")) == (48, 0)
    priced = "SELECT count(*) FROM energy.elexon_system_prices WHERE system_sell_price_gbp_per_mwh = 321"
    assert one(warehouse_url, priced) == 0
    audit(warehouse_url, expected=windows)


def test_eight_windows_at_once(warehouse_url: str, tmp_path: Path):
    windows = days(DAY, 16)
    summary = load(warehouse_url, Feed(), tmp_path, windows, concurrency=8, tap=meeting(8, "lock"))
    assert summary.count("inserted") == 16 * 48
    assert len(states(warehouse_url)) == 16
    audit(warehouse_url, expected=windows)


def load_range(tap: Callable[[str], None], url: str, archive: Path, this: Run, first: int, count: int) -> None:
    load(url, Feed(), archive, days(DAY + timedelta(days=first), count), run=this, concurrency=2, tap=tap)


def test_a_backfill_overlaps_the_schedule(warehouse_url: str, tmp_path: Path):
    scheduled, backfill = run(1), Run("backfill", "some_dag", "backfill_1", 1)
    together(
        load_range,
        (warehouse_url, tmp_path, scheduled, 0, 6),
        (warehouse_url, tmp_path, backfill, 3, 6),
        (warehouse_url, tmp_path, Run("command"), 0, 9),
    )
    assert content(warehouse_url, SYSTEM_PRICES).startswith(f"{9 * 48} rows")
    jobs = """SELECT import_type, count(*), sum(inserted_rows + unchanged_rows)::int
        FROM ledger.import_job GROUP BY 1 ORDER BY 1"""
    assert ask(warehouse_url, jobs) == [("backfill", 6, 288), ("command", 9, 432), ("scheduled", 6, 288)]
    assert one(warehouse_url, "SELECT sum(inserted_rows)::int FROM ledger.import_job") == 9 * 48
    audit(warehouse_url, expected=days(DAY, 9))


def test_attempts_that_fail_and_take_over_never_wait_for_each_other(warehouse_url: str):
    """All say that they are the same run: each beginning closes the others' jobs, which are failing at that moment."""
    (window,) = days(DAY)

    def fail_repeatedly() -> None:
        with connect(warehouse_url) as connection:
            for _ in range(25):
                job = ledger.begin(connection, SYSTEM_PRICES, ALL, window, run())
                ledger.fail(connection, job, Retryable("again"))

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(fail_repeatedly) for _ in range(4)]:
            future.result()
    assert one(warehouse_url, "SELECT attempts FROM ledger.window") == 100
    assert ask(warehouse_url, "SELECT status, count(*) FROM ledger.import_job GROUP BY 1") == [("failed", 100)]
