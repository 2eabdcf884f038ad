"""HTTP with an upstream: session from the Airflow connection, pacing, retries, typed errors, streamed body."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Final
from urllib.parse import urlsplit

import requests
from airflow.providers.common.compat.sdk import AirflowNotFoundException, Connection
from airflow.providers.http.hooks.http import HttpHook

from energy_ingest import settings
from energy_ingest.catalog import Upstream
from energy_ingest.errors import Misconfigured, Rejected, Retryable
from energy_ingest.retrying import retry_after, retrying
from energy_ingest.sources import Answer, Request

CHUNK: Final = 2**20
ATTEMPTS: Final = 4
TELLING: Final = ("content-type", "content-disposition")
"""Headers that say what an answer is; they are kept with it."""

_PATIENT: Final = {408, 425, 429, 500, 502, 503, 504}
_WRONG_ADDRESS: Final = {401, 403, 404, 405, 407}


class UpstreamHook(HttpHook):
    """A paced, retrying, streaming request to one upstream.

    Without an Airflow connection of the upstream's name, its public address is used: none of ours needs a key. A
    connection may name another host (a proxy, a rehearsal), headers, `timeout` and `verify` in its extra.
    """

    upstream: Upstream
    accept = "application/json"

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
        return self.get_conn({"Accept": self.accept, "User-Agent": self._user_agent()})

    @contextmanager
    def fetch(self, request: Request, pace: Callable[[], None]) -> Iterator[Answer]:
        """Send a request and give its answer, the body in chunks.

        Raises:
            Retryable: refused for now, or the connection broke; after our own retries.
            Rejected: the source refuses the request (400) with its reason.
            Misconfigured: wrong address or credentials.
        """
        response = self._send(request, pace)
        try:
            headers = {name: response.headers[name] for name in TELLING if name in response.headers}
            yield Answer(_chunks(response), headers)
        finally:
            response.close()

    def _send(self, request: Request, pace: Callable[[], None]) -> requests.Response:
        return retrying(ATTEMPTS)(self._send_once, request, pace)

    def _send_once(self, request: Request, pace: Callable[[], None]) -> requests.Response:
        pace()
        session = self.session
        try:
            response = session.request(
                request.method,
                self.base_url.rstrip("/") + request.path,
                params=list(request.params),
                data=request.body.encode() or None,
                headers={"Content-Type": "application/json; charset=utf-8"} if request.body else None,
                timeout=(10, float(self.merged_extra.get("timeout", 120))),
                stream=True,
                allow_redirects=False,  # no answer can lead to another host
            )
        except requests.RequestException as error:
            raise Retryable(
                f"{self._address()} does not answer ({type(error).__name__}): is it down, or the network?"
            ) from error
        if response.status_code != requests.codes.ok:
            with response:
                raise _refusal(response, request, self.upstream.pause)
        return response

    def _address(self) -> str:
        """Where requests go, without a login that somebody wrote into it."""
        url = urlsplit(self.base_url)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"

    def _user_agent(self) -> str:
        return f"energy-ingest/{settings.CODE_VERSION.get()} (Apache Airflow; energy-market data loader)"


def _refusal(
    response: requests.Response, request: Request, pause: float | None
) -> Retryable | Rejected | Misconfigured:
    status, said = response.status_code, _excerpt(response)
    what = f"{request} was answered with {status}{said}"
    if status in _PATIENT:
        wait = retry_after(response.headers.get("Retry-After"))
        patient = pause if wait is None and status == requests.codes.too_many_requests else wait
        return Retryable(f"{what}; it is asked again", patient)
    if status in _WRONG_ADDRESS or response.is_redirect:
        return Misconfigured(f"{what}: check host and login of the Airflow connection, and whether the API moved")
    return Rejected(f"{what}: the request itself is wrong; it is not repeated")


def _excerpt(response: requests.Response) -> str:
    """What a refusal says; the status counts even where its text breaks off."""
    said = b""
    with suppress(requests.RequestException):
        said = next(response.iter_content(500), b"")
    text = " ".join(said.decode("utf-8", "replace").split())
    return f": {text}" if text else ""


def _chunks(response: requests.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_content(CHUNK)
    except requests.RequestException as error:
        raise Retryable(f"the answer broke off on the way ({type(error).__name__}); it is asked again") from error
