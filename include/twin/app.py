"""The HTTP side of the twin: one thread per connection, control paths below /_twin, counters, and connection faults."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import loads
from typing import Any, Final, Protocol

from .faults import CONNECTION, Fault, Rule, Rules, build, describe
from .wire import Answer, FileSlice, Request, Resource, Row, json_answer, problem

RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing the socket resets the connection."""


class Upstream(Protocol):
    """One imitated service: everything below its prefix is its own."""

    prefix: str

    def resource(self, request: Request) -> Resource:
        """What a request asks for."""
        ...


class Clock:
    """The twin's idea of now: real time, or one fixed instant."""

    def __init__(self, fixed: datetime | None = None) -> None:
        self.fixed = fixed

    def now(self) -> datetime:
        """Now, in UTC."""
        return self.fixed or datetime.now(UTC)


def an_instant(text: str) -> datetime:
    """An instant with its zone.

    Raises:
        ValueError: it is not ISO 8601, or has no zone.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text} has no time zone: write for example 2024-10-27T12:00:00Z")
    return instant.astimezone(UTC)


@dataclass
class Stats:
    """What was asked and answered; the control paths do not count."""

    requests: int = 0
    bytes: int = 0
    parallel: int = 0
    max_parallel: int = 0
    max_per_second: int = 0
    paths: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    recent: deque[Row] = field(default_factory=lambda: deque(maxlen=10_000))
    lock: threading.Lock = field(default_factory=threading.Lock)
    _second: deque[float] = field(default_factory=deque)

    def begin(self, path: str) -> int:
        """Count a request that has arrived, and number it."""
        now = time.monotonic()
        with self.lock:
            self.requests += 1
            self.paths[path] += 1
            self.parallel += 1
            self.max_parallel = max(self.max_parallel, self.parallel)
            self._second.append(now)
            while self._second[0] <= now - 1:
                self._second.popleft()
            self.max_per_second = max(self.max_per_second, len(self._second))
            return self.requests

    def end(self, entry: Row) -> None:
        """Count a request that has been answered; a second call for it counts nothing."""
        with self.lock:
            if "seconds" in entry:
                return
            entry["seconds"] = round(time.monotonic() - entry.pop("began"), 6)
            self.parallel -= 1
            self.bytes += entry["bytes"]
            self.statuses[str(entry["status"])] += 1
            self.faults.update(fault.partition("=")[0] for fault in entry["faults"])
            self.recent.append(entry)

    def clear(self) -> None:
        """Start counting anew."""
        with self.lock:
            self.requests = self.bytes = self.max_per_second = 0
            self.max_parallel = self.parallel
            for counts in (self.paths, self.statuses, self.faults, self.recent, self._second):
                counts.clear()

    def as_json(self) -> Row:
        """All counters."""
        with self.lock:
            plain = ("requests", "bytes", "max_parallel", "max_per_second")
            counters = ("paths", "statuses", "faults")
            return {name: getattr(self, name) for name in plain} | {n: dict(getattr(self, n)) for n in counters}


class Server(ThreadingHTTPServer):
    """The server with its state."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], upstreams: Sequence[Upstream], clock: Clock, verbose: bool) -> None:
        super().__init__(address, Handler)
        self.upstreams = upstreams
        self.clock = clock
        self.verbose = verbose
        self.rules = Rules()
        self.stats = Stats()

    @property
    def url(self) -> str:
        """Where the server listens."""
        return f"http://{self.server_address[0]!s}:{self.server_port}"

    def resource(self, request: Request) -> Resource:
        """What a request asks for, from the upstream whose path it has."""
        for upstream in self.upstreams:
            if request.path.startswith(upstream.prefix + "/"):
                return upstream.resource(request)
        known = [upstream.prefix for upstream in self.upstreams]
        return Resource(lambda now: json_answer({"message": f"The twin knows {known} and /_twin."}, 404))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "twin"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 1 << 16  # headers and a small body leave in one packet

    def do_GET(self) -> None:
        """Answer an upstream's path or a control path."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request.parse(self.path, self.command, body)
        if request.path.startswith("/_twin"):
            self._send(self._control(request))
        else:
            self._serve(request)

    do_POST = do_GET
    do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet unless asked."""
        if self.server.verbose:
            super().log_message(format, *args)

    # --- control ---

    def _control(self, request: Request) -> Answer:
        actions = {
            "GET /_twin": lambda body: {"now": str(self.server.clock.now()), "faults": describe()},
            "GET /_twin/faults": lambda body: self.server.rules.as_json(),
            "POST /_twin/faults": self._add_rules,
            "DELETE /_twin/faults": lambda body: self.server.rules.clear(),
            "GET /_twin/stats": lambda body: self.server.stats.as_json(),
            "DELETE /_twin/stats": lambda body: self.server.stats.clear(),
            "GET /_twin/requests": lambda body: list(self.server.stats.recent)[
                -int(request.query.get("n", ["100"])[0]) :
            ],
            "POST /_twin/clock": self._set_clock,
        }
        action = actions.get(f"{request.method} {request.path.rstrip('/')}")
        if action is None:
            return json_answer({"error": f"no such control path: use one of {', '.join(actions)}"}, 404)
        try:
            return json_answer(action(loads(request.body) if request.body else None))
        except (ValueError, TypeError, KeyError) as error:
            return json_answer({"error": str(error)}, 400)

    def _add_rules(self, body: Any) -> list[Row]:
        self.server.rules.add([Rule.parse(rule) for rule in (body if isinstance(body, list) else [body])])
        return self.server.rules.as_json()

    def _set_clock(self, body: Any) -> Row:
        self.server.clock.fixed = an_instant(body["now"]) if body["now"] else None
        return {"now": self.server.clock.now().isoformat(), "fixed": self.server.clock.fixed is not None}

    # --- upstreams ---

    def _serve(self, request: Request) -> None:
        entry: Row = {
            "n": self.server.stats.begin(request.path),
            "began": time.monotonic(),
            "time": datetime.now(UTC).isoformat(),
            "method": request.method,
            "target": request.target,
            "user_agent": self.headers.get("User-Agent"),
            "status": 0,
            "bytes": 0,
            "faults": [],
        }
        try:
            self._answer(request, entry)
        finally:
            self.server.stats.end(entry)

    def _answer(self, request: Request, entry: Row) -> None:
        try:
            now = an_instant(self.headers["X-Twin-Now"]) if "X-Twin-Now" in self.headers else self.server.clock.now()
            asked = [self.headers.get("X-Twin-Fault", ""), *request.query.pop("_fault", [])]
            faults = [Fault.parse(text) for texts in asked for text in texts.split(",") if text]
        except ValueError as error:
            return self._send(json_answer({"error": str(error)}, 400), entry=entry)
        resource = self.server.resource(request)
        faults += self.server.rules.take(request, resource, now)
        connection = {fault.name: fault.arg for fault in faults if fault.name in CONNECTION}
        if "latency" in connection:
            time.sleep(float(connection["latency"] or 1))
        entry["faults"] = [str(fault) for fault in faults]
        if "down" in connection:
            self.close_connection = True
        else:
            self._send(self._build(request, resource, now, faults), connection, entry)

    def _build(self, request: Request, resource: Resource, now: datetime, faults: list[Fault]) -> Answer:
        try:
            return build(request, resource, now, faults)
        except Exception:
            self.server.handle_error(self.request, self.client_address)
            return problem(request, 500, "The twin has a fault of its own: see its error output.")

    def _send(self, answer: Answer, connection: dict[str, str] | None = None, entry: Row | None = None) -> None:
        """Send an answer, or as much of it as the connection faults leave."""
        faults = connection or {}
        cut = next(
            (name for name in ("reset", "truncated", "truncated_chunked", "truncated_closed") if name in faults), ""
        )
        size = answer.size
        wanted = (
            min(int(float(faults[cut]) if faults[cut] else (0 if cut == "reset" else size // 2)), size) if cut else size
        )
        self.close_connection |= bool(cut)
        try:
            self._head(answer, size, cut)
            self._body(_first(answer.parts, wanted), chunked=cut == "truncated_chunked")
            if (
                entry is not None
            ):  # counted before the last bytes leave: whoever has the answer finds it in the counters
                entry |= {"status": answer.status, "bytes": wanted, "data": answer.headers.get("X-Twin-Data")}
                self.server.stats.end(entry)
            self.wfile.flush()
        finally:
            answer.close()
        if cut == "reset":
            self._reset()

    def _head(self, answer: Answer, size: int, cut: str) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if cut == "truncated_chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif cut != "truncated_closed":
            self.send_header("Content-Length", str(size))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _body(self, parts: Iterator[bytes | FileSlice], chunked: bool) -> None:
        for part in parts:
            if chunked:
                data = part.read() if isinstance(part, FileSlice) else part
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            elif isinstance(part, FileSlice):
                self.wfile.flush()
                self.connection.sendfile(part.file, part.offset, part.size)
            else:
                self.wfile.write(part)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        os.close(self.connection.detach())


def _first(parts: list[bytes | FileSlice], size: int) -> Iterator[bytes | FileSlice]:
    """The first `size` bytes of a body."""
    for part in parts:
        if isinstance(part, FileSlice):
            part = FileSlice(part.file, part.offset, min(part.size, size))
            size -= part.size
            if part.size:
                yield part
        elif part := part[:size]:
            size -= len(part)
            yield part
