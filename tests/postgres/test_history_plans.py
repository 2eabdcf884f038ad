"""How history is read at size: an as-of read of a month touches the index of that month and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from energy_ingest.catalog import DATASETS
from energy_ingest.loading.database import connect

# ruff: noqa: S608 - the names are the catalogue's

TABLES = {dataset.table: dataset.time_column for dataset in DATASETS.values()} | {
    "meter_reading": "period_start",
    "meter_daily_reading": "local_date",
}
YEAR = """
INSERT INTO energy.elexon_b1610{revision} (settlement_date, settlement_period, bm_unit, psr_type, period_start,
  settlement_run, quantity_mwh, recorded_from, {recorded_to} job_id)
SELECT day, period, 'T_U-' || unit, 'Generation', day + period * interval '30 minutes', 'II', period,
  day + interval '5 days', {known_to} 1
FROM generate_series(date '2024-01-01', date '2024-12-31', interval '1 day') AS day, generate_series(1, 48) AS period,
  generate_series(1, {units}) AS unit
"""
MONTH = """SELECT settlement_date, settlement_period, bm_unit, quantity_mwh FROM energy.elexon_b1610_as_of('2024-09-01')
WHERE settlement_date >= '2024-06-01' AND settlement_date < '2024-07-01'"""

A_UNIT = "bm_unit = 'T_U-7'"


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's node and all below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def scans(url: str, query: str, *settings: str, options: str = "FORMAT json") -> list[dict[str, Any]]:
    """The nodes of a query's plan that read a table."""
    with connect(url) as connection:
        for setting in settings:
            connection.execute(f"SET {setting}")
        (found,) = connection.execute(f"EXPLAIN ({options}) {query}").fetchone()
    plan = found if isinstance(found, list) else json.loads(found)
    return [node for node in nodes(plan[0]["Plan"]) if "Relation Name" in node]


def test_a_month_as_of_a_time_comes_from_the_index_alone(owner_url: str, reader_url: str):
    """Half a million versions, of which a twelfth is asked for; at 160 million there is no more to read."""
    with connect(owner_url) as connection:
        connection.execute("SET synchronous_commit = on")  # VACUUM trusts only what is flushed
        connection.execute(YEAR.format(revision="", recorded_to="", known_to="", units=20))
        known_to = "day + interval '100 days',"
        connection.execute(YEAR.format(revision="_revision", recorded_to="recorded_to,", known_to=known_to, units=8))
        connection.execute("VACUUM ANALYZE energy.elexon_b1610")
        connection.execute("VACUUM ANALYZE energy.elexon_b1610_revision")
    alone, ran = "max_parallel_workers_per_gather = 0", "ANALYZE, BUFFERS, FORMAT json"
    read, of_a_unit = (scans(reader_url, query, alone, options=ran) for query in (MONTH, f"{MONTH} AND {A_UNIT}"))
    for found in (read, of_a_unit):
        assert {scan["Relation Name"] for scan in found} == {"elexon_b1610", "elexon_b1610_revision"}
        assert {scan["Node Type"] for scan in found} == {"Index Only Scan"}
        for scan in found:
            assert "settlement_date >= " in scan["Index Cond"] and "settlement_date < " in scan["Index Cond"]
            assert scan["Heap Fetches"] == 0
    assert all(A_UNIT in scan["Index Cond"] for scan in of_a_unit)
    units = {scan["Relation Name"]: scan["Actual Rows"] + scan["Rows Removed by Filter"] for scan in read}
    assert units == {"elexon_b1610": 30 * 48 * 20, "elexon_b1610_revision": 30 * 48 * 8}  # of June, and no more


def test_every_table_with_history_has_its_versions_and_its_as_of(reader_url: str):
    """What users of the capacity pipeline were promised, of every dataset."""
    promised = {"version_id", "is_current", "valid_from", "valid_to", "source_system"}
    with connect(reader_url) as connection:
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'energy'"
        names = {name for (name,) in connection.execute(query)}
        kept = {name.removesuffix("_revision") for name in names if name.endswith("_revision")}
        assert kept == set(TABLES) | {"site"}
        for table in kept:
            columns = [
                column.name for column in connection.execute(f"SELECT * FROM energy.{table}_versions").description
            ]
            assert promised <= set(columns)
            assert connection.execute(f"SELECT * FROM energy.{table}_as_of(now())").fetchall() == []


@pytest.mark.parametrize("table", TABLES)
def test_a_range_of_time_reaches_the_index_of_every_table(reader_url: str, table: str):
    """Through the function, and of the former versions, too; empty tables would be read whole if that were allowed."""
    column = TABLES[table]
    query = (
        f"SELECT * FROM energy.{table}_as_of('2024-09-01') WHERE {column} >= '2024-06-01' AND {column} < '2024-07-01'"
    )
    read = scans(reader_url, query, "enable_seqscan = off")
    assert {scan["Relation Name"] for scan in read} == {table, f"{table}_revision"}
    for scan in [node for node in read if "Index Cond" in node or node["Node Type"] != "Bitmap Heap Scan"]:
        assert f"{column} >= " in scan["Index Cond"]
