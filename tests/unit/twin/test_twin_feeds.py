"""National Gas and Energy Transfer: answers in their exact shape, what is posted when, and every fault."""

import csv
import gzip
import http.client
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest
from twin.elexon import PREFIX as ELEXON
from twin.energy_transfer import ASSETS, FILE, QUANTITIES
from twin.faults import BYTES, CONNECTION, REPLACE, ROWS

from energy_ingest.clock import NOMINATION_CYCLES, cycle_posting

LATEST = "/operationaldata/v1/gasquality/latestdata"
HISTORIC = "/operationaldata/v1/gasquality/historicdata"
DAY = {"fromDate": "2024-10-27", "toDate": "2024-10-27"}
HEADER = (
    b'"Loc","Loc Zn","Loc Name","Loc Purp Desc","Loc/QTI","Flow Ind","DC","OPC","TSQ","OAC","IT","Auth Overrun Ind",'
    b'"Nom Cap Exceed Ind","All Qty Avail","Qty Reason"\r\n'
)


def capacity(gas_day=date(2024, 10, 27), cycle=3, asset="TW"):
    """Target of a capacity file."""
    day = quote(f"{gas_day:%m/%d/%Y}", safe="")
    return f"/ipost/capacity/operationally-available?f=csv&extension=csv&asset={asset}&gasDay={day}&cycle={cycle}"


def asked_of(twin, feed, fault=""):
    """Status, headers and body of one of the three kinds of answers."""
    headers = {"X-Twin-Fault": fault} if fault else {}
    target, body = {"latest": (LATEST, None), "historic": (HISTORIC, DAY), "capacity": (capacity(), None)}[feed]
    return twin.request("POST" if body else "GET", target, body, headers)


def rows_of(feed, body):
    """The rows that faults work on, below one another: readings of the sites that have some, lines of a file."""
    if feed == "capacity":
        return list(csv.DictReader(io.StringIO(body.decode())))
    document = json.loads(body, parse_float=Decimal)
    sites = document["gasQualityData"] if feed == "latest" else document
    details = [site["siteGasQualityDetail"] for site in sites[:-1]]
    return details if feed == "latest" else [row for detail in details for row in detail]


# --- National Gas ---


def test_the_latest_data_have_one_publication_and_numbers_in_strings(twin):
    status, headers, body = asked_of(twin, "latest")
    assert (status, headers["Content-Type"], headers["X-Twin-Data"]) == (
        200,
        "application/json; charset=utf-8",
        "generated",
    )
    document = json.loads(body)
    assert list(document) == ["publishedTime", "gasQualityData"]
    assert document["publishedTime"] == "2026-11-20T12:48:00"
    first, *_, silent = document["gasQualityData"]
    assert (first["siteId"], first["siteName"], first["areaName"]) == (1, "GENERATED SITE 1", "Area B")
    assert list(first["siteGasQualityDetail"]) == ["cv24", "sg24", "cv", "sg", "wi", "co2", "n2"]
    assert all(isinstance(value, str) and Decimal(value) for value in first["siteGasQualityDetail"].values())
    assert set(silent["siteGasQualityDetail"].values()) == {None}
    assert len(document["gasQualityData"]) == 12


def test_the_historic_data_are_a_list_of_sites_each_with_its_publications(twin):
    sites = json.loads(asked_of(twin, "historic")[2], parse_float=Decimal)
    assert [site["siteId"] for site in sites] == list(range(1, 13))
    first, *_, silent = sites
    assert list(first) == ["siteId", "areaName", "siteName", "siteGasQualityDetail"]
    readings = first["siteGasQualityDetail"]
    stamps = [datetime(2024, 10, 27, tzinfo=UTC) + n * timedelta(minutes=12) for n in range(120)]
    assert [reading["publishedTime"] for reading in readings] == [f"{stamp:%Y-%m-%dT%H:%M:%S}" for stamp in stamps]
    assert list(readings[0]) == ["publishedTime", "cv", "sg", "wi", "co2", "n2"]
    assert all(isinstance(value, Decimal) for name, value in readings[0].items() if name != "publishedTime")
    assert silent["siteGasQualityDetail"] == []


