"""What is asked of the sources, to the letter."""

from __future__ import annotations

from datetime import date, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_ingest.catalog import B1610, DATASETS, MARKET_INDEX, SYSTEM_PRICES
from energy_ingest.clock import HALF_HOUR, settlement_of
from energy_ingest.errors import Misconfigured
from energy_ingest.sources import Request, Scope, elexon, source_of
from energy_ingest.windows import settlement_windows, utc_now

ALL = Scope("all")
API = "GET /bmrs/api/v1"
SUMMER, WINTER, SPRING, AUTUMN = date(2024, 7, 1), date(2024, 1, 15), date(2024, 3, 31), date(2024, 10, 27)


def asked(dataset, first, last=None, scope=ALL) -> str:
    return str(elexon.request(dataset, list(settlement_windows(first, last or first)), scope))


@pytest.mark.parametrize(
    ("day", "bounds"),
    [
        (SUMMER, "from=2024-06-30T23:00Z&to=2024-07-01T22:30Z"),
        (WINTER, "from=2024-01-15T00:00Z&to=2024-01-15T23:30Z"),
        (SPRING, "from=2024-03-31T00:00Z&to=2024-03-31T22:30Z"),
        (AUTUMN, "from=2024-10-26T23:00Z&to=2024-10-27T23:30Z"),
    ],
)
def test_bounds_are_inclusive_half_hours_of_the_settlement_date(day, bounds):
    assert asked(MARKET_INDEX, day) == f"{API}/balancing/pricing/market-index?{bounds}"
    assert asked(B1610, day) == f"{API}/datasets/B1610/stream?{bounds}"


def test_system_prices_are_asked_for_by_settlement_date():
    assert asked(SYSTEM_PRICES, AUTUMN) == f"{API}/balancing/settlement/system-prices/2024-10-27"


def test_several_windows_make_one_request():
    week = "from=2024-10-26T23:00Z&to=2024-11-01T23:30Z"
    assert asked(MARKET_INDEX, AUTUMN, date(2024, 11, 1)) == f"{API}/balancing/pricing/market-index?{week}"


def test_units_are_listed_in_the_order_of_the_scope():
    units = Scope("units:T_B-1,T_A-1", ("T_B-1", "T_A-1"))
    expected = "from=2024-06-30T23:00Z&to=2024-07-01T22:30Z&bmUnit=T_B-1&bmUnit=T_A-1"
    assert asked(B1610, SUMMER, scope=units) == f"{API}/datasets/B1610/stream?{expected}"


def test_as_many_units_as_a_query_string_carries_and_no_more():
    units = tuple(f"2__UNIT{n:04d}" for n in range(elexon.MAX_UNITS + 1))
    assert asked(B1610, SUMMER, scope=Scope("units", units[:-1])).count("bmUnit=") == 250
    with pytest.raises(
        Misconfigured, match="251 BM units are too many for one request: list at most 250, or use `all`"
    ):
        asked(B1610, SUMMER, scope=Scope("units", units))


@given(st.dates(date(2015, 1, 1), date(2035, 12, 1)), st.integers(0, 30))
def test_bounds_lead_back_to_the_first_and_the_last_period(first, more):
    last = first + timedelta(days=more)
    windows = list(settlement_windows(first, last))
    request = elexon.request(B1610, windows, ALL)
    bounds = dict(request.params)
    assert bounds == {
        "from": f"{windows[0].start:%Y-%m-%dT%H:%MZ}",
        "to": f"{windows[-1].end - HALF_HOUR:%Y-%m-%dT%H:%MZ}",
    }
    assert settlement_of(windows[0].start) == (first, 1)
    assert settlement_of(windows[-1].end - HALF_HOUR)[0] == last


def test_a_request_reads_like_what_is_sent():
    request = Request("/a/b", (("from", "1"), ("x", "2"), ("x", "3")))
    assert parse_qsl(urlsplit(str(request).removeprefix("GET ")).query) == list(request.params)
    assert str(Request("/a/b")) == "GET /a/b"


def test_every_dataset_has_a_source_that_asks_and_parses():
    for dataset in DATASETS.values():
        source, scope = source_of(dataset), next(iter(dataset.scopes()), Scope("FGT", ("FGT",)))
        windows = next(dataset.pack(sorted(dataset.windows(SUMMER, SUMMER)), scope, utc_now()))
        assert source.request(dataset, windows, scope, utc_now()).path.startswith(dataset.path.partition("{")[0])
        assert callable(source.parse)
