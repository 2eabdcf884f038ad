"""What becomes of a window: short, empty, early, given up, refused, repeated rows; and what the ledger remembers."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from energy_ingest import clock
from energy_ingest.catalog import B1610, MARKET_INDEX, SYSTEM_PRICES
from energy_ingest.errors import NotYetPublished, Rejected, Retryable
from energy_ingest.loading import ledger
from energy_ingest.loading.database import connect
from energy_ingest.windows import MAX_ATTEMPTS_SHORT, Window
from tests.postgres.world import (
    AUTUMN,
    DAY,
    UNITS,
    Feed,
    answer,
    ask,
    audit,
    content,
    days,
    fails,
    load,
    loader,
    one,
    rows_of,
    states,
    tapped,
)

LATER = datetime(2024, 6, 1, tzinfo=UTC)  # long after every deadline of DAY
NOON = datetime(2024, 3, 6, 12, tzinfo=UTC)  # DAY has ended; its prices are due, not overdue


def ledger_says(url: str, columns: str = "state, reason, expected, actual") -> tuple[Any, ...]:
    """The only window's row."""
    (row,) = ask(url, f"SELECT {columns} FROM ledger.window")  # noqa: S608
    return row


# --- Short, empty, early ---


def test_a_short_day_is_partial_and_looked_at_again(warehouse_url: str, tmp_path: Path):
    feed = Feed()
    feed[AUTUMN] = feed[AUTUMN][:-2]
    load(warehouse_url, feed, tmp_path, days(AUTUMN))
    assert ledger_says(warehouse_url) == ("partial", "48 of 50 items after the deadline", 50, 48)
    wait = one(warehouse_url, "SELECT next_due_at - retrieved_at FROM ledger.window JOIN ledger.import_job ON true")
    assert wait == timedelta(minutes=15)
    feed[AUTUMN] = rows_of(SYSTEM_PRICES, AUTUMN)
    load(warehouse_url, feed, tmp_path, days(AUTUMN))
    assert ledger_says(warehouse_url) == ("complete", None, 50, 50)
    audit(warehouse_url, expected=days(AUTUMN))


def test_short_answers_that_complement_each_other_make_a_complete_window(warehouse_url: str, tmp_path: Path):
    feed = Feed()
    feed[DAY] = rows_of(SYSTEM_PRICES, DAY)[:30]
    load(warehouse_url, feed, tmp_path, days(DAY))
    feed[DAY] = rows_of(SYSTEM_PRICES, DAY)[20:]
    load(warehouse_url, feed, tmp_path, days(DAY))
    assert ledger_says(warehouse_url) == ("complete", None, 48, 48)
    audit(warehouse_url, expected=days(DAY))


def test_a_member_that_is_missing_makes_the_window_short(warehouse_url: str, tmp_path: Path):
    feed = Feed(MARKET_INDEX)
    feed[DAY] = [row for row in feed[DAY] if row["dataProvider"] == "APXMIDP"]
    load(warehouse_url, feed, tmp_path, days(DAY))
    assert ledger_says(warehouse_url) == ("partial", "48 of 96 items after the deadline", 96, 48)


@pytest.mark.parametrize(
    ("retrieved_at", "state", "reason", "next_due_at"),
    [
        (
            NOON - timedelta(days=1),
            "not_yet_published",
            "due 2024-03-06 00:30Z",
            datetime(2024, 3, 6, 0, 30, tzinfo=UTC),
        ),
        (NOON, "not_yet_published", "0 of 48 items, deadline 2024-03-07 00:30Z", NOON + timedelta(minutes=30)),
        (LATER, "pending", "first empty answer after the deadline; a second confirms it", LATER + timedelta(hours=6)),
    ],
    ids=["not due", "due", "overdue"],
)
def test_an_empty_answer(
    warehouse_url: str, retrieved_at: datetime, state: str, reason: str, next_due_at: datetime | None
):
    feed = Feed()
    feed[DAY] = []
    summary = answer(warehouse_url, feed, days(DAY), retrieved_at)
    assert ledger_says(warehouse_url, "state, reason, next_due_at") == (state, reason, next_due_at)
    assert summary.count("received") == 0
    audit(warehouse_url)


