"""InfluxDB for tests: the double of 2.7, with points in memory or in the real engine of 1.6.7 behind it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from energy_ingest.loading.influx_client import Influx, Target
from include.influx_double import engine
from include.influx_double.server import InfluxDouble, State
from include.influx_double.stores import Engine, Memory, Store

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def engine_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real engine. Where it cannot be had, its tests are left out and say so; in CI they fail."""
    folder: Path = tmp_path_factory.mktemp("influxd")
    try:
        engine.find()
    except engine.Unavailable as error:
        if os.environ.get("CI", "").lower() in ("true", "1"):
            raise
        pytest.skip(f"NOT TESTED AGAINST THE REAL ENGINE OF INFLUXDB: {error}")
    with engine.running(folder) as url:
        yield url


@pytest.fixture(params=["memory", "engine"])
def store(request: pytest.FixtureRequest) -> Store:
    """Where points are kept; every test that takes it runs twice."""
    return Memory() if request.param == "memory" else Engine(request.getfixturevalue("engine_url"))


@pytest.fixture
def bucket() -> str:
    """A bucket of this test's own: the engine outlives the test."""
    return f"bucket {next(_numbers)}"


@pytest.fixture
def state(store: Store, bucket: str) -> State:
    """The double's state on that store."""
    return State(store, buckets=(bucket,))


@pytest.fixture
def double(state: State) -> Iterator[InfluxDouble]:
    """A running double."""
    with InfluxDouble(state) as server:
        yield server


@pytest.fixture
def connect_influx(bucket: str) -> Iterator[Callable[..., Influx]]:
    """Makes clients of a double; they do not really wait, `waits` has for how long they would have."""
    made: list[Influx] = []

    def connect(server: InfluxDouble, **changes: str) -> Influx:
        place = {"token": "token", "org": "org", "bucket": bucket, **changes}
        influx = Influx(Target(server.url, **place, options={"timeout": 5_000}))
        influx.waits = []  # type: ignore[attr-defined]
        influx._retrying.sleep = influx.waits.append  # type: ignore[attr-defined]
        made.append(influx)
        return influx

    yield connect
    for influx in made:
        influx.close()


@pytest.fixture
def influx(double: InfluxDouble, connect_influx: Callable[..., Influx]) -> Influx:
    """A client of the running double."""
    return connect_influx(double)
