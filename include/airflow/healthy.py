"""Whether a part of Airflow is well, as the API server knows it: python healthy.py PART URL.

A request costs milliseconds; `airflow jobs check` would import Airflow each time, seconds of CPU.
"""

from __future__ import annotations

import json
import sys
from urllib.request import ProxyHandler, build_opener


def main(part: str, url: str) -> None:
    """Exit 1 unless it is healthy."""
    with build_opener(ProxyHandler({})).open(url, timeout=10) as answer:
        status = json.load(answer)[part]["status"]
    if status != "healthy":
        sys.exit(f"{part} is {status}")


if __name__ == "__main__":
    main(*sys.argv[1:])