def test_a_publication_is_there_four_minutes_after_its_stamp_and_both_answers_agree(twin):
    def seen(now):
        twin.set_now(f"2024-10-27T{now}Z")
        latest, historic = (json.loads(asked_of(twin, feed)[2]) for feed in ("latest", "historic"))
        newest = historic[0]["siteGasQualityDetail"][-1]
        assert newest.pop("publishedTime") == latest["publishedTime"]
        current = latest["gasQualityData"][0]["siteGasQualityDetail"]
        assert {name: Decimal(current[name]) for name in newest} == {n: Decimal(str(v)) for n, v in newest.items()}
        return latest["publishedTime"]

    assert seen("10:15:59") == "2024-10-27T10:00:00"
    assert seen("10:16:00") == "2024-10-27T10:12:00"


def test_two_dates_at_most_both_included_and_only_the_sites_asked_for(twin):
    def ask(**body):
        status, headers, answer = twin.request("POST", HISTORIC, body)
        return status, headers["Content-Type"], json.loads(answer)

    status, _, sites = ask(fromDate="2024-10-27", toDate="2024-10-28", siteIds=[2, 5])
    assert (status, [site["siteId"] for site in sites]) == (200, [2, 5])
    assert {reading["publishedTime"][:10] for reading in sites[0]["siteGasQualityDetail"]} == {
        "2024-10-27",
        "2024-10-28",
    }
    for wrong in (
        {"fromDate": "2024-10-27", "toDate": "2024-10-29"},
        {"fromDate": "2024-10-28", "toDate": "2024-10-27"},
        {"fromDate": "27/10/2024", "toDate": "2024-10-28"},
        {"fromDate": "2024-10-27"},
        {**DAY, "siteIds": ["one"]},
    ):
        status, kind, problem = ask(**wrong)
        assert (status, kind) == (400, "application/problem+json; charset=utf-8")
        assert "at most 2 dates" in str(problem["errors"])


@pytest.mark.parametrize(("method", "target"), [("GET", HISTORIC), ("POST", LATEST), ("GET", f"{LATEST}/more")])
def test_another_method_or_path_is_not_found(twin, method, target):
    assert twin.request(method, target, DAY if method == "POST" else None)[0] == 404


# --- Energy Transfer ---


def test_the_recorded_file_comes_byte_for_byte(twin):
    for now in ("2026-06-22T12:00:00Z", None):
        twin.set_now(now)
        status, headers, body = twin.get(capacity(date(2026, 6, 22), 0))
        assert (status, headers["Content-Type"], headers["X-Twin-Data"]) == (200, "text/csv", "recorded")
        assert headers["Content-Disposition"] == 'attachment; filename="OAC_TW_007933047_06-22-2026_Timely.csv"'
        assert body == gzip.decompress(FILE.read_bytes())
        assert body.startswith(HEADER)


def test_every_other_file_has_the_same_locations_and_its_own_quantities(twin):
    recorded = rows_of("capacity", gzip.decompress(FILE.read_bytes()))
    status, headers, body = asked_of(twin, "capacity")
    assert (status, headers["X-Twin-Data"]) == (200, "generated")
    assert headers["Content-Disposition"].endswith('_10-27-2024_Intraday 1.csv"')
    shape = lambda body: re.sub(rb'"-?\d+"', b'"0"', body)  # noqa: E731
    assert shape(body) == shape(gzip.decompress(FILE.read_bytes()))
    made_up = rows_of("capacity", body)
    fixed = lambda rows: [{n: v for n, v in row.items() if n not in ("TSQ", "OAC")} for row in rows]  # noqa: E731
    assert fixed(made_up) == fixed(recorded)
    assert [row["TSQ"] for row in made_up] != [row["TSQ"] for row in recorded]
    whole = [row for row in made_up if all(row[name] for name in ("OPC", "TSQ", "OAC"))]
    assert all(int(row["OAC"]) == int(row["OPC"]) - int(row["TSQ"]) for row in whole)
    assert asked_of(twin, "capacity")[2] == body


