"""data_quality: red issues close the gate and are told of once, until they come right or somebody knows of them."""

from __future__ import annotations

import json

import pytest

from energy_ingest import windows
from energy_ingest.loading import issues
from energy_ingest.loading.database import connect
from include.twin.client import Twin
from tests.dags.harness import AIRFLOW_3, parse, run
from tests.postgres.test_aggregates import AUTUMN, ONE_DAY, read, redo
from tests.postgres.world import ask, one

DAG = "data_quality"
INCIDENTS = "SELECT subject, severity, resolved_at IS NULL FROM ledger.incident"

pytestmark = pytest.mark.usefixtures("metadata", "connection")


@pytest.fixture
def connection(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", warehouse_url)


def test_what_is_red_closes_the_gate_until_somebody_knows(warehouse_url: str):
    read(warehouse_url, AUTUMN, kwh=lambda n: -1.0 if n == 3 else n, count=49)
    redo(warehouse_url)
    ran = run(DAG, kind="asset_triggered")
    assert (ran.state, ran.result) == ("failed", {"red": 1, "amber": 1})
    assert "nothing_is_red" in str(ran.errors[0])
    assert ask(warehouse_url, INCIDENTS) == [("meter_files negative", "critical", True)]
    caller = ask(warehouse_url, "SELECT kind, target, dag_id, run_id, status, warnings FROM ledger.execution")[-1]
    assert caller == ("quality", "marked", DAG, ran.run_id, "completed", 2)
    with connect(warehouse_url) as loader:
        issue_id = one(warehouse_url, "SELECT issue_id FROM ledger.quality_issue WHERE severity = 'red'")
        assert issues.acknowledge(loader, issue_id, "me", "a swap of meters", windows.utc_now())
    ran = run(DAG, kind="manual")
    assert (ran.state, ran.errors) == ("success", [])
    assert ask(warehouse_url, INCIDENTS) == [("meter_files negative", "critical", False)]


def test_a_person_has_a_range_of_one_dataset_checked(warehouse_url: str):
    read(warehouse_url, AUTUMN, kwh=float, count=49)
    redo(warehouse_url)
    form = {"dataset": "meter_files", "window_from": f"{AUTUMN - ONE_DAY}", "window_to": f"{AUTUMN - ONE_DAY}"}
    assert run(DAG, kind="manual", conf=form).result == {"red": 0, "amber": 0}
    assert run(DAG, kind="manual", conf={**form, "window_to": f"{AUTUMN}"}).result == {"red": 0, "amber": 1}


def test_the_register_of_bm_units_is_taken_over(warehouse_url: str, twin: Twin, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW_CONN_ELEXON_DEFAULT", json.dumps({"conn_type": "http", "host": twin.url}))
    ran = run("elexon_bm_units")
    count = one(warehouse_url, "SELECT count(*) FROM energy.bm_unit")
    assert (ran.errors, ran.result) == ([], {"units": count, "changed": count})
    known = "SELECT fuel_type, generation_capacity_mw, demand_capacity_mw FROM energy.bm_unit WHERE bm_unit = "
    assert ask(warehouse_url, f"{known}'T_DINO-1'") == [("PS", 290, -290)]
    assert ask(warehouse_url, f"{known}'2__ATWIN001'") == [(None, 0, -90)]
    assert run("elexon_bm_units").result == {"units": count, "changed": 0}

    twin.add_fault("empty_body", count=1)
    failed = run("elexon_bm_units")
    assert "register" in str(failed.errors[0])
    assert one(warehouse_url, "SELECT count(*) FROM energy.bm_unit") == count
    told = "SELECT target, status, processed FROM ledger.execution ORDER BY started_at"
    assert ask(warehouse_url, told) == [
        ("register of BM units", "completed", count),
        ("register of BM units", "completed", 0),
        ("register of BM units", "failed", 0),
    ]


def test_the_schedule():
    timetable = parse().dags[DAG].timetable
    condition = timetable.asset_condition if AIRFLOW_3 else timetable.dataset_condition
    for uri in ("x-energy://meter/aggregates", "x-energy://elexon/b1610", "x-energy://national_gas/gas_quality"):
        assert uri in repr(condition)
