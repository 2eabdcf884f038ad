"""The gas feeds and the data of BM units, from the twin into a real PostgreSQL."""

# ruff: noqa: S608 - the names put into statements here are the catalogue's

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from energy_ingest.catalog import (
    BOALF,
    BOD,
    ENERGY_TRANSFER_CAPACITY,
    NATIONAL_GAS_QUALITY,
    PHYSICAL,
    TRANSWESTERN_CAPACITY,
    Dataset,
)
from energy_ingest.errors import Retryable
from energy_ingest.loading import ledger
from energy_ingest.loading.database import connect
from energy_ingest.loading.ingest import Loader, Summary
from energy_ingest.loading.ledger import Run
from energy_ingest.sources import Answer, Request, Scope
from energy_ingest.windows import Window
from include.twin.client import Twin
from tests.postgres.world import ask, one

DAY = date(2024, 10, 27)
TW = Scope("TW", ("TW",))
ALL = Scope("all")


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with Twin.start() as running:
        yield running


class Feed:
    """A loader that asks the twin; `headers` replace those of its answers."""

    def __init__(self, twin: Twin, url: str, archive: Path) -> None:
        self.twin, self.url, self.archive = twin, url, archive
        self.asked: list[Request] = []
        self.headers: dict[str, str] = {}
        self.change: Callable[[bytes], bytes] = bytes

    @contextmanager
    def fetch(self, request: Request, pace: Callable[[], None]) -> Iterator[Answer]:
        self.asked.append(request)
        query = "&".join(f"{name}={value}" for name, value in request.params).replace(" ", "%20")
        body = json.loads(request.body) if request.body else None
        status, headers, found = self.twin.request(request.method, f"{request.path}?{query}", body)
        assert status == 200, found
        names = {name.lower(): value for name, value in headers.items()}
        yield Answer([self.change(found)], names | self.headers)

    def load(self, dataset: Dataset, windows: list[Window], scope: Scope, now: str | None = None) -> Summary:
        self.twin.set_now(now)
        run = Run("command")
        return Loader(dataset, scope, self.fetch, lambda: connect(self.url), self.archive, run, 1).load(windows)


@pytest.fixture
def feed(twin: Twin, warehouse_url: str, tmp_path: Path) -> Iterator[Feed]:
    yield Feed(twin, warehouse_url, tmp_path)
    twin.set_now(None)


# --- National Gas ---


def half_hours(first: date = DAY, last: date = DAY) -> list[Window]:
    return list(NATIONAL_GAS_QUALITY.windows(first, last))


def test_a_past_date_is_one_request_and_every_publication_is_there(feed: Feed):
    summary = feed.load(NATIONAL_GAS_QUALITY, half_hours(), ALL)
    assert not summary.failed, summary.failed
    assert [str(request) for request in feed.asked] == [
        'POST /operationaldata/v1/gasquality/historicdata {"fromDate": "2024-10-27", "toDate": "2024-10-28"}'
    ]
    assert ask(feed.url, "SELECT state, count(*), sum(actual) FROM ledger.window GROUP BY 1") == [("complete", 48, 120)]
    assert one(feed.url, "SELECT count(*) FROM energy.gas_quality") == 120 * 11
    assert one(feed.url, "SELECT count(*) FROM ledger.quarantine") == 0
    assert one(feed.url, "SELECT part FROM ledger.window ORDER BY window_start OFFSET 21 LIMIT 1") == "10:30"
    again = feed.load(NATIONAL_GAS_QUALITY, half_hours(), ALL)
    assert (again.count("unchanged"), again.count("inserted"), again.count("revised")) == (120 * 11, 0, 0)


def test_dates_are_asked_for_one_by_one(feed: Feed):
    feed.load(NATIONAL_GAS_QUALITY, half_hours(last=DAY + timedelta(days=2)), ALL)
    assert [request.body[14:24] for request in feed.asked] == ["2024-10-27", "2024-10-28", "2024-10-29"]


