"""What `energy-ingest doctor` says of InfluxDB."""

from __future__ import annotations

import pytest

from energy_ingest.doctor import services
from energy_ingest.doctor.report import Check, Report
from energy_ingest.errors import Misconfigured
from include.influx_double.server import Answer, Fault, InfluxDouble, State
from include.influx_double.stores import Memory, Store, count


@pytest.fixture
def store() -> Store:
    return Memory()


def examined() -> Check:
    (check,) = services.influxdb(Report())
    return check


@pytest.fixture
def target(double: InfluxDouble, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"URL": double.url, "TOKEN": "token", "ORG": "org", "BUCKET": bucket}.items():
        monkeypatch.setenv(f"INFLUXDB_{name}", value)


def test_none_is_well(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("INFLUXDB_URL", raising=False)
    assert (examined().status, examined().fix) == ("ok", None)


def test_it_takes_points_and_got_none(target, state: State, bucket: str):
    assert examined().status == "ok" and examined().detail.endswith("takes points")
    assert count(state.store.contents(bucket)) == 0


def test_it_is_down(target, state: State):
    state.faults.append(Fault(Answer("unavailable", "starting")))
    check = examined()
    assert check.status == "warning" and "503: starting" in check.detail
    assert check.fix == "start it; what it lacks waits in the ledger"
    assert len(state.requests) == 1, "doctor does not wait"


def test_a_wrong_token_names_its_fix(target, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INFLUXDB_TOKEN", "guessed")
    with pytest.raises(Misconfigured, match="401: unauthorized access: check the token"):
        examined()
