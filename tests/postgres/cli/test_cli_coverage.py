"""`coverage`, `gaps` and `plan` on a real warehouse: whole JSON documents, and exit codes at their edges."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from energy_ingest.catalog import B1610
from energy_ingest.cli import status
from tests.postgres.cli.conftest import FIRST, EnergyIngest, Source, rows, windows
from tools import postgres

MARKET_INDEX = ("--dataset", "elexon_market_index")


def covered(**differences: Any) -> list[dict[str, Any]]:
    return [
        {
            "dataset": "elexon_market_index",
            "scope": "all",
            "expected": 3,
            "complete": 3,
            "explained": {},
            "gaps": [],
            "rows": 292,
            "quarantined": 0,
            **differences,
        }
    ]


def missing(label: str, start: str, end: str, **differences: Any) -> dict[str, Any]:
    window = {"label": label, "start": start, "end": end}
    return {**window, "state": "missing", "reason": "never tried", "attempts": 0, **differences}


GAPS = [
    missing("2024-10-26", "2024-10-25T23:00:00Z", "2024-10-26T23:00:00Z"),
    missing("2024-10-27", "2024-10-26T23:00:00Z", "2024-10-28T00:00:00Z"),
    missing("2024-10-28", "2024-10-28T00:00:00Z", "2024-10-29T00:00:00Z"),
]


def test_from_nothing_to_complete(energy_ingest: EnergyIngest, source: Source) -> None:
    found = energy_ingest("coverage", *MARKET_INDEX, "--json")
    assert (found.code, found.json) == (2, covered(complete=0, gaps=GAPS, rows=0))
    source.load(windows(1))
    found = energy_ingest("coverage", *MARKET_INDEX, "--json")
    assert (found.code, found.json) == (2, covered(complete=1, gaps=GAPS[1:], rows=96))
    source.load(windows(2))
    found = energy_ingest("coverage", *MARKET_INDEX, "--json")
    assert (found.code, found.json) == (1, covered(complete=2, gaps=GAPS[2:], rows=196))
    source.load(windows(3))
    found = energy_ingest("coverage", *MARKET_INDEX, "--json")
    assert (found.code, found.json) == (0, covered())


def test_exactly_half_missing_is_degraded(energy_ingest: EnergyIngest, source: Source) -> None:
    source.load(windows(2))
    until = f"{FIRST + timedelta(days=3)}"
    found = energy_ingest("coverage", *MARKET_INDEX, "--json", ENERGY_UNTIL=until)
    assert (found.code, found.json[0]["expected"], len(found.json[0]["gaps"])) == (1, 4, 2)


def test_every_dataset_without_one_named_but_those_shipped_paused(energy_ingest: EnergyIngest) -> None:
    found = energy_ingest("coverage", "--json", ENERGY_ELEXON_BM_UNITS="T_B-1,T_A-1")
    scopes = [(item["dataset"], item["scope"]) for item in found.json]
    assert scopes == [
        ("elexon_system_prices", "all"),
        ("elexon_market_index", "all"),
        ("elexon_b1610", "units:T_A-1,T_B-1"),
        ("national_gas_quality", "all"),
        ("transwestern_capacity", "TW"),
    ]
    named = energy_ingest("coverage", "--dataset", "elexon_bod", "--from", "2024-10-27", "--to", "2024-10-27", "--json")
    assert [item["expected"] for item in named.json] == [1] * 5


def test_backfilled_windows_are_expected_too(energy_ingest: EnergyIngest, source: Source) -> None:
    source.days[date(2024, 3, 31)] = b"<html>"
    source.load([*windows(3), *windows(2, date(2024, 3, 30))])
    reason = "the answer is an HTML page, not JSON: a maintenance or proxy page; the source is asked again"
    gap = missing(
        "2024-03-31", "2024-03-31T00:00:00Z", "2024-03-31T23:00:00Z", state="failed", reason=reason, attempts=1
    )
    found = energy_ingest("coverage", *MARKET_INDEX, "--json")
    assert (found.code, found.json) == (1, covered(expected=5, complete=4, rows=388, gaps=[gap]))


def test_dates_narrow_it_to_what_they_say(energy_ingest: EnergyIngest, source: Source) -> None:
    source.load(windows(3))
    found = energy_ingest("coverage", *MARKET_INDEX, "--from", "2024-10-27", "--to", "2024-10-27", "--json")
    assert (found.code, found.json) == (0, covered(expected=1, complete=1, rows=100))
    before = missing("2024-10-25", "2024-10-24T23:00:00Z", "2024-10-25T23:00:00Z")
    found = energy_ingest("coverage", *MARKET_INDEX, "--from", "2024-10-25", "--to", "2024-10-27", "--json")
    assert (found.code, found.json) == (1, covered(expected=3, complete=2, rows=196, gaps=[before]))


def test_quarantine_is_counted_and_a_short_day_says_so(energy_ingest: EnergyIngest, source: Source) -> None:
    first, *others = rows(FIRST)
    source.days[FIRST] = [{**first, "price": "n/a"}, *others]
    source.load(windows(3))
    reason = "95 of 96 items after the deadline"
    gap = {**GAPS[0], "state": "partial", "reason": reason, "attempts": 1}
    found = energy_ingest("coverage", *MARKET_INDEX, "--json")
    assert (found.code, found.json) == (1, covered(complete=2, gaps=[gap], rows=291, quarantined=1))


def test_rows_are_those_of_the_table(energy_ingest: EnergyIngest, source: Source, warehouse_url: str) -> None:
    """Revisions, re-loads and answers in parts leave the number true."""
    source.days[FIRST] = rows(FIRST)[:40]
    source.load(windows(3))
    source.days[FIRST] = rows(FIRST, price=61.0)
    source.load(windows(3))
    source.load(windows(3))
    found = energy_ingest("coverage", *MARKET_INDEX, "--json")
    with psycopg.connect(warehouse_url) as connection:
        assert connection.execute("SELECT count(*) FROM energy.elexon_market_index").fetchone() == (292,)
    assert (found.code, found.json) == (0, covered())


def test_what_is_not_due_yet_is_explained(energy_ingest: EnergyIngest, monkeypatch: pytest.MonkeyPatch) -> None:
    """B1610 of 26 to 28 October 2024 is due on 1, 1 and 4 November, at noon."""
    monkeypatch.setattr(status, "utc_now", lambda: datetime(2024, 11, 1, 12, tzinfo=UTC))
    found = energy_ingest("coverage", "--dataset", B1610.name, "--json")
    (item,) = found.json
    assert (found.code, item["explained"], item["gaps"]) == (2, {"not_yet_published": 1}, GAPS[:2])


def test_a_reader_may_ask(energy_ingest: EnergyIngest, source: Source, reader_url: str) -> None:
    source.load(windows(3))
    assert energy_ingest("coverage", *MARKET_INDEX, "--json", WAREHOUSE_URL=reader_url).json == covered()


def test_the_connection_of_airflow_serves_too(energy_ingest: EnergyIngest, source: Source, warehouse_url: str) -> None:
    source.load(windows(3))
    conn = warehouse_url.replace("postgresql://", "postgres://")
    found = energy_ingest("coverage", *MARKET_INDEX, "--json", WAREHOUSE_URL="", AIRFLOW_CONN_ENERGY_WAREHOUSE=conn)
    assert (found.code, found.json) == (0, covered())


def test_as_text(energy_ingest: EnergyIngest, source: Source) -> None:
    source.load(windows(1))
    assert energy_ingest("coverage", *MARKET_INDEX) == (
        2,
        "dataset              scope  expected  complete  explained  gaps  rows  quarantined\n"
        "elexon_market_index  all           3         1          0     2    96            0\n"
        "\n"
        "gaps of              from        to          windows  state    attempts  reason\n"
        "elexon_market_index  2024-10-27  2024-10-28        2  missing         0  never tried\n",
        "",
    )


def test_gaps_name_the_command_that_loads_them(energy_ingest: EnergyIngest, source: Source) -> None:
    source.load(windows(3)[1:2])
    found = energy_ingest("gaps", *MARKET_INDEX)
    assert (found.code, found.out.splitlines()[-2:]) == (
        2,
        [
            "energy-ingest load --dataset elexon_market_index --from 2024-10-26 --to 2024-10-26",
            "energy-ingest load --dataset elexon_market_index --from 2024-10-28 --to 2024-10-28",
        ],
    )
    named = [{"dataset": "elexon_market_index", **gap} for gap in (GAPS[0], GAPS[2])]
    assert energy_ingest("gaps", *MARKET_INDEX, "--json").json == named
    source.load(windows(3))
    assert energy_ingest("gaps", *MARKET_INDEX) == (0, "no gaps\n", "")
    assert energy_ingest("gaps", *MARKET_INDEX, "--json").json == []


def test_no_schema_is_critical(energy_ingest: EnergyIngest, pg_server: postgres.Server) -> None:
    found = energy_ingest("coverage", WAREHOUSE_URL=pg_server.dsn)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith("energy-ingest: the warehouse has no current schema (")
    assert found.err.endswith("): run `energy-ingest migrate`\n")


def test_a_plan_counts_and_loads_nothing(energy_ingest: EnergyIngest, source: Source, warehouse_url: str) -> None:
    plan = ("plan", *MARKET_INDEX, "--from", "2024-10-26", "--to", "2024-11-04", "--json")
    planned = {
        "dataset": "elexon_market_index",
        "scope": "all",
        "windows": 10,
        "complete": 0,
        "explained": {},
        "requests": 2,
        "estimate": None,
        "from": "2024-10-26",
        "to": "2024-11-04",
    }
    assert energy_ingest(*plan) == energy_ingest(*plan, "--dry-run")
    assert (energy_ingest(*plan).code, energy_ingest(*plan).json) == (0, [planned])
    source.load(windows(1))
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        connection.execute("UPDATE ledger.import_job SET completed_at = started_at + interval '90 seconds'")
        (item,) = energy_ingest(*plan).json
        size = connection.execute("SELECT response_bytes FROM ledger.import_job").fetchone()
        assert connection.execute("SELECT count(*) FROM ledger.import_job").fetchone() == (1,)
    assert size is not None
    assert item == {**planned, "complete": 1, "estimate": {"rows": 960, "bytes": 10 * size[0], "minutes": 7.5}}


def test_a_plan_names_units_apart_and_each_command_once(energy_ingest: EnergyIngest) -> None:
    dates = ("--from", "2024-10-26", "--to", "2024-10-27")
    found = energy_ingest("plan", "--dataset", "elexon_bod", *dates, ENERGY_ELEXON_BM_DATA_UNITS="2__A,2__B")
    assert [line.split()[:2] for line in found.out.splitlines()[1:3]] == [
        ["elexon_bod", "unit:2__A"],
        ["elexon_bod", "unit:2__B"],
    ]
    assert found.out.count("energy-ingest load --dataset elexon_bod") == 1


def test_requests_set_the_least_time(energy_ingest: EnergyIngest, source: Source, warehouse_url: str) -> None:
    """At most 10 requests a second: 1,200 days of market index are 172 requests, more than 17 seconds."""
    source.load(windows(1))
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        connection.execute("UPDATE ledger.import_job SET completed_at = started_at")
    (item,) = energy_ingest("plan", *MARKET_INDEX, "--from", "2021-01-01", "--to", "2024-04-14", "--json").json
    assert (item["windows"], item["requests"], item["estimate"]["minutes"]) == (1200, 172, 0.3)
