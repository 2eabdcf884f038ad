"""What the names of columns mean: which one is the meter, the date, the value, and which hold half hours of the day."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from energy_ingest.sources.meter_files import values

METERS: Final = (
    "mpan mpancore mpanmprnspid mpxn mpn mpr mprn mpannumber supplynumber meterpoint meterpointreference",
    "meteridentifier meterreferencenumber metercode meter meterid meterreference meterref channel",
    "meterserial meterserialnumber serial serialnumber serialnum msn meternumber lclid siteid",
)
"""Names of the meter, from those that can only be a meter point to those that may be something else."""

ROLES: Final[Mapping[str, str]] = {
    "date": "date readdate readingdate perioddate billdate insertdate rdate consumptiondate consumptionday "
    "settlementdate settdate dateofreading day readdateuk startdate dateutc localdate",
    "time": "time readtime readingtime periodtime starttime timeslot",
    "period": "settlementperiod settperiod period sp hh halfhour hhperiod periodnumber",
    "stamp": "datetime timestamp readdatetime readingdatetime readdatetimeutc settlementdatetime dateandtime "
    "datetimeutc timestamputc readdatetimegmt start startdatetime starttimestamp from intervalstart periodstart "
    "localdatetime",
    "end": "end enddatetime endtimestamp to intervalend periodend",
    "value": "reading readvalue value consumption kwh wh mwh usage meterread actualkwh consumptionkwh energykwh "
    "quantitykwh quantity kwhhh kwhhhperhalfhour readkwh meterconsumption energy",
    "unit": "unit units uom reportingunit datatype measurementunit measurementquantityid mq measurementtype type",
    "reading_type": "readingtype readtype status ae actualestimated estimate est actualorestimate dataquality type "
    "estimated flag dqflag colstatuskwh",
    "register": "register direction importexport measurementquantityid mq measurementtype",
}
"""Normalised names of the other columns, the likelier first."""

_FLAG_WORDS: Final = re.compile(r"flag|type|status|marker|quality|indicator|^ut$|estimat|^ae$", re.I)
_OTHER_QUANTITY: Final = re.compile(r"kvar|kva|reactive|(?<![a-z])k?w(?!h)(?![a-z])", re.I)
_RANGE: Final = re.compile(r"(\d{1,2}:\d{2})\s*-\s*\d{1,2}:\d{2}")
_CLOCK: Final = re.compile(r"^(.*?)(\d{1,2})[:_](\d{2})(?:[:_]00)?(\s*[ap]m)?(?!\d)(.*)$", re.I)
_NUMBERED: Final = re.compile(r"^(.*?)(\d{1,4})([^\d]*)$")
_REPEATED_HOUR: Final = re.compile(r"^dst\s*\+", re.I)


@lru_cache(maxsize=4096)
def normal(name: str) -> str:
    """A name as it is compared: small letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Column names without blanks around them, numbered where one occurs again."""
    seen: Counter[str] = Counter()
    result = []
    for n, name in enumerate(names, 1):
        plain = name.strip().strip("\ufeff'") or f"column {n}"
        seen[plain] += 1
        result.append(plain if seen[plain] == 1 else f"{plain} ({seen[plain]})")
    return tuple(result)


@dataclass(frozen=True)
class Block:
    """Columns that are the half hours of a day: places in the row and, for each, the number or minute it is named for.

    `what` is their common name; `clock` if they are named by times of the day.
    """

    what: str
    clock: bool
    columns: tuple[tuple[int, int], ...]


def half_hours(names: Sequence[str]) -> tuple[list[Block], list[Block]]:
    """The blocks of half-hour columns in a header: those of values, and those of flags."""
    groups: dict[tuple[str, bool], list[tuple[int, int]]] = {}
    for column, name in enumerate(names):
        for key, number in _keys(name):
            groups.setdefault(key, []).append((column, number))
    blocks = [block for (what, clock), columns in groups.items() if (block := _block(what, clock, columns))]
    flags = [block for block in blocks if _FLAG_WORDS.search(block.what)]
    return [block for block in blocks if block not in flags], flags


def series(names: Sequence[str]) -> list[str]:
    """The longest series of columns that are numbered or named by times under one name, if it could be a day's."""
    groups: dict[tuple[str, bool], list[str]] = {}
    for name in names:
        for key, _ in _keys(name):
            groups.setdefault(key, []).append(name)
    longest = max(groups.values(), key=len, default=[])
    return longest if len(longest) >= 12 else []


def _keys(name: str) -> list[tuple[tuple[str, bool], int]]:
    """What a column may be one of: (common name, by clock?) and its number or minute."""
    plain = re.sub(r"[\[\]\"']", "", name).strip().lower()
    if span := _RANGE.fullmatch(plain):
        plain = f"from {span[1]}"
    if found := _CLOCK.match(plain):
        minute, _ = values.minute(f"{found[2]}:{found[3]}{found[4] or ''}")
        return [] if minute is None else [((f"{found[1].strip()} {found[5].strip()}".strip(), True), minute)]
    if not (found := _NUMBERED.match(plain)):
        return []
    what, number = f"{found[1].strip()} {found[3].strip()}".strip(), int(found[2])
    keys = [((what, False), number)]
    if number <= 2400 and number % 100 in (0, 30):
        keys.append(((what, True), number // 100 * 60 + number % 100))
    return keys


def _block(what: str, clock: bool, columns: list[tuple[int, int]]) -> Block | None:
    """The columns, if they are all half hours of a day, each once."""
    numbers = [number for _, number in columns]
    wanted = set(range(0, 1440, 30)) if clock else set(range(1, 49))
    have = {number % 1440 for number in numbers} if clock else set(numbers)
    if clock and have == wanted and len(numbers) == 48:
        return Block(what, True, tuple(columns))
    if not clock and have in (wanted, wanted | {49}, wanted | {49, 50}) and len(numbers) == len(have):
        return Block(what, False, tuple(columns))
    return None


def is_other_quantity(name: str) -> bool:
    """Whether a name is that of reactive energy or of power."""
    return _OTHER_QUANTITY.search(name) is not None


def is_flag(name: str) -> bool:
    """Whether a name is that of a column that qualifies the values beside it."""
    return _FLAG_WORDS.search(name) is not None


def is_repeated_hour(name: str) -> bool:
    """Whether a column holds the hour that autumn repeats, beside 48 named by the clock."""
    return _REPEATED_HOUR.match(name.strip()) is not None


def find(role: str, names: Sequence[str]) -> int | None:
    """The column of a role by its likeliest known name."""
    have = [normal(name) for name in names]
    return next((have.index(alias) for alias in ROLES[role].split() if alias in have), None)


def meters(names: Sequence[str]) -> list[int]:
    """The columns that may name the meter: those of the best class of names that occurs, best first."""
    have = [normal(name) for name in names]
    for aliases in METERS:
        if found := [have.index(alias) for alias in aliases.split() if alias in have]:
            return found
    return []


def energy(names: Sequence[str]) -> list[int]:
    """The columns that name kWh without being a total."""
    have = [normal(name) for name in names]
    return [n for n, name in enumerate(have) if "kwh" in name and "total" not in name]
