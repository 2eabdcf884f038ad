"""What stands in cells: numbers, dates, times, units and flags. Each reader answers (value, None) or (None, why not).

The rules for dates and times are those that users of the predecessor rely on (day before month, `30:00.0` for half past
midnight, fractions of a day), without its guesses: a date without a year and an unknown unit are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeVar

import polars as pl

T = TypeVar("T")
Read = tuple[T | None, str | None]

BLANK: Final = frozenset({"", "null", "none", "-", "--", "n/a", "na", "#n/a", "nan", "nil"})
"""What suppliers write where there is no value, in lower case."""

EARLIEST: Final = date(1990, 4, 1)
"""Vesting of the British electricity market: no half-hourly meter is older."""

_THOUSANDS: Final = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d{1,3})?", re.I)

_MONTHS: Final = {month: n for n, month in enumerate(re.findall("...", "janfebmaraprmayjunjulaugsepoctnovdec"), 1)}
_YEAR_FIRST: Final = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_COMPACT: Final = re.compile(r"(\d{4})(\d{2})(\d{2})")
_THREE: Final = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4}|\d{2})")
_DAY_MONTH_NAME: Final = re.compile(r"(\d{1,2})[-/ ]?([a-z]{3})[a-z]*[-/, ]+(\d{4}|\d{2})")
_MONTH_NAME_DAY: Final = re.compile(r"([a-z]{3})[a-z]* +(\d{1,2}),? +(\d{4})")
_WEEKDAY: Final = re.compile(r"\b(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? +", re.I)
_NO_YEAR: Final = re.compile(r"\d{1,2}[-/.]\d{1,2}([-/.]0+)?")

_CLOCK: Final = re.compile(r"(\d{1,2})[:.\-](\d{2})(?:[:.\-](\d{2})(?:\.\d+)?)?\s*([ap]\.?m\.?)?", re.I)
_MINUTES: Final = re.compile(r"(\d{1,4}):(\d{2})(?:\.\d+)?")
_FRACTION: Final = re.compile(r"0?\.\d+|[01](\.0+)?")
_TIME_AND_DATE: Final = re.compile(r"(\d{1,2}:\d{2}(?::\d{2})?) +(.*\d.*)")
_DATE_AND_TIME: Final = re.compile(r"(.*?\d)(?:[T ]+)(\d{1,2}[:.]\d{2}.*)", re.I)
_OFFSET: Final = re.compile(r"(.*\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?) ?(Z|[-+]\d{2}:?\d{2})", re.I)

LIMIT: Final = 1e10
"""More than any meter counts in half an hour, in Wh: beyond it stands a meter id in the wrong column, not a reading."""

UNITS: Final[Mapping[str, float]] = {"kwh": 1.0, "wh": 0.001, "mwh": 1000.0, "ai": 1.0, "ae": 1.0}
"""kWh in one of them; AI and AE are the industry's names for active import and export."""

NOT_ENERGY: Final = frozenset(
    {"kvarh", "kvar", "kvarhr", "kvah", "kva", "reactive", "ri", "re", "lagkvarh", "leadkvarh"}
)
"""Quantities beside active energy: their rows and columns are passed over and counted."""


def number(text: str, clear_comma: bool = True) -> Read[float]:
    """A quantity; (None, None) is a blank. `clear_comma`: a comma cannot be the decimal point of this file."""
    plain = text.strip().strip("'\u2018\u2019").strip()
    if plain.lower() in BLANK:
        return None, None
    if _NUMBER.fullmatch(plain):
        return float(plain), None
    if _THOUSANDS.fullmatch(plain):
        if clear_comma or "." in plain or plain.count(",") > 1:
            return float(plain.replace(",", "")), None
        return None, "may have a decimal comma or a thousands separator: export it with a decimal point, without commas"
    if "," in plain and _NUMBER.fullmatch(plain.replace(",", ".", 1)):
        return None, "has a decimal comma: export the file with decimal points"
    return None, "is not a number: correct the cell, or leave it blank where there is no reading"


