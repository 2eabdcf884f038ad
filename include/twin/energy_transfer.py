"""Energy Transfer's operationally available capacity: the one recorded file, and made-up ones in its shape.

A file is there five minutes after its posting was due, and posted again three hours later with some other quantities.
Before, the answer is the header line alone. The recorded file never changes.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Final

from energy_ingest.clock import NOMINATION_CYCLES, NominationCycle, cycle_posting

from .wire import Answer, Change, Request, Resource, Row, noise

PREFIX: Final = "/ipost"
PATHS: Final = ("/capacity/operationally-available",)
ASSETS: Final = ("TW", "TGC", "FEP", "PEPL", "FGT", "TGR", "ROVER", "MRT", "SPC")
RECORDED: Final = ("TW", date(2026, 6, 22), 0)
FILE: Final = Path(__file__).with_name("data") / "transwestern" / "oac_2026-06-22_timely.csv.gz"
CSV: Final = "text/csv"
HTML: Final = "text/html; charset=utf-8"
DELAY: Final = timedelta(minutes=5)
AGAIN: Final = timedelta(hours=3)
DUNS: Final = "007933047"
QUANTITIES: Final = ("DC", "OPC", "TSQ", "OAC")


class EnergyTransfer:
    """The capacity files; whatever else is asked for is answered with a page."""

    prefix = PREFIX

    def resource(self, request: Request) -> Resource:
        """What a request asks for; a wrong one gets an HTML page with status 200."""
        asked = {name: values[-1] for name, values in request.query.items()}
        cycles = {f"{cycle.code}": cycle for cycle in NOMINATION_CYCLES}
        try:
            gas_day = datetime.strptime(asked["gasday"], "%m/%d/%Y").date()  # noqa: DTZ007  a label
            cycle, asset = cycles[asked["cycle"]], asked.get("asset", "TW")
        except (KeyError, ValueError):
            return Resource(lambda now: _page())
        if request.path.removeprefix(PREFIX) not in PATHS or asset not in ASSETS or request.method != "GET":
            return Resource(lambda now: _page())
        return Resource(lambda now: _file(asset, gas_day, cycle, now), "Capacity", (gas_day, gas_day))


def _page() -> Answer:
    return Answer([b"<!DOCTYPE html><html><body><h1>Informational Postings</h1></body></html>"], 200, HTML)


def _file(asset: str, gas_day: date, cycle: NominationCycle, now: datetime) -> Answer:
    posted = cycle_posting(gas_day, cycle) + DELAY
    header, *rows = _recorded().splitlines(keepends=True)
    recorded = (asset, gas_day, cycle.code) == RECORDED
    if now < posted:
        body = header
    elif recorded:
        body = header + b"".join(rows)
    else:
        body = header + _made_up(f"{asset}|{gas_day}|{cycle.code}", again=now >= posted + AGAIN)
    name = f"OAC_{asset}_{DUNS}_{gas_day:%m-%d-%Y}_{cycle.label}.csv"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Twin-Data": "recorded" if recorded else "generated",
    }
    return Answer([body], 200, CSV, headers, _edit)


@cache
def _recorded() -> bytes:
    return gzip.decompress(FILE.read_bytes())


def _made_up(key: str, again: bool) -> bytes:
    """The recorded locations and capacities with other scheduled quantities; `again`: three in a hundred anew."""
    rows = _rows(_recorded())
    for number, row in enumerate(rows):
        share, chance = noise(key, number, size=2)
        if None not in (row["TSQ"], row["OPC"]):
            share = noise(key, number, "again", size=1)[0] if again and chance < 8 else share
            row["TSQ"] = row["OPC"] * share // 255
            row["OAC"] = row["OPC"] - row["TSQ"]
    return _lines(row.values() for row in rows)


def _edit(body: bytes, change: Change) -> bytes:
    """Change the lines below the header; a file that has none stays as it is."""
    rows = change(_rows(body))
    return _lines([rows[0], *(row.values() for row in rows)]) if rows else body


def _rows(body: bytes) -> list[Row]:
    """The lines below the header, quantities as numbers, a blank one as None."""
    lines = csv.DictReader(io.StringIO(body.decode()))
    return [{n: (Decimal(v) if v else None) if n in QUANTITIES else v for n, v in line.items()} for line in lines]


def _lines(rows: Iterable[Iterable[object]]) -> bytes:
    """CSV as the server writes it: everything in quotation marks, blank quantities without."""
    return "".join(",".join(map(_quoted, row)) + "\r\n" for row in rows).encode()


def _quoted(value: object) -> str:
    return "" if value is None else '"' + str(value).replace('"', '""') + '"'
