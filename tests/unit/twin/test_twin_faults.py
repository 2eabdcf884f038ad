"""Every fault, by header, by query and by rule; counters; the control paths."""

import http.client
import json
import threading
import time
from decimal import Decimal

import pytest
from twin.elexon import PREFIX
from twin.faults import NAMES, Fault, Rule

DAY = f"{PREFIX}/balancing/settlement/system-prices/2024-10-27"
MID = f"{PREFIX}/datasets/MID?from=2024-10-27&to=2024-10-27&settlementPeriodFrom=1&settlementPeriodTo=50"
B1610 = f"{PREFIX}/datasets/B1610/stream?from=2024-10-26T23:00Z&to=2024-10-27T23:30Z&bmUnit=T_TORN-1"


@pytest.fixture
def faulty(twin):
    """Ask with a fault: status, headers, body."""
    return lambda fault, target=DAY: twin.get(target, {"X-Twin-Fault": fault})


def data(body):
    document = json.loads(body, parse_float=Decimal)
    return document if isinstance(document, list) else document["data"]


@pytest.fixture
def usual(twin):
    return {target: data(twin.get(target)[2]) for target in (DAY, MID, B1610)}


# --- faults that replace the answer ---


def test_429(faulty):
    status, headers, body = faulty("429=2")
    assert (status, headers["Retry-After"]) == (429, "2")
    assert "Retry-After" not in faulty("429")[1]
    assert json.loads(body)["statusCode"] == 429


def test_500(faulty):
    status, headers, body = faulty("500")
    assert (status, json.loads(body)["status"]) == (500, 500)
    assert headers["Content-Type"].startswith("application/problem+json")


def test_503(faulty):
    status, headers, _ = faulty("503=30")
    assert (status, headers["Retry-After"], headers["Content-Type"]) == (503, "30", "text/html; charset=utf-8")
    assert "Retry-After" not in faulty("503")[1]


def test_html_with_status_200(faulty):
    status, headers, body = faulty("html")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert body.startswith(b"<!DOCTYPE html>")


def test_empty_body(faulty):
    assert faulty("empty_body")[::2] == (200, b"")


@pytest.mark.parametrize("fault", ["empty", "not_yet_published"])
def test_no_rows_in_every_envelope(faulty, fault):
    assert faulty(fault, DAY)[2] == b'{"metadata":{"datasets":["DISEBSP"]},"data":[]}'
    assert faulty(fault, MID)[2] == b'{"data":[]}'
    assert faulty(fault, B1610)[2] == b"[]"


# --- faults on rows ---

VALUE = {DAY: "totalSystemTaggedAcceptedBidVolume", MID: "volume", B1610: "quantity"}


@pytest.mark.parametrize("target", VALUE)
def test_fields_come_renamed_extra_or_not_at_all(faulty, usual, target):
    before = usual[target]
    fields = list(before[0])
    last = [name for name, value in before[0].items() if isinstance(value, Decimal)][-1]
    assert VALUE[target] == last or target == DAY
    assert list(data(faulty("rename_field", target)[2])[0]) == [f"{n}Value" if n == last else n for n in fields]
    assert "period" in data(faulty("rename_field=settlementPeriod:period", target)[2])[-1]
    assert data(faulty("extra_field=colour:red", target)[2]) == [row | {"colour": "red"} for row in before]
    assert list(data(faulty("missing_field", target)[2])[0]) == [n for n in fields if n != last]
    assert "settlementDate" not in data(faulty("missing_field=settlementDate", target)[2])[5]


@pytest.mark.parametrize("target", VALUE)
def test_rows_come_twice_or_in_another_order(faulty, usual, target):
    before = usual[target]
    assert data(faulty("duplicate_rows=2", target)[2]) == before + before[:2]
    conflicting = data(faulty("conflicting_rows", target)[2])
    assert conflicting[:-3] == before
    for again, first in zip(conflicting[-3:], before, strict=False):
        changed = {name for name in first if again[name] != first[name]}
        assert len(changed) == 1
        assert isinstance(first[changed.pop()], Decimal)
    shuffled = data(faulty("shuffled", target)[2])
    assert shuffled != before
    assert sorted(map(str, shuffled)) == sorted(map(str, before))
    assert shuffled == data(faulty("shuffled", target)[2])


def test_text_stands_where_a_number_belongs(faulty, usual):
    assert data(faulty("text_number", B1610)[2])[0]["quantity"] == "n/a"
    assert data(faulty("text_number=price:-", MID)[2])[0]["price"] == "-"
    assert data(faulty("text_number", B1610)[2])[1:] == usual[B1610][1:]


