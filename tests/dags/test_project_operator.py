"""A run's second task: InfluxDB follows, or is left alone, and an outage of it holds up nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pendulum
import psycopg
import pytest
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session

from energy_ingest import retrying, settings
from include.influx_double.server import Answer, Fault, InfluxDouble, State
from include.influx_double.stores import count
from include.twin.client import Twin
from tests.dags.harness import AIRFLOW_3, Ran, interval, run

DAY = date(2024, 10, 24)
PRICES = "elexon_system_prices"


@pytest.fixture(autouse=True)
def connections(
    metadata: None, twin: Twin, warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", warehouse_url)
    for name in ("ELEXON", "NATIONAL_GAS", "ENERGY_TRANSFER"):
        connection = {"conn_type": "http", "host": twin.url}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}_DEFAULT", json.dumps(connection))
    monkeypatch.setenv(settings.ARCHIVE_URL.env, (tmp_path / "archive").as_uri())
    monkeypatch.setenv(settings.START.env, f"{DAY}")
    monkeypatch.setenv(settings.UNTIL.env, f"{DAY + timedelta(days=6)}")
    monkeypatch.setattr(retrying, "LONGEST_WAIT", -1)  # what it would wait for is left to Airflow at once


@pytest.fixture
def influx(monkeypatch: pytest.MonkeyPatch) -> Iterator[InfluxDouble]:
    """InfluxDB by the connection of the provider's type."""
    with InfluxDouble() as server:
        host, port = server.server_address[:2]
        extra = {"token": "token", "org": "org", "bucket": "bucket"}
        connection = {"conn_type": "influxdb", "host": host, "port": port, "schema": "http", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_INFLUXDB_DEFAULT", json.dumps(connection))
        yield server


@pytest.fixture
def waiting(owner_url: str) -> Callable[[], list[date]]:
    """The dates of which rows wait for InfluxDB."""

    def ask() -> list[date]:
        with psycopg.connect(owner_url) as connection:
            query = "SELECT DISTINCT label FROM ledger.window WHERE influx_state = 'pending' ORDER BY 1"
            return [label for (label,) in connection.execute(query)]

    return ask


def project(ran: Ran, dag_id: str = PRICES) -> tuple[str, Any]:
    """State and result of the second task."""
    with create_session() as session:
        ti = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=ran.run_id, task_id="project_influx").one()
        return str(getattr(ti.state, "value", ti.state)), ti.xcom_pull(task_ids="project_influx")


def points(server: InfluxDouble) -> int:
    return count(server.state.store.contents("bucket"))


def outage(state: State) -> None:
    # Retry-After makes our own retries leave it to Airflow
    state.faults.extend([Fault(Answer("unavailable", "no leader", {"Retry-After": "999"}))] * 50)


def newest() -> tuple[pendulum.DateTime, pendulum.DateTime]:
    return interval(DAY + timedelta(days=6))


@pytest.mark.parametrize(("dag_id", "rows"), [(PRICES, 48), ("elexon_market_index", 96), ("elexon_b1610", 5 * 48)])
def test_a_run_writes_what_it_loaded(influx: InfluxDouble, waiting, dag_id: str, rows: int):
    ran = run(dag_id, interval(DAY))
    state, result = project(ran, dag_id)
    assert (ran.state, state, ran.errors) == ("success", "success", [])
    assert result == {"windows": 1, "points": rows, "refused": 0, "outside_retention": 0, "failed": 0, "left": 0}
    assert points(influx) == rows and waiting() == []


def test_gas_quality_goes_there_too(influx: InfluxDouble, waiting):
    start = pendulum.datetime(2024, 10, 24)
    ran = run("national_gas_quality", (start, start.add(minutes=30)))
    assert (ran.state, project(ran, "national_gas_quality")[0]) == ("success", "success")
    series = {name for name, _ in influx.state.store.contents("bucket")}
    assert series == {"national_gas_quality"} and waiting() == []


def test_capacity_goes_there_too(influx: InfluxDouble, waiting):
    at = pendulum.datetime(2024, 10, 26, 13, tz="America/Chicago")
    ran = run("transwestern_capacity", (at, at) if AIRFLOW_3 else (at.subtract(minutes=30), at))
    assert (ran.state, project(ran, "transwestern_capacity")[0]) == ("success", "success")
    tags = {tuple(dict(tags)) for _, tags in influx.state.store.contents("bucket")}
    assert tags == {("asset", "flow_ind", "loc", "nomination_cycle")} and waiting() == []


def test_without_influxdb_the_task_is_skipped_and_nothing_is_lost(waiting):
    ran = run(PRICES, interval(DAY))
    assert ran.state == "success"
    assert ran.errors == []
    assert project(ran) == ("skipped", None)
    assert ran.result["inserted"] == 48 and ran.events[0]["inserted"] == 48
    assert waiting() == [DAY]


