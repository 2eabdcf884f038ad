"""An upstream at the address of its Airflow connection."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property

import requests
from airflow.providers.common.compat.sdk import AirflowNotFoundException, Connection
from airflow.providers.http.hooks.http import HttpHook

from energy_ingest.catalog import Upstream
from energy_ingest.errors import Misconfigured
from energy_ingest.loading.upstream import TIMEOUT, Client, headers
from energy_ingest.sources import Answer, Request


class UpstreamHook(HttpHook):
    """Paced, retrying, streaming requests to one upstream, with a session from its Airflow connection.

    Without an Airflow connection of the upstream's name, its public address is used: none of ours needs a key. A
    connection may name another host (a proxy, a rehearsal), headers, `timeout` and `verify` in its extra.
    """

    upstream: Upstream

    def __init__(self, conn_id: str | None = None) -> None:
        super().__init__(method="GET", http_conn_id=conn_id or self.upstream.conn_id)

    @classmethod
    def get_connection(cls, conn_id: str) -> Connection:
        """The Airflow connection, or the upstream's public address where none is configured."""
        try:
            return super().get_connection(conn_id)
        except AirflowNotFoundException:
            if conn_id != cls.upstream.conn_id:
                raise Misconfigured(
                    f"no Airflow connection {conn_id!r}: define it, or use {cls.upstream.conn_id}"
                ) from None
            variable = f"AIRFLOW_CONN_{conn_id.upper()}"
            if os.environ.get(variable):  # Airflow takes a malformed one for none; the real service is not meant then
                example = '{"conn_type": "http", "host": "https://proxy.example"}'
                raise Misconfigured(f"{variable} cannot be read: use JSON such as {example}") from None
            return Connection(conn_id=conn_id, conn_type="http", host=cls.upstream.host)

    @cached_property
    def session(self) -> requests.Session:
        """One session per hook."""
        return self.get_conn(headers(self.upstream))

    def fetch(self, request: Request, pace: Callable[[], None]) -> AbstractContextManager[Answer]:
        """Send a request and give its answer, the body in chunks; errors are those of `Client.fetch`."""
        return self._client.fetch(request, pace)

    @cached_property
    def _client(self) -> Client:
        session = self.session  # making it reads the connection
        return Client(self.upstream, session, self.base_url, float(self.merged_extra.get("timeout", TIMEOUT)))