def counts(cell: pl.Expr) -> pl.Expr:
    """Whether a cell of text is neither blank nor zero."""
    plain = cell.str.strip_chars().str.to_lowercase()
    return ~plain.is_in(list(BLANK)) & ~plain.str.contains(r"^[-+]?(0+\.?0*|\.0+)(e[-+]?\d+)?$")


def day(text: str, order: str, today: date) -> Read[date]:
    """A date, `order` of day and month where only digits stand: dmy unless the layout says mdy or ymd."""
    plain = _WEEKDAY.sub("", text.strip())
    if not plain:
        return None, "is blank: every row needs its date"
    found, why = _midnight(plain, order) if ":" in plain else _calendar_day(plain, order)
    if found and not EARLIEST <= found <= today + timedelta(days=1):
        return None, f"is the {found}, not between {EARLIEST} and tomorrow: correct the date, or name the feed"
    return found, why


def _midnight(text: str, order: str) -> Read[date]:
    found, why = stamp(text, order)
    if found and (found.hour or found.minute):
        return None, "has a time, where a date belongs: the whole day is meant?"
    return (found.date() if found else None), why


def _calendar_day(text: str, order: str) -> Read[date]:
    if _NO_YEAR.fullmatch(text):
        return None, "has no year: write dates as 2024-06-05 or 05/06/2024"
    year, month, of_month = _parts(text.lower(), order)
    if not 1900 < year < 2200:
        return None, "is no date that is known: write dates as 2024-06-05 or 05/06/2024"
    try:
        return date(year, month, of_month), None
    except ValueError:
        swapped = " (month before day? then name a feed with that order)" if 12 < month <= 31 else ""
        return None, f"is no date of the calendar in the order day, month, year{swapped}"


def _parts(text: str, order: str) -> tuple[int, int, int]:
    """Year, month and day; year 0 where there are none."""
    if found := _YEAR_FIRST.fullmatch(text) or _COMPACT.fullmatch(text):
        return int(found[1]), int(found[2]), int(found[3])
    if found := _THREE.fullmatch(text):
        if order == "ymd":
            return _year(found[1]), int(found[2]), int(found[3])
        first, second = int(found[1]), int(found[2])
        return (_year(found[3]), first, second) if order == "mdy" else (_year(found[3]), second, first)
    if (found := _DAY_MONTH_NAME.fullmatch(text)) and found[2] in _MONTHS:
        return _year(found[3]), _MONTHS[found[2]], int(found[1])
    if (found := _MONTH_NAME_DAY.fullmatch(text)) and found[1] in _MONTHS:
        return _year(found[3]), _MONTHS[found[1]], int(found[2])
    return 0, 0, 0


def _year(digits: str) -> int:
    return int(digits) + (2000 if len(digits) == 2 else 0)


@lru_cache(maxsize=4096)
def minute(text: str) -> Read[int]:
    """The minute of the day of a time on the half hour, 0 to 1440."""
    plain = text.strip()
    seconds = _seconds(plain)
    if seconds is None:
        return None, "is blank" if not plain else "is no time of the day: write times as 00:30"
    if seconds % 1800:
        return None, "is not on the half hour: half-hourly data has times like 00:00 and 00:30"
    if not 0 <= seconds <= 86400:
        return None, "is beyond the end of the day"
    return seconds // 60, None


def _seconds(text: str) -> int | None:
    if text in ("24:00", "24:00:00", "2400"):
        return 86400
    if (found := _CLOCK.fullmatch(text)) and (int(found[1]) < 24):
        return _of_clock(int(found[1]), int(found[2]), int(found[3] or 0), (found[4] or "").lower()[:1])
    if found := _MINUTES.fullmatch(text):  # 30:00.0 is what spreadsheets make of 00:30:00
        return int(found[1]) * 60 + int(found[2])
    if _FRACTION.fullmatch(text):
        return round(float(text) * 86400)
    if re.fullmatch(r"\d{3,4}", text):
        return int(text[:-2]) * 3600 + int(text[-2:]) * 60
    return None


