"""The twin against what the real service was seen to answer."""

import csv
import gzip
import hashlib
import http.client
import json
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from twin import elexon_b1610
from twin.client import Twin
from twin.elexon import PREFIX, Elexon
from twin.elexon_b1610 import B1610, WHOLE_MARKET, Day, population, runs_until
from twin.faults import LONG_AGO
from twin.wire import Request

DATA = Path(elexon_b1610.__file__).parent / "data"
FIVE = ("2__DSTAT001", "2__ESTAT003", "2__ESTAT001", "2__LSTAT003", "2__HSTAT003")
STREAM = "/datasets/B1610/stream"
PRICES = "/balancing/settlement/system-prices"
MARKET_INDEX = "/balancing/pricing/market-index"
NOW = datetime(2026, 11, 20, 13, tzinfo=UTC)


def exact(text):
    """JSON with numbers as they are written."""
    return json.loads(text, parse_float=lambda digits: digits)


# --- golden: the recorded bodies, whole ---


def test_b1610_body_is_the_recorded_one(twin):
    twin.set_now("2026-08-20T12:00:00Z")
    target = f"{STREAM}?from=2026-08-01T00:00Z&to=2026-08-01T01:00Z&bmUnit=T_DRAXX-1"
    _, headers, body = twin.get(PREFIX + target)
    assert exact(body) == exact((DATA / "recorded/b1610_stream.json").read_text())
    assert headers["X-Twin-Data"] == "recorded"
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["Cache-Control"] == "no-store,must-revalidate,no-cache"


def test_system_price_body_is_the_recorded_one(twin):
    twin.set_now("2026-08-20T12:00:00Z")
    _, headers, body = twin.get(f"{PREFIX}{PRICES}/2026-08-01/5")
    assert exact(body) == exact((DATA / "recorded/system_prices.json").read_text())
    assert headers["X-Twin-Data"] == "recorded"


@pytest.mark.parametrize("line", (DATA / "recorded/transcribed_rows.jsonl").read_text().splitlines())
def test_quoted_rows_are_served(rows, line):
    quoted = json.loads(line, parse_float=Decimal)
    dataset, day, period = quoted.pop("dataset"), quoted["settlementDate"], quoted["settlementPeriod"]
    path = {
        "B1610": f"/datasets/B1610?settlementDate={day}&settlementPeriod={period}",
        "DISEBSP": f"{PRICES}/{day}/{period}",
        "MID": f"{MARKET_INDEX}?from={day}&to={day}&settlementPeriodFrom={period}&settlementPeriodTo={period}",
    }[dataset]
    key = "dataProvider" if dataset == "MID" else "bmUnit"
    quoted.pop("settlementRunType", None)  # the run in force moves on
    (served,) = [row for row in rows(path) if row.get(key) == quoted.get(key)]
    assert {name: served[name] for name in quoted} == quoted


# --- golden: the portal's downloads (figures counted in the original files) ---


def table(name):
    with gzip.open(DATA / f"{name}.csv.gz", "rt") as file:
        return list(csv.reader(file))[1:]


def test_system_price_table_is_the_whole_download():
    lines = table("system_prices_2019_2025")
    prices = [Decimal(line[2]) for line in lines]
    per_day = Counter(line[0] for line in lines)
    assert len(lines) == 112_510
    assert (min(prices), max(prices), sum(price < 0 for price in prices)) == (
        Decimal("-185.33"),
        Decimal("4037.80"),
        3246,
    )
    assert Counter(per_day.values()) == {48: 2331, 46: 7, 50: 6}
    assert all(line[2] == line[3] for line in lines)


def test_market_index_table_is_the_whole_download():
    lines = table("market_index_2024")
    per_day = Counter(line[0] for line in lines)
    assert len(lines) == 35_136
    assert {per_day[day] for day in per_day} == {92, 96, 100}
    assert (per_day["2024-03-31"], per_day["2024-10-27"]) == (92, 100)
    assert sum(line[2] == "N2EXMIDP" and (line[3], line[4]) == ("0", "0") for line in lines) == 17_528


@pytest.mark.parametrize(
    ("day", "period", "price", "volume"),
    [
        ("2019-01-01", 1, "15", "-1058.307"),
        ("2023-02-24", 2, "155", "53.793"),
        ("2024-02-01", 1, "39.23", "-65.67288375"),  # quoted with more decimals than the download has
        ("2024-09-25", 25, "107.6", "82.173"),
    ],
)
def test_portal_prices_are_served(rows, day, period, price, volume):
    (row,) = rows(f"{PRICES}/{day}/{period}")
    assert row["systemSellPrice"] == row["systemBuyPrice"] == Decimal(price)
    assert row["netImbalanceVolume"] == Decimal(volume)


