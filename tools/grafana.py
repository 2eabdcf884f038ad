"""Grafana's dashboards, from the catalogue: include/grafana/dashboards/*.json.

python -m tools.grafana
"""

# ruff: noqa: S608 - the names put into queries here are the catalogue's

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from energy_ingest.alerts import thresholds
from energy_ingest.catalog import (
    B1610,
    MARKET_INDEX,
    NATIONAL_GAS_QUALITY,
    SYSTEM_PRICES,
    TRANSWESTERN_CAPACITY,
    Dataset,
)
from energy_ingest.projection import Points, Scaled
from energy_ingest.windows import State
from tools.bootstrap import ROOT

FOLDER = ROOT / "include" / "grafana" / "dashboards"
WAREHOUSE = {"type": "grafana-postgresql-datasource", "uid": "energy-warehouse"}
INFLUXDB = {"type": "influxdb", "uid": "energy-influxdb"}
STATES: Mapping[State | Literal["missing"], str] = {
    "complete": "green",
    "empty_confirmed": "blue",
    "not_yet_published": "light-blue",
    "pending": "light-yellow",
    "running": "yellow",
    "partial": "orange",
    "abandoned": "purple",
    "failed": "red",
    "missing": "dark-red",
}
"""Colours of the coverage, the best state first: a day shows its worst window."""

assert set(STATES) == {*get_args(State), "missing"}  # noqa: S101 - a new state needs a colour


@dataclass(frozen=True)
class Chart:
    """Figures of a dataset over time: `fields` of its points in InfluxDB, or their columns; one series for each `by`.

    `how`: `mean` of the rows of an interval; `sum` of all rows of an instant, then their mean; `ratio` of the sums of
    two fields, in percent.
    """

    title: str
    dataset: Dataset
    fields: tuple[str, ...]
    unit: str
    how: Literal["mean", "sum", "ratio"] = "mean"
    by: tuple[str, ...] = ()

    @property
    def points(self) -> Points:
        """The dataset's lean points."""
        assert self.dataset.influx  # noqa: S101 - only such datasets are shown
        points = self.dataset.influx.lean(self.dataset.name, self.dataset.contract)
        missing = {*self.fields} - {*points.fields} | {*self.by} - {*points.tags}
        assert not missing, f"{self.dataset.name} has no {missing} in InfluxDB"  # noqa: S101
        return points

    def column(self, field: str) -> str:
        """A field by the table's columns."""
        source = self.points.fields[field]
        return f"{source.factor} * {source.column}" if isinstance(source, Scaled) else source

    def sql(self) -> str:
        """From PostgreSQL; the day narrows the index, the instant is exact."""
        time, label = self.points.time, self.dataset.time_column
        metric = f"concat_ws(' ', {', '.join(self.by)}) AS metric, " if self.by else ""
        keys = "1, 2" if self.by else "1"
        near = f"{label} BETWEEN $__timeFrom()::timestamptz::date - 1 AND $__timeTo()::timestamptz::date + 1"
        where = f"WHERE $__timeFilter({time})" + (f" AND {near}" if label != time else "")
        source = f"energy.{self.dataset.table} {where}"
        names = [f"{field}" for field in self.fields]
        if self.how == "ratio":
            upper, lower = map(self.column, self.fields)
            return (
                f"SELECT {time} AS time, {metric}100 * sum({upper}) / nullif(sum({lower}), 0) AS percent\n"
                f"FROM {source} GROUP BY {keys} ORDER BY {keys}"
            )
        if self.how == "sum":
            sums = ", ".join(f"sum({self.column(name)}) AS {name}" for name in names)
            source = f"(SELECT {time}, {metric}{sums} FROM {source} GROUP BY {keys}) AS instant"
            metric = "metric, " if self.by else ""
            values = ", ".join(f"avg({name}) AS {name}" for name in names)
        else:
            values = ", ".join(f"avg({self.column(name)}) AS {name}" for name in names)
        what = f"$__timeGroupAlias({time}, $__interval), {metric}{values}"
        return f"SELECT {what}\nFROM {source} GROUP BY {keys} ORDER BY {keys}"

    def influxql(self) -> str:
        """From InfluxDB."""
        tags = "".join(f', "{tag}"' for tag in self.by)
        source = f'"{self.points.measurement}" WHERE $timeFilter'
        if self.how == "ratio":
            upper, lower = self.fields
            return (
                f'SELECT 100 * sum("{upper}") / sum("{lower}") AS "percent" FROM {source}'
                f" GROUP BY time(1d){tags} fill(none)"
            )
        if self.how == "sum":
            sums = ", ".join(f'sum("{name}") AS "{name}"' for name in self.fields)
            source = f"(SELECT {sums} FROM {source} GROUP BY time(30m){tags} fill(none)) WHERE $timeFilter"
        values = ", ".join(f'mean("{name}") AS "{name}"' for name in self.fields)
        return f"SELECT {values} FROM {source} GROUP BY time($__interval){tags} fill(none)"