def _of_clock(hours: int, minutes: int, seconds: int, half: str) -> int:
    if half:
        hours = hours % 12 + (12 if half == "p" else 0)
    return hours * 3600 + minutes * 60 + seconds


def stamp(text: str, order: str) -> Read[datetime]:
    """A date and time as the clock shows it, without offset, to the minute (24:00 is the next midnight)."""
    plain = _WEEKDAY.sub("", text.strip())
    if not plain:
        return None, "is blank"
    if offset := _OFFSET.fullmatch(plain):
        plain = offset[1]
    if time_first := _TIME_AND_DATE.fullmatch(plain):
        plain = f"{time_first[2]} {time_first[1]}"
    parted = _DATE_AND_TIME.fullmatch(plain)
    date_text, time_text = (parted[1], parted[2]) if parted else (plain, "00:00")
    found, why = _calendar_day(date_text, order)
    if found is None:
        return None, why
    at = _seconds(_short(time_text))
    if at is None:
        return None, "has no time that is known: write stamps as 2024-06-05 00:30"
    return datetime.combine(found, datetime.min.time()) + timedelta(seconds=at), None


def _short(time_text: str) -> str:
    """Without fractions of a second."""
    return re.sub(r"(:\d{2})\.\d+", r"\1", time_text.strip())


def has_offset(text: str) -> bool:
    """Whether a stamp says how far its clock is from UTC."""
    return _OFFSET.fullmatch(text.strip()) is not None