def test_empty_is_confirmed_by_two_answers_apart(warehouse_url: str):
    feed = Feed()
    feed[DAY] = []
    for hours, state in (
        (0, "pending"),
        (1, "pending"),
        (5.9, "pending"),
        (6, "empty_confirmed"),
        (30, "empty_confirmed"),
    ):
        answer(warehouse_url, feed, days(DAY), LATER + timedelta(hours=hours))
        assert states(warehouse_url) == {DAY: state}
    audit(warehouse_url, expected=days(DAY))
    feed[DAY] = rows_of(SYSTEM_PRICES, DAY)
    answer(warehouse_url, feed, days(DAY), LATER + timedelta(hours=40))
    assert states(warehouse_url) == {DAY: "complete"}
    feed[DAY] = []
    answer(warehouse_url, feed, days(DAY), LATER + timedelta(hours=50))
    assert ledger_says(warehouse_url)[:2] == (
        "complete",
        "a later answer had only 0 of 48 items; the rows loaded before are kept",
    )


def test_empty_answers_before_the_deadline_confirm_nothing(warehouse_url: str):
    feed = Feed()
    feed[DAY] = []
    for retrieved_at in (NOON, NOON + timedelta(hours=10), LATER):
        answer(warehouse_url, feed, days(DAY), retrieved_at)
    assert states(warehouse_url) == {DAY: "pending"}


def test_a_complete_window_stays_complete_and_keeps_its_rows(warehouse_url: str, tmp_path: Path):
    feed = Feed()
    load(warehouse_url, feed, tmp_path, days(DAY))
    before = content(warehouse_url, SYSTEM_PRICES, with_times=True)
    feed[DAY] = feed[DAY][:5]
    load(warehouse_url, feed, tmp_path, days(DAY))
    reason = "a later answer had only 5 of 48 items; the rows loaded before are kept"
    assert ledger_says(warehouse_url) == ("complete", reason, 48, 48)
    assert content(warehouse_url, SYSTEM_PRICES, with_times=True) == before
    audit(warehouse_url, expected=days(DAY))


def test_a_window_that_stays_short_is_given_up_with_the_reason(warehouse_url: str):
    """Looks before the deadline are no attempts: B1610 is polled for days before it is due."""
    feed = Feed(B1610, UNITS)
    feed[DAY] = feed[DAY][:95]
    deadline = B1610.publication.deadline(days(DAY)[0])
    for number in range(10):
        answer(warehouse_url, feed, days(DAY), deadline - timedelta(hours=10 - number))
        assert states(warehouse_url) == {DAY: "partial"}
    for number in range(MAX_ATTEMPTS_SHORT):
        assert states(warehouse_url) == {DAY: "partial"}
        answer(warehouse_url, feed, days(DAY), deadline + timedelta(hours=number))
    assert ledger_says(warehouse_url, "state, expected, actual") == ("abandoned", 96, 95)
    audit(warehouse_url, expected=days(DAY))
    feed[DAY] = rows_of(B1610, DAY, UNITS)
    answer(warehouse_url, feed, days(DAY), LATER)
    assert states(warehouse_url) == {DAY: "complete"}


def test_today_is_not_yet_published(warehouse_url: str, tmp_path: Path):
    """The real clock: no window of today may count as a gap or as empty."""
    today = datetime.now(clock.LONDON).date()
    feed = Feed(B1610, UNITS)
    feed[today] = []
    load(warehouse_url, feed, tmp_path, days(today))
    due = B1610.publication.due(days(today)[0])
    assert ledger_says(warehouse_url, "state, next_due_at") == ("not_yet_published", due)
    audit(warehouse_url, expected=days(today))


# --- Refused and repeated rows ---


def test_a_bad_value_quarantines_the_whole_row(warehouse_url: str, tmp_path: Path):
    feed = Feed()
    feed.restate(DAY, "systemBuyPrice", "n/a")
    row = feed[DAY][0]
    summary = load(warehouse_url, feed, tmp_path, days(DAY))
    assert summary.count("quarantined") == 1
    assert summary.count("inserted") == 47
    assert ledger_says(warehouse_url) == ("partial", "47 of 48 items after the deadline", 48, 47)
    found = "SELECT row_number, column_name, value, reason, raw, resolved_at FROM ledger.quarantine"
    ((number, column, value, reason, raw, resolved_at),) = ask(warehouse_url, found)
    assert (number, column, value, reason, resolved_at) == (
        1,
        "system_buy_price_gbp_per_mwh",
        "n/a",
        "is not a number",
        None,
    )
    # numbers come out of a second, textual reading of the answer: the digits are the source's, the type is not
    assert {name: str(v).lower() for name, v in json.loads(raw).items()} == {n: str(v).lower() for n, v in row.items()}
    audit(warehouse_url)


