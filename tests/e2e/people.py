"""Who hears of what Airflow does: a webhook for alerts, a monitor outside, and a StatsD server."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class People:
    """What was heard, in its order; `settings` are those with which Airflow's processes reach us."""

    settings: dict[str, str] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    heartbeats: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)

    def told(self, rule: str, subject: str) -> list[str]:
        """The kinds of the messages about something, such as `opened`."""
        about = (said for said in self.messages if said["rule"] == rule and subject in said["subject"].split(", "))
        return [str(said["kind"]) for said in about]

    @classmethod
    @contextmanager
    def listening(cls) -> Iterator[People]:
        """Listen on the loopback, until the end."""
        people = cls()
        handler = type("Handler", (_Handler,), {"people": people})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, _udp() as statsd:
            url, port = f"http://127.0.0.1:{server.server_port}", statsd.getsockname()[1]
            hook = {"conn_type": "http", "host": f"{url}/alerts"}
            people.settings = {
                "AIRFLOW_CONN_ENERGY_ALERT_WEBHOOK": json.dumps(hook),
                "HEARTBEAT_URL": f"{url}/ping",
                "AIRFLOW__METRICS__STATSD_ON": "True",
                "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
                "AIRFLOW__METRICS__STATSD_PORT": f"{port}",
                "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "energy_ingest",
            }
            threads = [Thread(target=server.serve_forever), Thread(target=_take, args=(statsd, people.metrics))]
            for thread in threads:
                thread.start()
            yield people
            server.shutdown()
            statsd.sendto(b"", statsd.getsockname())
            for thread in threads:
                thread.join()


class _Handler(BaseHTTPRequestHandler):
    people: People

    def do_GET(self) -> None:
        self.people.heartbeats.append(self.path)
        self._well()

    def do_POST(self) -> None:
        self.people.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._well()

    def _well(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener


def _take(listener: socket.socket, lines: list[str]) -> None:
    """Keep each line of each packet; an empty packet is the end."""
    with suppress(OSError):
        while packet := listener.recv(65_535):
            lines += packet.decode().splitlines()
