"""Whatever happens in whatever order: rows are what the answers said, the books balance, a healthy source heals all."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import date, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from energy_ingest.catalog import SYSTEM_PRICES
from energy_ingest.errors import Rejected, Retryable
from energy_ingest.loading import archive
from energy_ingest.loading.archive import Kept
from energy_ingest.loading.ledger import Run
from energy_ingest.windows import Window
from tests.postgres.test_concurrency import at_once
from tests.postgres.world import DAY, TERMINATE_OTHERS, Feed, ask, audit, connect, days, fails, loader, rows_of, states

WINDOWS = days(DAY, 3)
Prices = dict[int, float]  # of one settlement date, by period

one_window = st.sampled_from(WINDOWS)
some_windows = st.lists(one_window, min_size=1, max_size=3, unique=True).map(sorted)
period = st.integers(1, 48)
price = st.sampled_from([-10.0, 1.5, 99.0])
step = st.sampled_from(
    ["begin", "pace", "stage", "copy", "inside copy", "lock", "merge", "finish", "commit", "committed"]
)


class Died(BaseException):
    """The process ends here: nobody catches this, nothing is recorded."""


class Warehouse(RuleBasedStateMachine):
    """A source that changes, loads that fail in every way, and a model of what must be there."""

    new_warehouse: Any

    def __init__(self) -> None:
        super().__init__()
        self.resources = ExitStack()
        self.url = self.resources.enter_context(self.new_warehouse())["energy_loader"]
        self.archive = Path(self.resources.enter_context(tempfile.TemporaryDirectory()))
        self.connection = self.resources.enter_context(connect(self.url))
        self.feed, self.runs = Feed(), count(1)
        self.rows: dict[date, Prices] = {window.label: {} for window in WINDOWS}
        self.newest: dict[date, datetime] = {}

    def teardown(self) -> None:
        try:
            self.heal()
        finally:
            self.resources.close()

    # --- The source changes ---

    @rule(window=one_window, period=period, price=price)
    def restate(self, window: Window, period: int, price: float) -> None:
        for row in self.feed[window.label]:
            if row["settlementPeriod"] == period:
                row["systemSellPrice"] = price

    @rule(window=one_window, rows=st.integers(0, 48))
    def shorten(self, window: Window, rows: int) -> None:
        self.feed[window.label] = self.feed[window.label][:rows]

    @rule(window=one_window)
    def restore(self, window: Window) -> None:
        self.feed[window.label] = rows_of(SYSTEM_PRICES, window.label)

    @rule(window=one_window, first=period, last=period)
    def spoil(self, window: Window, first: int, last: int) -> None:
        for row in self.feed[window.label]:
            if first <= row["settlementPeriod"] <= last:
                row["systemBuyPrice"] = "n/a"

    @rule(window=one_window)
    def repeat(self, window: Window) -> None:
        if len(self.feed[window.label]) <= 50:
            self.feed[window.label] = [*self.feed[window.label], *self.feed[window.label][:5]]

    # --- Loads ---

    @rule(windows=some_windows)
    def load(self, windows: list[Window]) -> None:
        self._load(windows)

    @rule(windows=some_windows, concurrency=st.integers(2, 3))
    def load_several_times_at_once(self, windows: list[Window], concurrency: int) -> None:
        this = self._run()
        at_once(*[lambda: loader(self.url, self.feed, self.archive, run=this).load(windows)] * concurrency)
        self._learn(this)

    @rule(windows=some_windows, error=st.sampled_from([Retryable("down"), Rejected("no"), ZeroDivisionError("a bug")]))
    def load_while_the_source_fails(self, windows: list[Window], error: Exception) -> None:
        self.feed.faults = [fails(error)]
        self._load(windows)

    @rule(
        windows=some_windows, length=st.integers(0, 10_000), junk=st.sampled_from([b"", b"<html>", b"\xff\xfe", b"]"])
    )
    def load_garbage(self, windows: list[Window], length: int, junk: bytes) -> None:
        self.feed.tamper = lambda body: body[: min(length, len(body) - 5)] + junk
        with suppress(Exception):
            self._load(windows)
        self.feed.tamper = bytes

    @rule(windows=some_windows, step=step, nth=st.integers(1, 3))
    def lose_the_connection(self, windows: list[Window], step: str, nth: int) -> None:
        self._load(windows, tap=at(step, nth, lambda: self.connection.execute(TERMINATE_OTHERS)))

    @rule(windows=some_windows, step=step, nth=st.integers(1, 3))
    def die(self, windows: list[Window], step: str, nth: int) -> None:
        with suppress(Died):
            self._load(windows, tap=at(step, nth, fails(Died())))

    @rule(which=st.integers(0, 1000))
    def replay(self, which: int) -> None:
        answers = list(archive.kept_answers(self.archive, SYSTEM_PRICES.name))
        if not answers:
            return
        path, meta = answers[which % len(answers)]
        windows = [window for window in WINDOWS if meta.first <= f"{window.label}" <= meta.last]
        this = self._run("replay")
        loader(self.url, self.feed, self.archive, run=this).load_answer(
            windows, archive.read(path, meta), Kept(str(path), meta), datetime.fromisoformat(meta.retrieved_at)
        )
        self._learn(this)

    # --- What must hold ---

    @invariant()
    def rows_are_what_the_answers_said(self) -> None:
        query = "SELECT settlement_date, settlement_period, {} FROM energy.elexon_system_prices"
        found: dict[date, Prices] = {window.label: {} for window in WINDOWS}
        for day, period, price in self.connection.execute(query.format("system_sell_price_gbp_per_mwh")):
            found[day][period] = float(price)
        assert found == self.rows

    @invariant()
    def the_books_balance(self) -> None:
        audit(self.url, settled=False)

    def heal(self) -> None:
        """The source recovers: what is left to do is done by one run, whatever happened before."""
        for window in WINDOWS:
            self.restore(window)
        self.feed.faults = []
        self._load(WINDOWS)
        self.rows_are_what_the_answers_said()
        assert states(self.url) == {window.label: "complete" for window in WINDOWS}
        audit(self.url, expected=WINDOWS)

    # --- How ---

    def _run(self, kind: Any = "scheduled") -> Run:
        return Run(kind, "some_dag", f"run_{next(self.runs)}", 1)

    def _load(self, windows: list[Window], tap: Callable[[str], None] | None = None) -> None:
        this = self._run()
        try:
            loader(self.url, self.feed, self.archive, tap, run=this).load(windows)
        finally:
            self._learn(this)

    def _learn(self, this: Run) -> None:
        """What each committed answer must have done to the rows."""
        query = """SELECT window_label, retrieved_at, archive_path FROM ledger.import_job
            WHERE run_id = %s AND status = 'completed' ORDER BY retrieved_at"""
        for day, retrieved_at, path in ask(self.url, query, this.run_id):
            answer = json.loads(gzip.decompress(Path(path).read_bytes()))
            said = {row["settlementPeriod"]: row["systemSellPrice"] for row in answer if row["systemBuyPrice"] != "n/a"}
            is_newest = retrieved_at >= self.newest.get(day, retrieved_at)
            rows = self.rows[day]
            rows.update({p: value for p, value in said.items() if is_newest or p not in rows})
            self.newest[day] = max(retrieved_at, self.newest.get(day, retrieved_at))


def at(step: str, nth: int, act: Callable[[], None]) -> Callable[[str], None]:
    """A tap that acts once, at the n-th visit of a step."""
    visits = count(1)

    def tap(now: str) -> None:
        if now == step and next(visits) == nth:
            act()

    return tap


def test_whatever_happens(new_warehouse: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Warehouse, "new_warehouse", staticmethod(new_warehouse), raising=False)
    run_state_machine_as_test(
        Warehouse,
        settings=settings(
            max_examples=10,
            stateful_step_count=15,
            suppress_health_check=list(HealthCheck),
        ),
    )
