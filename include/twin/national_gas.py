"""National Gas's gas quality: the latest publication, and those of some dates. All values are made up.

No answer of the real service was ever recorded: names, nesting, strings here and numbers there are those that clients
of it rely on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from energy_ingest.clock import ONE_DAY

from .wire import Answer, Change, Request, Resource, Row, decode, encode, json_answer, noise, problem

PREFIX: Final = "/operationaldata/v1"
EVERY: Final = timedelta(minutes=12)
DELAY: Final = timedelta(minutes=4)
"""From the stamp of a publication to its appearance."""

MOST_DATES: Final = 2
"""More in one request are refused: the real limit is not known, and clients of it stay below this one."""

SITES: Final = tuple((number, f"GENERATED SITE {number}", f"Area {'ABC'[number % 3]}") for number in range(1, 13))
SILENT: Final = 12
"""A site that is listed and has no readings."""

METRICS: Final = {"cv": ("39.2", 4), "sg": ("0.595", 4), "wi": ("50.6", 2), "co2": ("1.4", 2), "n2": ("1.2", 2)}


def values(site: int, stamp: datetime) -> dict[str, Decimal]:
    """What a site reads: each metric within one in a hundred of its usual value."""
    found = {}
    for name, (usual, places) in METRICS.items():
        part = Decimal(noise("gas", site, stamp.isoformat(), name, size=1)[0] - 128) / 12800
        found[name] = (Decimal(usual) * (1 + part)).quantize(Decimal(1).scaleb(-places))
    return found


def stamps(first: datetime, last: datetime, now: datetime) -> Iterator[datetime]:
    """The publications stamped from first up to last that have appeared by now."""
    stamp = first
    while stamp < last and stamp + DELAY <= now:
        yield stamp
        stamp += EVERY


def latest_stamp(now: datetime) -> datetime:
    """The stamp of the newest publication."""
    at = now - DELAY
    return at - (at - datetime.combine(at.date(), time.min, UTC)) % EVERY


class NationalGas:
    """The two paths of gas quality, and one that answers quickly."""

    prefix = PREFIX

    def resource(self, request: Request) -> Resource:
        """What a request asks for; a wrong one asks for its error body."""
        match request.method, request.path.removeprefix(PREFIX).rstrip("/").lower():
            case "GET", "/gasquality/latestdata":
                return Resource(_latest, "GasQuality")
            case "POST", "/gasquality/historicdata":
                return _historic_of(request)
            case "GET", "/publications/catalogue":
                return Resource(lambda now: json_answer([]))
        return Resource(lambda now: json_answer({"statusCode": 404, "message": "Resource not found"}, 404))


def _historic_of(request: Request) -> Resource:
    try:
        asked = json.loads(request.body)
        first, last = date.fromisoformat(asked["fromDate"]), date.fromisoformat(asked["toDate"])
        wanted = {int(site) for site in asked.get("siteIds") or []}
        if not 0 <= (last - first).days < MOST_DATES:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        errors = {"": [f"fromDate and toDate are at most {MOST_DATES} dates, siteIds a list of numbers."]}
        return Resource(lambda now: problem(request, 400, "One or more validation errors occurred.", errors))
    return Resource(lambda now: _historic(first, last, wanted, now), "GasQuality", (first, last))


def _latest(now: datetime) -> Answer:
    stamp = latest_stamp(now)
    published = stamp.year > 2000
    sites = [_site(number, name, area, _latest_detail(number, stamp)) for number, name, area in SITES]
    body = {"publishedTime": _text(stamp) if published else None, "gasQualityData": sites if published else []}
    return _answer(body)


def _latest_detail(site: int, stamp: datetime) -> Row:
    now, day = values(site, stamp), values(site, datetime.combine(stamp.date(), time.min, UTC))
    row = {"cv24": day["cv"], "sg24": day["sg"], **now}
    return {name: None if site == SILENT else str(value) for name, value in row.items()}


def _historic(first: date, last: date, wanted: set[int], now: datetime) -> Answer:
    start, end = (datetime.combine(day, time.min, UTC) for day in (first, last + ONE_DAY))
    found = []
    for number, name, area in SITES:
        if not wanted or number in wanted:
            times = [] if number == SILENT else stamps(start, end, now)
            found.append(_site(number, name, area, [{"publishedTime": _text(t), **values(number, t)} for t in times]))
    return _answer(found)


def _answer(document: Row | list[Row]) -> Answer:
    return replace(json_answer(document, X_Twin_Data="generated"), edit=_edit)


def _edit(body: bytes, change: Change) -> bytes:
    """Change the readings of each site; those of the latest data, one a site, have their numbers in strings."""
    document = decode(body)
    for site in document if isinstance(document, list) else document["gasQualityData"]:
        detail = site["siteGasQualityDetail"]
        if isinstance(detail, list):
            site["siteGasQualityDetail"] = change(detail)
        else:
            row = change([{name: value and Decimal(value) for name, value in detail.items()}])[-1]
            site["siteGasQualityDetail"] = {name: None if value is None else str(value) for name, value in row.items()}
    return encode(document)


def _site(number: int, name: str, area: str, detail: Row | list[Row]) -> Row:
    return {"siteId": number, "areaName": area, "siteName": name, "siteGasQualityDetail": detail}


def _text(stamp: datetime) -> str:
    return f"{stamp:%Y-%m-%dT%H:%M:%S}"
