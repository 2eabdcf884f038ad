"""What becomes of the rows of an answer: new, unchanged, revised, older, repeated, refused."""

# ruff: noqa: S608 - the names put into statements here are the catalogue's

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from energy_ingest.catalog import B1610, MARKET_INDEX, SYSTEM_PRICES, Dataset
from energy_ingest.loading.ingest import Summary
from tests.postgres.world import (
    AUTUMN,
    DAY,
    SUMMER,
    UNITS,
    Feed,
    answer,
    ask,
    audit,
    content,
    days,
    load,
    one,
    rows_of,
    states,
)

PRICE = "system_sell_price_gbp_per_mwh"
FIRST = "settlement_period = 1"


def counts(summary: Summary) -> dict[str, int]:
    names = ("received", "inserted", "revised", "unchanged", "quarantined", "duplicates")
    return {name: number for name in names if (number := summary.count(name))}


def physical_state(url: str, dataset: Dataset) -> tuple[Any, ...]:
    """Where every row version lies and who wrote it, and how large the table and its indexes are."""
    table = f"energy.{dataset.table}"
    size = f"SELECT pg_relation_size('{table}'), pg_indexes_size('{table}'), pg_relation_size('{table}_revision')"
    return ask(url, f"SELECT ctid::text, xmin::text FROM {table} ORDER BY 1"), ask(url, size)


