"""`energy-ingest influx`: how far it follows, write what waits, write anew; without Airflow running."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from energy_ingest.cli import app
from include.influx_double.server import Answer, Fault, InfluxDouble, State
from include.influx_double.stores import Memory, Store, count
from tests.postgres import world
from tests.postgres.world import DAY, Feed, days


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def store() -> Store:
    return Memory()


@pytest.fixture
def influx_cli(warehouse_url: str, double: InfluxDouble, bucket: str) -> Callable[..., Result]:
    """Run a command of the group on this test's warehouse and InfluxDB."""
    target = {"URL": double.url, "TOKEN": "s3cret", "ORG": "org", "BUCKET": bucket}
    double.state.tokens["s3cret"] = double.state.tokens["token"]
    environment = {"WAREHOUSE_URL": warehouse_url, **{f"INFLUXDB_{name}": value for name, value in target.items()}}

    def run(*arguments: str, **env: str) -> Result:
        result = CliRunner().invoke(app, ["influx", *arguments], env=environment | env)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "s3cret" not in result.output
        return Result(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def load(warehouse_url: str, tmp_path: Path) -> None:
    """Three dates of system prices that wait."""
    world.load(warehouse_url, Feed(), tmp_path, days(DAY, 3))


def test_status_project_status(influx_cli, load, state: State, bucket: str):
    before = influx_cli("status", "--dataset", "elexon_system_prices", "--json")
    waiting = {"written": 0, "waiting": 3, "refused": 0, "rows_waiting": 144, "oldest": f"{DAY}", "refused_lines": 0}
    assert (before.code, json.loads(before.out)) == (1, [{"dataset": "elexon_system_prices", **waiting, "error": None}])
    assert influx_cli("status").code == 1
    done = influx_cli("project")
    assert done.code == 0 and "elexon_system_prices: 3/3 windows, 144 points" in done.out
    assert count(state.store.contents(bucket)) == 144
    after = influx_cli("status", "--dataset", "elexon_system_prices")
    assert after.code == 0 and after.out.splitlines()[1].split() == [
        "elexon_system_prices",
        "3",
        "0",
        "0",
        "0",
        "-",
        "0",
    ]


def test_rebuild(influx_cli, load, state: State, bucket: str):
    influx_cli("project")
    state.store.delete(bucket, None, {}, 0, 2**62)
    last = f"{DAY + timedelta(days=1)}"
    done = influx_cli("rebuild", "--dataset", "elexon_system_prices", "--from", f"{DAY}", "--to", last)
    assert done.code == 0 and "2/2 windows, 96 points" in done.out
    assert count(state.store.contents(bucket)) == 96


def test_an_outage_is_one_line_and_what_is_left_waits(influx_cli, load, state: State):
    state.faults.extend([Fault(Answer("too many requests", "later", {"Retry-After": "900"}))] * 2)
    done = influx_cli("project")
    assert done.code == 3 and "answered 429: later; it is asked again" in done.err
    status = influx_cli("status")
    assert status.code == 1 and "answered 429: later" in status.out


def test_refused_windows_are_told(influx_cli, load, store: Memory, bucket: str, monkeypatch):
    from energy_ingest.loading import influx as projection

    monkeypatch.setattr(projection, "REFUSALS", 5)
    store._types[bucket, "elexon_system_prices", "settlement_date"] = int
    done = influx_cli("project")
    assert done.code == 2 and f"energy-ingest: {DAY}: more than 5 lines of {DAY} are refused" in done.err
    status = influx_cli("status")
    assert status.code == 2 and status.out.splitlines()[-1].startswith("elexon_system_prices: more than 5 lines")


def test_refused_lines_degrade(influx_cli, load, store: Memory, bucket: str):
    store._types[bucket, "elexon_system_prices", "price_derivation_code"] = int
    done = influx_cli("project")
    assert done.code == 1 and "0 points, 0 points/s, 144 lines refused" in done.out
    assert influx_cli("status").code == 1


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (("project",), {"INFLUXDB_BUCKET": ""}, "INFLUXDB_URL is set, but not INFLUXDB_BUCKET; set all four"),
        (("project", "--dataset", "nothing"), {}, "no dataset 'nothing': use one of elexon_system_prices"),
        (("rebuild", "--dataset", "elexon_b1610", "--from", "2024-01-02", "--to", "2024-01-01"), {}, "swap the two"),
        (("rebuild", "--dataset", "elexon_b1610"), {}, "Missing option"),
        (("project",), {"INFLUXDB_TOKEN": "guessed"}, "401: unauthorized access: check the token"),
        (("project",), {"INFLUXDB_BUCKET": "x"}, "404: bucket \"x\" not found: is there a bucket 'x'"),
    ],
)
def test_what_cannot_run(influx_cli, load, arguments: tuple[str, ...], env: dict[str, str], said: str):
    done = influx_cli(*arguments, **env)
    assert done.code == 3 and said in done.err


def test_airflows_connection_serves_too(influx_cli, load, double: InfluxDouble, bucket: str):
    host, port = double.server_address[:2]
    extra = {"token": "s3cret", "org": "org", "bucket": bucket}
    connection = {"conn_type": "influxdb", "host": host, "port": port, "schema": "http", "extra": extra}
    done = influx_cli("project", INFLUXDB_URL="", AIRFLOW_CONN_INFLUXDB_DEFAULT=json.dumps(connection))
    assert done.code == 0 and "3/3 windows" in done.out