def test_a_new_answer_closes_the_former_quarantine(warehouse_url: str, tmp_path: Path):
    feed = Feed()
    feed.restate(DAY, "systemBuyPrice", "n/a", count=3)
    load(warehouse_url, feed, tmp_path, days(DAY, 2))
    feed[DAY] = rows_of(SYSTEM_PRICES, DAY)
    feed.restate(DAY, "systemBuyPrice", 1e9)
    load(warehouse_url, feed, tmp_path, days(DAY))
    entries = "SELECT job_id, resolution FROM ledger.quarantine ORDER BY quarantine_id"
    jobs = [
        job
        for (job,) in ask(warehouse_url, "SELECT job_id FROM ledger.import_job WHERE quarantined_rows > 0 ORDER BY 1")
    ]
    closed = f"answered again by job {jobs[1]}"
    assert ask(warehouse_url, entries) == [(jobs[0], closed)] * 3 + [(jobs[1], None)]
    feed[DAY] = rows_of(SYSTEM_PRICES, DAY)
    load(warehouse_url, feed, tmp_path, days(DAY))
    assert one(warehouse_url, "SELECT count(*) FROM ledger.quarantine WHERE resolved_at IS NULL") == 0
    assert one(warehouse_url, "SELECT count(*) FROM ledger.quarantine") == 4
    audit(warehouse_url, expected=days(DAY, 2))


def test_an_older_answer_does_not_close_a_newer_ones_quarantine(warehouse_url: str):
    feed = Feed()
    feed.restate(DAY, "systemBuyPrice", "n/a")
    answer(warehouse_url, feed, days(DAY), LATER)
    feed.restate(DAY, "systemBuyPrice", "n/k", count=2)
    answer(warehouse_url, feed, days(DAY), LATER - timedelta(days=3))
    entries = "SELECT value, resolution FROM ledger.quarantine ORDER BY quarantine_id"
    older = ("n/k", "a newer answer was loaded before")
    assert ask(warehouse_url, entries) == [("n/a", None), older, older]
    audit(warehouse_url)


def test_refused_is_not_empty(warehouse_url: str):
    """An answer of which no row can be used is a failure, however often it comes: nothing was confirmed."""
    feed = Feed()
    feed.restate(DAY, "systemBuyPrice", "n/a", count=48)
    for hours in (0, 12, 24):
        answer(warehouse_url, feed, days(DAY), LATER + timedelta(hours=hours))
    state = ("failed", "all 48 rows were refused, see ledger.quarantine", 48, 0)
    assert ledger_says(warehouse_url) == state
    assert ledger_says(warehouse_url, "first_empty_at, next_due_at IS NULL") == (None, False)
    assert one(warehouse_url, "SELECT count(*) FROM ledger.quarantine WHERE resolved_at IS NULL") == 48
    audit(warehouse_url)


@pytest.mark.parametrize("dataset", [SYSTEM_PRICES, MARKET_INDEX, B1610], ids=lambda dataset: dataset.name)
def test_equal_duplicates_are_counted_and_dropped(warehouse_url: str, tmp_path: Path, dataset: Any):
    feed = Feed(dataset)
    rows = feed[DAY]
    feed[DAY] = [*rows, *rows[:7], rows[0]]
    summary = load(warehouse_url, feed, tmp_path, days(DAY))
    assert (summary.count("inserted"), summary.count("duplicates")) == (len(rows), 8)
    assert summary.count("quarantined") == 0
    again = load(warehouse_url, feed, tmp_path, days(DAY))
    assert (again.count("unchanged"), again.count("duplicates")) == (len(rows), 8)
    audit(warehouse_url, expected=days(DAY))


