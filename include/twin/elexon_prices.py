"""System prices (DISEBSP) and market index (MID): recorded where a recording exists, generated elsewhere.

A generated value depends on its key alone, so the same request gives the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from energy_ingest.clock import HALF_HOUR, ONE_DAY, settlement_day

from . import elexon_recorded as recorded
from .wire import Row, noise

PROVIDERS: Final = ("APXMIDP", "N2EXMIDP")
PUBLISHED_AFTER: Final = timedelta(minutes=44)
"""From the start of a period to its first system price, give or take a minute: a quarter of an hour after its end."""
SHAPE: Final = (
    70, 67, 65, 63, 62, 61, 62, 64, 67, 72, 79, 88, 98, 107, 113, 115, 114, 111, 107, 104, 101, 98, 96, 95,
    94, 93, 92, 92, 94, 97, 102, 109, 119, 130, 139, 143, 142, 138, 132, 125, 117, 109, 101, 94, 88, 82, 77, 73,
)  # fmt: skip
"""Price of each half hour of a clock day in percent of the day's mean."""
EIGHTEEN: Final = Decimal("1e-18")
ZERO: Final = Decimal(0).quantize(EIGHTEEN)
NOTHING: Final = Decimal("0.00")
"""The price adjustments alone have two decimals."""


def stamp(instant: datetime) -> str:
    """A UTC instant as the API writes it."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


# --- market index ---


def market_index(day: date, periods: range, now: datetime) -> Iterator[tuple[bool, Row]]:
    """(recorded?, row) of every published period, both providers, without the `dataset` field."""
    known = recorded.market_index(day)
    midnight = settlement_day(day)[0]
    for period in periods:
        start = midnight + (period - 1) * HALF_HOUR
        if start + HALF_HOUR > now:
            return
        for provider in PROVIDERS:
            value = known.get((period, provider))
            price, volume = value or _market_index(day, period, provider)
            yield (
                value is not None,
                {
                    "startTime": stamp(start),
                    "dataProvider": provider,
                    "settlementDate": str(day),
                    "settlementPeriod": period,
                    "price": Decimal(price).quantize(Decimal("0.01")),
                    "volume": Decimal(volume).quantize(Decimal("0.001")),
                },
            )


def _market_index(day: date, period: int, provider: str) -> tuple[str, str]:
    """N2EX has published placeholders, 0 and 0, for years; APX carries the market."""
    if provider != "APXMIDP":
        return "0", "0"
    wobble, high, low = noise("MID", day, period, size=3)
    price = Decimal(_mean_price(day) * SHAPE[(period - 1) % 48] * (900 + wobble)).scaleb(-8)
    return str(price), f"{300 + 12 * high}.{low % 20 * 50:03d}"


def _mean_price(day: date) -> int:
    """Mean price of a day in thousandths of a pound per MWh: 45 to 96 pounds."""
    return 45_000 + 200 * noise("price", day, size=1)[0]


# --- system prices ---


def system_prices(day: date, periods: range, now: datetime) -> Iterator[tuple[bool | None, Row]]:
    """(recorded?, row) of every published period; None marks a row with recorded and generated fields."""
    known = recorded.system_prices(day)
    midnight = settlement_day(day)[0]
    for period in periods:
        start = midnight + (period - 1) * HALF_HOUR
        created = _created(day, period, start, now)
        if created > now:
            return
        row = _system_price(day, period, known.get(period))
        row |= {"startTime": stamp(start), "createdDateTime": stamp(created)}
        quoted = recorded.system_price_rows().get((day, period), {})
        if quoted and quoted["createdDateTime"] <= stamp(now):
            row |= {k: _wire(k, v) for k, v in quoted.items()}
        whole = len(quoted) == len(row)
        yield True if whole else None if quoted or period in known else False, row


def _created(day: date, period: int, start: datetime, now: datetime) -> datetime:
    """First a quarter of an hour after the period, then again a day later, as the recorded stamps show."""
    first = start + PUBLISHED_AFTER + timedelta(seconds=20 + noise("created", day, period, size=1)[0] % 30)
    again = first + ONE_DAY
    return again if again <= now else first


def _system_price(day: date, period: int, known: tuple[str, str, str] | None) -> Row:
    """All 22 fields; offers, bids and adjustments add up to the net imbalance volume."""
    random = noise("DISEBSP", day, period, size=40)
    sell, buy, volume = map(Decimal, known or _price_and_volume(day, period, random))
    bought = Decimal(10 * (random[1] % 26)) if random[0] < 64 else ZERO
    sold = -Decimal(10 * (random[3] % 20)) if random[2] < 40 else ZERO
    bids = min(volume, ZERO) - bought - _volume(random[8:16], 600)
    offers = volume - bids - bought - sold
    tagged = Decimal(random[4] % 2)
    return {
        "settlementDate": str(day),
        "settlementPeriod": period,
        "startTime": "",
        "createdDateTime": "",
        "systemSellPrice": _precise(sell),
        "systemBuyPrice": _precise(buy),
        "bsadDefaulted": False,
        "priceDerivationCode": "N" if volume < 0 else "P",
        "reserveScarcityPrice": ZERO,
        "netImbalanceVolume": _precise(volume),
        "sellPriceAdjustment": NOTHING,
        "buyPriceAdjustment": NOTHING,
        "replacementPrice": None,
        "replacementPriceReferenceVolume": None,
        "totalAcceptedOfferVolume": offers,
        "totalAcceptedBidVolume": bids,
        "totalAdjustmentSellVolume": _precise(sold),
        "totalAdjustmentBuyVolume": _precise(bought),
        "totalSystemTaggedAcceptedOfferVolume": max(offers - tagged, ZERO),
        "totalSystemTaggedAcceptedBidVolume": min(bids + tagged, ZERO),
        "totalSystemTaggedAdjustmentSellVolume": _precise(sold) if sold else None,
        "totalSystemTaggedAdjustmentBuyVolume": _precise(bought) if bought else None,
    }


def _price_and_volume(day: date, period: int, random: bytes) -> tuple[str, str, str]:
    """A short system (positive volume) is dear, a long one cheap, and now and then below zero."""
    volume = _volume(random[16:24], 600) * (1 if random[24] < 120 else -1)
    level = _mean_price(day) * SHAPE[(period - 1) % 48] // 100
    pence = (level * (1100 + random[25]) // 1000 if volume > 0 else level * (1000 - 4 * random[25]) // 1000) // 10
    price = str(Decimal(pence) / 100)
    return price, price, str(volume)


def _volume(random: bytes, limit: int) -> Decimal:
    """A volume in MWh below the limit, with eighteen decimals."""
    return Decimal(int.from_bytes(random) % (limit * 10**15)).scaleb(-15) + Decimal(random[0]).scaleb(-18)


def _wire(name: str, value: object) -> object:
    """A quoted value with the decimals that the API gives it."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or name == "settlementPeriod":
        return value
    return Decimal(value) if name.endswith("PriceAdjustment") else _precise(Decimal(value))


def _precise(number: Decimal) -> Decimal:
    return number.quantize(EIGHTEEN)