CHARTS = (
    Chart("System price", SYSTEM_PRICES, ("system_sell_price_gbp_per_mwh",), "currencyGBP"),
    Chart("Net imbalance volume, positive: short", SYSTEM_PRICES, ("net_imbalance_volume_mwh",), "watth"),
    Chart("Market index price", MARKET_INDEX, ("price_gbp_per_mwh",), "currencyGBP", by=("data_provider",)),
    Chart("Generation by fuel", B1610, ("average_mw",), "megwatt", "sum", ("psr_type",)),
    Chart("Gas: calorific value, mean of all sites, MJ/m³", NATIONAL_GAS_QUALITY, ("cv_mj_per_m3",), "none"),
    Chart("Gas: Wobbe index, mean of all sites, MJ/m³", NATIONAL_GAS_QUALITY, ("wobbe_index_mj_per_m3",), "none"),
    Chart(
        "Capacity utilisation by nomination cycle",
        TRANSWESTERN_CAPACITY,
        ("total_scheduled_quantity_dth_per_day", "operating_capacity_dth_per_day"),
        "percent",
        "ratio",
        ("asset", "nomination_cycle"),
    ),
)

_WORST = " ".join(f"WHEN '{state}' THEN {rank}" for rank, state in enumerate(STATES) if state != "missing")
COVERAGE = f"""
WITH day AS (
  SELECT dataset, generate_series(greatest(min(label), $__timeFrom()::timestamptz::date),
                                  least(max(label), $__timeTo()::timestamptz::date), interval '1 day')::date AS label
  FROM ledger."window" GROUP BY dataset
)
SELECT day.label::timestamp AT TIME ZONE 'UTC' AS time, day.dataset AS metric,
  coalesce(max(CASE w.state {_WORST} END), {len(STATES) - 1}) AS value
FROM day LEFT JOIN ledger."window" AS w ON (w.dataset, w.label) = (day.dataset, day.label)
GROUP BY 1, 2 ORDER BY 1, 2"""
FRESHNESS = """
SELECT dataset, max(label) FILTER (WHERE state = 'complete') AS "last data",
  current_date - max(label) FILTER (WHERE state = 'complete') AS "days ago",
  count(*) FILTER (WHERE state NOT IN ('complete', 'empty_confirmed')) AS "windows open",
  max(completed_at) AS "last loaded"
FROM ledger."window" GROUP BY dataset ORDER BY 3 DESC NULLS FIRST, 1"""
LAG = """
SELECT $__timeGroupAlias(j.completed_at, $__interval), j.dataset AS metric,
  avg(extract(epoch FROM j.completed_at - w.window_end)) AS value
FROM ledger.import_job AS j
JOIN ledger."window" AS w ON (w.dataset, w.scope, w.window_start) = (j.dataset, j.scope, j.window_start)
WHERE $__timeFilter(j.completed_at) AND j.status = 'completed' AND j.inserted_rows > 0
GROUP BY 1, 2 ORDER BY 1, 2"""
ROWS = """
SELECT $__timeGroupAlias(completed_at, $__interval), dataset AS metric, sum(inserted_rows + revised_rows) AS value
FROM ledger.import_job WHERE $__timeFilter(completed_at) AND status = 'completed' GROUP BY 1, 2 ORDER BY 1, 2"""
ATTEMPTS = """
SELECT $__timeGroupAlias(queued_at, $__interval), status AS metric, count(*) AS value
FROM ledger.import_job WHERE $__timeFilter(queued_at) GROUP BY 1, 2 ORDER BY 1, 2"""
INCIDENTS = """
SELECT opened_at AS opened, severity, rule, subject, finding ->> 'title' AS what, occurrences, resolved_at AS over
FROM ledger.incident WHERE resolved_at IS NULL OR $__timeFilter(opened_at) ORDER BY resolved_at IS NULL DESC, 1 DESC"""
KPIS = """
SELECT measured_at AS time, name AS metric, value FROM ledger.kpi
WHERE $__timeFilter(measured_at) AND target IS NOT NULL ORDER BY 1, 2"""
TIGHTEST = """
SELECT loc_name AS location, asset, flow_ind AS direction, nomination_cycle AS cycle, utilisation_percent,
  operationally_available_capacity_dth_per_day AS "available Dth/d"
FROM energy.capacity_utilisation
WHERE gas_day = (SELECT max(gas_day) FROM energy.capacity_utilisation
                 WHERE gas_day <= $__timeTo()::timestamptz::date)
ORDER BY utilisation_percent DESC NULLS LAST, 1, 2, 3, 4 LIMIT 20"""


