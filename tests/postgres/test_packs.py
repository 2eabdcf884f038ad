"""Answers to several windows, when to stop asking, and reading ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from energy_ingest.catalog import B1610, MARKET_INDEX
from energy_ingest.errors import Misconfigured, NotYetPublished, Rejected, Retryable
from energy_ingest.loading.database import connect
from energy_ingest.loading.ingest import GIVE_UP_AFTER, Summary, read_ahead
from energy_ingest.sources import elexon
from tests.postgres.world import (
    ALL,
    AUTUMN,
    DAY,
    UNITS,
    Feed,
    ask,
    audit,
    days,
    fails,
    load,
    loader,
    one,
    states,
)

WEEK = days(DAY, 7)


def labels(request: Any) -> tuple[str, str]:
    """First and last date that a request is for, summer or winter."""
    values = dict(request.params)
    return values["from"][:10], values["to"][:10]


# --- One answer, several windows ---


def test_one_answer_is_split_by_window(warehouse_url: str, tmp_path: Path):
    """A week with a 25-hour day: seven days are one hour too much for one request."""
    feed, windows = Feed(MARKET_INDEX), days(AUTUMN - timedelta(days=3), 8)
    summary = load(warehouse_url, feed, tmp_path, windows)
    asked = [labels(request) for request in feed.requests]
    assert asked == [("2024-10-23", "2024-10-29"), ("2024-10-30", "2024-10-31")]
    assert [(item.window.label.day, item.inserted) for item in summary.loaded] == [
        *((day, 96) for day in (24, 25, 26)),
        (27, 100),
        *((day, 96) for day in (28, 29, 30, 31)),
    ]
    jobs = ask(warehouse_url, "SELECT response_sha256, count(*) FROM ledger.import_job GROUP BY 1 ORDER BY 2")
    assert [count for _, count in jobs] == [2, 6]
    audit(warehouse_url, expected=windows)


def test_refused_rows_belong_to_the_window_they_name(warehouse_url: str, tmp_path: Path):
    feed, third = Feed(MARKET_INDEX), WEEK[2].label
    feed.restate(third, "price", "n/a", count=2)
    fifth = feed[WEEK[4].label]
    feed[WEEK[4].label] = [{**fifth[0], "settlementDate": "nonsense"}, *fifth[1:]]
    load(warehouse_url, feed, tmp_path, WEEK)
    refused = ask(warehouse_url, "SELECT window_start::date, value FROM ledger.quarantine ORDER BY quarantine_id")
    assert refused == [(WEEK[0].label, "nonsense"), (third, "n/a"), (third, "n/a")]
    counted = "SELECT window_label, quarantined_rows FROM ledger.import_job WHERE quarantined_rows > 0 ORDER BY 1"
    assert ask(warehouse_url, counted) == [(WEEK[0].label, 1), (third, 2)]
    audit(warehouse_url)
    del feed.days[third]
    load(warehouse_url, feed, tmp_path, [WEEK[2]])
    assert one(warehouse_url, "SELECT count(*) FROM ledger.quarantine WHERE resolved_at IS NULL") == 1
    audit(warehouse_url)


def test_one_bad_window_does_not_take_the_others_with_it(warehouse_url: str, tmp_path: Path):
    """The source wraps one day in a structure that we do not know: the week as a whole cannot be read, the days can."""
    feed, bad = Feed(MARKET_INDEX), WEEK[3].label
    feed[bad] = [["not", "an", "object"]]  # type: ignore[list-item]
    summary = loader(warehouse_url, feed, tmp_path).load(WEEK)
    assert {window.label for window in summary.failed} == {bad}
    assert len(summary.loaded) == 6
    assert summary.left == 0
    assert len(feed.requests) == 1 + 7
    assert states(warehouse_url) == {w.label: "failed" if w.label == bad else "complete" for w in WEEK}
    assert one(warehouse_url, "SELECT attempts FROM ledger.window WHERE label = %s", bad) == 2
    audit(warehouse_url)


def test_what_is_loaded_already_is_not_asked_for_again(warehouse_url: str, owner_url: str, tmp_path: Path):
    """The server refuses the rows of one day; the days before it are loaded by then."""
    feed, bad = Feed(MARKET_INDEX), WEEK[2].label
    with connect(owner_url) as owner:
        owner.execute(f"ALTER TABLE energy.elexon_market_index ADD CHECK (settlement_date <> '{bad}')")
    summary = loader(warehouse_url, feed, tmp_path).load(WEEK)
    assert (summary.total, len(summary.loaded), len(summary.failed), summary.left) == (7, 6, 1, 0)
    assert summary.count("received") == 6 * 96
    assert sorted(item.window.label for item in summary.loaded) == [w.label for w in WEEK if w.label != bad]
    assert [labels(request)[0] for request in feed.requests[1:]] == [f"{w.label}" for w in WEEK[2:]]
    audit(warehouse_url)


def test_the_whole_market_is_asked_for_window_by_window(warehouse_url: str, tmp_path: Path):
    whole, units = Feed(B1610, ALL), Feed(B1610, UNITS)
    load(warehouse_url, whole, tmp_path, days(DAY, 3))
    load(warehouse_url, units, tmp_path, days(DAY, 3))
    assert (len(whole.requests), len(units.requests)) == (3, 1)
    audit(warehouse_url, expected=days(DAY, 3))


# --- When to stop asking ---


def test_a_source_that_is_down_is_left_alone(warehouse_url: str, tmp_path: Path):
    feed = Feed()
    feed.faults = [fails(Retryable("down")) for _ in range(10)]
    summary = loader(warehouse_url, feed, tmp_path).load(days(DAY, 10))
    assert (len(feed.requests), len(summary.failed), summary.left) == (GIVE_UP_AFTER, GIVE_UP_AFTER, 10 - GIVE_UP_AFTER)
    assert summary.counts()["left"] == 7
    audit(warehouse_url, settled=False)


def test_failures_that_are_not_in_a_row_stop_nothing(warehouse_url: str, tmp_path: Path):
    feed, fine = Feed(), lambda: None
    down = fails(Retryable("down"))
    feed.faults = [down, down, fine, down, down, fine, down, down]
    summary = loader(warehouse_url, feed, tmp_path).load(days(DAY, 8))
    assert (len(summary.loaded), len(summary.failed), summary.left) == (2, 6, 0)


@pytest.mark.parametrize("error", [Rejected("too old"), NotYetPublished("tomorrow"), KeyError("a bug")], ids=repr)
def test_windows_that_nobody_can_have_do_not_keep_later_ones_from_their_turn(
    warehouse_url: str, tmp_path: Path, error: Exception
):
    feed = Feed()
    feed.faults = [fails(error) for _ in range(5)]
    summary = loader(warehouse_url, feed, tmp_path).load(days(DAY, 7))
    assert (len(summary.loaded), len(summary.failed), summary.left) == (2, 5, 0)
    audit(warehouse_url)


def test_what_no_window_can_get_past_stops_all(warehouse_url: str, tmp_path: Path):
    feed = Feed()
    feed.faults = [fails(Misconfigured("wrong address: set it"))]
    with pytest.raises(Misconfigured, match="wrong address"):
        loader(warehouse_url, feed, tmp_path).load(days(DAY, 5))
    assert list(states(warehouse_url).values()) == ["failed"]
    audit(warehouse_url, settled=False)


def test_an_archive_that_cannot_be_written_loads_nothing(warehouse_url: str, tmp_path: Path):
    """What is loaded can be loaded again without the source: no archive, no rows."""
    nowhere = tmp_path / "archive"
    nowhere.write_text("a file, not a folder")
    summary = loader(warehouse_url, Feed(), nowhere).load(days(DAY))
    (error,) = summary.failed.values()
    assert isinstance(error, Retryable)
    assert f"{nowhere} cannot be written" in str(error)
    assert one(warehouse_url, "SELECT count(*) FROM energy.elexon_system_prices") == 0
    assert states(warehouse_url) == {DAY: "failed"}
    audit(warehouse_url)


def test_progress(warehouse_url: str, tmp_path: Path):
    seen: list[tuple[int, int]] = []
    reports: list[str] = []

    def note(summary: Summary) -> None:
        seen.append((len(summary.loaded), summary.left))
        reports.append(summary.progress())

    summary = loader(warehouse_url, Feed(), tmp_path).load(days(DAY, 3), note)
    assert sorted(set(seen)) == [(1, 2), (2, 1), (3, 0)]
    assert reports[-1].startswith("3/3 windows, 144 rows, ")
    assert summary.counts() == {
        "windows": 3,
        "failed": 0,
        "left": 0,
        "received": 144,
        "inserted": 144,
        "revised": 0,
        "unchanged": 0,
        "quarantined": 0,
        "duplicates": 0,
    }
    assert Summary(0).progress().startswith("0/0 windows")


def test_a_schema_that_is_missing_names_the_command(new_warehouse: Any, pg_server: Any, tmp_path: Path):
    """Nothing was migrated: that is nobody's failure, and nothing to retry."""
    with pytest.raises(Misconfigured, match="energy-ingest migrate"):
        loader(pg_server.dsn, Feed(), tmp_path).load(days(DAY))


