"""Whether a part of Airflow is well, as the API server knows it: python healthy.py PART URL [SECONDS to wait for it].

A request costs milliseconds; `airflow jobs check` would import Airflow each time, seconds of CPU.
"""

from __future__ import annotations

import json
import sys
import time
from urllib.request import ProxyHandler, build_opener


def main(part: str, url: str, patience: str = "0") -> None:
    """Exit 1 unless it is healthy, or becomes so in time."""
    deadline = time.monotonic() + float(patience)
    while (status := ask(part, url)) != "healthy":
        if time.monotonic() >= deadline:
            sys.exit(f"{part} is {status}")
        time.sleep(1)


def ask(part: str, url: str) -> str:
    """What the API server says of it; it may not answer yet."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=10) as answer:
            return str(json.load(answer)[part]["status"])
    except (OSError, ValueError, KeyError) as error:
        return f"unknown: {error}"


if __name__ == "__main__":
    main(*sys.argv[1:])