def test_of_conflicting_duplicates_the_newest_version_is_loaded(warehouse_url: str, tmp_path: Path):
    """System prices say when they were computed, so the place in the answer does not matter."""
    feed = Feed()
    first, *others = feed[DAY]
    newer = {**first, "systemSellPrice": 1.0, "createdDateTime": "2024-04-02T00:00:00Z"}
    older = {**first, "systemSellPrice": 2.0, "createdDateTime": "2024-03-01T00:00:00Z"}
    feed[DAY] = [newer, first, *others, older]
    summary = load(warehouse_url, feed, tmp_path, days(DAY))
    assert (summary.count("inserted"), summary.count("quarantined"), summary.count("duplicates")) == (48, 2, 0)
    price = "SELECT system_sell_price_gbp_per_mwh FROM energy.elexon_system_prices WHERE settlement_period = 1"
    assert one(warehouse_url, price) == 1
    refused = ask(warehouse_url, "SELECT column_name, reason, raw FROM ledger.quarantine")
    reason = "repeats the key of another row in the same answer with other values; the newer one was loaded"
    assert {row[:2] for row in refused} == {("settlement_date, settlement_period", reason)}
    prices = {json.loads(raw)["system_sell_price_gbp_per_mwh"] for _, _, raw in refused}
    assert prices == {first["systemSellPrice"], 2.0}
    audit(warehouse_url, expected=days(DAY))


def test_of_conflicting_duplicates_without_version_the_last_is_loaded(warehouse_url: str, tmp_path: Path):
    feed = Feed(MARKET_INDEX)
    first, *others = feed[DAY]
    feed[DAY] = [first, *others, {**first, "price": 7.5}]
    summary = load(warehouse_url, feed, tmp_path, days(DAY))
    assert (summary.count("inserted"), summary.count("quarantined")) == (96, 1)
    price = (
        "SELECT price_gbp_per_mwh FROM energy.elexon_market_index WHERE settlement_period = 1 AND data_provider = %s"
    )
    assert one(warehouse_url, price, first["dataProvider"]) == 7.5
    audit(warehouse_url, expected=days(DAY))


def test_unknown_fields_are_noted_once(warehouse_url: str, tmp_path: Path):
    feed = Feed()
    feed.restate(DAY, "netZeroVolume", 1, count=5)
    feed.restate(DAY, "isThis\x00Fine", 1)
    load(warehouse_url, feed, tmp_path, days(DAY))
    feed.restate(DAY, "another", None)
    load(warehouse_url, feed, tmp_path, days(DAY))
    drift = ask(warehouse_url, "SELECT dataset, field, first_job_id FROM ledger.drift ORDER BY first_job_id, field")
    first, second = (job for (job,) in ask(warehouse_url, "SELECT job_id FROM ledger.import_job ORDER BY 1"))
    assert drift == [
        ("elexon_system_prices", "isThis\\u0000Fine", first),
        ("elexon_system_prices", "netZeroVolume", first),
        ("elexon_system_prices", "another", second),
    ]
    audit(warehouse_url, expected=days(DAY))


# --- Failures ---


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Retryable("the source is down; try later"), "failed"),
        (Rejected("the request is wrong"), "failed"),
        (NotYetPublished("not before Tuesday"), "not_yet_published"),
        (Retryable("the source said \x00 and hung up"), "failed"),
    ],
    ids=["retryable", "rejected", "not yet published", "unprintable"],
)
def test_a_failure_is_recorded(warehouse_url: str, tmp_path: Path, error: Exception, state: str):
    feed = Feed()
    feed.faults = [fails(error)]
    summary = loader(warehouse_url, feed, tmp_path).load(days(DAY))
    assert {w.label: str(e) for w, e in summary.failed.items()} == {DAY: str(error)}
    reason = str(error).replace("\x00", "\\u0000")
    assert ledger_says(warehouse_url, "state, reason, next_due_at - last_attempt_at < '16 minutes'") == (
        state,
        reason,
        True,
    )
    job = "SELECT status, last_error, archive_path, request FROM ledger.import_job"
    request = f"GET /bmrs/api/v1/balancing/settlement/system-prices/{DAY}"
    assert ask(warehouse_url, job) == [("failed", reason, None, request)]
    assert list(tmp_path.rglob("*.*")) == []
    load(warehouse_url, feed, tmp_path, days(DAY))
    audit(warehouse_url, expected=days(DAY))