def test_portal_market_index_is_served(twin):
    target = f"{PREFIX}/datasets/MID?from=2024-09-09&to=2024-09-09&settlementPeriodFrom=17&settlementPeriodTo=17"
    _, headers, body = twin.get(target)
    assert headers["X-Twin-Data"] == "recorded"
    assert exact(body)["data"][0] == {
        "dataset": "MID",
        "startTime": "2024-09-09T07:00:00Z",
        "dataProvider": "APXMIDP",
        "settlementDate": "2024-09-09",
        "settlementPeriod": 17,
        "price": "98.11",
        "volume": "3120.300",
    }


# --- the API's own description ---


def described(path):
    description = json.loads(gzip.decompress((DATA / "insights_openapi_extract.json.gz").read_bytes()))
    return description["paths"][path]["get"], description["components"]["schemas"]


ROW_SCHEMAS = {
    "/datasets/B1610?settlementDate=2024-10-27&settlementPeriod=1": "OutputPerGenerationUnitDatasetResponse",
    f"{PRICES}/2024-10-27": "Settlement.SystemPriceResponse",
    f"{MARKET_INDEX}?from=2024-10-27&to=2024-10-27": "Balancing.MarketIndexResponse",
    "/datasets/MID?from=2024-10-27&to=2024-10-27": "DatasetRows.MarketIndexDatasetResponse",
}


@pytest.mark.parametrize(("path", "schema"), ROW_SCHEMAS.items())
def test_rows_have_the_described_fields(rows, path, schema):
    _, schemas = described("/health")
    (fields,) = [list(s["properties"]) for name, s in schemas.items() if name.endswith(schema) and "-1_" not in name]
    served = list(rows(path)[0])
    assert [name for name in served if name != "settlementRunType"] == fields


@pytest.mark.parametrize("path", ["/datasets/B1610", STREAM, "/datasets/MID", "/datasets/MID/stream", MARKET_INDEX])
def test_required_parameters_are_required(twin, path):
    operation, _ = described(path)
    required = {p["name"] for p in operation["parameters"] if p.get("required")}
    status, headers, body = twin.get(PREFIX + path)
    problem = json.loads(body)
    assert (status, problem["status"]) == (400, 400)
    assert headers["Content-Type"].startswith("application/problem+json")
    assert set(problem["errors"]) == required
    assert set(problem) == {"type", "title", "status", "traceId", "errors"}


# --- windows ---


@pytest.mark.parametrize(
    ("first", "last", "periods"),
    [
        ("2026-08-01T00:00Z", "2026-08-01T01:00Z", 3),  # one hour, as measured
        ("2026-08-09T23:00Z", "2026-08-10T22:30Z", 48),  # a settlement date
        ("2024-03-31T00:00Z", "2024-03-31T22:30Z", 46),
        ("2024-10-26T23:00Z", "2024-10-27T23:30Z", 50),
        ("2024-10-27", "2024-10-28", 49),  # a day of the UTC calendar
        ("2024-10-27T00:01Z", "2024-10-27T00:29Z", 0),
        ("2024-10-27T00:00:00.0000000%2B00:00", "2024-10-27T00:30:00Z", 2),
        ("2024-10-28", "2024-10-27", 0),
    ],
)
def test_bounds_are_inclusive_on_the_start(rows, first, last, periods):
    found = rows(f"{STREAM}?from={first}&to={last}&bmUnit=T_TORN-1")
    assert len(found) == periods
    assert len(rows(f"/datasets/MID/stream?from={first}&to={last}")) == 2 * periods


@pytest.mark.parametrize(
    ("day", "count"), [("2024-03-31", 46), ("2024-06-01", 48), ("2024-10-27", 50), ("2030-01-01", 0)]
)
def test_a_settlement_date_has_its_periods(rows, day, count):
    assert [row["settlementPeriod"] for row in rows(f"{PRICES}/{day}")] == list(range(1, count + 1))
    whole_day = f"from={day}&to={day}&settlementPeriodFrom=1&settlementPeriodTo=50"
    for path in ("/datasets/MID", "/datasets/MID/stream", MARKET_INDEX):
        found = rows(f"{path}?{whole_day}")
        assert len(found) == 2 * count
        assert {row["settlementDate"] for row in found} <= {day}
    assert len(rows(f"{MARKET_INDEX}?{whole_day}&dataProviders=APXMIDP")) == count


