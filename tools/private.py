"""Passwords and keys, and files that only their owner may read. Standard library only, on any system."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path


def new_password() -> str:
    """A password that needs no escaping in a URL."""
    return secrets.token_urlsafe(24)


def new_fernet_key() -> str:
    """A key that Airflow encrypts with."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    new.replace(path)
