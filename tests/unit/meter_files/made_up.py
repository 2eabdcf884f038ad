"""Made-up meters and their readings, and writers of them in the layouts that suppliers use."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import BinaryIO

import polars as pl

from energy_ingest import clock
from energy_ingest.reading import REJECT_SCHEMA
from energy_ingest.sources import meter_files

TODAY = date(2026, 11, 22)
SPRING, AUTUMN, ORDINARY = date(2024, 3, 31), date(2023, 10, 29), date(2024, 2, 28)
HALF_HOUR = timedelta(minutes=30)


def mpan(number: int) -> str:
    """An MPAN that nobody has: distributor 99 does not exist. The check digit is right."""
    core = f"99{number:010d}"
    total = sum(int(d) * w for d, w in zip(core, (3, 5, 7, 13, 17, 19, 23, 29, 31, 37, 41, 43), strict=True))
    return f"{core}{total % 11 % 10}"


@dataclass(frozen=True)
class Reading:
    mpan: str
    start: datetime
    kwh: float
    kind: str = "actual"
    ambiguous: bool = False

    @property
    def settlement(self) -> tuple[date, int]:
        return clock.settlement_of(self.start)


def days(first: date, count: int) -> list[date]:
    return [first + timedelta(days=n) for n in range(count)]


def readings(meters: int, first: date, count: int, values: Iterator[float]) -> list[Reading]:
    """Every half hour of these UK days, meter by meter."""
    return [
        Reading(mpan(meter + 1), clock.period_start(day, period), next(values))
        for meter in range(meters)
        for day in days(first, count)
        for period in range(1, clock.settlement_periods(day) + 1)
    ]


def opener(content: bytes | str) -> Callable[[], BinaryIO]:
    body = content.encode() if isinstance(content, str) else content
    return lambda: io.BytesIO(body)


def options(import_type: str = "hh", **more: object) -> meter_files.Options:
    return meter_files.Options(**{"import_type": import_type, "today": TODAY, **more})


@dataclass(frozen=True)
class Found:
    """All pieces of a file as one."""

    decision: meter_files.Decision
    rows: pl.DataFrame
    rejects: pl.DataFrame
    skipped: dict[str, int]
    warnings: dict[str, int]

    @property
    def readings(self) -> list[Reading]:
        columns = ("mpan", "period_start", "quantity_kwh", "reading_type", "is_ambiguous")
        return [Reading(*row) for row in self.rows.select(*columns).iter_rows()]

    @property
    def reasons(self) -> list[tuple[int, str, str | None]]:
        return self.rejects.select("row_number", "column", "value").rows()


def total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for count in counts:
        for reason, number in count.items():
            sums[reason] = sums.get(reason, 0) + number
    return sums


def read(content: bytes | str, name: str = "file.csv", piece_bytes: int | None = None, **more: object) -> Found:
    """Decide and parse."""
    chosen = options(**more)
    decision = meter_files.decide(opener(content), name, chosen)
    pieces = list(meter_files.parse(opener(content), decision, chosen, 0, piece_bytes))
    return together(decision, chosen, pieces)


def together(decision: meter_files.Decision, chosen: meter_files.Options, pieces: Sequence[meter_files.Piece]) -> Found:
    schema = {"hh": meter_files.READINGS, "daily": meter_files.DAILY, "sites": meter_files.SITES}[chosen.import_type]
    return Found(
        decision,
        pl.concat([pl.DataFrame(schema=schema), *(piece.rows for piece in pieces)]),
        pl.concat([pl.DataFrame(schema=REJECT_SCHEMA), *(piece.rejects for piece in pieces)]),
        total(piece.skipped for piece in pieces),
        total(piece.warnings for piece in pieces),
    )


# --- writers: rows of cells ---


def _by_day(made: Sequence[Reading]) -> Iterator[tuple[str, date, list[Reading]]]:
    rows: dict[tuple[str, date], list[Reading]] = {}
    for reading in made:
        rows.setdefault((reading.mpan, reading.settlement[0]), []).append(reading)
    for (meter, day), found in rows.items():
        yield meter, day, found


def positional(made: Sequence[Reading], columns: int, show: Callable[[float], str]) -> list[list[str]]:
    table = [["MPAN", "Date", *(f"HH{n}" for n in range(1, columns + 1))]]
    for meter, day, found in _by_day(made):
        cells = [show(reading.kwh) for reading in found][:columns]
        table.append([meter, f"{day:%d/%m/%Y}", *cells, *[""] * (columns - len(cells))])
    return table


def by_clock(made: Sequence[Reading], label: str, show: Callable[[float], str]) -> list[list[str]]:
    """Of the hour that autumn repeats, the first turn."""
    shift = 1 if label == "end" else 0
    names = [f"{(n + shift) // 2 % 24:02}:{(n + shift) % 2 * 30:02}" for n in range(48)]
    table = [["MPAN", "Date", *names]]
    for meter, day, found in _by_day(made):
        cells = [""] * 48
        for reading in reversed(found):
            local = reading.start.astimezone(clock.LONDON)
            cells[local.hour * 2 + local.minute // 30] = show(reading.kwh)
        table.append([meter, f"{day:%Y-%m-%d}", *cells])
    return table


def by_period(made: Sequence[Reading], show: Callable[[float], str]) -> list[list[str]]:
    table = [["MPANCore", "Sett Date", "Sett Period", "Meter Read"]]
    for reading in made:
        day, period = reading.settlement
        table.append([reading.mpan, f"{day:%d/%m/%Y}", str(period), show(reading.kwh)])
    return table


def by_stamp(
    made: Sequence[Reading], label: str, form: str, show: Callable[[float], str], zone: object = clock.LONDON
) -> list[list[str]]:
    shift = HALF_HOUR if label == "end" else timedelta(0)
    name = "Datetime UTC" if zone is UTC else "Datetime"
    stamps = (f"{(r.start + shift).astimezone(zone):{form}}" for r in made)  # type: ignore[arg-type]
    return [["MPAN", name, "kWh"], *([r.mpan, stamp, show(r.kwh)] for r, stamp in zip(made, stamps, strict=True))]


def with_offsets(made: Sequence[Reading], show: Callable[[float], str]) -> list[list[str]]:
    table = [["MPAN", "Consumption (kWh)", "Start", "End"]]
    for reading in made:
        start = reading.start.astimezone(clock.LONDON)
        end = (reading.start + HALF_HOUR).astimezone(clock.LONDON)
        table.append([reading.mpan, show(reading.kwh), start.isoformat(), end.isoformat()])
    return table


def n3rgy(made: Sequence[Reading]) -> str:
    entries = [{"value": r.kwh, "timestamp": f"{r.start + HALF_HOUR:%Y-%m-%d %H:%M}"} for r in made]
    resource = f"/{made[0].mpan}/electricity/consumption/1"
    return json.dumps({"resource": resource, "granularity": "halfhour", "values": entries, "unit": "kWh"})


@dataclass(frozen=True)
class Style:
    """How cells become bytes."""

    delimiter: str = ","
    quoted: bool = False
    end: str = "\n"
    encoding: str = "utf-8"
    sep_line: bool = False

    def write(self, table: Sequence[Sequence[str]]) -> bytes:
        lines = [self.delimiter.join(self._cell(cell) for cell in row) for row in table]
        if self.sep_line:
            lines.insert(0, f"sep={self.delimiter}")
        return (self.end.join(lines) + self.end).encode(self.encoding)

    def _cell(self, cell: str) -> str:
        return f'"{cell}"' if self.quoted or self.delimiter in cell else cell