def test_settlement_date_and_period_ignore_the_time(rows):
    query = "from=2024-10-27T11:11Z&to=2024-10-28T00:00Z&settlementPeriodFrom=49&settlementPeriodTo=1"
    found = [(row["settlementDate"], row["settlementPeriod"]) for row in rows(f"{MARKET_INDEX}?{query}")]
    assert found == [("2024-10-28", 1)] * 2 + [("2024-10-27", 50)] * 2 + [("2024-10-27", 49)] * 2


def test_period_parameters_do_not_filter_the_b1610_stream(rows):
    window = f"{STREAM}?from=2024-10-26T23:00Z&to=2024-10-27T23:30Z&bmUnit=T_TORN-1"
    assert rows(f"{window}&settlementPeriodFrom=3&settlementPeriodTo=4") == rows(window)


@pytest.mark.parametrize("path", ["/datasets/MID", MARKET_INDEX])
def test_market_index_is_capped_at_seven_days(twin, rows, path):
    assert len(rows(f"{path}?from=2024-10-01&to=2024-10-08&dataProviders=APXMIDP")) == 7 * 48 + 1
    status, _, body = twin.get(f"{PREFIX}{path}?from=2024-10-01&to=2024-10-08T00:30Z")
    assert status == 400
    assert json.loads(body)["errors"] == {"": ["The date range between From and To inclusive must not exceed 7 days"]}
    assert len(rows("/datasets/MID/stream?from=2024-10-01&to=2024-10-31&dataProviders=APXMIDP")) == 30 * 48 + 1


# --- rows ---


def test_half_hour_end_time_is_the_end_in_utc_without_a_zone(rows):
    found = rows(f"{STREAM}?from=2024-10-26T23:00Z&to=2024-10-27T23:30Z&bmUnit=T_TORN-1")
    start = datetime(2024, 10, 26, 23)  # noqa: DTZ001  as served: no zone
    ends = [(start + timedelta(minutes=30 * sp)).isoformat() for sp in range(1, 51)]
    assert [row["halfHourEndTime"] for row in found] == ends
    assert [row["settlementPeriod"] for row in found] == list(range(1, 51))


def test_system_prices_keep_eighteen_decimals(twin):
    for day in ("2018-05-05", "2024-10-27", "2026-05-06"):
        _, _, body = twin.get(f"{PREFIX}{PRICES}/{day}")
        for row in exact(body)["data"]:
            assert len(row) == 22
            numbers = {name: value for name, value in row.items() if value and ("Price" in name or "Volume" in name)}
            decimals = {name: len(value.partition(".")[2]) for name, value in numbers.items() if name[0] != "p"}
            assert {n for n, d in decimals.items() if d != 18} == {"sellPriceAdjustment", "buyPriceAdjustment"}


def test_system_price_codes_follow_the_sign_of_the_volume(rows):
    found = rows(f"{PRICES}/2026-03-03")
    assert {(row["netImbalanceVolume"] > 0, row["priceDerivationCode"]) for row in found} == {(True, "P"), (False, "N")}
    parts = (
        "totalAcceptedOfferVolume",
        "totalAcceptedBidVolume",
        "totalAdjustmentSellVolume",
        "totalAdjustmentBuyVolume",
    )
    assert all(sum(row[name] for name in parts) == row["netImbalanceVolume"] for row in found)


def test_repeated_units_and_unknown_ones(rows):
    window = f"{STREAM}?from=2024-10-27T00:00Z&to=2024-10-27T00:30Z"
    both = rows(window + "".join(f"&bmUnit={unit}" for unit in (*FIVE, "T_NOSUCH-1")))
    assert [(row["settlementPeriod"], row["bmUnit"]) for row in both] == [
        (sp, u) for sp in (3, 4) for u in sorted(FIVE)
    ]
    assert rows(window + "&bmUnit=T_NOSUCH-1") == []
    assert {row["bmUnit"] for row in rows(window)} >= set(FIVE)