@pytest.mark.parametrize("target", VALUE)
def test_rows_from_outside_the_window(faulty, usual, target):
    *before, extra = data(faulty("extra_rows", target)[2])
    assert before == usual[target]
    assert extra["settlementDate"] == "2024-10-20"
    stamps = {name: value for name, value in extra.items() if name in ("startTime", "halfHourEndTime")}
    assert all(len(value) == len(usual[target][0][name]) for name, value in stamps.items())
    assert all(value < usual[target][0][name] for name, value in stamps.items())


def test_a_short_day(faulty):
    assert [row["settlementPeriod"] for row in data(faulty("short_day")[2])] == [*range(1, 43), *range(45, 51)]
    assert [row["settlementPeriod"] for row in data(faulty("short_day=3-50", B1610)[2])] == [1, 2]


def test_naive_start_time(faulty, usual):
    assert data(faulty("naive_start_time", MID)[2])[0]["startTime"] == usual[MID][0]["startTime"].removesuffix("Z")


def test_restated_values(faulty, usual):
    changed = [a != b for a, b in zip(data(faulty("restated=50")[2]), usual[DAY], strict=True)]
    assert 0 < sum(changed) < len(changed)


def test_no_fault_on_rows_loses_a_digit(twin, faulty):
    usual = twin.get(DAY)[2]
    assert faulty("extra_field=a:b")[2].replace(b',"a":"b"', b"") == usual


# --- faults on bytes ---


def test_wrong_charset(faulty, twin):
    for charset in ("latin-1", "utf-16"):
        _, headers, body = faulty(f"charset={charset}")
        assert headers["Content-Type"] == "application/json; charset=utf-8"
        with pytest.raises(UnicodeDecodeError):
            body.decode()
    assert body.decode("utf-16").encode() == twin.get(DAY)[2]


def test_malformed_json(faulty):
    _, headers, body = faulty("malformed_json")
    assert int(headers["Content-Length"]) == len(body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


# --- faults on the connection ---


def test_latency(faulty, twin):
    started = time.monotonic()
    assert faulty("latency=0.2")[2] == twin.get(DAY)[2]
    assert time.monotonic() - started >= 0.2


def test_down(faulty):
    with pytest.raises(http.client.RemoteDisconnected):
        faulty("down")


@pytest.mark.parametrize("sent", ["0", "100"])
def test_reset(faulty, sent):
    with pytest.raises(ConnectionResetError):
        faulty(f"reset={sent}")


@pytest.mark.parametrize("fault", ["truncated", "truncated=7", "truncated_chunked", "truncated_chunked=7"])
def test_truncated(faulty, twin, fault):
    with pytest.raises(http.client.IncompleteRead) as short:
        faulty(fault)
    whole = twin.get(DAY)[2]
    assert short.value.partial == whole[: 7 if "=" in fault else len(whole) // 2]


def test_truncated_without_any_length(faulty, twin):
    whole = twin.get(DAY)[2]
    assert faulty("truncated_closed")[2] == whole[: len(whole) // 2]


def test_a_file_is_truncated_too(faulty, twin):
    target = f"{PREFIX}/datasets/B1610/stream?from=2024-10-26T23:00Z&to=2024-10-27T23:30Z"
    whole = twin.get(target)[2]
    with pytest.raises(http.client.IncompleteRead) as short:
        faulty("truncated=5000", target)
    assert short.value.partial == whole[:5000]


def test_faults_combine_and_are_known(faulty, twin):
    _, _, body = faulty("short_day=2-50,duplicate_rows=1")
    assert len(data(body)) == 2
    assert len(data(twin.get(f"{MID}&_fault=short_day=2-50")[2])) == 2
    assert set(json.loads(twin.get("/_twin")[2])["faults"]) == set(NAMES)
    assert all(json.loads(twin.get("/_twin")[2])["faults"].values())
    status, _, body = faulty("explode")
    assert status == 400
    assert "use one of 429" in json.loads(body)["error"]


# --- rules ---


def statuses(twin, *targets):
    return [twin.get(target)[0] for target in targets]


def test_a_rule_hits_so_many_requests_from_a_certain_one_on(twin):
    twin.add_fault("503", path="system-prices", from_request=2, count=2)
    assert statuses(twin, DAY, MID, DAY, DAY, DAY) == [200, 200, 503, 503, 200]
    (rule,) = twin.faults()
    assert (rule["seen"], rule["hit"]) == (4, 2)
    twin.clear_faults()
    assert twin.faults() == []


def test_rules_match_dataset_date_and_pattern(twin):
    twin.add_fault("500", dataset="MID", date="2024-10-27")
    twin.add_fault("503", regex=r"bmUnit=T_T")
    assert statuses(twin, DAY, MID, MID.replace("10-27", "10-28"), B1610) == [200, 500, 200, 503]
    assert statuses(twin, f"{PREFIX}/datasets/MID/stream?from=2024-10-20&to=2024-10-30") == [500]


def test_probability_repeats_with_its_seed(twin):
    def tries():
        twin.clear_faults()
        twin.add_fault("500", probability=0.5, seed=7)
        return statuses(twin, *[f"{PREFIX}/health"] * 20)

    first = tries()
    assert set(first) == {200, 500}
    assert tries() == first


def test_rules_end(twin):
    twin.add_fault("503", until="2026-11-20T14:00:00Z")
    assert statuses(twin, DAY) == [503]
    twin.set_now("2026-11-20T14:00:00Z")
    assert statuses(twin, DAY) == [200]
    twin.add_fault("500", for_seconds=600)
    assert statuses(twin, DAY) == [500]
    twin.clear_faults()
    twin.add_fault("500", for_seconds=0.05)
    time.sleep(0.1)
    assert statuses(twin, DAY) == [200]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"fault": "explode"}, "unknown fault 'explode': use one of 429"),
        ({"path": "/x"}, "a rule needs a fault"),
        ({"fault": "latency=long"}, "the argument of latency is a number, for example latency=2"),
        ({"fault": "500", "times": 3}, "unknown times: a rule has fault, path"),
        ({"fault": "500", "until": "2024-01-01"}, "until needs a time zone"),
    ],
)
def test_wrong_rules_are_refused_and_say_what_is_right(twin, rule, message):
    status, _, body = twin.request("POST", "/_twin/faults", rule)
    assert status == 400
    assert message in json.loads(body)["error"]
    with pytest.raises(ValueError, match="unknown fault"):
        Rule.parse({"fault": "nothing"})
    assert str(Fault.parse("429=2")) == "429=2"