def test_the_latest_data_fill_the_half_hour_just_past_and_a_sweep_adds_to_them(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
):
    now = datetime.now(UTC)
    monkeypatch.setattr("energy_ingest.loading.ingest.utc_now", lambda: now)  # and no half hour ends meanwhile
    end = now - (now - datetime.min.replace(tzinfo=UTC)) % timedelta(minutes=30)
    (window,) = (w for w in half_hours((end - timedelta(minutes=1)).date(), end.date()) if w.end == end)
    feed.load(NATIONAL_GAS_QUALITY, [window], ALL, f"{end + timedelta(minutes=2):%Y-%m-%dT%H:%M:%SZ}")
    (live,) = feed.asked
    assert (live.method, live.path, live.every) == (
        "GET",
        "/operationaldata/v1/gasquality/latestdata",
        timedelta(minutes=12),
    )
    assert ask(feed.url, "SELECT state, expected, actual FROM ledger.window") == [("complete", 1, 1)]
    assert one(feed.url, "SELECT count(*) FROM energy.gas_quality WHERE cv_24h_mj_per_m3 IS NOT NULL") == 11
    assert one(feed.url, "SELECT count(*) FROM energy.gas_quality") == 12, "a site without reading is there, empty"
    # the next day's sweep has no 24-hour means: those that are known stay
    dates = {"fromDate": f"{window.label}", "toDate": f"{window.label}"}
    body = feed.twin.request("POST", "/operationaldata/v1/gasquality/historicdata", dates)[2]
    feed.change = lambda _: body
    swept = feed.load(NATIONAL_GAS_QUALITY, [window], ALL)
    assert not swept.failed, swept.failed
    assert swept.count("revised") == 0
    assert one(feed.url, "SELECT count(*) FROM energy.gas_quality WHERE cv_24h_mj_per_m3 IS NOT NULL") == 11


def test_what_is_strange_is_kept(feed: Feed):
    def strange(body: bytes) -> bytes:
        return b"""[{"siteId": 1, "siteName": "New name", "areaName": null, "siteGasQualityDetail": [
          {"publishedTime": "2024-10-27T10:12:00+01:00", "cv": "n/a", "sg": null, "wi": "51.070", "h2": 0.25},
          {"publishedTime": "soon", "cv": 39.1}]}, {"siteId": 2, "siteGasQualityDetail": []}]"""

    feed.change = strange
    (window,) = (w for w in half_hours() if w.part == "09:00")
    summary = feed.load(NATIONAL_GAS_QUALITY, [window], ALL)
    assert not summary.failed, summary.failed
    columns = "published_at, published_stamp, site_name, cv_mj_per_m3, wobbe_index_mj_per_m3::text, other_metrics"
    assert ask(feed.url, f"SELECT {columns} FROM energy.gas_quality") == [
        (
            datetime(2024, 10, 27, 9, 12, tzinfo=UTC),
            "2024-10-27T10:12:00+01:00",
            "New name",
            None,
            "51.070",
            {"cv": "n/a", "h2": "0.25"},
        )
    ]
    assert ask(feed.url, "SELECT value, reason FROM ledger.quarantine") == [
        ("soon", "is not a date and time with offset")
    ]
    assert ask(feed.url, "SELECT field FROM ledger.drift") == [("h2",)]


