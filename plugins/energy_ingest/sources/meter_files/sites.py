"""Sites: name, address, place and kind of the buildings that meters belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

import polars as pl

from energy_ingest.sources.meter_files import headers, values
from energy_ingest.sources.meter_files.model import SITES
from energy_ingest.sources.meter_files.rows import Sieve

_ALIASES: Final[Mapping[str, str]] = {
    "name": "name sitename site",
    "company_id": "companyid company",
    "region_id": "regionid region",
    "address": "address siteaddress streetaddress",
    "postcode": "postcode postalcode zip zipcode",
    "site_type": "sitetype type",
    "floor_area_m2": "floorarea area floorareasqm floorareainm2 flooraream2",
    "latitude": "latitude lat",
    "longitude": "longitude lon long lng",
    "is_active": "isactive active status",
    "created_on": "createdat created datecreated creationdate createdon",
}
_TYPES: Final = ("office", "warehouse", "retail", "industrial", "residential", "other")
_TRUE: Final = frozenset({"1", "true", "yes", "active", "y", ""})
_FALSE: Final = frozenset({"0", "false", "no", "inactive", "n", "closed"})


def is_header(row: Sequence[str]) -> bool:
    """Whether a row names a site's name and something else of it."""
    found = [column for column in _ALIASES if _find(column, row) is not None]
    return "name" in found and len(found) > 1


def _find(column: str, names: Sequence[str]) -> str | None:
    have = {headers.normal(name): name for name in reversed(names)}
    return next((have[alias] for alias in _ALIASES[column].split() if alias in have), None)


def sites(sieve: Sieve) -> pl.DataFrame:
    """SITES of the rows that are left in the sieve."""
    today = sieve.options.today
    for column, kind in SITES.items():
        if column == "row_number":
            continue
        if name := _find(column, sieve.decision.columns):
            sieve.read(name, _reader(column, today), kind, column)
        else:
            default: Any = {"site_type": "office", "is_active": True}.get(column)
            sieve.rows = sieve.rows.with_columns(pl.lit(default, kind).alias(column))
    return sieve.rows.select(*SITES)


def _reader(column: str, today: date) -> Callable[[str], values.Read[Any]]:
    match column:
        case "name":
            return lambda text: (text.strip(), None) if text.strip() else (None, "is blank: a site needs a name")
        case "address" | "postcode":
            return lambda text: (text.strip() or None, None)
        case "company_id" | "region_id":
            return _whole
        case "site_type":
            return _kind
        case "is_active":
            return _flag
        case "created_on":
            return lambda text: values.day(text, "dmy", today) if text.strip() else (None, None)
        case _:
            low, high = {"latitude": (-90, 90), "longitude": (-180, 180)}.get(column, (0, 1e8))
            return lambda text: _within(text, low, high)


def _whole(text: str) -> values.Read[int]:
    found, why = values.number(text)
    if found is not None and not (found.is_integer() and 0 < found < 2**31):
        return None, "is no id: a whole number from 1"
    return (None if found is None else int(found)), why


def _within(text: str, low: float, high: float) -> values.Read[float]:
    found, why = values.number(text)
    if found is not None and not low <= found <= high:
        return None, f"is outside {low:g} to {high:g}"
    return found, why


def _kind(text: str) -> values.Read[str]:
    plain = text.strip().lower() or "office"
    return (plain, None) if plain in _TYPES else (None, f"is none of {', '.join(_TYPES)}")


def _flag(text: str) -> values.Read[bool]:
    plain = text.strip().lower()
    if plain in _TRUE | _FALSE:
        return plain in _TRUE, None
    return None, "is neither active nor inactive: write true or false"
