"""A client for tests: starts the twin as a process of its own, and talks to its control paths."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

SERVER = Path(__file__).with_name("server.py")


class Twin:
    """A running twin.

    >>> with Twin.start("--now", "2024-11-20T12:00:00Z") as twin:
    ...     twin.add_fault("503=1", dataset="B1610", count=3)
    ...     twin.get("/bmrs/api/v1/balancing/settlement/system-prices/2024-10-27")
    """

    def __init__(self, url: str, process: subprocess.Popen[str] | None = None) -> None:
        self.url = url
        self._process = process

    @classmethod
    def start(cls, *options: str, port: int = 0) -> Twin:
        """Start a twin with the options of `server.py`.

        Raises:
            RuntimeError: it did not come up.
        """
        command = [sys.executable, str(SERVER), "--port", str(port), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout  # noqa: S101  it is a pipe
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the twin ended with {process.wait()}: run {' '.join(command)} to see why")
        return cls(json.loads(line)["url"], process)

    @property
    def elexon(self) -> str:
        """Base address of the Insights API."""
        return f"{self.url}/bmrs/api/v1"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int | None:
        """End the process that `start` began; its exit code."""
        if self._process is None:
            return None
        self._process.terminate()
        code = self._process.wait(timeout=60)
        if self._process.stdout:
            self._process.stdout.close()
        return code

    def get(self, target: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a GET."""
        return self.request("GET", target, headers=headers)

    def request(
        self, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own; a body is sent as JSON."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, target, None if body is None else json.dumps(body), headers or {})
            response = connection.getresponse()
            return response.status, dict(response.headers), response.read()
        finally:
            connection.close()

    def add_fault(self, fault: str, **rule: Any) -> None:
        """Add a rule; see `faults.Rule` for what it may say."""
        self._control("POST", "faults", {"fault": fault, **rule})

    def faults(self) -> list[dict[str, Any]]:
        """The rules in force, with how many requests each saw and hit."""
        rules: list[dict[str, Any]] = self._control("GET", "faults")
        return rules

    def clear_faults(self) -> None:
        """Behave again."""
        self._control("DELETE", "faults")

    def set_now(self, now: str | None) -> None:
        """Fix the twin's clock, or give it real time again."""
        self._control("POST", "clock", {"now": now})

    def stats(self) -> dict[str, Any]:
        """Counters since the start or the last `clear_stats`."""
        stats: dict[str, Any] = self._control("GET", "stats")
        return stats

    def clear_stats(self) -> None:
        """Start counting anew."""
        self._control("DELETE", "stats")

    def requests(self, n: int = 100) -> list[dict[str, Any]]:
        """The last n requests."""
        requests: list[dict[str, Any]] = self._control("GET", f"requests?n={n}")
        return requests

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        status, _, answer = self.request(method, f"/_twin/{path}", body)
        if status != 200:
            raise ValueError(json.loads(answer)["error"])
        return json.loads(answer)
