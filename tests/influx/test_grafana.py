"""Grafana's queries to InfluxDB, by the real engine on projected rows: InfluxQL, as 2.7 answers it for a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from energy_ingest.catalog import NATIONAL_GAS_QUALITY, TRANSWESTERN_CAPACITY
from energy_ingest.loading.database import connect
from energy_ingest.loading.influx import Projector
from energy_ingest.loading.influx_client import Influx
from energy_ingest.sources import Scope
from include.influx_double.server import State
from include.influx_double.stores import Engine
from include.twin.client import Twin
from tests.postgres import world
from tests.postgres.test_feeds import DAY, TW, Feed
from tools.grafana import CHARTS, Chart

SPAN = "time >= '2024-10-26T00:00:00Z' AND time <= '2024-10-29T00:00:00Z'"


@pytest.fixture
def store(engine_url: str) -> Engine:
    """The real engine only: it is what understands InfluxQL."""
    return Engine(engine_url)


def load(chart: Chart, url: str, folder: Path) -> None:
    if chart.dataset in (NATIONAL_GAS_QUALITY, TRANSWESTERN_CAPACITY):
        scope = TW if chart.dataset is TRANSWESTERN_CAPACITY else Scope("all")
        with Twin.start() as twin:
            Feed(twin, url, folder).load(chart.dataset, list(chart.dataset.windows(DAY, DAY)), scope)
    else:
        scope = world.UNITS if chart.dataset.member_param else world.ALL
        world.load(url, world.Feed(chart.dataset, scope), folder, world.days(DAY))


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.title)
def test_every_query_draws_what_postgresql_has(
    chart: Chart, warehouse_url: str, state: State, bucket: str, influx: Influx, tmp_path: Path
) -> None:
    load(chart, warehouse_url, tmp_path)
    Projector(chart.dataset, lambda: connect(warehouse_url), influx).project()
    query = chart.influxql().replace("$timeFilter", SPAN).replace("$__interval", "30m")
    assert "$" not in query
    assert isinstance(state.store, Engine)
    (result,) = state.store.query(query, bucket)["results"]
    drawn: list[dict[str, Any]] = result["series"]
    points = sorted(values[1] for series in drawn for values in series["values"])
    assert all(tuple(series.get("tags", {})) == tuple(sorted(chart.by)) for series in drawn)
    assert points == pytest.approx(sorted(_of_postgresql(chart, warehouse_url)))


def _of_postgresql(chart: Chart, url: str) -> list[float]:
    from tests.postgres.test_grafana import expanded

    return [float(row[-1]) for row in world.ask(url, expanded(chart.sql())) if row[-1] is not None]