def instant(text: str, order: str) -> Read[datetime]:
    """A stamp with offset, as a naive datetime in UTC."""
    found = _OFFSET.fullmatch(text.strip())
    if not found:
        return None, "has no offset from UTC, which the other stamps of the file have"
    local, why = stamp(found[1], order)
    if local is None or found[2] in "zZ":
        return local, why
    sign, digits = found[2][0], found[2][1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return local - offset if sign == "+" else local + offset, None


_TYPES: Final = {"a": "actual", "e": "estimated", "m": "manual", "r": "actual", "": "actual"}
_TYPE_WORDS: Final = {"act": "actual", "est": "estimated", "man": "manual", "real": "actual", "ok": "actual"}


@lru_cache(maxsize=4096)
def reading_type(text: str) -> Read[str]:
    """actual, estimated or manual. What is not known counts as actual, and is told: it must not hide an actual."""
    plain = text.strip().strip("'\"").lower()
    known = _TYPES.get(plain) or next((kind for word, kind in _TYPE_WORDS.items() if plain.startswith(word)), None)
    if known or plain in BLANK:
        return known or "actual", None
    what = f"flag {plain!r}" if len(plain) < 4 else "a flag of several letters"
    return "actual", f"{what} is not known, read as actual"


def unit(text: str, default: str) -> Read[float]:
    """KWh in one of this unit; 0.0 is a quantity that is no active energy and not wanted."""
    plain = re.sub(r"[^a-z0-9]", "", (text.strip() or default).lower())
    if plain in UNITS:
        return UNITS[plain], None
    if plain in NOT_ENERGY:
        return 0.0, None
    if plain in ("kw", "mw", "w"):
        return None, "is power, not energy: export kWh, half of the average kW of a half hour"
    return None, "is no unit of electric energy: Wh, kWh or MWh"


_DIRECTIONS: Final = {"": "import", "ai": "import", "import": "import", "ae": "export", "export": "export"}


def direction(text: str) -> Read[str]:
    """Import or export, as AI and AE too; blank is import."""
    if known := _DIRECTIONS.get(text.strip().lower()):
        return known, None
    return None, "is no direction: import or export (AI or AE)"


def is_unit(text: str) -> bool:
    """Whether a text is the unit of some quantity of electricity."""
    plain = text.strip().lower()
    return plain in UNITS or plain in NOT_ENERGY or plain == "kw"


def each(texts: pl.Series, read: Callable[[str], Read[Any]], dtype: Any) -> tuple[pl.Series, pl.Series]:
    """What `read` makes of every text, asked once for equal ones: the values, and what is wrong."""
    unique = texts.unique()
    answers = [read(text) for text in unique]
    table = pl.DataFrame(
        {
            "text": unique,
            "value": pl.Series([value for value, _ in answers], dtype=dtype),
            "problem": pl.Series([why for _, why in answers], dtype=pl.String),
        }
    )
    found = texts.to_frame("text").join(table, on="text", how="left", maintain_order="left")
    return found["value"], found["problem"]


def cast(texts: pl.DataFrame) -> list[pl.Series]:
    """Columns of text as numbers, null where they are none as they stand: most cells of most files."""
    return texts.select(pl.all().cast(pl.Float64, strict=False)).get_columns()


def numbers(texts: pl.Series, found: pl.Series, clear_comma: bool) -> tuple[pl.Series, pl.Series | None]:
    """`found` completed by `number` where it is null but the text is not blank; and the problems, if there are any."""
    odd = (found.is_null() & (texts != "")) | ~found.is_between(-LIMIT, LIMIT).fill_null(True)
    if not odd.any():
        return found, None
    at = odd.arg_true()
    values, problems = each(texts.gather(at), lambda text: _plausible(*number(text, clear_comma)), pl.Float64)
    completed = found.scatter(at, values)
    if not problems.null_count() < problems.len():
        return completed, None
    return completed, pl.repeat(None, texts.len(), dtype=pl.String, eager=True).scatter(at, problems)


def _plausible(found: float | None, why: str | None) -> Read[float]:
    if found is not None and abs(found) > LIMIT:
        return None, f"is beyond {LIMIT:,.0f}: a meter id or a total in the wrong column?"
    return found, why


_STAMPS: Final = (
    "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
    "%d %b %Y %H:%M:%S", "%d-%b-%Y %H:%M:%S", "%d-%b-%Y %H:%M",
)  # fmt: skip
_STAMPS_BY_ORDER: Final = {
    "dmy": ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M"),
    "mdy": ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M"),
    "ymd": (),
}


def stamps(texts: pl.Series, order: str) -> tuple[pl.Series, pl.Series]:
    """Many stamps by `stamp`, those in the form of the first at once."""
    return _many(texts, (*_STAMPS, *_STAMPS_BY_ORDER[order]), lambda text: stamp(text, order))


def instants(texts: pl.Series, order: str) -> tuple[pl.Series, pl.Series]:
    """Many stamps with offsets by `instant`, those in the form of the first at once."""
    forms = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z")
    return _many(texts, forms, lambda text: instant(text, order))


def _many(
    texts: pl.Series, forms: tuple[str, ...], read: Callable[[str], Read[datetime]]
) -> tuple[pl.Series, pl.Series]:
    stripped = texts.str.strip_chars()
    form = next((form for form in forms if _naive(stripped.head(1), form).null_count() == 0), None)
    found = _naive(stripped, form) if form else pl.repeat(None, texts.len(), dtype=pl.Datetime("us"), eager=True)
    odd = (found.is_null() | (found.dt.year() < 1000)).arg_true()  # a year of two digits is no year of two digits
    rest, problems = each(texts.gather(odd), read, pl.Datetime("us"))
    nothing = pl.repeat(None, texts.len(), dtype=pl.String, eager=True)
    return found.scatter(odd, rest), nothing.scatter(odd, problems)


def _naive(texts: pl.Series, form: str) -> pl.Series:
    zone = "UTC" if form.endswith("z") else None
    found = texts.str.to_datetime(form, strict=False, time_unit="us", time_zone=zone)
    return found.dt.replace_time_zone(None)
