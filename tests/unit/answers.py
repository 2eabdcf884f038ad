"""Answers of the sources, made from rows, and what became of them, as plain values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from energy_ingest import clock
from energy_ingest.catalog import Dataset
from energy_ingest.sources import Scope, source_of

Row = dict[str, Any]
ALL = Scope("all")
ENVELOPES = ("bare", "data", "metadata")


class Literal(str):
    """A JSON value as it stands in the answer, such as a number with all its digits."""


def json_text(value: object, indent: int | None = None, level: int = 0) -> str:
    """JSON, with literals as they are; `indent` prints it like the recorded answers."""
    if isinstance(value, Literal):
        return value
    if isinstance(value, Mapping):
        items = [f"{json.dumps(k)}:{' ' if indent else ''}{json_text(v, indent, level + 1)}" for k, v in value.items()]
        brackets = "{}"
    elif isinstance(value, list):
        items, brackets = [json_text(v, indent, level + 1) for v in value], "[]"
    else:
        return json.dumps(value, ensure_ascii=False)
    if indent is None or not items:
        return brackets[0] + ",".join(items) + brackets[1]
    line = "\n" + " " * indent * (level + 1)
    return brackets[0] + line + f",{line}".join(items) + "\n" + " " * indent * level + brackets[1]


def body(rows: Sequence[Row], envelope: str = "bare", indent: int | None = None) -> bytes:
    """The rows as an answer in one of the three envelopes."""
    answer: object = {
        "bare": list(rows),
        "data": {"data": list(rows)},
        "metadata": {"metadata": {"datasets": ["DISEBSP"]}, "data": list(rows)},
    }[envelope]
    return json_text(answer, indent).encode()


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    """The answer as it comes over the network."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


@dataclass(frozen=True)
class Read:
    """An answer that was read: rows and rejects as dictionaries, in order."""

    rows: list[Row]
    rejects: list[Row]
    unknown: set[str]
    received: int


def read(
    dataset: Dataset,
    chunks: bytes | Iterable[bytes],
    *days: date,
    scope: Scope = ALL,
    part: str = "",
    headers: Mapping[str, str] = {},
) -> Read:
    """Parse an answer to the windows from the first to the last of the days, or to those of them that are that part."""
    windows = [window for window in sorted(dataset.windows(days[0], days[-1])) if part in ("", window.part)]
    chunks = [chunks] if isinstance(chunks, bytes) else chunks
    pieces = list(source_of(dataset).parse(dataset, chunks, windows, scope, headers))
    return Read(
        rows=[row for piece in pieces for row in piece.rows.iter_rows(named=True)],
        rejects=[row for piece in pieces for row in piece.rejects.iter_rows(named=True)],
        unknown={name for piece in pieces for name in piece.unknown_fields},
        received=sum(piece.received for piece in pieces),
    )


def stamp(day: date, period: int, *, end: bool = False, suffix: str = "Z") -> str:
    """The source's time stamp of a half hour: its start or its end, UTC."""
    start = clock.settlement_day(day)[0] + (period - 1) * clock.HALF_HOUR
    return f"{start + clock.HALF_HOUR * end:%Y-%m-%dT%H:%M:%S}{suffix}"


def b1610(day: date, period: int, unit: str = "T_DRAXX-1", quantity: str = "1.500", **changes: Any) -> Row:
    """One row of B1610, as recorded in 2026."""
    return {
        "dataset": "B1610",
        "psrType": "Generation",
        "bmUnit": unit,
        "nationalGridBmUnitId": unit.partition("_")[2],
        "settlementDate": str(day),
        "settlementPeriod": period,
        "halfHourEndTime": stamp(day, period, end=True, suffix=""),
        "settlementRunType": "II",
        "quantity": Literal(quantity),
        **changes,
    }


def market_index(day: date, period: int, provider: str = "APXMIDP", **changes: Any) -> Row:
    """One row of the market index."""
    return {
        "startTime": stamp(day, period),
        "dataProvider": provider,
        "settlementDate": str(day),
        "settlementPeriod": period,
        "price": Literal("106.83"),
        "volume": Literal("3310.45"),
        **changes,
    }


def system_price(day: date, period: int, **changes: Any) -> Row:
    """One row of the system prices, all 22 fields."""
    nothing = Literal("0.000000000000000000")
    return {
        "settlementDate": str(day),
        "settlementPeriod": period,
        "startTime": stamp(day, period),
        "createdDateTime": "2026-08-02T01:44:33Z",
        "systemSellPrice": Literal("160.000000000000000000"),
        "systemBuyPrice": Literal("160.000000000000000000"),
        "bsadDefaulted": False,
        "priceDerivationCode": "P",
        "reserveScarcityPrice": nothing,
        "netImbalanceVolume": Literal("344.249492314814801830"),
        "sellPriceAdjustment": Literal("0.00"),
        "buyPriceAdjustment": Literal("0.00"),
        "replacementPrice": None,
        "replacementPriceReferenceVolume": None,
        "totalAcceptedOfferVolume": Literal("918.941158981481521550"),
        "totalAcceptedBidVolume": Literal("-574.584156666666672209"),
        "totalAdjustmentSellVolume": nothing,
        "totalAdjustmentBuyVolume": nothing,
        "totalSystemTaggedAcceptedOfferVolume": Literal("917.941158981481521550"),
        "totalSystemTaggedAcceptedBidVolume": Literal("-574.584156666666672209"),
        "totalSystemTaggedAdjustmentSellVolume": None,
        "totalSystemTaggedAdjustmentBuyVolume": None,
        **changes,
    }
