"""What becomes of every answer that InfluxDB, or what stands before it, may give."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from energy_ingest.errors import IngestError, Misconfigured, Retryable
from energy_ingest.loading.influx_client import (
    Batch,
    Influx,
    Refusal,
    Target,
    is_outside_retention,
    target_from_environment,
)
from include.influx_double.server import Answer, Fault, InfluxDouble, State, Token
from include.influx_double.stores import Engine, Memory, Store, count

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SECOND = 1_000_000


def batch(*lines: str) -> Batch:
    return Batch.of(pl.Series(lines))


def points(number: int, start: int = 0) -> list[str]:
    return [f"m,unit=T_A-{n % 3} value={n}.5 {(start + n) * SECOND}" for n in range(number)]


def stored(state: State) -> int:
    (bucket,) = state.buckets
    return count(state.store.contents(bucket))


def fails(influx: Influx, kind: type[IngestError], said: str) -> IngestError:
    with pytest.raises(kind, match=said) as caught:
        influx.write(batch(*points(3)))
    assert influx.target.token not in str(caught.value).replace("the token", "")
    return caught.value


# --- a good write ---


def test_a_batch_is_one_compressed_request(influx: Influx, state: State, bucket: str):
    assert influx.write(batch(*points(9))) == []
    (seen,) = state.requests
    assert seen.query == {"org": "org", "bucket": bucket, "precision": "us"}
    assert seen.headers["Content-Encoding"] == "gzip" and seen.headers["Authorization"] == "Token token"
    assert gzip.decompress(seen.body).decode().splitlines() == points(9)
    series = ("m", (("unit", "T_A-1"),))
    assert state.store.contents(bucket)[series] == {n * 10**9: {"value": n + 0.5} for n in (1, 4, 7)}


def test_writing_again_changes_nothing(influx: Influx, state: State):
    for _ in range(3):
        influx.write(batch(*points(30)))
    assert stored(state) == 30


def test_the_last_value_stands(influx: Influx, state: State, bucket: str):
    for value in (5, 9, 7):
        influx.write(batch(f"m v={value} 1", "m other=1 1"))
    assert state.store.contents(bucket) == {("m", ()): {1000: {"v": 7.0, "other": 1.0}}}


def test_a_check_writes_nothing(influx: Influx, state: State):
    influx.check()
    assert stored(state) == 0


# --- not now ---


@pytest.mark.parametrize("code", ["too many requests", "internal error", "unavailable"])
def test_it_is_asked_again(influx: Influx, state: State, code: str):
    state.faults.append(Fault(Answer(code, "not now")))
    assert influx.write(batch(*points(3))) == []
    assert stored(state) == 3 and len(state.requests) == 2
    assert 0 < influx.waits[0] < 3


def test_it_waits_as_long_as_it_is_told(influx: Influx, state: State):
    soon = (datetime.now(UTC) + timedelta(seconds=50)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    for value in ("7", soon):
        state.faults.append(Fault(Answer("unavailable", "starting", {"Retry-After": value})))
    assert influx.write(batch(*points(3))) == []
    assert influx.waits[0] == 7 and 40 < influx.waits[1] <= 50


def test_who_wants_a_long_pause_is_left_to_airflow(influx: Influx, state: State):
    state.faults.append(Fault(Answer("too many requests", "quota", {"Retry-After": "3600"})))
    assert fails(influx, Retryable, "429: quota; it is asked again").retry_after == 3600
    assert influx.waits == [] and len(state.requests) == 1


def test_after_four_attempts_it_is_left_for_later(influx: Influx, state: State):
    state.faults.extend([Fault(Answer("internal error", "engine is closed"))] * 4)
    fails(influx, Retryable, "answered 500: engine is closed")
    assert len(state.requests) == 4 and stored(state) == 0


def test_a_broken_connection_is_made_again(influx: Influx, state: State):
    state.faults.append(Fault())
    assert influx.write(batch(*points(3))) == []
    assert stored(state) == 3


def test_a_lost_acknowledgement_costs_a_second_write(influx: Influx, state: State):
    state.faults.append(Fault(stored=True))
    assert influx.write(batch(*points(3))) == []
    assert stored(state) == 3 and len(state.writes()) == 2


def test_a_proxys_page_is_no_answer(influx: Influx, state: State):
    state.faults.extend([Fault(page=(502, "<html>Bad Gateway</html>"))] * 4)
    fails(influx, Retryable, "answered 502: <html>Bad Gateway</html>")


def test_slow_answers_end(state: State, double: InfluxDouble, bucket: str):
    influx = Influx(Target(double.url, "token", "org", bucket, {"timeout": 200}), attempts=1)
    state.faults.append(Fault(wait=1))
    fails(influx, Retryable, r"does not answer \(ReadTimeoutError\): is it down")


def test_nobody_listens(connect_influx: Callable[..., Influx], state: State):
    with InfluxDouble(state) as server:
        influx = connect_influx(server)
    fails(influx, Retryable, "does not answer .*: is it down, or the network?")
    assert len(influx.waits) == 3


# --- wrong settings ---


def test_a_wrong_token(double: InfluxDouble, connect_influx: Callable[..., Influx]):
    influx = connect_influx(double, token="guessed")
    fails(
        influx, Misconfigured, "401: unauthorized access: check the token; it must be allowed to read and write bucket"
    )
    assert influx.waits == []


def test_a_token_that_may_only_read(double: InfluxDouble, connect_influx: Callable[..., Influx]):
    double.state.tokens["reader"] = Token(write=False)
    fails(
        connect_influx(double, token="reader"),
        Misconfigured,
        "403: insufficient permissions for write: check the token",
    )


def test_no_such_bucket(double: InfluxDouble, connect_influx: Callable[..., Influx]):
    influx = connect_influx(double, bucket="nowhere")
    fails(
        influx,
        Misconfigured,
        "404: bucket \"nowhere\" not found: is there a bucket 'nowhere' of organization 'org' at http",
    )


def test_no_such_organization(double: InfluxDouble, connect_influx: Callable[..., Influx]):
    fails(
        connect_influx(double, org="nobody"), Misconfigured, 'organization name "nobody" not found: is there a bucket'
    )


def test_this_is_no_influxdb_2(state: State, influx: Influx):
    state.faults.append(Fault(page=(405, "what?")))
    fails(influx, Misconfigured, r"405: what\?: check that bucket .* is an InfluxDB 2\.7, and what stands before it")


def test_redirects_are_not_followed(state: State, influx: Influx):
    state.faults.append(Fault(page=(302, "elsewhere")))
    fails(influx, Misconfigured, "302")


@pytest.mark.parametrize("missing", ["INFLUXDB_TOKEN", "INFLUXDB_ORG", "INFLUXDB_BUCKET"])
def test_half_a_target_is_none(monkeypatch: pytest.MonkeyPatch, missing: str):
    names = ("INFLUXDB_URL", "INFLUXDB_TOKEN", "INFLUXDB_ORG", "INFLUXDB_BUCKET")
    for name in names:
        monkeypatch.setenv(name, name.lower())
    assert target_from_environment() == Target("influxdb_url", "influxdb_token", "influxdb_org", "influxdb_bucket")
    assert "influxdb_token" not in repr(target_from_environment())
    monkeypatch.setenv(missing, " ")
    with pytest.raises(Misconfigured, match=f"INFLUXDB_URL is set, but not {missing}; set all four"):
        target_from_environment()
    monkeypatch.delenv("INFLUXDB_URL")
    assert target_from_environment() is None


# --- too large ---


def test_a_large_batch_goes_in_halves(influx: Influx, state: State):
    state.max_body = 1000
    assert influx.write(batch(*points(100))) == []
    assert stored(state) == 100
    assert all(len(gzip.decompress(seen.body)) <= 1000 for seen in state.writes()[-2:])


def test_a_line_that_is_too_large_alone_is_refused(influx: Influx, state: State):
    state.max_body = 1000
    huge = f'm note="{"x" * 2000}" 1'
    (refusal,) = influx.write(batch(*points(5), huge, *points(5, 5)))
    assert refusal == Refusal(5, "unable to read data: points batch is too large")
    assert stored(state) == 10


# --- lines that cannot be parsed: nothing of the request is written ---

BAD = [
    "m value=1..2 3",
    "no fields",
    "m,unit= value=1 3",
    "m,a=1,a=2 value=1 3",
    "m value=1 tomorrow",
    'm value="open 3',
]


@pytest.mark.parametrize("bad", BAD)
def test_a_faulty_line_is_named_and_the_rest_written(influx: Influx, state: State, bad: str):
    (refusal,) = influx.write(batch(*points(20), bad, *points(20, 20)))
    assert refusal.place == 20 and refusal.reason
    assert stored(state) == 40
    assert len(state.writes()) <= 14


def test_many_faulty_lines_take_two_requests(influx: Influx, state: State):
    lines = points(100)
    for place in range(0, 100, 7):
        lines[place] = f"m value={place}x 3"
    refusals = influx.write(batch(*lines))
    assert [refusal.place for refusal in refusals] == list(range(0, 100, 7))
    assert {refusal.reason for refusal in refusals} == {"invalid number"}
    assert stored(state) == 100 - len(refusals) and len(state.writes()) == 2


def test_nothing_but_faulty_lines(influx: Influx, state: State):
    assert len(influx.write(batch("x", "y"))) == 2
    assert stored(state) == 0


def test_a_fault_that_is_not_named_is_searched(influx: Influx, state: State, monkeypatch: pytest.MonkeyPatch):
    """A proxy may cut the message, and a text may look like its end."""
    sneaky = """m note="' : unable to parse 'm': x" value=nan 3"""
    (refusal,) = influx.write(batch(*points(8), sneaky, *points(8, 8)))
    assert refusal.place == 8 and stored(state) == 16


# --- partial writes: the good lines are in ---


def test_a_point_of_another_type_is_found_and_the_rest_is_in(influx: Influx, state: State, bucket: str):
    assert influx.write(batch("m value=1 1")) == []
    lines = points(64, 10)
    lines[17] = f"m,unit=T_A-0 value=17i {27 * SECOND}"
    (refusal,) = influx.write(batch(*lines))
    assert refusal.place == 17
    assert "field type conflict" in refusal.reason and "type integer, already exists as type float" in refusal.reason
    assert stored(state) == 64
    assert len(state.writes()) <= 2 + 2 * 6


def test_a_whole_batch_of_another_type_is_refused_at_once(influx: Influx, state: State):
    assert influx.write(batch("m value=1i 1")) == []
    refusals = influx.write(batch(*points(500)))
    assert [refusal.place for refusal in refusals] == list(range(500))
    assert stored(state) == 1 and len(state.writes()) == 2


def test_faulty_and_conflicting_lines_together(influx: Influx, state: State):
    assert influx.write(batch("m value=1 1")) == []
    refusals = influx.write(batch(*points(10, 1), "m value=", *points(10, 20), f"m value=true {50 * SECOND}"))
    assert sorted(refusal.place for refusal in refusals) == [10, 21]
    assert stored(state) == 21


@pytest.mark.parametrize("store", ["memory", "engine"], indirect=True)
def test_points_that_the_bucket_no_longer_keeps(store: Store, bucket: str, connect_influx: Callable[..., Influx]):
    if isinstance(store, Engine):
        store = Engine(store.url, duration="24h")
    state = State(store, buckets=(bucket,), retention=86_400 if isinstance(store, Memory) else None)
    recent = int(datetime.now(UTC).timestamp())
    with InfluxDouble(state) as server:
        refusals = connect_influx(server).write(batch(*points(4), *points(4, recent - 60)))
    assert [refusal.place for refusal in refusals] == [0, 1, 2, 3]
    assert all(is_outside_retention(refusal.reason) for refusal in refusals)
    assert stored(state) == 4
    assert is_outside_retention("partial write: dropped 3 points outside retention policy of duration 24h0m0s - oldest")


# --- deleting ---

HALF_HOURS = [datetime(2024, 10, 27, hour // 2, 30 * (hour % 2), tzinfo=UTC) for hour in range(4)]


def series(tag: str) -> list[str]:
    return [f"m,unit={tag} value=1 {int(at.timestamp()) * SECOND}" for at in HALF_HOURS]


def test_delete_takes_both_ends_and_nothing_else(influx: Influx, state: State, bucket: str):
    influx.write(batch(*series("A"), *series("B"), *[line.replace("m,", "other,") for line in series("A")]))
    influx.delete("m", HALF_HOURS[1], HALF_HOURS[2], {"unit": "A"})
    contents = state.store.contents(bucket)
    left = {key: len(found) for key, found in contents.items()}
    assert left == {("m", (("unit", "A"),)): 2, ("m", (("unit", "B"),)): 4, ("other", (("unit", "A"),)): 4}
    assert [at * 10**9 for at in (int(HALF_HOURS[0].timestamp()), int(HALF_HOURS[3].timestamp()))] == sorted(
        contents["m", (("unit", "A"),)]
    )


def test_delete_up_to_the_end_of_a_window_spares_the_next(influx: Influx, state: State):
    influx.write(batch(*series("A")))
    influx.delete("m", HALF_HOURS[0], HALF_HOURS[2] - timedelta(microseconds=1))
    assert stored(state) == 2


@pytest.mark.parametrize("unit", ['a "b"', r"back\slash", "a=b, c", "end\\", "é€ AND unit", "line\nbreak"])
def test_delete_by_any_tag(influx: Influx, state: State, unit: str):
    from energy_ingest.loading.line_protocol import escaped_tag

    influx.write(batch(*series(escaped_tag(unit)), *series("other")))
    influx.delete("m", HALF_HOURS[0], HALF_HOURS[3], {"unit": unit})
    assert stored(state) == 4


def test_delete_needs_a_token_that_may(double: InfluxDouble, connect_influx: Callable[..., Influx]):
    double.state.tokens["reader"] = Token(write=False)
    with pytest.raises(Misconfigured, match="403: insufficient permissions to delete: check the token"):
        connect_influx(double, token="reader").delete("m", NOW, NOW)


def test_delete_is_asked_again(influx: Influx, state: State):
    state.faults.append(Fault(Answer("unavailable", "starting")))
    influx.delete("m", NOW, NOW)
    assert len(state.requests) == 2


def test_an_untrusted_certificate_is_no_outage(monkeypatch: pytest.MonkeyPatch):
    """Nothing is sent to a server that cannot prove who it is, and waiting would not help."""
    with socket.create_server(("127.0.0.1", 0)) as plain:
        port = plain.getsockname()[1]
    import ssl
    import threading

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_server(("127.0.0.1", port)) as plain:

        def refuse() -> None:
            client, _ = plain.accept()
            with client:
                client.recv(1000)
                client.sendall(b"\x15\x03\x01\x00\x02\x02\x30")  # the alert "unknown CA"

        threading.Thread(target=refuse, daemon=True).start()
        influx = Influx(Target(f"https://127.0.0.1:{port}", "token", "org", "bucket"), attempts=1)
        with pytest.raises(Misconfigured, match="cannot be trusted: SSLError"):
            influx.write(batch("m f=1 1"))
