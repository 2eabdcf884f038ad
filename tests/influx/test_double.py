"""The double is what it stands for: 2.7's statuses and words, and the engine's own judgement of every line."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_ingest.loading import line_protocol
from energy_ingest.projection import Points
from include.influx_double.lines import parse
from include.influx_double.server import InfluxDouble, State, Token
from include.influx_double.stores import Engine
from tests.unit.test_line_protocol import NASTY

NOW = 1_700_000_000_000_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[InfluxDouble]:
    tokens = {"token": Token(), "reader": Token(write=False)}
    with InfluxDouble(State(tokens=tokens, max_body=5_000)) as running:
        yield running


def ask(server: InfluxDouble, method: str, target: str, body: bytes = b"", **headers: str) -> tuple[int, Any, Any]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if text.startswith("{") else text, answer.headers


GOOD = {"org": "org", "bucket": "bucket", "precision": "ns"}
AUTH = {"Authorization": "Token token"}
DELETE = {"start": "2024-01-01T00:00:00Z", "stop": "2024-01-02T00:00:00Z"}


@pytest.mark.parametrize(
    ("query", "headers", "body", "status", "code", "message"),
    [
        ({}, {"Authorization": ""}, b"m f=1", 401, "unauthorized", "unauthorized access"),
        ({}, {"Authorization": "Token nobody"}, b"m f=1", 401, "unauthorized", "unauthorized access"),
        ({}, {"Authorization": "Basic token"}, b"m f=1", 401, "unauthorized", "unauthorized access"),
        ({}, {"Authorization": "Token reader"}, b"m f=1", 403, "forbidden", "insufficient permissions for write"),
        (
            {"precision": "h"}, {}, b"m f=1", 400, "invalid",
            "invalid precision; valid precision units are ns, us, ms, and s",
        ),
        ({"bucket": ""}, {}, b"m f=1", 404, "not found", "bucket not found"),
        ({"bucket": "x"}, {}, b"m f=1", 404, "not found", 'bucket "x" not found'),
        ({"org": "x"}, {}, b"m f=1", 404, "not found", 'organization name "x" not found'),
        ({"org": ""}, {}, b"m f=1", 404, "not found", "organization not found"),
        (
            {}, {"Content_Encoding": "gzip"}, b"m f=1", 500, "internal error",
            "An internal error has occurred - check server logs",
        ),
        (
            {}, {"Content_Encoding": "gzip"}, gzip.compress(b"m f=1", mtime=0)[:-4], 500, "internal error",
            "unable to read data: unexpected EOF",
        ),
        ({}, {}, b"m f=1\nbad & bad", 400, "invalid", "unable to parse 'bad & bad': invalid field format"),
        ({}, {}, b"x" * 5001, 413, "request too large", "unable to read data: points batch is too large"),
    ],
)  # fmt: skip
def test_a_refused_write(server: InfluxDouble, query, headers, body, status, code, message):
    target = "/api/v2/write?" + urlencode(GOOD | query)
    found, answer, sent = ask(server, "POST", target, body, **(AUTH | headers))
    assert (found, answer) == (status, {"code": code, "message": message})
    assert sent["X-Platform-Error-Code"] == code and sent["X-Influxdb-Build"] == "OSS"
    assert sent["Content-Type"] == "application/json; charset=utf-8" and sent["X-Influxdb-Version"].startswith("v2.7.")


def test_angle_brackets_come_as_go_writes_them(server: InfluxDouble):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    connection.request("POST", "/api/v2/write?" + urlencode(GOOD), b"a<b>&", AUTH)
    assert rb"a\u003cb\u003e\u0026" in connection.getresponse().read()
    connection.close()


def test_a_conflict_of_types(server: InfluxDouble):
    target = "/api/v2/write?" + urlencode(GOOD)
    assert ask(server, "POST", target, b"conflict f=1i 1", **AUTH)[0] == 204
    status, answer, _ = ask(server, "POST", target, b"conflict f=1 2\nconflict f=2i 3", **AUTH)
    assert (status, answer["code"]) == (422, "unprocessable entity")
    assert answer["message"] == (
        'failure writing points to database: partial write: field type conflict: input field "f" on measurement '
        '"conflict" is type float, already exists as type integer dropped=1'
    )


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (DELETE, 204, None),
        (DELETE | {"predicate": '_measurement="m" AND a="x AND b" and "c"="d"'}, 204, None),
        (DELETE | {"predicate": "a=1 OR b=2"}, 400, "invalid request; error parsing predicate"),
        (DELETE | {"predicate": '_field="f"'}, 501, "delete by field is not supported"),
        (DELETE | {"start": "yesterday"}, 400, "invalid request"),
        ({}, 400, "invalid request"),
    ],
)
def test_delete(server: InfluxDouble, body: dict[str, str], status: int, message: str | None):
    target = "/api/v2/delete?" + urlencode({"org": "org", "bucket": "bucket"})
    found, answer, _ = ask(server, "POST", target, json.dumps(body).encode(), **AUTH)
    assert found == status and (message is None or message in answer["message"])


@pytest.mark.parametrize("path", ["/health", "/ready", "/ping"])
def test_what_needs_no_token(server: InfluxDouble, path: str):
    status, answer, _ = ask(server, "GET", path)
    assert status == (204 if path == "/ping" else 200)
    assert path != "/health" or (answer["status"], answer["name"]) == ("pass", "influxdb")


def test_an_unknown_path(server: InfluxDouble):
    assert ask(server, "POST", "/api/v3/write_lp")[:2] == (404, {"code": "not found", "message": "path not found"})


# --- the parser against the engine's ---

LINES = [
    "m f=1", "m f=1 5", "m f=1i", "m f=-1.5e-3 -7", "m f=1e400", 'm f="a b,c=d" 1', r'm f="a\"b\\" 1', "m f=t,g=F",
    "m,a=b f=1", r"m\ m,a\=a=b\,b f\ f=1", r"m,a=b\ ,c=\=d f=1", "m,a=b,c=d f=1,g=2i 9", "  m f=1", "m  f=1",
    "m f=1  5", "# comment", "", 'm f="line\nbreak" 1', r"m,a=b\\,c=d f=1", 'm,a="b f=1', "é,ü=ß ö=1", "m f=+1",
    "m f=1.", "m f=.5", "m f=9223372036854775807i", "m f=-9223372036854775808i", "m,b=1,a=2 f=1", "m,=b f=1", "m, f=1",
    "m", "m ", "m f", "m f=", "m =1", "m f=1,", "m f=1 x", "m f=1 1 1", "m f=1 1.5", "m,a f=1", "m,a= f=1", "m f=-",
    "m f=1..2", "m f=nan", "m f=inf", "m f=tru", "m f=9223372036854775808i", "m f=1.5i", "m f=1x", 'm f="open',
    "m f=1 9223372036854775808", "m f=--1", "m f=1e", "m f='x'", "m,a=b=c f=1", "m f=1 1\r", ",a=b f=1", "m f=1,g",
    "m,a=1,a=2 f=1", "m f=NaN", "m f=1,=2", 'm f="a"b', "m f=i", "m f=1e5i",
]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_taken_or_refused_as_by_the_engine(engine_url: str, line: str):
    engine = Engine(engine_url)
    engine.create("lint")
    for series in engine.contents("lint"):
        engine.query(f'DROP MEASUREMENT "{series[0]}"', "lint")
    status, answer = engine._post("/write", {"db": "lint", "precision": "n"}, line.encode())
    points, faults = parse(line, "ns", NOW)
    assert (status == 204) == (not faults), (answer, faults)
    if faults:
        said = json.loads(answer)["error"]
        assert faults[0].partition("': ")[2] in said, said
    elif points:
        (point,) = points
        contents = engine.contents("lint")
        assert list(contents) == [(point.measurement, point.tags)]
        assert list(contents[point.measurement, point.tags].values()) == [point.fields]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=st.lists(st.tuples(NASTY, NASTY), min_size=1, max_size=20))
def test_what_our_lines_say_is_what_the_engine_reads(engine_url: str, rows: list[tuple[str, str]]):
    engine = Engine(engine_url)
    engine.create("escaping")
    points = Points("m x,y", tags={"t g": "tag"}, fields={"f=": "text"}, time="at")
    frame = pl.DataFrame([(n, *row) for n, row in enumerate(rows)], schema=["at in us", "tag", "text"], orient="row")
    lines = line_protocol.lines(frame, points, {"tag": "text", "text": "text"})
    assert engine.write("escaping", [], "\n".join(lines).encode(), "us") is None
    found = {
        (tags, at // 1000): fields
        for (_, tags), series in engine.contents("escaping").items()
        for at, fields in series.items()
    }
    engine.query('DROP DATABASE "escaping"')
    wanted = {
        (((("t g", line_protocol.stored_tag(tag)),) if tag else ()), n): {"f=": text}
        for n, (tag, text) in enumerate(rows)
    }
    assert found == wanted
