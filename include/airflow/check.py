"""Refuse to start with a secret that is missing or was never changed; the values themselves are never printed."""

from __future__ import annotations

import base64
import os
import re
import sys
from collections.abc import Iterator, Mapping

SECRET = re.compile(r"_(PASSWORD|SECRET|KEY|TOKEN)$")
PLACEHOLDER = re.compile(r"change.?me|placeholder|example|secret|passw|your|<|\.\.\.|^(.)\1+$", re.IGNORECASE)
SHORTEST = 16


def faults(environment: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with each secret, by its name."""
    for name, value in sorted(environment.items()):
        if not SECRET.search(name):
            continue
        if len(value) < SHORTEST:
            yield f"{name} has fewer than {SHORTEST} characters"
        elif PLACEHOLDER.search(value):
            yield f"{name} is a placeholder"
        elif name.endswith("_PASSWORD") and not re.fullmatch(r"[\w.~-]+", value, re.ASCII):
            yield f"{name} must consist of letters, digits, '.', '_', '~' and '-': it becomes a part of an address"
        elif name.endswith("FERNET_KEY") and not is_fernet_key(value):
            yield f"{name} is no Fernet key: 32 random bytes in URL-safe base64"


def is_fernet_key(value: str) -> bool:
    """Whether Airflow can encrypt with it."""
    try:
        return len(base64.urlsafe_b64decode(value)) == 32
    except ValueError:
        return False


if __name__ == "__main__":
    if found := list(faults(os.environ)):
        sys.exit(
            "\n".join((*found, "`make up` adds generated secrets to .env where it has none; edit or remove those."))
        )
