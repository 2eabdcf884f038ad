"""The warehouse: PostgreSQL through an Airflow connection, or WAREHOUSE_URL."""

from __future__ import annotations

import psycopg
from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook
from psycopg.conninfo import make_conninfo

from energy_ingest import settings
from energy_ingest.loading import database


class WarehouseHook(BaseHook):
    """psycopg 3 connections to the warehouse (COPY needs it; the provider's PostgresHook serves SQL operators).

    Loading uses the connection `energy_warehouse` (role energy_loader), migrations `energy_warehouse_owner`; the
    environment variables WAREHOUSE_URL and WAREHOUSE_OWNER_URL stand in for connections that do not exist.
    """

    conn_name_attr = "warehouse_conn_id"
    default_conn_name = "energy_warehouse"
    conn_type = "postgres"
    hook_name = "Energy warehouse"

    def __init__(self, conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = conn_id

    def get_conn(self) -> psycopg.Connection:
        """A new autocommit connection."""
        return database.connect(self.conninfo())

    def conninfo(self) -> str:
        """The libpq connection string.

        Raises:
            Misconfigured: neither the Airflow connection nor the environment variable exists.
        """
        try:
            conn = self.get_connection(self.conn_id)
        except AirflowNotFoundException:
            return database.url_from_environment(self.conn_id)
        extra = {name: str(value) for name, value in conn.extra_dejson.items() if name.startswith("ssl")}
        return make_conninfo(
            host=conn.host,
            port=conn.port,
            user=conn.login,
            password=conn.password,
            dbname=conn.schema or "warehouse",
            **extra,
        )


def reader() -> WarehouseHook:
    """For reading only: `energy_warehouse_reader` where it or WAREHOUSE_READER_URL exists, else what loading uses."""
    hook = WarehouseHook("energy_warehouse_reader")
    try:
        hook.get_connection(hook.conn_id)
    except AirflowNotFoundException:
        return hook if settings.WAREHOUSE_READER_URL.get() else WarehouseHook()
    return hook
