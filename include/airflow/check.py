"""Refuse to start with a secret that is missing or was never changed; the values themselves are never printed.

python check.py [FIX NAME ...]: what people should do, and the variables that must be there; by default every secret.
"""

from __future__ import annotations

import base64
import os
import re
import sys
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

DATABASE = re.compile(r"SQL_ALCHEMY_CONN$|_ENERGY_WAREHOUSE(_OWNER)?$")
SECRET = re.compile(r"_(PASSWORD|SECRET|KEY|TOKEN)$")
PLACEHOLDER = re.compile(r"change.?me|placeholder|example|secret|passw|your|<|\.\.\.|^(.)\1+$", re.IGNORECASE)
SHORTEST = 16


def faults(environment: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with each secret, by its name."""
    for name, value in sorted(environment.items()):
        if DATABASE.search(name):
            if fault := database_fault(value):
                yield f"{name} {fault}"
        elif not SECRET.search(name):
            if not value:
                yield f"{name} is missing"
        elif len(value) < SHORTEST:
            yield f"{name} has fewer than {SHORTEST} characters"
        elif PLACEHOLDER.search(value):
            yield f"{name} is a placeholder"
        elif name.endswith("_PASSWORD") and not re.fullmatch(r"[\w.~-]+", value, re.ASCII):
            yield f"{name} must consist of letters, digits, '.', '_', '~' and '-': it becomes a part of an address"
        elif name.endswith("FERNET_KEY") and not is_fernet_key(value):
            yield f"{name} is no Fernet key: 32 random bytes in URL-safe base64"


def database_fault(url: str) -> str:
    """Why this is no address of a PostgreSQL database, or nothing; it may do without a password, on a socket."""
    try:
        parts = urlsplit(url)
        scheme, password = parts.scheme, parts.password
    except ValueError:
        scheme, password = "", None
    if not re.fullmatch(r"postgres(ql)?(\+\w+)?", scheme):
        return "is no postgresql:// address" if url else "is missing"
    return "has a placeholder for its password" if password and PLACEHOLDER.search(password) else ""


def is_fernet_key(value: str) -> bool:
    """Whether Airflow can encrypt with it."""
    try:
        return len(base64.urlsafe_b64decode(value)) == 32
    except ValueError:
        return False


def main(
    fix: str = "`make up` adds generated secrets to .env where it has none; edit or remove those.", *names: str
) -> None:
    """Exit with what is wrong, if anything is."""
    secrets = {name: value for name, value in os.environ.items() if SECRET.search(name)}
    if found := list(faults({name: os.environ.get(name, "") for name in names} if names else secrets)):
        sys.exit("\n".join((*found, fix)))


if __name__ == "__main__":
    main(*sys.argv[1:])
