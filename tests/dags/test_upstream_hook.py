"""The way to an upstream: retries and waits, typed errors, one host only, no secret in any text."""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import tenacity

from energy_ingest import catalog, retrying, settings
from energy_ingest.errors import Misconfigured, Rejected, Retryable
from energy_ingest.hooks.elexon import ElexonHook
from energy_ingest.hooks.loader import hook_for
from energy_ingest.loading import upstream
from energy_ingest.loading.pacing import pace
from energy_ingest.sources import Request
from include.twin.client import Twin
from tests.dags.harness import AIRFLOW_3

DAY = Request("/bmrs/api/v1/balancing/settlement/system-prices/2024-10-27")
REFUSED = Request("/bmrs/api/v1/balancing/settlement/system-prices/tomorrow")
SECRETS = {"login": "someone", "password": "Pa55word-of-no-use", "token": "T0ken-of-no-use"}

pytestmark = pytest.mark.usefixtures("metadata")


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts, in seconds; nobody waits."""
    waited: list[float] = []
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=waited.append))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return waited


@pytest.fixture
def hook(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> ElexonHook:
    return connected(monkeypatch, twin.url)


def connected(monkeypatch: pytest.MonkeyPatch, host: str, **more: Any) -> ElexonHook:
    """A hook whose Airflow connection leads to this host."""
    monkeypatch.setenv("AIRFLOW_CONN_ELEXON_DEFAULT", json.dumps({"conn_type": "http", "host": host, **more}))
    return ElexonHook()


def ask(hook: ElexonHook, request: Request = DAY) -> bytes:
    with hook.fetch(request, lambda: None) as chunks:
        return b"".join(chunks)


class Scripted(ThreadingHTTPServer):
    """A server that gives the answers it is told, one after the other, the last one for ever."""

    def __init__(self, *answers: tuple[int, dict[str, str], bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked = list(answers), list[dict[str, str]]()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Scripted:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_GET(self) -> None:
        self.server.asked.append({name.lower(): value for name, value in self.headers.items()})
        answers = self.server.answers
        status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


# --- patience ---


@pytest.mark.parametrize("fault", ["429", "500", "503", "down"])
def test_a_passing_trouble_is_waited_out(hook: ElexonHook, twin: Twin, waits: list[float], fault: str):
    usual = ask(hook)
    twin.clear_stats()
    twin.add_fault(fault, count=2)
    assert ask(hook) == usual
    assert twin.stats()["requests"] == 3
    assert [int(wait) for wait in waits] == [1, 2]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("429", "429: .*Rate limit is exceeded"),
        ("500", "500: .*An error occurred"),
        ("503", "503: .*aren't available right now"),
        ("down", r"http://127\.0\.0\.1:\d+ does not answer \(ConnectionError\)"),
    ],
)
def test_a_lasting_trouble_is_left_to_a_later_try(
    hook: ElexonHook, twin: Twin, waits: list[float], fault: str, message: str
):
    twin.add_fault(fault)
    with pytest.raises(Retryable, match=message):
        ask(hook)
    assert twin.stats()["requests"] == upstream.ATTEMPTS
    assert [int(wait) for wait in waits] == [1, 2, 4]


@pytest.mark.parametrize("fault", ["429=7", "503=7"])
def test_the_source_says_how_long_to_wait(hook: ElexonHook, twin: Twin, waits: list[float], fault: str):
    twin.add_fault(fault, count=1)
    ask(hook)
    assert waits == [7.0]


def test_the_source_says_until_when_to_wait(hook: ElexonHook, twin: Twin, waits: list[float]):
    twin.add_fault(f"429={format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)}", count=1)
    ask(hook)
    assert waits == [pytest.approx(30, abs=5)]


def test_a_long_wait_is_left_to_airflow(hook: ElexonHook, twin: Twin, waits: list[float]):
    twin.add_fault("429=3600", count=1)
    with pytest.raises(Retryable) as caught:
        ask(hook)
    assert caught.value.retry_after == 3600
    assert (waits, twin.stats()["requests"]) == ([], 1)


@pytest.mark.parametrize("fault", ["truncated", "truncated_chunked", "reset=100"])
def test_an_answer_that_breaks_off(hook: ElexonHook, twin: Twin, fault: str):
    twin.add_fault(fault)
    with pytest.raises(Retryable, match=r"broke off on the way|does not answer"):
        ask(hook)


def test_a_refusal_that_breaks_off(monkeypatch: pytest.MonkeyPatch, waits: list[float]):
    """The status counts, whatever becomes of the text."""
    with Scripted((503, {"Content-Length": "1000"}, b"Our serv"), (200, {}, b"[]")) as server:
        assert ask(connected(monkeypatch, server.url)) == b"[]"
    assert [int(wait) for wait in waits] == [1]


def test_nothing_listens(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(Retryable, match=r"http://127\.0\.0\.1:1 does not answer \(ConnectionError\): is it down"):
        ask(connected(monkeypatch, "http://127.0.0.1:1"))


def test_a_late_answer(monkeypatch: pytest.MonkeyPatch, twin: Twin):
    twin.add_fault("latency=2")
    hook = connected(monkeypatch, twin.url, extra={"timeout": 0.1})
    with pytest.raises(Retryable, match=r"does not answer \(ReadTimeout\)"):
        ask(hook)
    assert twin.stats()["requests"] == upstream.ATTEMPTS


def test_every_attempt_is_paced(hook: ElexonHook, twin: Twin):
    twin.add_fault("500", count=2)
    paced = []
    with hook.fetch(DAY, lambda: paced.append(twin.stats()["requests"])):
        assert paced == [0, 1, 2]


# --- what no patience helps ---


def test_a_wrong_request_is_never_repeated(hook: ElexonHook, twin: Twin, waits: list[float]):
    with pytest.raises(Rejected, match=r"GET .*/system-prices/tomorrow was answered with 400: .*; it is not repeated"):
        ask(hook, REFUSED)
    assert (waits, twin.stats()["requests"]) == ([], 1)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407])
def test_a_wrong_address_or_login(monkeypatch: pytest.MonkeyPatch, waits: list[float], status: int):
    with (
        Scripted((status, {}, b"no")) as server,
        pytest.raises(Misconfigured, match=f"{status}: no: check host and login"),
    ):
        ask(connected(monkeypatch, server.url))
    assert (waits, len(server.asked)) == ([], 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_answer_leads_to_another_host(monkeypatch: pytest.MonkeyPatch, status: int):
    with Scripted((200, {}, b"[]")) as other, Scripted((status, {"Location": other.url}, b"")) as server:
        with pytest.raises(Misconfigured, match=f"{status}: check host .* and whether the API moved"):
            ask(connected(monkeypatch, server.url))
        assert (len(server.asked), len(other.asked)) == (1, 0)


# --- connections ---


def test_without_a_connection_the_public_address_is_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AIRFLOW_CONN_ELEXON_DEFAULT", raising=False)
    hook = ElexonHook()
    assert hook.session.auth is None
    assert hook.base_url == "https://data.elexon.co.uk"


def test_a_connection_of_another_name_must_exist():
    with pytest.raises(Misconfigured, match="no Airflow connection 'elexon_proxy': define it"):
        ask(ElexonHook("elexon_proxy"))


def test_a_connection_may_be_a_url(monkeypatch: pytest.MonkeyPatch, twin: Twin):
    monkeypatch.setenv("AIRFLOW_CONN_ELEXON_DEFAULT", f"{twin.url}/?timeout=9&verify=false")
    hook = ElexonHook()
    assert len(ask(hook)) > 10_000
    assert hook.base_url == twin.url


@pytest.mark.parametrize("host", ["http://127.0.0.1:8099", "https://proxy.example/elexon/", None])
def test_a_command_needs_no_airflow_for_an_address(monkeypatch: pytest.MonkeyPatch, host: str | None):
    """Without importing it, the same address and headers as the hook has."""
    monkeypatch.delenv("AIRFLOW_CONN_ELEXON_DEFAULT", raising=False)
    hook = connected(monkeypatch, host) if host else ElexonHook()
    client = upstream.plain(catalog.ELEXON)
    if host is None and not AIRFLOW_3:  # its database may have the connection
        assert client is None
        return
    assert client is not None
    assert client.session.headers == hook.session.headers
    assert client.base_url == hook.base_url
    assert (client.session.auth, client.session.verify) == (hook.session.auth, hook.session.verify)


@pytest.mark.parametrize(
    "connection",
    [
        "http://127.0.0.1:8099",
        "{not JSON",
        "[1]",
        '{"conn_type": "http"}',
        '{"conn_type": "http", "host": "proxy.example"}',
        '{"conn_type": "http", "host": "http://proxy.example", "port": 8080}',
        '{"conn_type": "http", "host": "http://proxy.example", "login": "someone", "password": "x"}',
        '{"conn_type": "http", "host": "http://proxy.example", "extra": {"verify": false}}',
    ],
)
def test_a_command_leaves_all_other_connections_to_airflow(monkeypatch: pytest.MonkeyPatch, connection: str):
    monkeypatch.setenv("AIRFLOW_CONN_ELEXON_DEFAULT", connection)
    assert upstream.plain(catalog.ELEXON) is None


@pytest.mark.parametrize(
    ("variable", "configuration", "asked"),
    [
        (None, None, False),
        (None, "[secrets]\nbackend = \n[workers]\n# secrets_backend = x\n[core]\nfernet_key = 100%\n", False),
        ("AIRFLOW__SECRETS__BACKEND", None, True),
        ("AIRFLOW__SECRETS__BACKEND_CMD", None, True),
        ("AIRFLOW__WORKERS__SECRETS_BACKEND", None, True),
        (None, "[secrets]\nbackend = a.Backend\n", True),
        (None, "[secrets]\nbackend_cmd = cat /run/backend\n", True),
        (None, "[workers]\nsecrets_backend = a.Backend\n", True),
        (None, "no configuration", True),
    ],
)
def test_a_secret_store_is_airflows_to_ask(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str | None, configuration: str | None, asked: bool
):
    """It comes before the environment, so a command looks for it there and where Airflow keeps its settings."""
    monkeypatch.delenv("AIRFLOW_CONFIG", raising=False)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_ELEXON_DEFAULT", json.dumps({"conn_type": "http", "host": "http://127.0.0.1:1"}))
    if variable:
        monkeypatch.setenv(variable, "a.Backend")
    if configuration:
        (tmp_path / "airflow.cfg").write_text(configuration)
    assert (upstream.plain(catalog.ELEXON) is None) == asked


def test_airflows_settings_may_lie_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "other.cfg").write_text("[secrets]\nbackend = a.Backend\n")
    monkeypatch.setenv("AIRFLOW_CONFIG", str(tmp_path / "other.cfg"))
    monkeypatch.setenv("AIRFLOW_CONN_ELEXON_DEFAULT", json.dumps({"conn_type": "http", "host": "http://127.0.0.1:1"}))
    assert upstream.plain(catalog.ELEXON) is None


def test_who_asks(hook: ElexonHook, twin: Twin, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(settings.CODE_VERSION.env, "1.2.3")
    ask(hook)
    assert twin.requests()[-1]["user_agent"] == "energy-ingest/1.2.3 (Apache Airflow; energy-market data loader)"


def test_headers_and_checks_of_the_connection(monkeypatch: pytest.MonkeyPatch):
    with Scripted((200, {}, b"[]")) as server:
        hook = connected(monkeypatch, server.url, extra={"X-Purpose": "rehearsal", "verify": "/etc/own-ca.pem"})
        ask(hook)
    assert server.asked[0]["x-purpose"] == "rehearsal"
    assert server.asked[0]["accept"] == "application/json"
    assert hook.session.verify == "/etc/own-ca.pem"


@pytest.mark.parametrize("host", ["{url}", "http://127.0.0.1:1", "http://someone:Pa55word-of-no-use@127.0.0.1:1"])
@pytest.mark.parametrize("status", [200, 401, 500])
def test_no_secret_in_logs_or_errors(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, host: str, status: int
):
    caplog.set_level(logging.DEBUG)
    with Scripted((status, {}, b"[]")) as server:
        login = {"login": SECRETS["login"], "password": SECRETS["password"]}
        extra = {"Authorization": f"Bearer {SECRETS['token']}"}
        hook = connected(monkeypatch, host.format(url=server.url), **login, extra=extra)
        try:
            text = str(ask(hook))
        except (Retryable, Misconfigured) as error:
            text = str(error)
    for secret in (SECRETS["password"], SECRETS["token"]):
        assert secret not in text + caplog.text


def test_each_dataset_has_its_hook():
    for dataset in catalog.DATASETS.values():
        hook = hook_for(dataset)
        assert hook.http_conn_id == dataset.source.conn_id
        assert hook.upstream is dataset.source


# --- waits ---


def state(attempt: int, error: BaseException) -> tenacity.RetryCallState:
    call = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    call.attempt_number = attempt
    call.set_exception((type(error), error, None))
    return call


@pytest.mark.parametrize(("attempt", "least"), [(1, 1), (2, 2), (3, 4), (4, 8), (9, 30)])
def test_waits_double_with_jitter_up_to_half_a_minute(attempt: int, least: int):
    waits = {retrying._wait(state(attempt, Retryable("no"))) for _ in range(50)}
    assert all(least <= wait <= min(least + 1, 30) for wait in waits)
    assert len(waits) > 1 or least == 30


def test_the_wait_asked_for_has_no_jitter():
    assert retrying._wait(state(1, Retryable("no", retry_after=11.0))) == 11.0
    assert retrying._wait(state(3, Retryable("no", retry_after=0.0))) == 0.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("", None),
        (None, None),
        ("soon", None),
        ("-7", None),
        ("Sun, 06 Nov 1994 08:49:37", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None):
    assert retrying.retry_after(value) == seconds


# --- pace ---


def test_at_most_ten_requests_a_second_over_all_threads(hook: ElexonHook, twin: Twin, warehouse_url: str):
    """By the slots they take: a busy machine sends late, and so bunches, what it was slow to send."""
    slots: list[datetime] = []

    def several(_: int) -> None:
        with psycopg.connect(warehouse_url, autocommit=True) as connection:
            for _ in range(6):
                with hook.fetch(DAY, lambda: slots.append(pace(connection, catalog.ELEXON))) as chunks:
                    b"".join(chunks)

    began = datetime.now(UTC)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(several, range(4)))
    seconds = (datetime.now(UTC) - began).total_seconds()
    assert twin.stats()["requests"] == len(slots) == 24
    assert seconds >= 23 / catalog.ELEXON.requests_per_second
    tenth = timedelta(seconds=1 / catalog.ELEXON.requests_per_second)
    assert min(after - before for before, after in pairwise(sorted(slots))) >= tenth