# --- counters and control ---


def test_stats_count_what_was_asked_and_sent(twin):
    twin.add_fault("503", count=1)
    sent = sum(len(twin.get(target)[2]) for target in (DAY, DAY, MID))
    stats = twin.stats()
    assert (stats["requests"], stats["bytes"]) == (3, sent)
    assert stats["paths"] == {DAY: 2, MID.partition("?")[0]: 1}
    assert stats["statuses"] == {"503": 1, "200": 2}
    assert stats["faults"] == {"503": 1}
    assert 1 <= stats["max_per_second"] <= 3


def test_stats_know_how_many_came_at_once(twin):
    threads = [threading.Thread(target=twin.get, args=(f"{DAY}?_fault=latency=2",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert twin.stats()["max_parallel"] == 4


def test_requests_are_remembered(twin):
    twin.get(DAY, {"User-Agent": "me/1.0", "X-Twin-Fault": "html"})
    twin.get(MID)
    first, last = twin.requests()
    assert (first["user_agent"], first["target"], first["faults"]) == ("me/1.0", DAY, ["html"])
    assert (last["status"], last["data"], last["method"]) == (200, "recorded", "GET")
    assert twin.requests(1) == [last]


def test_the_clock_can_be_set_and_freed(twin):
    twin.set_now("2024-01-01T00:00:00Z")
    assert data(twin.get(DAY)[2]) == []
    twin.set_now(None)
    assert len(data(twin.get(DAY)[2])) == 50
    with pytest.raises(ValueError, match="no time zone"):
        twin.set_now("2024-01-01T00:00:00")


def test_unknown_control_paths_and_methods(twin):
    assert "GET /_twin/stats" in json.loads(twin.get("/_twin/nothing")[2])["error"]
    assert twin.request("POST", DAY, {})[0] == 405
    assert twin.get("/elsewhere")[0] == 404


def test_connections_are_kept_alive(twin):
    connection = http.client.HTTPConnection(twin.url.removeprefix("http://"))
    for _ in range(3):
        connection.request("GET", DAY)
        assert len(connection.getresponse().read()) > 10_000
        socket = connection.sock
    assert socket is not None
    connection.close()