def main() -> None:
    """Write every dashboard."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in dashboards().items():
        path.write_text(text)


def dashboards() -> dict[Path, str]:
    """Each dashboard's file and text."""
    built = (
        _dashboard("energy-overview", "Energy: overview", "now-30d", _overview()),
        _dashboard("energy-operation", "Energy: operation", "now-7d", _operation()),
        _dashboard("energy-market", "Energy: market, from PostgreSQL", "now-7d", _market()),
        _dashboard("energy-market-influxdb", "Energy: market, from InfluxDB", "now-7d", map(_from_influxdb, CHARTS)),
    )
    return {FOLDER / f"{one['uid']}.json": json.dumps(one, indent=1, ensure_ascii=False) + "\n" for one in built}


def _overview() -> Iterable[dict[str, Any]]:
    options = {f"{n}": {"text": state, "color": colour, "index": n} for n, (state, colour) in enumerate(STATES.items())}
    coverage = _panel("Coverage: the worst state of each day", "status-history", COVERAGE, size=(24, 12))
    coverage["fieldConfig"]["defaults"] |= {"mappings": [{"type": "value", "options": options}]}
    coverage["options"] = {"showValue": "never", "rowHeight": 0.9, "legend": {"showLegend": True}}
    yield coverage
    yield _panel("Freshness", "table", FRESHNESS, form="table", size=(12, 10))
    yield _panel("Load lag: from the end of a window to its rows", "timeseries", LAG, unit="s", size=(12, 10))


def _operation() -> Iterable[dict[str, Any]]:
    for kpi in thresholds.kpis(thresholds.Figures()):
        if kpi.target is None:
            continue
        query = f"SELECT value FROM ledger.kpi WHERE name = '{kpi.name}' ORDER BY measured_at DESC LIMIT 1"
        stat = _panel(
            kpi.name.replace("_", " "),
            "stat",
            query,
            form="table",
            unit="percentunit" if kpi.share else "none",
            size=(6, 4),
        )
        missed, met = ("red", "green") if kpi.high else ("green", "red")
        steps = [{"color": missed, "value": None}, {"color": met, "value": kpi.target}]
        stat["fieldConfig"]["defaults"] |= {"thresholds": {"mode": "absolute", "steps": steps}}
        yield stat
    yield _panel("Key figures", "timeseries", KPIS)
    yield _panel("Attempts", "timeseries", ATTEMPTS)
    yield _panel("Rows loaded", "timeseries", ROWS)
    yield _panel("Incidents", "table", INCIDENTS, form="table")


def _market() -> Iterable[dict[str, Any]]:
    for chart in CHARTS:
        yield _panel(chart.title, "timeseries", chart.sql(), unit=chart.unit) | {"interval": "30m"}
    yield _panel("Tightest locations of the last gas day", "table", TIGHTEST, form="table")


def _from_influxdb(chart: Chart) -> dict[str, Any]:
    panel = _panel(chart.title, "timeseries", "", unit=chart.unit) | {"interval": "30m", "datasource": INFLUXDB}
    alias = " ".join(f"$tag_{tag}" for tag in chart.by) or "$col"
    target = {"query": chart.influxql(), "rawQuery": True, "resultFormat": "time_series", "alias": alias}
    return panel | {"targets": [{"refId": "A", "datasource": INFLUXDB, **target}]}


def _panel(
    title: str,
    kind: str,
    query: str,
    *,
    form: Literal["time_series", "table"] = "time_series",
    unit: str = "none",
    size: tuple[int, int] = (12, 8),
) -> dict[str, Any]:
    target = {"rawQuery": True, "editorMode": "code", "format": form, "rawSql": query.strip()}
    return {
        "title": title,
        "type": kind,
        "datasource": WAREHOUSE,
        "gridPos": {"w": size[0], "h": size[1]},
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "options": {},
        "targets": [{"refId": "A", "datasource": WAREHOUSE, **target}],
    }


def _dashboard(uid: str, title: str, start: str, panels: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {
        "uid": uid,
        "title": title,
        "tags": ["energy"],
        "schemaVersion": 41,
        "editable": False,
        "timezone": "utc",
        "time": {"from": start, "to": "now"},
        "refresh": "5m",
        "annotations": {"list": []},
        "templating": {"list": []},
        "panels": list(_placed(panels)),
    }


def _placed(panels: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Side by side as long as there is room in Grafana's 24 columns."""
    x = y = row = 0
    for number, panel in enumerate(panels, 1):
        size = panel["gridPos"]
        if x + size["w"] > 24:
            x, y, row = 0, y + row, 0
        yield panel | {"id": number, "gridPos": {**size, "x": x, "y": y}}
        x, row = x + size["w"], max(row, size["h"])


if __name__ == "__main__":
    main()