def test_a_stamp_without_zone_is_read_in_the_zone_of_the_setting(feed: Feed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENERGY_NATIONAL_GAS_STAMP_ZONE", "Europe/London")
    feed.load(NATIONAL_GAS_QUALITY, half_hours(date(2024, 7, 1), date(2024, 7, 1)), ALL)
    query = "SELECT min(published_at), min(published_stamp) FROM energy.gas_quality"
    assert ask(feed.url, query) == [(datetime(2024, 7, 1, tzinfo=UTC), "2024-07-01T01:00:00")]


def test_a_run_takes_the_whole_date_and_the_others_ask_for_nothing(feed: Feed):
    first, *_, last = half_hours()
    now = datetime(2024, 10, 30, tzinfo=UTC)

    def todo(window: Window) -> list[Window]:
        with connect(feed.url) as connection:
            return ledger.with_batch(connection, NATIONAL_GAS_QUALITY, ALL, [window], now)

    assert sorted(todo(first)) == half_hours()
    feed.load(NATIONAL_GAS_QUALITY, todo(first), ALL)
    assert todo(first) == todo(last) == []


def test_the_latest_data_are_not_asked_for_again_within_twelve_minutes(feed: Feed, warehouse_url: str):
    from energy_ingest.catalog import NATIONAL_GAS
    from energy_ingest.loading.pacing import pace

    request = Request("/latest", every=timedelta(minutes=12))
    with connect(warehouse_url) as connection:
        latest = pace(connection, NATIONAL_GAS, request)
        with pytest.raises(Retryable, match="was asked less than 0:12:00 ago"):
            pace(connection, NATIONAL_GAS, request)
        between = pace(connection, NATIONAL_GAS, Request("/historic")) - latest
        assert timedelta(seconds=1.5) <= between < timedelta(minutes=2), "only that path waits for longer"


# --- Energy Transfer ---


def cycle(gas_day: date = DAY, part: str = "Intraday 1", dataset: Dataset = TRANSWESTERN_CAPACITY) -> Window:
    (window,) = (w for w in dataset.windows(gas_day, gas_day) if w.part == part)
    return window


def test_six_cycles_a_gas_day_and_both_directions_of_a_location(feed: Feed):
    summary = feed.load(TRANSWESTERN_CAPACITY, list(TRANSWESTERN_CAPACITY.windows(DAY, DAY)), TW)
    assert not summary.failed, summary.failed
    assert ask(feed.url, "SELECT part, state, expected, actual FROM ledger.window ORDER BY window_start") == [
        (part, "complete", 1, 1) for part in ("Timely", "Evening", "Intraday 1", "Intraday 2", "Intraday 3", "Final")
    ]
    assert ask(feed.url, "SELECT count(*), count(DISTINCT loc) FROM energy.transwestern_capacity") == [(6 * 299, 284)]
    assert [dict(request.params)["cycle"] for request in feed.asked] == ["0", "1", "3", "4", "7", "5"]
    scores = "SELECT rows, previous_rows, wrong_oac, bad_flags, score FROM energy.capacity_file_quality ORDER BY due_at"
    assert ask(feed.url, scores) == [(299, None, 0, 0, 1), *[(299, 299, 0, 0, 1)] * 5]


def test_the_recorded_file_to_the_digit(feed: Feed):
    feed.load(TRANSWESTERN_CAPACITY, [cycle(date(2026, 6, 22), "Timely")], TW)
    names = "loc_name, flow_ind, design_capacity_dth_per_day, operating_capacity_dth_per_day"
    query = f"SELECT {names} FROM energy.transwestern_capacity WHERE loc IN ('100800', '100734') ORDER BY loc"
    assert ask(feed.url, query) == [("3 BEAR LEA", "R", 55000, 60000), ("ET Genco Fuel", "D", 3880, 3880)]
    blank = """SELECT count(*), count(qty_reason) FROM energy.transwestern_capacity
               WHERE num_nulls(design_capacity_dth_per_day, operating_capacity_dth_per_day) > 0"""
    assert ask(feed.url, blank) == [(11, 11)]
    report = "SELECT rows, locations, blank_quantities, completeness FROM energy.capacity_file_quality"
    assert ask(feed.url, report) == [(299, 284, 29, Decimal("0.9758"))]


def test_a_posting_that_comes_again_is_a_revision(feed: Feed):
    window = cycle()
    feed.load(TRANSWESTERN_CAPACITY, [window], TW, "2024-10-27T19:00:00Z")
    again = feed.load(TRANSWESTERN_CAPACITY, [window], TW, "2024-10-28T19:00:00Z")
    assert again.count("revised") > 0 and again.count("inserted") == 0
    assert again.count("revised") + again.count("unchanged") == 299
    assert one(feed.url, "SELECT count(*) FROM energy.capacity_file_quality") == 2


def test_never_posted_is_given_up_and_says_so(feed: Feed):
    feed.load(TRANSWESTERN_CAPACITY, [cycle()], TW, "2024-10-27T12:00:00Z")
    ((state, reason),) = ask(feed.url, "SELECT state, reason FROM ledger.window")
    assert state == "abandoned" and reason.startswith("never posted: nothing by")
    assert one(feed.url, "SELECT count(*) FROM energy.capacity_file_quality") == 0


def test_a_file_of_another_day_or_cycle_is_refused_whole(feed: Feed):
    for name in (
        "OAC_TW_1_10-26-2024_Intraday 1.csv",
        "OAC_TW_1_10-27-2024_Intraday_2.csv",
        "OAC_TW_1_27-10-2024_Intraday 1.csv",
    ):
        feed.headers = {"content-disposition": f'attachment; filename="{name}"'}
        summary = feed.load(TRANSWESTERN_CAPACITY, [cycle()], TW)
        assert (summary.count("quarantined"), summary.count("inserted")) == (299, 0)
        ((reason,),) = ask(feed.url, "SELECT DISTINCT reason FROM ledger.quarantine WHERE resolved_at IS NULL")
        assert reason == f"is in a file named '{name}', not 2024-10-27 Intraday 1"
    assert one(feed.url, "SELECT state FROM ledger.window") == "failed"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: b"<html>", "HTML page, not CSV"),
        (lambda body: b"", "is empty"),
        (lambda body: body[:5000], "breaks off inside a line"),
        (lambda body: body.replace(b'"OPC"', b'"Opc"'), "missing: OPC; new: Opc"),
        (lambda body: body.replace(b"FUEL", b"F\xdcEL"), "no CSV in UTF-8"),
    ],
)
def test_what_is_no_posting_is_refused(feed: Feed, change: Callable[[bytes], bytes], message: str):
    feed.change = change
    (error,) = feed.load(TRANSWESTERN_CAPACITY, [cycle()], TW).failed.values()
    assert message in str(error)