@pytest.mark.parametrize(
    ("dataset", "day", "periods", "per_period"),
    [
        (SYSTEM_PRICES, DAY, 48, 1),
        (SYSTEM_PRICES, SUMMER, 46, 1),
        (SYSTEM_PRICES, AUTUMN, 50, 1),
        (MARKET_INDEX, AUTUMN, 50, 2),
        (B1610, SUMMER, 46, 3),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_new_rows(warehouse_url: str, tmp_path: Path, dataset: Dataset, day: date, periods: int, per_period: int):
    summary = load(warehouse_url, Feed(dataset), tmp_path, days(day))
    rows = periods * per_period
    assert counts(summary) == {"received": rows, "inserted": rows}
    starts = f"SELECT count(DISTINCT period_start), count(*) FROM energy.{dataset.table}"
    assert ask(warehouse_url, starts) == [(periods, rows)]
    audit(warehouse_url, expected=days(day))


def test_values_arrive_digit_for_digit(warehouse_url: str, tmp_path: Path):
    feed = Feed()
    feed.tamper = lambda body: body.replace(b'"systemSellPrice": 80.25', b'"systemSellPrice": -65.123456789012345678')
    load(warehouse_url, feed, tmp_path, days(AUTUMN))
    row = (
        f"SELECT {PRICE}, system_buy_price_gbp_per_mwh, created_at, bsad_defaulted, price_derivation_code, period_start"
    )
    assert ask(warehouse_url, f"{row} FROM energy.elexon_system_prices WHERE {FIRST}") == [
        (
            Decimal("-65.123456789012345678"),
            Decimal("80.25"),
            datetime(2024, 10, 26, 23, 45, tzinfo=UTC),
            False,
            "N",
            datetime(2024, 10, 26, 23, tzinfo=UTC),
        )
    ]


def test_any_text_survives_the_way(warehouse_url: str, tmp_path: Path):
    texts = ['say "hi"', "a,b", "", "\\.", "a\n\\.\nb", "\\N", "\t", "NULL", "Überstrom", " ", "\r\n", "'", None]
    feed = Feed(B1610, UNITS)
    said = {row["settlementPeriod"]: row for row in feed[DAY] if row["bmUnit"] == "T_A-1"}
    for period, text in enumerate(texts, 1):
        said[period]["nationalGridBmUnitId"] = text
    load(warehouse_url, feed, tmp_path, days(DAY))
    stored = "SELECT national_grid_bm_unit FROM energy.elexon_b1610 WHERE bm_unit = 'T_A-1' ORDER BY settlement_period"
    assert [text for (text,) in ask(warehouse_url, stored)[: len(texts)]] == texts


@pytest.mark.parametrize("dataset", [SYSTEM_PRICES, MARKET_INDEX, B1610], ids=lambda dataset: dataset.name)
def test_an_unchanged_answer_writes_no_row_version(warehouse_url: str, tmp_path: Path, dataset: Dataset):
    feed = Feed(dataset)
    load(warehouse_url, feed, tmp_path, days(DAY, 2))
    before = physical_state(warehouse_url, dataset)
    summary = load(warehouse_url, feed, tmp_path, days(DAY, 2))
    rows = len(feed[DAY]) + len(feed[DAY + timedelta(days=1)])
    assert counts(summary) == {"received": rows, "unchanged": rows}
    assert physical_state(warehouse_url, dataset) == before
    audit(warehouse_url, expected=days(DAY, 2))


def test_an_unchanged_answer_costs_the_same_log_however_many_rows(warehouse_url: str, tmp_path: Path):
    """Bookkeeping only: the write-ahead log of a re-load does not grow with its rows."""
    small, large = Feed(B1610), Feed(B1610)
    small[DAY] = rows_of(B1610, DAY)
    large[SUMMER] = [row for n in range(60) for row in _units(rows_of(B1610, SUMMER), n)]
    written = {}
    for day, feed in ((DAY, small), (SUMMER, large)):
        load(warehouse_url, feed, tmp_path, days(day))
        load(warehouse_url, feed, tmp_path, days(day))
        start = one(warehouse_url, "SELECT pg_current_wal_insert_lsn()::text")
        load(warehouse_url, feed, tmp_path, days(day))
        written[day] = one(warehouse_url, "SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", start)
    assert len(large[SUMMER]) == 60 * len(rows_of(B1610, SUMMER))
    assert all(amount < 64_000 for amount in written.values()), written
    assert abs(written[SUMMER] - written[DAY]) < 10_000, written


def _units(rows: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    return [{**row, "bmUnit": f"{row['bmUnit']}-{number}"} for row in rows]


def test_a_window_costs_few_round_trips(warehouse_url: str, tmp_path: Path):
    """One each; a COPY and a transaction are two. What nobody revised, refused or left short costs nothing more."""
    steps: list[str] = []
    load(warehouse_url, Feed(), tmp_path, days(DAY), tap=steps.append)
    load(warehouse_url, Feed(), tmp_path, days(DAY), tap=steps.append)
    before, after = (
        ["begin", "pace", "stage", "copy", "inside copy", "lock", "merge"],
        ["finish", "commit", "committed"],
    )
    assert steps == [*before, "count revised", *after, *before, *after]


def test_a_revision_keeps_the_former_version_whole(warehouse_url: str, tmp_path: Path):
    feed = Feed()
    load(warehouse_url, feed, tmp_path, days(DAY))
    columns = ", ".join([*SYSTEM_PRICES.contract.loaded, "recorded_from", "job_id"])
    whole = f"SELECT {columns} FROM energy.elexon_system_prices{{}} WHERE settlement_period <= 2 ORDER BY 2"
    former = ask(warehouse_url, whole.format(""))
    feed.restate(DAY, "systemSellPrice", 999.5, count=2)
    summary = load(warehouse_url, feed, tmp_path, days(DAY))
    assert counts(summary) == {"received": 48, "revised": 2, "unchanged": 46}
    assert ask(warehouse_url, whole.format("_revision")) == former
    price = list(SYSTEM_PRICES.contract.loaded).index(PRICE)
    current = ask(warehouse_url, whole.format(""))
    assert [row[price] for row in current] == [Decimal("999.5")] * 2
    assert [row[:price] + row[price + 1 : -2] for row in current] == [
        row[:price] + row[price + 1 : -2] for row in former
    ]
    succession = f"SELECT recorded_to, superseded_by FROM energy.elexon_system_prices_revision WHERE {FIRST}"
    assert ask(warehouse_url, succession) == [current[0][-2:]]
    audit(warehouse_url, expected=days(DAY))


def test_versions_and_as_of(warehouse_url: str, tmp_path: Path):
    feed = Feed()
    for price in (10.0, 20.0, 30.0):
        feed.restate(DAY, "systemSellPrice", price)
        load(warehouse_url, feed, tmp_path, days(DAY))
    versions = ask(
        warehouse_url,
        f"SELECT version_id, {PRICE}::int, is_current, valid_from, valid_to, source_system"
        f" FROM energy.elexon_system_prices_versions WHERE {FIRST} ORDER BY version_id",
    )
    first, second, third = (row[3] for row in versions)
    for_ever = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert versions == [
        (1, 10, False, first, second, "elexon"),
        (2, 20, False, second, third, "elexon"),
        (3, 30, True, third, for_ever, "elexon"),
    ]

    def known_at(instant: datetime) -> list[int]:
        query = f"SELECT {PRICE}::int FROM energy.elexon_system_prices_as_of(%s) WHERE {FIRST}"
        return [price for (price,) in ask(warehouse_url, query, instant)]

    tick = timedelta(microseconds=1)
    assert [known_at(t) for t in (first - tick, first, second - tick, second, third - tick, third, for_ever)] == [
        [],
        [10],
        [10],
        [20],
        [20],
        [30],
        [30],
    ]
    whole_day = "SELECT count(*) FROM energy.elexon_system_prices_as_of(%s)"
    assert [one(warehouse_url, whole_day, t) for t in (first, second, third)] == [48, 48, 48]


@pytest.mark.parametrize(
    ("dataset", "field", "column"),
    [(SYSTEM_PRICES, "createdDateTime", "created_at"), (B1610, "settlementRunType", "settlement_run")],
    ids=["created_at", "settlement_run"],
)
def test_a_change_that_is_not_compared_is_no_revision(
    warehouse_url: str, tmp_path: Path, dataset: Dataset, field: str, column: str
):
    """Elexon recomputes and re-runs settlement without changing a value: that must not rewrite the market's rows."""
    feed = Feed(dataset)
    load(warehouse_url, feed, tmp_path, days(DAY))
    before, at_first = physical_state(warehouse_url, dataset), content(warehouse_url, dataset)
    changed = "SF" if column == "settlement_run" else "2024-04-01T12:00:00Z"
    feed.restate(DAY, field, changed, count=1000)
    summary = load(warehouse_url, feed, tmp_path, days(DAY))
    assert counts(summary) == {"received": len(feed[DAY]), "unchanged": len(feed[DAY])}
    assert physical_state(warehouse_url, dataset) == before
    feed.restate(DAY, "quantity" if dataset is B1610 else "systemSellPrice", 1.25)
    load(warehouse_url, feed, tmp_path, days(DAY))
    assert one(warehouse_url, f"SELECT count(*) FROM energy.{dataset.table}_revision") == 1
    table = f"energy.{dataset.table}"
    written = f"SELECT {column}::text FROM {table} WHERE recorded_from = (SELECT max(recorded_from) FROM {table})"
    assert [value[:10] for (value,) in ask(warehouse_url, written)] == [changed[:10]]
    assert content(warehouse_url, dataset) != at_first
    if dataset is B1610:
        assert one(warehouse_url, "SELECT source_version FROM ledger.window") == "SF"


def test_an_older_answer_never_overwrites_a_newer_one(warehouse_url: str, tmp_path: Path):
    """A replay, or a rival that was slower: it may add what is missing, nothing else."""
    feed, window = Feed(B1610, UNITS), days(DAY)
    feed.restate(DAY, "quantity", 7.0)
    feed.restate(DAY, "settlementRunType", "SF", count=1000)
    feed[DAY] = feed[DAY][:-1]
    answer(warehouse_url, feed, window, datetime(2024, 5, 1, tzinfo=UTC))
    rows = content(warehouse_url, B1610, with_times=True)
    said = "SELECT source_version, response_sha256, last_published_at FROM ledger.window"
    before = ask(warehouse_url, said)

    older = Feed(B1610, UNITS)
    summary = answer(warehouse_url, older, window, datetime(2024, 4, 1, tzinfo=UTC))
    assert counts(summary) == {"received": 96, "inserted": 1, "unchanged": 95}
    assert states(warehouse_url) == {DAY: "complete"}
    assert ask(warehouse_url, said) == before
    added = (
        "SELECT settlement_period, bm_unit, recorded_from FROM energy.elexon_b1610 WHERE recorded_from < '2024-05-01'"
    )
    assert ask(warehouse_url, added) == [(48, "T_B-1", datetime(2024, 4, 1, tzinfo=UTC))]
    assert content(warehouse_url, B1610, with_times=True) != rows
    assert one(warehouse_url, f"SELECT quantity_mwh FROM energy.elexon_b1610 WHERE {FIRST} AND bm_unit = 'T_A-1'") == 7
    assert one(warehouse_url, "SELECT count(*) FROM energy.elexon_b1610_revision") == 0
    audit(warehouse_url, expected=window)
