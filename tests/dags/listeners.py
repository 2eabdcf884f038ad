"""Who hears of alerts in tests: a real mail server, an HTTP server in place of Slack and others, and nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from socket import socket
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from energy_ingest import settings, windows
from include.twin.client import Twin


@dataclass
class Mailbox:
    """A mail server that asks for a password, and what it was given."""

    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    refuses: bytes = b""

    @property
    def subjects(self) -> list[str]:
        """What was written to people, but for the weekly test."""
        subjects = [mail["Subject"].strip() for mail in self.mails]
        return [subject for subject in subjects if "test: alerts arrive" not in subject]

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def __call__(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=not self.refuses, handled=False, message=self.refuses.decode() or None)


@contextmanager
def mail_server(box: Mailbox, patch: pytest.MonkeyPatch, encryption: str, **tls: Any) -> Iterator[Mailbox]:
    """The mailbox at a port of its own, in the variables that name a mail server."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port, authenticator=box, auth_require_tls=bool(tls), **tls)
    server.start()
    mail = {"HOST": "127.0.0.1", "PORT": f"{port}", "USERNAME": "me"}
    mail |= {"PASSWORD": "mail-secret", "FROM": "Energy <energy@example.org>", "ENCRYPTION": encryption}
    for name, value in mail.items():
        patch.setenv(f"MAIL_{name}", value)
    patch.setenv("ADMIN_EMAIL", "a@example.org, b@example.org")
    yield box
    server.stop()


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with mail_server(Mailbox(), monkeypatch, "none") as box:
        yield box


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate for 127.0.0.1 that this process trusts, with its key, in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), windows.utc_now()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    addresses = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    signed = made.add_extension(addresses, critical=False).sign(key, hashes.SHA256())
    private = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = tmp_path / "certificate.pem"
    file.write_bytes(signed.public_bytes(Encoding.PEM) + key.private_bytes(*private))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


@dataclass
class Sink:
    """An HTTP server that takes whatever it is given, or answers with another status."""

    url: str = ""
    status: int = 200
    answer: bytes = b"ok"
    bodies: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            sink.bodies.append(json.loads(body) if body else self.path)
            sink.headers.append(dict(self.headers))
            self.send_response(sink.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(sink.answer)

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    sink.url = f"http://127.0.0.1:{server.server_port}"
    yield sink
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """No channel of whoever runs the tests."""
    for name in ("SLACK_WEBHOOK_URL", "ADMIN_EMAIL", "MAIL_HOST", "HEARTBEAT_URL", settings.ALERT_CHANNELS.env):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def deployment(twin: Twin, warehouse_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A warehouse and the twin in place of the upstream; the warehouse's address."""
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", warehouse_url)
    monkeypatch.setenv("AIRFLOW_CONN_ELEXON_DEFAULT", json.dumps({"conn_type": "http", "host": twin.url}))
    monkeypatch.setenv(settings.ARCHIVE_URL.env, (tmp_path / "archive").as_uri())
    monkeypatch.setenv(settings.START.env, f"{windows.utc_now().date() - timedelta(days=1)}")
    return warehouse_url
