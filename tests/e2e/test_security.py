"""Who may get in, and what the stack's own logs and command lines give away. Last, as then there is most to read."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tools.stack import Stack

GUESSES = [("admin", "admin"), ("airflow", "airflow"), ("admin", "airflow"), ("admin", "password"), ("admin", "")]


def _status(stack: Stack, path: str, body: object = None, token: str = "") -> int:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(stack.url + path, data, headers)  # noqa: S310 - loopback
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("path", ["/api/v2/dags", "/api/v2/connections", "/api/v2/variables", "/api/v2/config"])
@pytest.mark.parametrize("token", ["", "e30.e30.e30"])
def test_nobody_gets_in_without_a_token(stack: Stack, path: str, token: str) -> None:
    assert _status(stack, path, token=token) in (401, 403)


@pytest.mark.parametrize(("username", "password"), GUESSES)
def test_no_default_login_works(stack: Stack, username: str, password: str) -> None:
    assert _status(stack, "/auth/token", {"username": username, "password": password}) in (400, 401, 422)


def test_the_generated_login_works(stack: Stack) -> None:
    assert len(stack.password) >= 32
    assert _status(stack, "/auth/token", {"username": "admin", "password": stack.password}) == 201


@pytest.mark.usefixtures("caught_up")  # tasks have run
def test_no_log_and_no_command_line_holds_a_secret(stack: Stack, warehouse_urls: dict[str, str]) -> None:
    secrets = [*stack.secrets.values(), *(str(urlsplit(url).password) for url in warehouse_urls.values())]
    found = lambda text: [secret for secret in secrets if secret in text]  # noqa: E731
    logs = [path for path in stack.folder.rglob("*") if path.is_file() and _is_log(path)]
    assert {"scheduler.log", "api-server.log", "server.log", "attempt=1.log"} <= {path.name for path in logs}
    assert [path for path in logs if found(path.read_text(errors="replace"))] == []
    assert [p.pid for p in psutil.process_iter(["cmdline"]) if found(" ".join(p.info["cmdline"] or ()))] == []


def _is_log(path: Path) -> bool:
    return path.suffix == ".log" or "logs" in path.parts
