"""Coverage by day, held against coverage by window, which counts each one."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from energy_ingest.catalog import B1610, DATASETS, NATIONAL_GAS_QUALITY, TRANSWESTERN_CAPACITY
from energy_ingest.loading import days
from energy_ingest.loading.coverage import coverage
from energy_ingest.loading.database import connect
from tests.postgres.world import AUTUMN, one

NOW = datetime(2024, 11, 20, 12, tzinfo=UTC)
ALL_STATES = (
    "pending",
    "running",
    "complete",
    "partial",
    "empty_confirmed",
    "not_yet_published",
    "failed",
    "abandoned",
)


@pytest.fixture
def start(monkeypatch):
    monkeypatch.setenv("ENERGY_START", "2024-08-01")


def fill(url, dataset, seed):
    """A ledger in which anything may have happened to any window, also before the schedules began."""
    chance = random.Random(seed)  # noqa: S311
    rows = [
        (dataset.name, scope.name, w.start, w.end, w.label, w.part, chance.choice(ALL_STATES), chance.randint(1, 4))
        for scope in dataset.scopes()
        for w in dataset.windows(date(2024, 7, 20), date(2024, 11, 18))
        if chance.random() < 0.8
    ]
    query = (
        "INSERT INTO ledger.window (dataset, scope, window_start, window_end, label, part, state, attempts)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
    )
    with connect(url) as connection:
        connection.cursor().executemany(query, rows)


@pytest.mark.usefixtures("start")
@pytest.mark.parametrize("dataset", [B1610, NATIONAL_GAS_QUALITY, TRANSWESTERN_CAPACITY], ids=lambda item: item.name)
def test_by_day_and_by_window_are_the_same(warehouse_url, dataset):
    fill(warehouse_url, dataset, seed=7)
    with connect(warehouse_url) as connection:
        whole = [coverage(connection, dataset, scope, NOW) for scope in dataset.scopes()]
        (found,) = days.days(connection, [dataset], date(2024, 7, 1), date(2024, 12, 31), NOW)
        by_window = {gap.window.start: gap for *_, gap in days.gaps(connection, [dataset], NOW)}
        (progress,) = days.progress(connection, [dataset], NOW)
    exact = [gap for item in whole for gap in item.gaps]
    before = one(warehouse_url, "SELECT count(*) FROM ledger.window WHERE label < '2024-08-01'")
    since = [counts for label, counts in found.counts.items() if label >= date(2024, 8, 1)]
    scheduled = {gap.window.start for gap in exact}
    assert found.total(["complete"]) == sum(item.complete for item in whole)
    assert sum(sum(counts.values()) for counts in since) == sum(item.expected for item in whole) - before
    assert {gap.window.label for gap in exact} <= set(found.gap_days)
    # of labels before the schedules, what was never tried shows beside what was
    assert scheduled <= by_window.keys()
    assert all(gap.window.label < date(2024, 8, 1) for at, gap in by_window.items() if at not in scheduled)
    assert (progress["left"], progress["done"]) == (found.total(days.GAPS), found.total(days.STATES) - progress["left"])


@pytest.mark.usefixtures("start")
def test_what_nobody_asked_for_is_missing_and_what_is_not_published_yet_is_not(warehouse_url):
    with connect(warehouse_url) as connection:
        (found,) = days.days(connection, [B1610], date(2024, 7, 1), date(2024, 12, 31), NOW)
    assert min(found.counts) == date(2024, 8, 1)
    assert max(found.counts) == date(2024, 11, 19)
    assert days.worst(found.counts[date(2024, 8, 1)]) == "missing"
    assert days.worst(found.counts[date(2024, 11, 19)]) == "not_yet_published"


@pytest.mark.parametrize(("label", "number"), [(date(2024, 3, 31), 46), (date(2024, 3, 5), 48), (AUTUMN, 50)], ids=str)
def test_a_settlement_date_shows_its_half_hours(warehouse_url, label, number):
    with connect(warehouse_url) as connection:
        found = days.items(connection, B1610, label)
    assert [item["item"] for item in found] == list(range(1, number + 1))
    assert {item["rows"] for item in found} == {0}


def test_adding_a_dataset_needs_as_many_windows_each_day():
    """What `days` relies on to count years of labels without making their windows."""
    for dataset in DATASETS.values():
        counts = {
            len(list(dataset.windows(d, d))) for d in (date(2024, 3, 31) + timedelta(n) for n in range(0, 300, 7))
        }
        assert len(counts) == 1