# --- Reading ahead ---


def chunks(count: int, fail: Exception | None = None) -> Iterator[int]:
    yield from range(count)
    if fail:
        raise fail


@pytest.mark.parametrize("count", [0, 1, 4, 5, 100])
def test_reading_ahead_changes_nothing(count: int):
    before = threading.active_count()
    assert list(read_ahead(chunks(count))) == list(range(count))
    assert threading.active_count() == before


@pytest.mark.parametrize("count", [0, 1, 4, 5, 100])
def test_an_error_while_reading_ahead_comes_after_what_was_read(count: int):
    before, got = threading.active_count(), []
    with pytest.raises(Retryable, match="broke off"):
        for chunk in read_ahead(chunks(count, Retryable("broke off"))):
            got.append(chunk)
    assert got == list(range(count))
    assert threading.active_count() == before


@pytest.mark.parametrize("taken", [0, 1, 10])
def test_who_stops_reading_leaves_no_thread(taken: int):
    before = threading.active_count()
    with closing(read_ahead(chunks(10**9))) as ahead:
        assert [next(ahead) for _ in range(taken)] == list(range(taken))
    assert threading.active_count() == before


def test_reading_ahead_is_bounded():
    asked: list[int] = []

    def endless() -> Iterator[int]:
        for number in range(10**9):
            asked.append(number)
            yield number

    with closing(read_ahead(endless(), depth=3)) as ahead:
        next(ahead)
    assert len(asked) <= 6


