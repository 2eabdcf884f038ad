"""The audit of the locks, by the real pip-audit against a database of the test's own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools import audit
from tools.bootstrap import ROOT

pytestmark = pytest.mark.slow

CANARY = {"jinja2": "PYSEC-2019-217"}


@pytest.fixture
def database():
    """An OSV database on loopback: the vulnerability of each package that it knows, and its address."""
    known: dict[str, str] = {}

    class Osv(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = known.get(asked["package"]["name"])
            body = json.dumps({"vulns": [{"id": name, "aliases": [f"CVE-{name}"], "affected": []}]} if name else {})
            self.send_response(503 if "down" in known else 200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Osv)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield known, f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


def run(lock, address):
    command = [sys.executable, "-m", "tools.audit", str(lock), "--database", address]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "some.lock"
    path.write_text("polars==1.40.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    return path


@pytest.mark.parametrize(
    ("knows", "code", "says"),
    [
        (CANARY, 0, "nothing is known"),
        (CANARY | {"polars": "PYSEC-1"}, 1, "some.lock: polars 1.40.0: CVE-PYSEC-1, PYSEC-1; no fix is known"),
        ({}, 2, "jinja2==2.10 has vulnerabilities since 2019, but none was found"),
        ({"polars": "PYSEC-1"}, 2, "The audit is blind"),
        (CANARY | {"down": "503"}, 2, "pip-audit gave no answer"),
    ],
    ids=["clean", "vulnerable", "knows-nothing", "knows-no-canary", "down"],
)
def test_only_an_audit_that_sees_can_pass(database, lock, knows, code, says):
    known, address = database
    known.update(knows)
    done = run(lock, address)
    assert (done.returncode, says in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr


def test_a_package_that_is_passed_over_is_no_clean_answer(database, tmp_path):
    known, address = database
    known.update(CANARY)
    unpinned = tmp_path / "loose.txt"
    unpinned.write_text("polars\n")
    done = run(unpinned, address)
    assert done.returncode == 2, done.stdout
    assert "loose.txt" in done.stderr


def test_what_is_accepted_has_a_reason_and_an_end():
    text = """
        [[tool.audit.accepted]]
        package = "polars"
        id = "PYSEC-1"
        reason = "only read of files that we write"
        until = 2026-01-31
        [[tool.audit.accepted]]
        package = "rich"
        id = "PYSEC-2"
        reason = ""
        until = 2026-01-31
    """
    assert [entry["package"] for entry in audit.accepted(date(2026, 1, 31), text)] == ["polars"]
    assert audit.accepted(date(2026, 2, 1), text) == []
    assert audit.accepted(date(2026, 1, 1), (ROOT / "pyproject.toml").read_text()) == []
