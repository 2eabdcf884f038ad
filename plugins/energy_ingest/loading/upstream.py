"""HTTP with an upstream: pacing, retries, typed errors, streamed body. The hooks give it a session, or `plain` does."""

from __future__ import annotations

import configparser
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import requests

from energy_ingest import settings
from energy_ingest.catalog import Upstream
from energy_ingest.errors import Misconfigured, Rejected, Retryable
from energy_ingest.retrying import retry_after, retrying
from energy_ingest.sources import Answer, Request

CHUNK: Final = 2**20
ATTEMPTS: Final = 4
TIMEOUT: Final = 120.0
"""Seconds without a byte of an answer."""
TELLING: Final = ("content-type", "content-disposition")
"""Headers that say what an answer is; they are kept with it."""

_PATIENT: Final = {408, 425, 429, 500, 502, 503, 504}
_WRONG_ADDRESS: Final = {401, 403, 404, 405, 407}
_SECRET_STORES: Final = (("secrets", "backend"), ("workers", "secrets_backend"))
"""Sections and options of Airflow's configuration that name a secret store."""


@dataclass(frozen=True)
class Client:
    """A paced, retrying, streaming request to one upstream at `base_url`."""

    upstream: Upstream
    session: requests.Session
    base_url: str
    timeout: float = TIMEOUT

    @contextmanager
    def fetch(self, request: Request, pace: Callable[[], None]) -> Iterator[Answer]:
        """Send a request and give its answer, the body in chunks.

        Raises:
            Retryable: refused for now, or the connection broke; after our own retries.
            Rejected: the source refuses the request (400) with its reason.
            Misconfigured: wrong address or credentials.
        """
        response = retrying(ATTEMPTS)(self._send, request, pace)
        try:
            headers = {name: response.headers[name] for name in TELLING if name in response.headers}
            yield Answer(_chunks(response), headers)
        finally:
            response.close()

    def _send(self, request: Request, pace: Callable[[], None]) -> requests.Response:
        pace()
        try:
            response = self.session.request(
                request.method,
                self.base_url.rstrip("/") + request.path,
                params=list(request.params),
                data=request.body.encode() or None,
                headers={"Content-Type": "application/json; charset=utf-8"} if request.body else None,
                timeout=(10, self.timeout),
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


def headers(upstream: Upstream) -> dict[str, str]:
    """Headers of every request: what is wanted, and who asks."""
    agent = f"energy-ingest/{settings.CODE_VERSION.get()} (Apache Airflow; energy-market data loader)"
    return {"Accept": upstream.accept, "User-Agent": agent}


def plain(upstream: Upstream) -> Client | None:
    """A client for a command: the one that the upstream's hook would have, without seconds of importing Airflow.

    None where Airflow must be asked: a secret store may know the connection, or Airflow 2's database, or it is more
    than an address.
    """
    address = None if _has_secret_store() else _address_of(upstream)
    if address is None:
        return None
    session = requests.Session()
    session.headers.update(headers(upstream))
    return Client(upstream, session, address)


def _address_of(upstream: Upstream) -> str | None:
    """The address that the connection's variable holds, else the public one; None where it holds more, or less."""
    text = os.environ.get(f"AIRFLOW_CONN_{upstream.conn_id.upper()}")
    if not text:  # outside of a task, Airflow 3 looks no further
        return upstream.host if version("apache-airflow") >= "3" else None
    with suppress(ValueError):
        conn = json.loads(text)
        if isinstance(conn, dict) and conn.keys() <= {"conn_type", "host"} and "://" in str(conn.get("host")):
            return str(conn["host"])
    return None


def _has_secret_store() -> bool:
    """Whether Airflow is told, by its environment or its `airflow.cfg`, to look for connections there first."""
    names = tuple(f"AIRFLOW__{section}__{option}".upper() for section, option in _SECRET_STORES)
    if any(name.startswith(names) for name in os.environ):  # or a command or a secret that tells which
        return True
    config = configparser.RawConfigParser(strict=False)
    try:
        config.read(os.environ.get("AIRFLOW_CONFIG") or Path(settings.AIRFLOW_HOME.get()).expanduser() / "airflow.cfg")
    except (configparser.Error, ValueError):  # Airflow knows what to say about it
        return True
    options = [
        (section, name) for section, option in _SECRET_STORES for name in (option, f"{option}_cmd", f"{option}_secret")
    ]
    return any(config.get(section, name, fallback="") for section, name in options)


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