@pytest.mark.parametrize("cycle", NOMINATION_CYCLES, ids=lambda cycle: cycle.label)
def test_a_cycle_is_posted_late_then_again_with_other_values(twin, cycle):
    day = date(2024, 10, 27)
    due = cycle_posting(day, cycle)

    def posted(after):
        twin.set_now((due + after).isoformat())
        return twin.get(capacity(day, cycle.code))[2]

    second, hours = timedelta(seconds=1), timedelta(hours=3)
    late = timedelta(minutes=5)
    assert posted(late - second) == HEADER
    first, again = posted(late), posted(late + hours)
    assert posted(late + hours - second) == first
    before, after = rows_of("capacity", first), rows_of("capacity", again)
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert 0 < len(changed) < 0.1 * len(before)
    assert all({n for n in a if a[n] != b[n]} == {"TSQ", "OAC"} for a, b in changed)
    assert posted(timedelta(days=90)) == again


@pytest.mark.parametrize("fault", ["empty", "not_yet_published"])
def test_what_is_never_posted_is_an_empty_answer_for_ever(twin, fault):
    assert asked_of(twin, "capacity", fault)[::2] == (200, HEADER)
    sites = json.loads(asked_of(twin, "historic", fault)[2])
    assert [site["siteGasQualityDetail"] for site in sites] == [[]] * 12
    assert json.loads(asked_of(twin, "latest", fault)[2]) == {"publishedTime": None, "gasQualityData": []}


def test_every_asset_posts_its_own_and_whatever_else_is_asked_for_is_a_page(twin):
    assert len({twin.get(capacity(asset=asset))[2] for asset in ASSETS}) == len(ASSETS)
    wrong = (
        capacity(asset="XYZ"),
        capacity(cycle=2),
        capacity().replace("10%2F27", "27%2F10"),
        capacity().partition("?")[0],
        capacity().replace("capacity", "notices"),
    )
    for target in wrong:
        status, headers, body = twin.get(target)
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert body.startswith(b"<!DOCTYPE html>")


# --- faults ---

FEEDS = pytest.mark.parametrize("feed", ["latest", "historic", "capacity"])
LAST = {"latest": "n2", "historic": "n2", "capacity": "OAC"}
SEVERAL = ("historic", "capacity")
"""Answers with more than one row in a place; of the latest data there is one reading a site."""


@FEEDS
def test_fields_come_renamed_extra_or_not_at_all(twin, feed):
    usual = rows_of(feed, asked_of(twin, feed)[2])
    last, rows = LAST[feed], lambda fault: rows_of(feed, asked_of(twin, feed, fault)[2])
    names = list(usual[0])
    assert list(rows("rename_field")[0]) == [f"{name}Value" if name == last else name for name in names]
    assert list(rows("missing_field")[-1]) == [name for name in names if name != last]
    assert rows("extra_field=colour:red") == [row | {"colour": "red"} for row in usual]
    assert rows("text_number")[0] == usual[0] | {last: "n/a"}


@FEEDS
def test_values_are_restated(twin, feed):
    usual = rows_of(feed, asked_of(twin, feed)[2])
    again = rows_of(feed, asked_of(twin, feed, "restated=50")[2])
    changed = [(a, b) for a, b in zip(usual, again, strict=True) if a != b]
    assert 0 < len(changed) < len(usual)
    for before, after in changed:
        (name,) = (name for name in before if before[name] != after[name])
        assert Decimal(after[name]) == Decimal(before[name]) + 1
        assert name == LAST[feed] or name in QUANTITIES


@pytest.mark.parametrize("feed", SEVERAL)
def test_rows_come_twice_or_in_another_order(twin, feed):
    usual = rows_of(feed, asked_of(twin, feed)[2])
    places = 11 if feed == "historic" else 1
    rows = lambda fault: rows_of(feed, asked_of(twin, feed, fault)[2])  # noqa: E731
    for fault in ("duplicate_rows", "conflicting_rows", "extra_rows"):
        assert len(rows(f"{fault}=2")) == len(usual) + 2 * places
    length = len(usual) // places
    assert rows("duplicate_rows=2")[length : length + 2] == usual[:2]
    assert rows("conflicting_rows=1")[length] == usual[0] | {
        LAST[feed]: type(usual[0][LAST[feed]])(Decimal(usual[0][LAST[feed]]) + 1)
    }
    shuffled = rows("shuffled")
    assert shuffled != usual and sorted(map(str, shuffled)) == sorted(map(str, usual))


