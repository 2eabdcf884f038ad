"""One twin for all tests of this folder, well-behaved again before each."""

import json
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]
sys.path += [str(REPOSITORY / "include"), str(REPOSITORY / "plugins")]

from twin.client import Twin  # noqa: E402

Rows = list[dict[str, Any]]
NOW = "2026-11-20T13:00:00Z"


@pytest.fixture(scope="session")
def running() -> Iterator[Twin]:
    with Twin.start("--now", NOW) as twin:
        yield twin


@pytest.fixture
def twin(running: Twin) -> Twin:
    running.clear_faults()
    running.clear_stats()
    running.set_now(NOW)
    return running


@pytest.fixture
def rows(twin: Twin) -> Callable[..., Rows]:
    """Ask a path of the Insights API for its rows; numbers come as Decimal, so that no digit is lost."""

    def ask(path: str, **headers: str) -> Rows:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        status, _, body = twin.get(f"/bmrs/api/v1{path}", named)
        assert status == 200, body
        document = json.loads(body, parse_float=Decimal)
        found: Rows = document if isinstance(document, list) else document["data"]
        return found

    return ask
