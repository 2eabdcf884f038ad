"""Where the command line finds the warehouse, and that it never shows the password."""

from __future__ import annotations

import json

import pytest
from psycopg.conninfo import conninfo_to_dict

from energy_ingest.errors import Misconfigured
from energy_ingest.loading.database import url_from_environment, without_password

LOADER, OWNER = "energy_warehouse", "energy_warehouse_owner"
URL = "postgresql://a@one/x"
CONN = "postgres://b@two/y"


@pytest.mark.parametrize(
    ("environ", "loader", "owner"),
    [
        ({"WAREHOUSE_URL": URL}, "one", "one"),
        ({"WAREHOUSE_URL": URL, "WAREHOUSE_OWNER_URL": "postgresql://three/x"}, "one", "three"),
        ({"AIRFLOW_CONN_ENERGY_WAREHOUSE": CONN}, "two", "two"),
        ({"WAREHOUSE_URL": URL, "AIRFLOW_CONN_ENERGY_WAREHOUSE": CONN}, "one", "one"),
        ({"WAREHOUSE_URL": URL, "AIRFLOW_CONN_ENERGY_WAREHOUSE_OWNER": CONN}, "one", "two"),
    ],
)
def test_the_urls_come_before_the_connections_of_airflow(environ: dict[str, str], loader: str, owner: str) -> None:
    assert conninfo_to_dict(url_from_environment(LOADER, environ))["host"] == loader
    assert conninfo_to_dict(url_from_environment(OWNER, environ))["host"] == owner


@pytest.mark.parametrize(
    "conn",
    [
        "postgres://jo%40n:p%2F%3A%20%40s@db.example:5433/w%C3%A4?sslmode=require&__extra__=%7B%7D",
        json.dumps(
            {
                "conn_type": "postgres",
                "login": "jo@n",
                "password": "p/: @s",
                "host": "db.example",
                "port": 5433,
                "schema": "wä",
                "extra": {"sslmode": "require", "cursor": "dictcursor"},
            }
        ),
        json.dumps(
            {
                "login": "jo@n",
                "password": "p/: @s",
                "host": "db.example",
                "port": 5433,
                "schema": "wä",
                "extra": '{"sslmode": "require"}',
            }
        ),
    ],
    ids=["uri", "json", "json with extra as text"],
)
def test_every_form_of_an_airflow_connection(conn: str) -> None:
    found = url_from_environment(LOADER, {"AIRFLOW_CONN_ENERGY_WAREHOUSE": conn})
    assert conninfo_to_dict(found) == {
        "user": "jo@n",
        "password": "p/: @s",
        "host": "db.example",
        "port": "5433",
        "dbname": "wä",
        "sslmode": "require",
    }
    assert without_password(found) == "postgresql://jo@n@db.example:5433/wä"


@pytest.mark.parametrize("conn", ['{"password": "hunter2"', "postgres://u:hunter2@host:port/db", "postgres://[hunter2"])
def test_a_malformed_connection_is_named_without_its_content(conn: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        url_from_environment(LOADER, {"AIRFLOW_CONN_ENERGY_WAREHOUSE": conn})
    assert str(caught.value) == (
        "AIRFLOW_CONN_ENERGY_WAREHOUSE is malformed: use postgres://user:***@host:5432/database, "
        "with special characters percent-encoded"
    )
    assert caught.value.__suppress_context__


def test_none_at_all_names_what_to_set() -> None:
    with pytest.raises(Misconfigured, match=r"^no warehouse: set WAREHOUSE_OWNER_URL=postgresql://"):
        url_from_environment(OWNER, {})


def test_what_is_no_address_is_not_shown() -> None:
    assert without_password("mysql://u:hunter2@host/db") == "(not a PostgreSQL address)"
