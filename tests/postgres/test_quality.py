"""Checks: what is found, what comes right by itself, what a person acknowledged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from energy_ingest.loading import issues, quality
from energy_ingest.loading.database import connect
from energy_ingest.quality import DATASETS, METERS
from tests.postgres.test_aggregates import AUTUMN, SPRING, A, read, redo
from tests.postgres.world import ask

NOW = datetime(2025, 1, 1, tzinfo=UTC)
OPEN = "SELECT rule, severity, value_count FROM ledger.quality_issue WHERE resolved_at IS NULL ORDER BY rule"
SEEN = "SELECT occurrences, resolved_at, acknowledged_by FROM ledger.quality_issue WHERE rule = 'negative'"


def check(url: str, hours: int, span: quality.Span | None = None) -> dict[str, int]:
    with connect(url) as connection:
        return quality.check(connection, DATASETS, span, NOW + timedelta(hours=hours))


@pytest.mark.parametrize(("day", "count"), [(SPRING, 46), (AUTUMN, 50)], ids=["spring", "autumn"])
def test_a_life_of_an_issue(warehouse_url: str, day, count: int):
    read(warehouse_url, day, kwh=lambda n: -1.0 if n == 3 else n, count=count - 2)
    redo(warehouse_url)
    assert check(warehouse_url, 0) == {"red": 1, "amber": 1}
    assert ask(warehouse_url, OPEN) == [("missing", "amber", 2), ("negative", "red", 1)]
    assert check(warehouse_url, 1) == {"red": 0, "amber": 0}  # no marks are left: nothing to do
    assert check(warehouse_url, 2, (day, day)) == {"red": 1, "amber": 1}
    assert ask(warehouse_url, SEEN) == [(1, None, None)]
    with connect(warehouse_url) as connection:
        ((issue_id,),) = ask(warehouse_url, "SELECT issue_id FROM ledger.quality_issue WHERE rule = 'negative'")
        assert issues.acknowledge(connection, issue_id, "me", "a swap of meters", NOW)
        found = issues.listed(connection, issues.Search([METERS], day=day, mpan=A), 10)
        assert A not in str([issues.shown(row) for row in found])
        assert [row["severity"] for row in found] == ["red", "amber"]
    assert check(warehouse_url, 3, (day, day)) == {"red": 0, "amber": 1}
    score = "SELECT value_count, missing_count, red_count, score FROM ledger.quality_day_score"
    assert [float(x) for x in ask(warehouse_url, score)[0]] == [count - 2, 2, 1, round(1 - 3 / count, 4)]
    read(warehouse_url, day, kwh=lambda n: n)
    redo(warehouse_url)
    assert check(warehouse_url, 4) == {"red": 0, "amber": 0}
    assert ask(warehouse_url, OPEN) == []
    read(warehouse_url, day, kwh=lambda n: -1.0 if n == 3 else n)
    redo(warehouse_url)
    assert check(warehouse_url, 5) == {"red": 1, "amber": 0}
    assert ask(warehouse_url, SEEN) == [(2, None, None)]


def test_every_statement_works(warehouse_url: str):
    assert check(warehouse_url, 0, (SPRING, SPRING)) == {"red": 0, "amber": 0}