def test_a_failed_re_read_leaves_a_complete_window_complete(warehouse_url: str, tmp_path: Path):
    feed = Feed()
    load(warehouse_url, feed, tmp_path, days(DAY))
    feed.faults = [fails(Retryable("down"))]
    loader(warehouse_url, feed, tmp_path).load(days(DAY))
    assert ledger_says(warehouse_url)[:2] == ("complete", "down")
    audit(warehouse_url, expected=days(DAY))


def test_a_refused_answer_is_kept_for_whoever_looks_into_it(warehouse_url: str, tmp_path: Path):
    feed = Feed(chunk=64)
    body = json.dumps(rows_of(SYSTEM_PRICES, DAY)).encode().replace(b"systemSellPrice", b"renamed")
    feed.tamper = lambda _: body
    summary = loader(warehouse_url, feed, tmp_path).load(days(DAY))
    assert "renamed" in str(summary.failed[days(DAY)[0]])
    ((path, size),) = ask(warehouse_url, "SELECT archive_path, response_bytes FROM ledger.import_job")
    assert gzip.decompress(Path(path).read_bytes()) == body
    assert size == len(body)
    audit(warehouse_url)


def test_an_answer_that_the_server_refuses_is_kept_whole(warehouse_url: str, owner_url: str, tmp_path: Path):
    """The rows pass our contract, the table's own rules refuse them, half the answer is still to come."""
    with connect(owner_url) as owner:
        owner.execute("ALTER TABLE energy.elexon_b1610 ADD CHECK (quantity_mwh < 50)")
    feed = Feed(B1610, chunk=512)
    summary = loader(warehouse_url, feed, tmp_path).load(days(DAY))
    assert "refused the rows" in str(summary.failed[days(DAY)[0]])
    assert one(warehouse_url, "SELECT response_bytes FROM ledger.import_job") == len(json.dumps(feed[DAY]))
    assert states(warehouse_url) == {DAY: "failed"}
    audit(warehouse_url)


def test_a_bug_is_one_windows_trouble(warehouse_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    feed = Feed()
    feed.faults = [fails(ZeroDivisionError("a bug"))]
    summary = loader(warehouse_url, feed, tmp_path).load(days(DAY, 3))
    assert [str(error) for error in summary.failed.values()] == [
        "unexpected ZeroDivisionError: a bug; please report it"
    ]
    assert list(states(warehouse_url).values()) == ["failed", "complete", "complete"]
    assert "Traceback" in caplog.text
    assert all(error.__traceback__ is None for error in summary.failed.values())
    audit(warehouse_url)


# --- What is due ---


def test_what_is_due(warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENERGY_START", "2024-03-05")
    monkeypatch.setenv("ENERGY_UNTIL", "2024-03-14")
    monkeypatch.setenv("ENERGY_DUE_LIMIT", "4")
    feed = Feed()
    windows = days(DAY, 6)
    feed[windows[1].label] = feed[windows[1].label][:10]
    load(warehouse_url, feed, tmp_path, windows)
    now = datetime.now(UTC)

    def due(at: datetime) -> list[date]:
        with tapped(warehouse_url, lambda _: None) as connection:
            return [window.label for window in ledger.due(connection, SYSTEM_PRICES, feed.scope, at)]

    never_tried = [date(2024, 3, number) for number in (11, 12, 13, 14)]
    assert due(now) == never_tried
    load(warehouse_url, feed, tmp_path, days(never_tried[0], 4))
    assert due(now) == []
    assert due(now + timedelta(minutes=20)) == [windows[1].label]


def test_a_window_that_always_fails_does_not_starve_the_others(
    warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ENERGY_START", "2024-03-05")
    monkeypatch.setenv("ENERGY_UNTIL", "2024-03-08")
    monkeypatch.setenv("ENERGY_DUE_LIMIT", "2")
    now, feed = datetime.now(UTC), Feed()
    with tapped(warehouse_url, lambda _: None) as connection:
        tried: list[Window] = []
        for turn in range(4):
            turn_at = now + timedelta(days=2 * turn)
            for window in ledger.due(connection, SYSTEM_PRICES, feed.scope, turn_at):
                tried.append(window)
                job = ledger.begin(connection, SYSTEM_PRICES, feed.scope, window, ledger.Run("command"))
                ledger.fail(connection, job, Retryable("again and again"))
    assert sorted(tried) == sorted([*days(DAY, 4), *days(DAY, 4)])