def test_a_bug_while_reading(warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The answer is archived whole all the same, for whoever mends the parser."""

    def parse(_: Any, answer: Any, *more: Any) -> Iterator[Any]:
        yield next(iter(answer))["nothing"]

    monkeypatch.setattr(elexon, "parse", parse)
    feed, before = Feed(chunk=8), threading.active_count()
    summary = loader(warehouse_url, feed, tmp_path).load(days(DAY))
    assert "unexpected TypeError" in str(list(summary.failed.values()))
    assert one(warehouse_url, "SELECT response_bytes FROM ledger.import_job") == len(feed.body([DAY]))
    assert threading.active_count() == before


def test_nobody_reads_on_when_the_load_has_failed(warehouse_url: str, tmp_path: Path):
    """The answer's connection is closed next: a thread that still reads from it would see its own error, or data."""
    feed, readers = Feed(chunk=8), []
    others = threading.active_count() + 1  # the loader's own thread

    @contextmanager
    def fetch(request: Any, pace: Any) -> Iterator[Any]:
        with feed.fetch(request, pace) as answer:
            try:
                yield answer
            finally:
                readers.append(threading.active_count() - others)

    feed.tamper = lambda body: b"<html>" + body  # known for what it is by its first bytes
    summary = loader(warehouse_url, feed, tmp_path, fetch=fetch).load(days(DAY))
    assert isinstance(summary.failed[days(DAY)[0]], Retryable)
    assert readers == [0]