def test_csv_is_written_as_the_service_does(twin):
    target = f"{PREFIX}/datasets/B1610?settlementDate=2023-09-01&settlementPeriod=20&bmUnit=E_HYWDW-1&format=csv"
    status, headers, body = twin.get(target)
    assert (status, headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert body.decode() == (
        "Dataset,PsrType,BmUnit,NationalGridBmUnitId,SettlementDate,SettlementPeriod,HalfHourEndTime,SettlementRunType,"
        "Quantity\r\nB1610,Generation,E_HYWDW-1,HYWDW-1,2023-09-01,20,09/01/2023 09:00:00,RF,0.074\r\n"
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere", 404),
        ("/datasets/FUELHH", 404),
        (f"{PRICES}/2024-1-1", 400),
        (f"{PRICES}/2024-01-01/51", 400),
        (f"{PRICES}/2024-02-30", 400),
        ("/datasets/B1610?settlementDate=2024-01-01&settlementPeriod=0", 400),
        (f"{STREAM}?from=yesterday&to=2024-01-01", 400),
        (f"{STREAM}?from=2024-01-01&to=9999-01-01", 400),
        ("/datasets/MID?from=2024-01-01&to=2024-01-01&format=yaml", 400),
        ("/datasets/MID?from=2024-01-01&to=2024-01-01&format=xml", 501),
        ("/DataSets/mid?FROM=2024-01-01&To=2024-01-01", 200),
        (f"{PRICES}/2024-03-31/47", 200),
        (f"{STREAM}?from=1999-01-01&to=2001-03-26", 200),
    ],
)
def test_statuses(twin, path, status):
    assert twin.get(PREFIX + path)[0] == status


def test_health_and_metadata(twin, rows):
    assert json.loads(twin.get(f"{PREFIX}/health")[2]) == {"entries": {"health": {"status": 2}}, "status": 2}
    assert {row["dataset"]: row["lastUpdated"] for row in rows("/datasets/metadata/latest")} == {
        "B1610": "2026-11-20T12:00:00Z",
        "DISEBSP": "2026-11-20T12:44:43Z",
        "MID": "2026-11-20T13:00:00Z",
    }


# --- publication and restatement ---


@pytest.mark.parametrize(
    ("now", "b1610", "prices", "market_index"),
    [
        ("2024-10-28T09:59:00Z", 0, 19, 38),  # period 20, 09:30 to 10:00, is not over
        ("2024-10-28T10:00:00Z", 0, 19, 40),
        ("2024-10-28T10:15:00Z", 0, 20, 40),
        ("2024-11-04T11:59:59Z", 0, 48, 96),  # fifth working day after a Monday, before noon
        ("2024-11-04T12:00:00Z", 48, 48, 96),
    ],
)
def test_nothing_comes_before_its_publication(twin, rows, now, b1610, prices, market_index):
    twin.set_now(now)
    assert len(rows(f"{STREAM}?from=2024-10-28T00:00Z&to=2024-10-28T23:30Z&bmUnit=T_TORN-1")) == b1610
    assert len(rows(f"{PRICES}/2024-10-28")) == prices
    assert len(rows("/datasets/MID/stream?from=2024-10-28T00:00Z&to=2024-10-28T23:30Z")) == market_index


def test_system_prices_are_issued_again_a_day_later(twin, rows):
    twin.set_now("2024-10-28T12:00:00Z")
    first = rows(f"{PRICES}/2024-10-28/1")[0]["createdDateTime"]
    twin.set_now("2024-10-29T12:00:00Z")
    again = rows(f"{PRICES}/2024-10-28/1")[0]["createdDateTime"]
    assert first[:13] == "2024-10-28T00"
    assert again == first.replace("28T", "29T")


@pytest.mark.parametrize(
    ("age", "run"),
    [(6, None), (7, "II"), (34, "II"), (35, "SF"), (70, "R1"), (165, "R2"), (300, "R3"), (430, "RF"), (2000, "RF")],
)
def test_the_run_in_force_goes_by_age(rows, age, run):
    day = date(2024, 5, 1)  # a Wednesday
    found = rows(f"{STREAM}?from={day}&to={day}&bmUnit=T_TORN-1", X_Twin_Now=f"{day + timedelta(days=age)}T12:30:00Z")
    assert [row["settlementRunType"] for row in found] == ([run] if run else [])


def test_only_the_run_in_force_is_served(rows):
    window = f"{STREAM}?from=2024-05-01&to=2024-05-01&bmUnit=T_TORN-1"
    at = "2024-08-01T12:00:00Z"
    assert [len(rows(f"{window}&settlementRunType={run}", X_Twin_Now=at)) for run in ("II", "SF", "R1", "R2")] == [
        0,
        0,
        1,
        0,
    ]


