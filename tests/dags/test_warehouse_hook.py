"""Which warehouse a task gets: an Airflow connection, or the environment, or a clear word."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest
from psycopg.conninfo import conninfo_to_dict

from energy_ingest.errors import Misconfigured, Retryable
from energy_ingest.hooks.warehouse import WarehouseHook

VARIABLES = (
    *("WAREHOUSE_URL", "WAREHOUSE_OWNER_URL"),
    *("AIRFLOW_CONN_ENERGY_WAREHOUSE", "AIRFLOW_CONN_ENERGY_WAREHOUSE_OWNER"),
)

pytestmark = pytest.mark.usefixtures("metadata")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def who(hook: WarehouseHook) -> str:
    with hook.get_conn() as connection:
        row = connection.execute("SELECT current_user || ' ' || current_setting('timezone')").fetchone()
    assert row
    return str(row[0])


@pytest.mark.parametrize("variable", ["AIRFLOW_CONN_ENERGY_WAREHOUSE", "WAREHOUSE_URL"])
def test_a_connection_or_a_variable_leads_there(monkeypatch: pytest.MonkeyPatch, warehouse_url: str, variable: str):
    monkeypatch.setenv(variable, warehouse_url)
    assert who(WarehouseHook()) == "energy_loader UTC"


def test_the_connection_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch, warehouse: dict[str, str]):
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", warehouse["energy_loader"])
    monkeypatch.setenv("WAREHOUSE_URL", warehouse["energy_reader"])
    assert who(WarehouseHook()) == "energy_loader UTC"


def test_the_owner_has_a_connection_of_its_own(monkeypatch: pytest.MonkeyPatch, warehouse: dict[str, str]):
    monkeypatch.setenv("WAREHOUSE_URL", warehouse["energy_loader"])
    assert who(WarehouseHook("energy_warehouse_owner")) == "energy_loader UTC", "one user may own and load"
    monkeypatch.setenv("WAREHOUSE_OWNER_URL", warehouse["energy_owner"])
    assert who(WarehouseHook("energy_warehouse_owner")) == "energy_owner UTC"


@pytest.mark.parametrize("form", ["URI", "JSON"])
def test_certificates_and_awkward_passwords(monkeypatch: pytest.MonkeyPatch, form: str):
    ssl = {"sslmode": "verify-full", "sslrootcert": "/etc/ca.pem"}
    fields = {"host": "db", "port": 5433, "login": "a user", "password": "p@ss/w:rd%", "schema": "energy"}
    uri = "postgresql://a%20user:p%40ss%2Fw%3Ard%25@db:5433/energy?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem&x=1"
    text = uri if form == "URI" else json.dumps({"conn_type": "postgres", **fields, "extra": {**ssl, "x": 1}})
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", text)
    expected = {"host": "db", "port": "5433", "user": "a user", "password": "p@ss/w:rd%", "dbname": "energy", **ssl}
    assert conninfo_to_dict(WarehouseHook().conninfo()) == expected


def test_a_database_without_a_name_is_called_warehouse(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", "postgresql://loader@db")
    assert conninfo_to_dict(WarehouseHook().conninfo()) == {"host": "db", "user": "loader", "dbname": "warehouse"}


@pytest.mark.parametrize(
    ("conn_id", "message"),
    [
        ("energy_warehouse", r"no warehouse: set WAREHOUSE_URL=.* connection energy_warehouse$"),
        ("energy_warehouse_owner", r"no warehouse: set WAREHOUSE_OWNER_URL=.* connection energy_warehouse_owner$"),
    ],
)
def test_none_at_all(conn_id: str, message: str):
    with pytest.raises(Misconfigured, match=message):
        WarehouseHook(conn_id).get_conn()


@pytest.mark.parametrize("change", [{"port": 1}, {"password": "W0rng"}], ids=["nothing listens", "wrong password"])
def test_it_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, warehouse_url: str, change: dict[str, str]):
    url = urlsplit(warehouse_url)
    fields = {"host": url.hostname, "port": url.port, "login": url.username, "password": url.password, **change}
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", json.dumps({"conn_type": "postgres", **fields}))
    with pytest.raises(Retryable, match="the warehouse cannot be reached: ") as caught:
        WarehouseHook().get_conn()
    assert str(fields["password"]) not in str(caught.value)
