"""Values that were really published, read once from `data/` (sources and licences: `data/ATTRIBUTION.md`)."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"


@lru_cache(maxsize=512)
def system_prices(day: date) -> dict[int, tuple[str, str, str]]:
    """Period -> (sell price, buy price, net imbalance volume), from 2019-01-01 to 2025-06-01."""
    rows = (line.split(",") for line in _table("system_prices_2019_2025").get(str(day), ()))
    return {int(period): (sell, buy, volume) for period, sell, buy, volume in rows}


@lru_cache(maxsize=512)
def market_index(day: date) -> dict[tuple[int, str], tuple[str, str]]:
    """(Period, data provider) -> (price, volume), all of 2024 and one half hour of 2026."""
    rows = (line.split(",") for line in _table("market_index_2024").get(str(day), ()))
    known = {(int(period), provider): (price, volume) for period, provider, price, volume in rows}
    quoted = {
        (row["settlementPeriod"], row["dataProvider"]): (str(row["price"]), str(row["volume"]))
        for row in _rows("MID")
        if row["settlementDate"] == str(day)
    }
    return quoted | known


@cache
def b1610() -> dict[tuple[str, date], dict[int, int]]:
    """(BM unit, settlement date) -> period -> quantity in kWh."""
    quantities: dict[tuple[str, date], dict[int, int]] = defaultdict(dict)
    for row in _rows("B1610"):
        day = date.fromisoformat(row["settlementDate"])
        quantities[row["bmUnit"], day][row["settlementPeriod"]] = int(row["quantity"] * 1000)
    return dict(quantities)


@cache
def system_price_rows() -> dict[tuple[date, int], dict[str, Any]]:
    """(settlement date, period) -> the fields recorded from the API itself, one row whole and three in part."""
    return {(date.fromisoformat(row["settlementDate"]), row["settlementPeriod"]): row for row in _rows("DISEBSP")}


@cache
def _table(name: str) -> dict[str, list[str]]:
    """Settlement date -> its lines without the date; a day is only taken apart when it is asked for."""
    days: dict[str, list[str]] = defaultdict(list)
    with gzip.open(DATA / f"{name}.csv.gz", "rt", encoding="ascii") as file:
        next(file)
        for line in file:
            days[line[:10]].append(line[11:-1])
    return dict(days)


@cache
def _rows(dataset: str) -> list[dict[str, Any]]:
    """Rows of one dataset in the recorded bodies, and in rows that others quoted from bodies."""
    folder = DATA / "recorded"
    rows = _load((folder / "b1610_stream.json").read_text())
    rows += [{"dataset": "DISEBSP", **row} for row in _load((folder / "system_prices.json").read_text())["data"]]
    rows += map(_load, (folder / "transcribed_rows.jsonl").read_text().splitlines())
    return [{k: v for k, v in row.items() if k != "dataset"} for row in rows if row["dataset"] == dataset]


def _load(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)