def test_each_run_restates_a_few_values_and_no_zero():
    units = population(WHOLE_MARKET)[::20]
    day = date(2024, 6, 3)
    runs = ["II", "SF", "R1", "R2", "R3", "RF"]
    versions = [[q for u in units for q in Day(day, runs[:n]).quantities(u)] for n in range(1, 7)]
    for before, after in pairwise(versions):
        changed = [(b, a) for b, a in zip(before, after, strict=True) if b != a]
        assert 0.02 < len(changed) / sum(b != 0 for b in before) < 0.05
        assert all(b and a for b, a in changed)


def test_the_settlement_run_type_can_be_left_out(market):
    body = ask(market(run_type=False), f"{STREAM}?from=2024-05-01&to=2024-05-01")
    assert {tuple(row) for row in exact(body)} == {
        (
            "dataset",
            "psrType",
            "bmUnit",
            "nationalGridBmUnitId",
            "settlementDate",
            "settlementPeriod",
            "halfHourEndTime",
            "quantity",
        )
    }


# --- determinism and size ---


@pytest.fixture
def market():
    """Make B1610 markets within this process."""
    with ExitStack() as stack:
        yield lambda *options, **named: stack.enter_context(closing(B1610(*options, **named)))


def ask(b1610, path):
    answer = Elexon(b1610).resource(Request.parse(PREFIX + path)).build(NOW)
    body = answer.body()
    answer.close()
    return body


@pytest.mark.parametrize(
    ("path", "sha256"),
    [
        (f"{STREAM}?from=2024-10-26T23:00Z&to=2024-10-27T23:30Z", "fc1f49f8bca3861e"),
        (f"{PRICES}/2026-03-03", "c612adc58767f61a"),
        ("/datasets/MID?from=2026-03-29&to=2026-03-30", "6a77463c581805fb"),
    ],
)
def test_the_same_request_gives_the_same_bytes_everywhere(twin, market, path, sha256):
    served = twin.get(PREFIX + path)[2]
    assert served == ask(market(), path)
    assert hashlib.sha256(served).hexdigest()[:16] == sha256


def test_the_whole_market_has_the_measured_shape():
    units = population(WHOLE_MARKET)
    assert len({unit.bm_unit for unit in units}) == WHOLE_MARKET
    assert set(FIVE) <= {unit.bm_unit for unit in population()}
    assert sum(unit.national_grid_id is None for unit in units) / WHOLE_MARKET == pytest.approx(0.718, abs=0.005)
    day = Day(date(2026, 8, 10), runs_until(date(2026, 8, 10), NOW))
    values = [value for unit in units[::7] for value in day.quantities(unit)]
    assert sum(value == 0 for value in values) / len(values) == pytest.approx(0.75, abs=0.03)


def test_windows_of_the_cached_file_equal_rows_by_name(market):
    b1610 = market(300)
    window = f"{STREAM}?from=2024-10-26T22:00Z&to=2024-10-28T01:00Z"
    by_name = window + "".join(f"&bmUnit={unit.bm_unit}" for unit in b1610.units)
    assert ask(b1610, window) == ask(b1610, by_name)
    assert len(exact(ask(b1610, window))) == 300 * (2 + 50 + 3)
    assert b1610.cached == [date(2024, 10, 26), date(2024, 10, 27), date(2024, 10, 28)]


def test_cached_files_stay_within_their_limit(market):
    b1610 = market(300, megabytes=4)
    days = [f"{STREAM}?from=2024-05-0{n}&to=2024-05-0{n}" for n in range(1, 5)]
    first = [ask(b1610, day) for day in days]
    assert b1610.cached == [date(2024, 5, 4)]
    assert [ask(b1610, day) for day in days] == first


def test_nothing_is_there_long_ago():
    elexon = Elexon(B1610())
    for path in (f"{STREAM}?from=1900-01-01&to=2024-01-01", f"{PRICES}/2024-01-01", "/datasets/metadata/latest"):
        assert elexon.resource(Request.parse(PREFIX + path)).build(LONG_AGO).status == 200


def test_it_ends_cleanly_with_connections_open():
    twin = Twin.start()
    connection = http.client.HTTPConnection(twin.url.removeprefix("http://"))
    connection.request("GET", f"{PREFIX}{STREAM}?from=2024-05-01&to=2024-05-01")
    assert connection.getresponse().read()
    assert twin.stop() == 0
    connection.close()


def test_wrong_options_are_refused():
    server = Path(elexon_b1610.__file__).with_name("server.py")
    for wrong in (["--b1610-units", "0"], ["--now", "2024-01-01"]):
        assert subprocess.run([sys.executable, server, *wrong], capture_output=True).returncode == 2
