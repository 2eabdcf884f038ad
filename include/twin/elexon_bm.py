"""Data of single BM units: physical notifications, bids and offers, acceptances. All values are made up.

No answer was ever recorded; the fields are those that clients of the API read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from energy_ingest.clock import HALF_HOUR, period_start

from .wire import Row, noise

KINDS: Final = {"physical": "PN", "bid-offer": "BOD", "acceptances": "BOALF"}


def rows(kind: str, unit: str, day: date, periods: Iterable[int]) -> Iterator[Row]:
    """The rows of one unit."""
    make = {"physical": _physical, "bid-offer": _bid_offer, "acceptances": _acceptances}[kind]
    for period in periods:
        yield from make(unit, day, period, period_start(day, period))


def _head(unit: str, day: date, period: int, start: datetime, until: timedelta = HALF_HOUR) -> Row:
    return {
        "settlementDate": f"{day}",
        "settlementPeriod": period,
        "timeFrom": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "timeTo": f"{start + until:%Y-%m-%dT%H:%M:%SZ}",
        "nationalGridBmUnit": unit.partition("_")[2].lstrip("_"),
        "bmUnit": unit,
    }


def _level(unit: str, start: datetime, what: str) -> int:
    return noise(unit, start.isoformat(), what, size=1)[0] - 50


def _physical(unit: str, day: date, period: int, start: datetime) -> Iterator[Row]:
    for dataset in ("PN", "MILS", "MELS"):
        first, last = _level(unit, start, dataset), _level(unit, start + HALF_HOUR, dataset)
        yield {"dataset": dataset, **_head(unit, day, period, start), "levelFrom": first, "levelTo": last}


def _bid_offer(unit: str, day: date, period: int, start: datetime) -> Iterator[Row]:
    for pair in (-1, 1):
        price = Decimal(noise(unit, start.isoformat(), pair, size=1)[0]) / 2
        prices = {"bid": price - 5, "offer": price + 5}
        yield {**_head(unit, day, period, start), "pairId": pair, "levelFrom": 9 * pair, "levelTo": 9 * pair, **prices}


def _acceptances(unit: str, day: date, period: int, start: datetime) -> Iterator[Row]:
    """One in eight half hours has an acceptance, of two stretches of time."""
    if noise(unit, start.isoformat(), "accepted", size=1)[0] >= 32:
        return
    quarter = timedelta(minutes=15)
    for at, levels in ((start, (0, 20)), (start + quarter, (20, 0))):
        row = _head(unit, day, period, at, quarter)
        del row["settlementPeriod"]
        yield {
            **row,
            "settlementPeriodFrom": period,
            "settlementPeriodTo": period,
            "acceptanceNumber": int(start.timestamp()) // 1800,
            "acceptanceTime": f"{start - quarter:%Y-%m-%dT%H:%M:%SZ}",
            "levelFrom": levels[0],
            "levelTo": levels[1],
            **dict.fromkeys(("deemedBoFlag", "soFlag", "storFlag", "rrFlag"), False),
        }