def test_rows_from_outside_the_window_are_a_week_older(twin):
    rows = rows_of("historic", asked_of(twin, "historic", "extra_rows")[2])
    assert rows[120] == rows[0] | {"publishedTime": "2024-10-20T00:00:00"}


@FEEDS
@pytest.mark.parametrize("fault", ["short_day", "naive_start_time"])
def test_faults_of_half_hours_leave_the_feeds_alone(twin, feed, fault):
    assert asked_of(twin, feed, fault)[2] == asked_of(twin, feed)[2]


@FEEDS
def test_a_fault_on_rows_loses_no_digit(twin, feed):
    assert asked_of(twin, feed, "restated=0.0001")[2] == asked_of(twin, feed)[2]


def test_a_fault_on_rows_changes_nothing_else_in_the_recorded_file(twin):
    body = twin.get(capacity(date(2026, 6, 22), 0), {"X-Twin-Fault": "restated=0.0001"})[2]
    assert body == gzip.decompress(FILE.read_bytes())


@FEEDS
def test_wrong_bytes(twin, feed):
    with pytest.raises(UnicodeDecodeError):
        asked_of(twin, feed, "charset")[2].decode()
    assert asked_of(twin, feed, "charset=utf-16")[2].decode("utf-16").encode() == asked_of(twin, feed)[2]
    assert asked_of(twin, feed, "malformed_json")[2] == asked_of(twin, feed)[2][:-1] + b","


@FEEDS
@pytest.mark.parametrize(("fault", "status"), [("429=2", 429), ("500", 500), ("503", 503), ("html", 200)])
def test_another_answer_comes_instead(twin, feed, fault, status):
    found, headers, body = asked_of(twin, feed, fault)
    assert (found, fault != "429=2" or headers["Retry-After"] == "2") == (status, True)
    assert not body.startswith(HEADER) and b"publishedTime" not in body
    assert asked_of(twin, feed, "empty_body")[::2] == (200, b"")


@FEEDS
def test_the_connection_breaks(twin, feed):
    whole = asked_of(twin, feed)[2]
    for fault, error in (("down", http.client.RemoteDisconnected), ("reset=100", ConnectionResetError)):
        with pytest.raises(error):
            asked_of(twin, feed, fault)
    for fault in ("truncated=100", "truncated_chunked=100"):
        with pytest.raises(http.client.IncompleteRead) as short:
            asked_of(twin, feed, fault)
        assert short.value.partial == whole[:100]
    assert asked_of(twin, feed, "truncated_closed=100")[2] == whole[:100]
    assert asked_of(twin, feed, "latency=0")[2] == whole


def test_no_fault_is_left_out_here():
    tried = {"rename_field", "extra_field", "missing_field", "duplicate_rows", "conflicting_rows", "shuffled"}
    assert set(ROWS) == tried | {"text_number", "extra_rows", "short_day", "naive_start_time", "restated"}
    assert set(REPLACE) == {"429", "500", "503", "html", "empty_body"}
    assert set(BYTES) == {"charset", "malformed_json"}
    assert set(CONNECTION) == {"latency", "down", "reset", "truncated", "truncated_chunked", "truncated_closed"}


def test_rules_tell_the_feeds_apart_by_dataset_and_date(twin):
    twin.add_fault("503", dataset="GasQuality", date="2024-10-27")
    twin.add_fault("500", dataset="Capacity", date="2024-10-28")
    elsewhere = f"{ELEXON}/balancing/settlement/system-prices/2024-10-27"
    assert asked_of(twin, "historic")[0] == 503
    assert twin.request("POST", HISTORIC, {"fromDate": "2024-10-28", "toDate": "2024-10-29"})[0] == 200
    assert [twin.get(capacity(date(2024, 10, day)))[0] for day in (27, 28)] == [200, 500]
    assert [twin.get(target)[0] for target in (LATEST, elsewhere)] == [200, 200]
