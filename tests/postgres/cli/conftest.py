"""The command line on a fresh warehouse, and a source made up for it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from energy_ingest import clock
from energy_ingest.catalog import MARKET_INDEX
from energy_ingest.cli import app
from energy_ingest.loading.database import connect
from energy_ingest.loading.ingest import Loader, Summary
from energy_ingest.loading.ledger import Run
from energy_ingest.sources import Answer, Request
from energy_ingest.windows import Window

FIRST = date(2024, 10, 26)  # 48 half hours; the next settlement date has 50
Row = dict[str, Any]


class Result(NamedTuple):
    """What a command said; `json` reads its standard output."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


EnergyIngest = Callable[..., Result]


@pytest.fixture
def energy_ingest(warehouse: dict[str, str], tmp_path: Path) -> Iterator[EnergyIngest]:
    """Run a command with this test's warehouse and archive; schedules end with the third date."""
    environment = {
        "WAREHOUSE_URL": warehouse["energy_loader"],
        "WAREHOUSE_OWNER_URL": warehouse["energy_owner"],
        "ENERGY_ARCHIVE_URL": (tmp_path / "archive").as_uri(),
        "ENERGY_START": f"{FIRST}",
        "ENERGY_UNTIL": f"{FIRST + timedelta(days=2)}",
    }

    def run(*arguments: str, **env: str) -> Result:
        result = CliRunner().invoke(app, list(arguments), env=environment | env)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)

    logger = logging.getLogger("energy_ingest")
    before = (logger.handlers, logger.propagate, logger.level)
    yield run
    logger.handlers, logger.propagate = before[:2]  # a command takes over the logging of its process
    logger.setLevel(before[2])


def windows(count: int, first: date = FIRST) -> list[Window]:
    """Adjoining settlement dates."""
    return list(MARKET_INDEX.windows(first, first + timedelta(days=count - 1)))


def rows(day: date, price: float = 60.5) -> list[Row]:
    """A complete settlement date of market index rows."""
    return [
        {
            "startTime": f"{clock.period_start(day, period):%Y-%m-%dT%H:%M:%SZ}",
            "dataProvider": provider,
            "settlementDate": f"{day}",
            "settlementPeriod": period,
            "price": price,
            "volume": 100.25,
        }
        for period in range(1, clock.settlement_periods(day) + 1)
        for provider in MARKET_INDEX.members
    ]


class Source:
    """A market index whose days a test may change; loads go one window at a time."""

    def __init__(self, url: str, archive: Path) -> None:
        self.url, self.archive = url, archive
        self.days: dict[date, list[Row] | bytes] = {}

    def load(self, wanted: Sequence[Window]) -> Summary:
        """Load these windows as a task would."""
        summary = Summary(len(wanted))
        for window in wanted:
            part = self._loader(window).load([window])
            summary.loaded += part.loaded
            summary.failed.update(part.failed)
        return summary

    def _loader(self, window: Window) -> Loader:
        body = self.days.get(window.label, rows(window.label))

        @contextmanager
        def fetch(_: Request, pace: Callable[[], object]) -> Iterator[Answer]:
            pace()
            yield Answer([body if isinstance(body, bytes) else json.dumps({"data": body}).encode()])

        run = Run("manual", dag_id="elexon_market_index", run_id="manual__1", try_number=1)
        return Loader(MARKET_INDEX, MARKET_INDEX.scopes()[0], fetch, lambda: connect(self.url), self.archive, run)


@pytest.fixture
def source(warehouse_url: str, tmp_path: Path) -> Source:
    """A well-behaved source until told otherwise."""
    return Source(warehouse_url, tmp_path / "archive")
