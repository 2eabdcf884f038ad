"""Metered output per BM unit (B1610): a population of units, their half hours, and their restatements.

No long recording of B1610 can be passed on, so values are generated: each depends on its unit, date, period and
settlement run alone. The few recorded values take the place of the generated ones. A whole-market day is 440,496 rows
and 100 MB of JSON; it is written once to a file, half hour after half hour, and served from there.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import BinaryIO, Final

from energy_ingest.clock import HALF_HOUR, LONDON, add_weekdays, local_instant, settlement_day, settlement_periods

from . import elexon_recorded as recorded
from .wire import FileSlice, noise

WHOLE_MARKET: Final = 9177
RUNS: Final = (("II", 7), ("SF", 35), ("R1", 70), ("R2", 165), ("R3", 300), ("RF", 430))
"""Settlement runs and the age in calendar days at which each is published; II counts working days instead."""
RESTATED: Final = 9
"""Out of 256: how many of the values that are not zero a settlement run changes."""
OPEN_FILES: Final = 200
"""How many cached days may be open at most: well below the usual limit of 1024 files of a process."""

Span = tuple[date, range]
"""A settlement date and some of its periods."""


# --- publication ---


def published(day: date, run: str) -> datetime:
    """When a settlement run of a settlement date is published: noon in London."""
    on = add_weekdays(day, 5) if run == "II" else day + timedelta(days=dict(RUNS)[run])
    return local_instant(on, time(12), LONDON)


def runs_until(day: date, now: datetime) -> list[str]:
    """The settlement runs published by now, the one in force last; none before the first publication."""
    return [run for run, _ in RUNS if published(day, run) <= now]


# --- the units ---

FUELS: Final = {
    "wind": "WIND",
    "gas": "CCGT",
    "biomass": "BIOMASS",
    "nuclear": "NUCLEAR",
    "pumped": "PS",
    "battery": "OTHER",
    "solar": "OTHER",
}
"""Fuel types of the register."""
FLOWS: Final = {"battery": (1, -1), "pumped": (1, -1), "supplier": (0, -1)}
"""Which part of its power a unit may generate, and take; the others only generate."""


@dataclass(frozen=True)
class Unit:
    """A BM unit; the fuel decides the shape of its output."""

    bm_unit: str
    national_grid_id: str | None
    fuel: str
    megawatts: int

    def registered(self) -> dict[str, str | None]:
        """The unit as the register of BM units has it: capacities in text, no fuel for suppliers."""
        up, down = FLOWS.get(self.fuel, (1, 0))
        return {
            "nationalGridBmUnit": self.national_grid_id,
            "elexonBmUnit": self.bm_unit,
            "fuelType": FUELS.get(self.fuel),
            "demandCapacity": f"{down * self.megawatts:.3f}",
            "generationCapacity": f"{up * self.megawatts:.3f}",
        }


# The five units that the project's predecessor followed, those in recorded answers, and some well-known neighbours.
KNOWN_UNITS: Final = """
2__DSTAT001 - wind 60      2__ESTAT003 - solar 35      2__ESTAT001 - wind 45       2__LSTAT003 - solar 28
2__HSTAT003 - battery 50   2__FBPGM001 FBPG01 gas 20   E_HYWDW-1 HYWDW-1 wind 30   T_ABRBO-1 ABRBO-1 wind 99
T_SEAB-1 SEAB-1 gas 390    T_SEAB-2 SEAB-2 gas 390     T_CNQPS-1 CNQPS-1 gas 350   T_CNQPS-2 CNQPS-2 gas 350
T_DRAXX-1 DRAXX-1 biomass 645   T_DRAXX-2 DRAXX-2 biomass 645   T_DRAXX-3 DRAXX-3 biomass 645
T_DRAXX-4 DRAXX-4 biomass 645   T_DRAXX-5 DRAXX-5 idle 645      T_DRAXX-6 DRAXX-6 idle 645
T_MOWWO-1 MOWWO-1 wind 220      T_MOWWO-2 MOWWO-2 wind 220      T_MOWWO-3 MOWWO-3 wind 220
T_MOWWO-4 MOWWO-4 wind 220      T_ACHRW-1 ACHRW-1 wind 42       E_ABRTW-1 ABRTW-1 wind 36
T_HEYM27 HEYM27 nuclear 620     T_HEYM28 HEYM28 nuclear 620     T_TORN-1 TORN-1 nuclear 640
T_TORN-2 TORN-2 nuclear 640     T_SIZB-1 SIZB-1 nuclear 600     T_SIZB-2 SIZB-2 nuclear 600
T_DINO-1 DINO-1 pumped 290      T_DINO-2 DINO-2 pumped 290      T_DINO-3 DINO-3 pumped 290
T_FOYE-1 FOYE-1 pumped 150      T_AFTOW-1 AFTOW-1 wind 50       C__PSMAR001 ACHLW-1 wind 11
E_ABERDARE ABERU-1 gas 15       V__BADEL001 AG-ADL00B battery 6 V__MADEL001 AG-ADL01M battery 6
V__GADEL001 AG-ADL02G idle 6    2__ATWIN001 - supplier 90       2__FTWIN001 - supplier 70
2__PTWIN001 - idle 0            C__TWINS001 - idle 0            E_TWINS-1 TWINS-1 solar 24
"""


def population(size: int | None = None) -> list[Unit]:
    """The units in the order in which the API lists them: the known ones, filled up to `size` with made-up ones."""
    words = KNOWN_UNITS.split()
    known = [
        Unit(name, None if ng == "-" else ng, fuel, int(megawatts))
        for name, ng, fuel, megawatts in zip(*[iter(words)] * 4, strict=True)
    ]
    made_up = [_made_up(i) for i in range((size or 0) - len(known))]
    return sorted(known[:size] + made_up, key=lambda unit: unit.bm_unit)


def _made_up(i: int) -> Unit:
    """A unit as in the whole market: 72 in 100 are suppliers' units that have no National Grid id and mostly idle."""
    letters = i * 7919  # a prime: no four letters come twice
    code = "".join(chr(65 + letters // 26**k % 26) for k in range(4))
    if i * 617 % 1000 < 719:
        fuel = _choice(code, idle=211, solar=10, wind=8, supplier=27)
        return Unit(f"2__{'ABCDEFGHJKLMNP'[i % 14]}{code}001", None, fuel, 5 + i % 90)
    fuel = _choice(code, idle=111, wind=55, gas=35, battery=30, solar=20, biomass=5)
    name = f"T_{code}-1" if fuel in ("wind", "gas") else f"E_{code}-1"
    return Unit(name, f"{code}-1", fuel, 20 + i % 400)


def _choice(key: str, **weights: int) -> str:
    """A fuel, by weights that add up to 256."""
    ticket = noise("fuel", key, size=1)[0]
    for fuel, weight in weights.items():
        ticket -= weight
        if ticket < 0:
            return fuel
    raise AssertionError("weights add up to less than 256")


# --- the half hours; whole numbers only, in kWh, so that every machine computes the same ---

Shape = Callable[[int, "Day", Sequence[int], bytes], list[int]]
"""(full output, day, weather 0..1000 and noise of each period) -> output of each period."""

SUN: Final = (8, 10, 12, 14, 16, 17, 17, 15, 13, 11, 9, 8)
"""Half the length of daylight in half hours, January to December."""
DEMAND: Final = (
    62, 60, 58, 57, 56, 55, 55, 56, 58, 62, 68, 75, 83, 89, 93, 94, 94, 93, 92, 91, 90, 90, 90, 89,
    88, 87, 86, 86, 88, 90, 94, 98, 100, 100, 99, 97, 95, 92, 89, 86, 83, 80, 77, 74, 71, 68, 66, 64,
)  # fmt: skip
"""Demand in each half hour of the UTC day in percent of the day's highest."""


def _nuclear(full: int, day: Day, weather: Sequence[int], random: bytes) -> list[int]:
    return [full * (970 + r % 16) // 1000 for r in random]


def _biomass(full: int, day: Day, weather: Sequence[int], random: bytes) -> list[int]:
    if random[0] < 70:
        return [0] * day.periods
    return [full * DEMAND[slot] * (950 + r % 50) // 100_000 for slot, r in zip(day.slots, random, strict=True)]


def _gas(full: int, day: Day, weather: Sequence[int], random: bytes) -> list[int]:
    """On through the working hours of most days; off, it draws a little for itself."""
    house = -full * 11 // 1000
    if random[0] < 90:
        return [house + r % 140 for r in random]
    on = 12 + random[1] % 6, 40 + random[2] % 6
    return [
        full * DEMAND[slot] * (880 + r % 100) // 100_000 if on[0] <= slot <= on[1] else house + r % 140
        for slot, r in zip(day.slots, random, strict=True)
    ]


def _wind(full: int, day: Day, weather: Sequence[int], random: bytes) -> list[int]:
    return [full * w * w // 1_000_000 * (900 + r % 100) // 1000 for w, r in zip(weather, random, strict=True)]


def _solar(full: int, day: Day, weather: Sequence[int], random: bytes) -> list[int]:
    top = SUN[day.date.month - 1] ** 2
    height = [max(top - (slot - 24) ** 2, 0) for slot in day.slots]
    return [
        full * h * (1300 - w) // (top * 1300) * (900 + r % 100) // 1000
        for h, w, r in zip(height, weather, random, strict=True)
    ]


def _battery(full: int, day: Day, weather: Sequence[int], random: bytes) -> list[int]:
    """Charges in the small hours, discharges over the evening peak, and is quiet in between."""
    charge, discharge = range(3 + random[0] % 4, 10), range(32 + random[1] % 3, 39)
    return [
        -full * (300 + r) // 600 if slot in charge else full * (300 + r) // 600 if slot in discharge else 0
        for slot, r in zip(day.slots, random, strict=True)
    ]


def _supplier(full: int, day: Day, weather: Sequence[int], random: bytes) -> list[int]:
    return [-full * DEMAND[slot] * (900 + r % 100) // 100_000 for slot, r in zip(day.slots, random, strict=True)]


SHAPES: Final[dict[str, Shape]] = {
    "nuclear": _nuclear,
    "biomass": _biomass,
    "gas": _gas,
    "wind": _wind,
    "solar": _solar,
    "battery": _battery,
    "pumped": _battery,
    "supplier": _supplier,
}


class Day:
    """One settlement date as the API shows it once certain settlement runs are published."""

    def __init__(self, day: date, runs: list[str]) -> None:
        self.date, self.runs = day, runs
        self.periods = settlement_periods(day)
        start, _ = settlement_day(day)
        self.ends = [start + (i + 1) * HALF_HOUR for i in range(self.periods)]
        first = (start.hour * 60 + start.minute) // 30
        self.slots = [(first + i) % 48 for i in range(self.periods)]
        self._weather = cache(self._weather_of)

    def quantities(self, unit: Unit) -> list[int]:
        """Output of every period in kWh, as restated by the runs after the first."""
        if unit.fuel == "idle":
            values = [0] * self.periods
        else:
            n = self.periods
            random = noise("B1610", unit.bm_unit, self.date, size=n * len(self.runs))
            values = self._first(unit, random[:n])
            for k in range(1, len(self.runs)):
                values = [_restate(v, r) for v, r in zip(values, random[k * n : k * n + n], strict=True)]
        for period, quantity in recorded.b1610().get((unit.bm_unit, self.date), {}).items():
            values[period - 1] = quantity
        return values

    def _first(self, unit: Unit, random: bytes) -> list[int]:
        weather = self._weather(noise("region", unit.bm_unit, size=1)[0] % 8)
        return SHAPES[unit.fuel](unit.megawatts * 500, self, weather, random)

    def _weather_of(self, region: int) -> list[int]:
        """From this day's weather to the next day's, so that midnight is no step."""
        today, tomorrow = (
            int.from_bytes(noise("weather", region, self.date + timedelta(days=d), size=2)) % 1001 for d in (0, 1)
        )
        return [today + (tomorrow - today) * i // self.periods for i in range(self.periods)]


def _restate(value: int, random: int) -> int:
    """A settlement run moves few values, and those by at most one percent, by 1 kWh at least."""
    if not value or random >= RESTATED:
        return value
    step = max(1, abs(value) * (random // 2 + 1) // 500)
    return (value + step if random % 2 else value - step) or 2 * value


# --- the bytes ---


def blocks(units: Sequence[Unit], day: Day, periods: Iterable[int], run_type: bool) -> Iterator[bytes]:
    """The rows of each period as JSON objects with commas between them."""
    heads = [
        f'{{"dataset":"B1610","psrType":"Generation","bmUnit":"{unit.bm_unit}","nationalGridBmUnitId":'
        + (f'"{unit.national_grid_id}"' if unit.national_grid_id else "null")
        + f',"settlementDate":"{day.date}","settlementPeriod":'
        for unit in units
    ]
    columns = list(zip(*map(day.quantities, units), strict=True))
    run = f'"settlementRunType":"{day.runs[-1]}",' if run_type else ""
    for period in periods:
        tail = f'{period},"halfHourEndTime":"{day.ends[period - 1]:%Y-%m-%dT%H:%M:%S}",{run}"quantity":'
        rows = [
            f"{head}{tail}{value / 1000:.3f}}}" if value else f"{head}{tail}0.000}}"
            for head, value in zip(heads, columns[period - 1], strict=True)
        ]
        yield ",".join(rows).encode()


@dataclass(frozen=True)
class _DayFile:
    """The rows of a day in a file without a name: however the process ends, its space comes free."""

    file: BinaryIO
    bounds: list[tuple[int, int]]
    """Where the rows of each period begin and end."""

    def slice(self, periods: range) -> FileSlice:
        """The rows of some periods, on a handle of their own, so that eviction does not disturb an answer under way."""
        start, end = self.bounds[periods[0] - 1][0], self.bounds[periods[-1] - 1][1]
        return FileSlice(os.fdopen(os.dup(self.file.fileno()), "rb"), start, end - start)


class B1610:
    """Everything the API has under B1610, for one population of units."""

    def __init__(self, units: int | None = None, run_type: bool = True, megabytes: int = 4000) -> None:
        self.units = population(units)
        self._by_name = {unit.bm_unit: unit for unit in self.units}
        self._run_type = run_type
        self._limit = megabytes * 1_000_000
        self._files: OrderedDict[tuple[date, str], _DayFile] = OrderedDict()
        self._lock = threading.Lock()
        self._building: dict[tuple[date, str], threading.Lock] = {}

    @property
    def cached(self) -> list[date]:
        """The settlement dates on disk, the one used last at the end."""
        return [day for day, _ in self._files]

    def close(self) -> None:
        """Give up all cached days."""
        with self._lock:
            while self._files:
                self._files.popitem()[1].file.close()

    def rows(
        self, spans: Iterable[Span], names: list[str], run: str | None, now: datetime
    ) -> tuple[list[bytes | FileSlice], int, int]:
        """The published rows of some periods, ascending, as parts of a JSON array; how many, and how many recorded.

        `names` limits the units, `run` the settlement run: a superseded run has no rows, as only the one in force is
        served.
        """
        units = [self._by_name[name] for name in sorted(set(names)) if name in self._by_name] if names else self.units
        parts: list[bytes | FileSlice] = []
        rows = known = 0
        for day, periods in spans:
            runs = runs_until(day, now)
            if not units or not runs or run not in (None, runs[-1]):
                continue
            if parts:
                parts.append(b",")
            if names:
                parts.append(b",".join(blocks(units, Day(day, runs), periods, self._run_type)))
            else:
                parts.append(self._slice(day, runs, periods))
            rows += len(units) * len(periods)
            known += sum(p in periods for unit in units for p in recorded.b1610().get((unit.bm_unit, day), ()))
        return parts, rows, known

    def _slice(self, day: date, runs: list[str], periods: range) -> FileSlice:
        """From the file of a day, written first if need be; one thread writes, the others wait for it."""
        key = day, runs[-1]
        with self._lock:
            building = self._building.setdefault(key, threading.Lock())
        with building:
            if hit := self._hit(key, periods):
                return hit
            made = self._write(Day(day, runs))
            with self._lock:
                self._files[key] = made
                self._evict()
                return made.slice(periods)

    def _hit(self, key: tuple[date, str], periods: range) -> FileSlice | None:
        with self._lock:
            if key not in self._files:
                return None
            self._files.move_to_end(key)
            return self._files[key].slice(periods)

    def _write(self, day: Day) -> _DayFile:
        file = tempfile.TemporaryFile()  # noqa: SIM115  stays open until it is evicted
        bounds: list[tuple[int, int]] = []
        for block in blocks(self.units, day, range(1, day.periods + 1), self._run_type):
            if bounds:
                file.write(b",")
            start = file.tell()
            file.write(block)
            bounds.append((start, file.tell()))
        file.flush()
        return _DayFile(file, bounds)

    def _evict(self) -> None:
        """Give up the least recently used files beyond the limit."""
        size = sum(made.bounds[-1][1] for made in self._files.values())
        while len(self._files) > 1 and (size > self._limit or len(self._files) > OPEN_FILES):
            _, oldest = self._files.popitem(last=False)
            size -= oldest.bounds[-1][1]
            oldest.file.close()