def test_the_environment_stands_in_for_the_connection(influx: InfluxDouble, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AIRFLOW_CONN_INFLUXDB_DEFAULT")
    for name, value in {"URL": influx.url, "TOKEN": "token", "ORG": "org", "BUCKET": "bucket"}.items():
        monkeypatch.setenv(f"INFLUXDB_{name}", value)
    assert project(run(PRICES, interval(DAY)))[0] == "success"
    assert points(influx) == 48


def test_the_newest_run_takes_what_waits(influx: InfluxDouble, waiting, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as without:
        without.delenv("AIRFLOW_CONN_INFLUXDB_DEFAULT")
        for number in range(2):
            run(PRICES, interval(DAY + timedelta(days=number)))
    run(PRICES, interval(DAY + timedelta(days=3)))
    assert waiting() == [DAY, DAY + timedelta(days=1)], "a run of the past writes its own"
    ran = run(PRICES, newest())
    assert project(ran)[1]["windows"] >= 3
    assert waiting() == []


@pytest.mark.parametrize("kind", ["scheduled", "backfill"])
def test_an_outage_holds_up_no_run_of_the_past(influx: InfluxDouble, waiting, kind: str):
    outage(influx.state)
    ran = run(PRICES, interval(DAY), kind=kind)
    assert (ran.state, project(ran)[0]) == ("success", "skipped")
    assert waiting() == [DAY]


def test_an_outage_fails_the_newest_run_and_its_retry_writes(influx: InfluxDouble, waiting):
    outage(influx.state)
    ran = run(PRICES, newest())
    assert (ran.state, project(ran)[0]) == ("failed", "failed")
    assert "answered 503: no leader; it is asked again" in str(ran.errors[-1])
    lagging = waiting()
    assert newest()[0].date() in lagging
    influx.state.faults.clear()
    ran = run(PRICES, newest(), clear=ran)
    assert (ran.state, waiting()) == ("success", [])


def test_a_run_that_a_person_started_says_what_is_wrong(influx: InfluxDouble, waiting):
    influx.state.tokens.clear()
    ran = run(PRICES, conf={"window_from": f"{DAY}"}, kind="manual", logical_date=None) if AIRFLOW_3 else None
    if ran:
        assert ran.state == "failed" and type(ran.errors[-1]).__name__ == "AirflowFailException"
        assert "401: unauthorized access: check the token" in str(ran.errors[-1])
        assert waiting() == [DAY]


def test_refused_windows_fail_the_task_at_once(influx: InfluxDouble, monkeypatch: pytest.MonkeyPatch):
    from energy_ingest.loading import influx as projection

    monkeypatch.setattr(projection, "REFUSALS", 3)
    influx.state.store._types["bucket", PRICES, "settlement_date"] = int  # type: ignore[attr-defined]
    ran = run(PRICES, interval(DAY), retries=2)
    assert (ran.state, [type(error).__name__ for error in ran.errors]) == ("failed", ["AirflowFailException"])
    assert f"InfluxDB refuses 1 windows; first {DAY}: more than 3 lines" in str(ran.errors[0])


@pytest.mark.parametrize("lacking", ["token", "org", "bucket"])
def test_a_connection_that_does_not_say_everything(lacking: str, monkeypatch: pytest.MonkeyPatch):
    extra = {name: "x" for name in ("token", "org", "bucket") if name != lacking}
    connection = {"conn_type": "influxdb", "host": "127.0.0.1", "port": 1, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_INFLUXDB_DEFAULT", json.dumps(connection))
    ran = run(PRICES, newest())
    assert ran.state == "failed"
    assert f"the extra of the connection influxdb_default lacks {lacking}; add it" in str(ran.errors[-1])


def test_the_providers_queries_work_by_either(influx: InfluxDouble, monkeypatch: pytest.MonkeyPatch):
    from energy_ingest.hooks.influxdb import InfluxDBHook

    run(PRICES, interval(DAY))
    flux = 'from(bucket: "bucket") |> range(start: 2024-10-01T00:00:00Z, stop: 2024-11-01T00:00:00Z)'
    flux += ' |> filter(fn: (r) => r["_field"] == "settlement_period") |> count()'
    for name, value in {"URL": influx.url, "TOKEN": "token", "ORG": "org", "BUCKET": "bucket"}.items():
        monkeypatch.setenv(f"INFLUXDB_{name}", value)
    for _ in range(2):
        (table,) = InfluxDBHook().query(flux)
        assert [record.get_value() for record in table.records] == [48]
        monkeypatch.delenv("AIRFLOW_CONN_INFLUXDB_DEFAULT", raising=False)
