"""InfluxDB 2.7 through an Airflow connection of the provider's type, or the INFLUXDB_* environment variables."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.providers.influxdb.hooks.influxdb import InfluxDBHook as ProviderHook
from influxdb_client import InfluxDBClient

from energy_ingest.errors import Misconfigured
from energy_ingest.loading.influx_client import Influx, Target, target_from_environment


class InfluxDBHook(ProviderHook):
    """The provider's hook, with a writer that loses nothing.

    The provider's own `write` sends one point a call, by default through a batching writer that swallows errors;
    `influx` gives synchronous, compressed batches with typed errors. The connection's extra has `token`, `org` and
    `bucket`, and whatever else the client takes, such as `verify_ssl`, `ssl_ca_cert` or `timeout` in milliseconds.
    """

    def target(self) -> Target | None:
        """The bucket to write to; None where neither the connection nor INFLUXDB_URL exists.

        Raises:
            Misconfigured: one exists, but does not say everything.
        """
        try:
            conn = self.get_connection(self.influxdb_conn_id)
        except AirflowNotFoundException:
            return target_from_environment()
        extra = dict(conn.extra_dejson)
        named = {name: str(extra.pop(name, None) or "") for name in ("token", "org", "bucket")}
        if missing := [name for name, value in named.items() if not value]:
            raise Misconfigured(
                f"the extra of the connection {self.influxdb_conn_id} lacks {', '.join(missing)}; add it"
            )
        return Target(self.get_uri(conn), **named, options=extra)

    def influx(self) -> Influx:
        """A client that writes.

        Raises:
            Misconfigured: there is no target.
        """
        target = self.target()
        if target is None:
            raise Misconfigured(
                f"no InfluxDB: define the Airflow connection {self.influxdb_conn_id}, or set INFLUXDB_URL, "
                "INFLUXDB_TOKEN, INFLUXDB_ORG and INFLUXDB_BUCKET"
            )
        return Influx(target)

    def get_conn(self) -> InfluxDBClient:
        """The client that the provider's queries use."""
        self.client = self.client or self.influx().client
        return self.client
