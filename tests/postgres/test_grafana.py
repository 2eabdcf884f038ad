"""Grafana's dashboards: current, well formed, and every query answers the reader with what its panel needs."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from energy_ingest.catalog import B1610, MARKET_INDEX, NATIONAL_GAS_QUALITY, SYSTEM_PRICES, TRANSWESTERN_CAPACITY
from energy_ingest.loading import incidents, monitor
from energy_ingest.loading.database import connect
from energy_ingest.loading.incidents import Channels
from energy_ingest.sources import Scope
from energy_ingest.windows import utc_now
from include.twin.client import Twin
from tests.postgres import world
from tests.postgres.test_feeds import DAY, TW, Feed
from tests.postgres.test_incidents import FINDING
from tools import grafana

FROM, TO = "2024-10-26T00:00:00Z", "2024-10-29T00:00:00Z"
PROVISIONING = grafana.ROOT / "include" / "grafana" / "provisioning"
PANELS = [
    pytest.param(panel, id=f"{path.stem}-{panel['id']}")
    for path in sorted(grafana.FOLDER.glob("*.json"))
    for panel in json.loads(path.read_text())["panels"]
]
FROM_WAREHOUSE = [param for param in PANELS if param.values[0]["datasource"] == grafana.WAREHOUSE]


def expanded(query: str, first: str = FROM, last: str = TO, seconds: int = 1800) -> str:
    """The query with macros and variables as Grafana replaces them."""
    query = query.replace("$__interval", f"{seconds // 60}m")
    query = re.sub(r"\$__timeFilter\(([\w.]+)\)", rf"\1 BETWEEN '{first}' AND '{last}'", query)
    group = rf'floor(extract(epoch from \1)/{seconds})*{seconds} AS "time"'
    query = re.sub(r"\$__timeGroupAlias\(([\w.]+), ?\d+m\)", group, query)
    query = query.replace("$__timeFrom()", f"'{first}'").replace("$__timeTo()", f"'{last}'")
    assert "$" not in query, query
    return query


@pytest.fixture(scope="module")
def reader_url(new_warehouse: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A warehouse with a day of every dataset that is shown, an incident and key figures."""
    folder: Path = tmp_path_factory.mktemp("archive")
    with new_warehouse() as urls, Twin.start() as twin:
        url = urls["energy_loader"]
        for dataset, scope in ((SYSTEM_PRICES, world.ALL), (MARKET_INDEX, world.ALL), (B1610, world.UNITS)):
            world.load(url, world.Feed(dataset, scope), folder, world.days(DAY))
        feed = Feed(twin, url, folder)
        feed.load(NATIONAL_GAS_QUALITY, list(NATIONAL_GAS_QUALITY.windows(DAY, DAY)), Scope("all"))
        feed.load(TRANSWESTERN_CAPACITY, list(TRANSWESTERN_CAPACITY.windows(DAY, DAY)), TW)
        with connect(url) as connection:
            now = utc_now()
            monitor.keep(connection, monitor.examine(connection, now))
            incidents.report(connection, [FINDING], Channels(), now)
        yield urls["energy_reader"]


def test_they_are_those_of_the_catalogue() -> None:
    written = {path: path.read_text() for path in grafana.FOLDER.glob("*.json")}
    assert written == grafana.dashboards(), "make docs writes them"


def test_dashboards_are_well_formed() -> None:
    sources = yaml.safe_load((PROVISIONING / "datasources" / "energy.yaml").read_text())["datasources"]
    known = [{"type": source["type"], "uid": source["uid"]} for source in sources]
    boards = [json.loads(text) for text in grafana.dashboards().values()]
    assert len({board["uid"] for board in boards}) == len(boards)
    for board in boards:
        assert board["schemaVersion"] == 41
        panels = board["panels"]
        assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
        cells = [cell for panel in panels for cell in _cells(panel["gridPos"])]
        assert len(cells) == len(set(cells)), "panels overlap"
        assert all(x < 24 for x, _ in cells)
        for panel in panels:
            assert [target["datasource"] for target in panel["targets"]] == [panel["datasource"]]
            assert panel["datasource"] in known


def _cells(place: dict[str, int]) -> list[tuple[int, int]]:
    return [(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])]


def test_no_secret_is_written_down() -> None:
    sources = yaml.safe_load((PROVISIONING / "datasources" / "energy.yaml").read_text())["datasources"]
    for source in sources:
        for value in source["secureJsonData"].values():
            assert re.fullmatch(r"(Token )?\$\{[A-Z_]+\}", value)
    assert [source["user"] for source in sources if "user" in source] == ["energy_reader"]


@pytest.mark.parametrize("panel", FROM_WAREHOUSE)
def test_every_query_answers_the_reader(reader_url: str, panel: dict[str, Any]) -> None:
    (target,) = panel["targets"]
    now, hour = utc_now(), timedelta(hours=1)
    recent = "ledger.kpi" in target["rawSql"] or "ledger.import_job" in target["rawSql"]
    span = (f"{now - hour:%Y-%m-%dT%H:%M:%SZ}", f"{now + hour:%Y-%m-%dT%H:%M:%SZ}") if recent else (FROM, TO)
    with psycopg.connect(reader_url) as connection:
        cursor = connection.execute(expanded(target["rawSql"], *span))
        names, rows = [column.name for column in cursor.description or ()], cursor.fetchall()
    assert rows, "nothing to show"
    if target["format"] == "table":
        return
    assert names[0] == "time" and isinstance(rows[0][0], (datetime, Decimal, float))
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    kinds = {name: type(value) for name, value in zip(names[1:], rows[0][1:], strict=True)}
    assert kinds.pop("metric", str) is str
    assert kinds and set(kinds.values()) <= {Decimal, float, int}


def test_a_day_that_nobody_tried_is_missing(reader_url: str, new_warehouse: Any, tmp_path: Path) -> None:
    with new_warehouse() as urls:
        feed = world.Feed()
        for day in (date(2024, 10, 26), date(2024, 10, 28)):
            world.load(urls["energy_loader"], feed, tmp_path, world.days(day))
        with psycopg.connect(urls["energy_reader"]) as connection:
            rows = connection.execute(expanded(grafana.COVERAGE)).fetchall()
    assert [(row[0].date().day, row[2]) for row in rows] == [(26, 0), (27, len(grafana.STATES) - 1), (28, 0)]
