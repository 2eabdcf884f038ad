"""The HTTP side of the double: InfluxDB OSS 2.7's paths, order of checks, statuses, envelope and messages.

They follow http/write_handler.go, http/delete_handler.go and kit/transport/http/error_handler.go of v2.7.11. Faults
that the server itself never has (429, proxies' 413 and pages) come on demand.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from . import flux
from .lines import parse
from .stores import Engine, Memory, Store

VERSION: Final = "v2.7.11"
STATUS: Final = {
    "invalid": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not found": 404,
    "request too large": 413,
    "unprocessable entity": 422,
    "too many requests": 429,
    "internal error": 500,
    "not implemented": 501,
    "unavailable": 503,
}
_JSON: Final = "application/json; charset=utf-8"


class Answer(Exception):
    """An error in the envelope of InfluxDB 2."""

    def __init__(self, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code, self.headers = code, headers or {}


@dataclass
class Fault:
    """What happens to the next request of one kind: an answer instead, or a connection that breaks.

    `stored`: the points are kept before it happens, as if only the answer was lost.
    """

    answer: Answer | None = None
    page: tuple[int, str] | None = None
    wait: float = 0.0
    stored: bool = False


@dataclass
class Seen:
    """A request that came in."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Token:
    """What a token may do."""

    write: bool = True
    read: bool = True


@dataclass
class State:
    """Everything that outlives a restart: the points, and what was asked.

    `retention` is for points in memory, in seconds; the engine keeps its own. Without `check_lines`, the engine alone
    parses: faster, but it keeps the good lines of a request that 2.7 would refuse as a whole.
    """

    store: Store = field(default_factory=Memory)
    org: str = "org"
    buckets: Sequence[str] = ("bucket",)
    tokens: dict[str, Token] = field(default_factory=lambda: {"token": Token()})
    retention: float | None = None
    max_body: int | None = None
    check_lines: bool = True
    faults: deque[Fault] = field(default_factory=deque)
    requests: list[Seen] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for bucket in self.buckets:
            self.store.create(bucket)

    def writes(self) -> list[Seen]:
        """Write requests so far."""
        return [seen for seen in self.requests if seen.path == "/api/v2/write"]