def test_the_report_has_the_file_that_was_refused_and_goes_on_behind_it(feed: Feed):
    feed.load(TRANSWESTERN_CAPACITY, [cycle(part="Evening")], TW)
    feed.change = lambda body: body.replace(b'"OPC"', b'"Opc"')
    feed.load(TRANSWESTERN_CAPACITY, [cycle()], TW)
    feed.change = lambda body: body
    feed.load(TRANSWESTERN_CAPACITY, [cycle()], TW)
    report = "SELECT nomination_cycle, rows, previous_rows, score FROM energy.capacity_file_quality ORDER BY job_id"
    assert ask(feed.url, report) == [
        ("Evening", 299, None, 1),
        ("Intraday 1", 0, None, 0),
        ("Intraday 1", 299, 299, 1),
    ]


def test_a_blank_quantity_needs_a_reason(feed: Feed):
    feed.change = lambda body: body.replace(b'"3880","3880"', b'"","3880"', 1)
    summary = feed.load(TRANSWESTERN_CAPACITY, [cycle()], TW)
    assert (summary.count("quarantined"), summary.count("inserted")) == (1, 298)
    assert ask(feed.url, "SELECT column_name, reason FROM ledger.quarantine") == [
        ("design_capacity_dth_per_day", "is blank without a Qty Reason")
    ]


def test_other_assets_are_scopes_of_their_own(feed: Feed, monkeypatch: pytest.MonkeyPatch):
    assert ENERGY_TRANSFER_CAPACITY.scopes() == ()
    monkeypatch.setenv("ENERGY_ENERGY_TRANSFER_ASSETS", "FGT,PEPL")
    for scope in ENERGY_TRANSFER_CAPACITY.scopes():
        feed.load(ENERGY_TRANSFER_CAPACITY, [cycle(dataset=ENERGY_TRANSFER_CAPACITY)], scope)
    assert ask(feed.url, "SELECT scope, state, actual FROM ledger.window ORDER BY 1") == [
        ("FGT", "complete", 1),
        ("PEPL", "complete", 1),
    ]
    query = "SELECT asset, count(*) FROM energy.energy_transfer_capacity GROUP BY 1 ORDER BY 1"
    assert ask(feed.url, query) == [("FGT", 299), ("PEPL", 299)]


# --- data of BM units ---


@pytest.mark.parametrize(("dataset", "a_day"), [(PHYSICAL, 3 * 50), (BOD, 2 * 50)])
def test_every_period_of_a_unit_and_each_kind_of_notification(feed: Feed, dataset: Dataset, a_day: int):
    scope = dataset.scopes()[0]
    week = list(dataset.windows(date(2024, 10, 21), date(2024, 10, 28)))
    summary = feed.load(dataset, week, scope)
    assert not summary.failed, summary.failed
    assert [dict(request.params)["bmUnit"] for request in feed.asked] == ["2__DSTAT001"] * 2, "at most 7 days a request"
    assert ask(feed.url, "SELECT DISTINCT scope, state FROM ledger.window") == [("unit:2__DSTAT001", "complete")]
    query = f"SELECT count(*) FROM energy.{dataset.table} WHERE settlement_date = '2024-10-27'"
    assert one(feed.url, query) == a_day
    again = feed.load(dataset, week, scope)
    assert again.count("unchanged") == again.count("received") == summary.count("inserted")


def test_a_unit_without_acceptances_is_complete(feed: Feed):
    scope = BOALF.scopes()[0]
    feed.load(BOALF, list(BOALF.windows(DAY, DAY)), scope)
    stretches = "SELECT count(*), count(DISTINCT acceptance_number) FROM energy.elexon_boalf"
    ((rows, acceptances),) = ask(feed.url, stretches)
    assert rows == 2 * acceptances > 0
    feed.change = lambda _: b'{"metadata": {"datasets": ["BOALF"]}, "data": []}'
    nothing = feed.load(BOALF, list(BOALF.windows(DAY - timedelta(days=9), DAY - timedelta(days=9))), scope)
    assert [item.outcome.state for item in nothing.loaded] == ["complete"]