class InfluxDouble(ThreadingHTTPServer):
    """The server; used as a context manager, it listens inside the block and refuses connections outside of it."""

    daemon_threads = True

    def __init__(self, state: State | None = None, port: int = 0) -> None:
        self.state = state or State()
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> InfluxDouble:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet
    server: InfluxDouble

    def log_message(self, *_: object) -> None:
        """Tests read `state.requests` instead."""

    def do_GET(self) -> None:
        """Answer the paths that need no token."""
        health = {"name": "influxdb", "message": "ready for queries and writes", "status": "pass", "checks": []}
        match urlsplit(self.path).path:
            case "/ping":
                self._send(204)
            case "/health":
                self._send(200, {**health, "version": VERSION, "commit": "double"})
            case "/ready":
                self._send(200, {"status": "ready", "started": "2026-01-01T00:00:00Z", "up": "1s"})
            case _:
                self._refuse(Answer("not found", "path not found"))

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Answer the API."""
        url = urlsplit(self.path)
        seen = Seen(url.path, dict(parse_qsl(url.query)), dict(self.headers.items()), self._body())
        state = self.server.state
        work: dict[str, Callable[[Seen], Any]] = {
            "/api/v2/write": self._write,
            "/api/v2/delete": self._delete,
            "/api/v2/query": self._flux,
            "/query": self._influxql,
        }
        with state.lock:
            state.requests.append(seen)
            fault = (
                state.faults.popleft() if state.faults and seen.path in ("/api/v2/write", "/api/v2/delete") else None
            )
        try:
            if fault:
                return self._misbehave(fault, work[seen.path], seen)
            if seen.path not in work:
                raise Answer("not found", "path not found")
            found = work[seen.path](seen)
            self._send(204 if found is None else 200, found)
        except Answer as answer:
            self._refuse(answer)

    def _misbehave(self, fault: Fault, work: Callable[[Seen], Any], seen: Seen) -> None:
        time.sleep(fault.wait)
        if fault.stored:
            work(seen)
        if fault.answer:
            raise fault.answer
        if fault.page:
            return self._send(fault.page[0], fault.page[1].encode(), "text/html")
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
        return None

    def _write(self, seen: Seen) -> None:
        state = self.server.state
        token = self._token()
        precision = seen.query.get("precision") or "ns"
        if precision not in ("ns", "us", "ms", "s"):
            raise Answer("invalid", "invalid precision; valid precision units are ns, us, ms, and s")
        body = self._unpacked(seen)
        self._place(seen)
        if not token.write:
            raise Answer("forbidden", "insufficient permissions for write")
        if state.max_body and len(body) > state.max_body:
            raise Answer("request too large", "unable to read data: points batch is too large")
        points, faults = parse(body.decode(), precision, time.time_ns()) if state.check_lines else ([], [])
        if faults:
            raise Answer("invalid", "\n".join(faults))
        old = [p for p in points if state.retention and p.time < time.time_ns() - state.retention * 1e9]
        kept = [p for p in points if p not in old] if old else points
        reason = state.store.write(seen.query["bucket"], kept, seen.body, precision)
        if not reason and old:
            reason = f"partial write: points beyond retention policy dropped={len(old)}"
        if reason:
            kind = "invalid" if "unable to parse" in reason else "unprocessable entity"
            raise Answer(kind, f"failure writing points to database: {reason}")

    def _delete(self, seen: Seen) -> None:
        token = self._token()
        try:
            asked = json.loads(seen.body)
            start, stop = _nanoseconds(asked["start"]), _nanoseconds(asked["stop"])
        except (ValueError, KeyError) as error:
            raise Answer("invalid", f"invalid request; error parsing request json: {error}") from None
        self._place(seen)
        if not token.write:
            raise Answer("forbidden", "insufficient permissions to delete")
        tags = _predicate(asked.get("predicate", ""))
        measurement = tags.pop("_measurement", None)
        self.server.state.store.delete(seen.query["bucket"], measurement, tags, start, stop)

    def _flux(self, seen: Seen) -> bytes:
        self._token()
        state = self.server.state
        return flux.count(json.loads(seen.body)["query"], state.buckets, state.store.contents).encode()

    def _influxql(self, seen: Seen) -> dict[str, Any]:
        self._token()
        store = self.server.state.store
        form = {**dict(parse_qsl(seen.body.decode())), **seen.query}
        if not isinstance(store, Engine):
            raise Answer("not implemented", "the double answers InfluxQL only with the engine behind it")
        return store.query(form["q"], form.get("db", ""))

    def _token(self) -> Token:
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        known = self.server.state.tokens.get(value)
        if scheme.lower() not in ("token", "bearer") or not known:
            raise Answer("unauthorized", "unauthorized access")
        return known

    def _place(self, seen: Seen) -> None:
        state, org, bucket = self.server.state, seen.query.get("org"), seen.query.get("bucket")
        if not bucket:
            raise Answer("not found", "bucket not found")
        if org != state.org:
            raise Answer("not found", f'organization name "{org}" not found' if org else "organization not found")
        if bucket not in state.buckets:
            raise Answer("not found", f'bucket "{bucket}" not found')

    def _unpacked(self, seen: Seen) -> bytes:
        if seen.headers.get("Content-Encoding") != "gzip":
            return seen.body
        try:
            return gzip.decompress(seen.body)
        except EOFError:
            raise Answer("internal error", "unable to read data: unexpected EOF") from None
        except OSError:
            raise Answer("internal error", "An internal error has occurred - check server logs") from None

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _refuse(self, answer: Answer) -> None:
        headers = {"X-Platform-Error-Code": answer.code, **answer.headers}
        self._send(STATUS[answer.code], {"code": answer.code, "message": str(answer)}, headers=headers)

    def _send(self, status: int, body: Any = b"", kind: str = _JSON, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else _go_json(body) if body is not None else b""
        self.send_response(status)
        for name, value in {"X-Influxdb-Build": "OSS", "X-Influxdb-Version": VERSION, **(headers or {})}.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _predicate(text: str) -> dict[str, str]:
    """Equalities joined by AND: all that this project uses, and nearly all that InfluxDB has."""
    if not text.strip():
        return {}
    found = {}
    for term in re.split(r'\s+AND\s+(?=(?:[^"]|"(?:[^"\\]|\\.)*")*$)', text.strip(), flags=re.IGNORECASE):
        match = re.fullmatch(r'"?([A-Za-z_][\w.-]*)"?\s*=\s*("(?:[^"\\\n]|\\["\\n])*")', term)
        if not match:
            raise Answer(
                "invalid", f"invalid request; error parsing predicate: bad logical expression, at position 0: {term}"
            )
        if match[1] == "_field":
            raise Answer("not implemented", "delete by field is not supported")
        found[match[1]] = json.loads(match[2])
    return found


def _nanoseconds(text: str) -> int:
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", text)
    if not match:
        raise ValueError(f'parsing time "{text}" as RFC3339')
    seconds = int(datetime.fromisoformat(match[1]).replace(tzinfo=UTC).timestamp())
    return seconds * 1_000_000_000 + int((match[2] or "0").ljust(9, "0"))


def _go_json(value: Any) -> bytes:
    """JSON as Go writes it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for plain, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(plain, escaped)
    return text.encode()
