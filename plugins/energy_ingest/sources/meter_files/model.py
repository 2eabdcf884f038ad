"""What the parts of this package hand to each other: options, layouts, the decision, and pieces of rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

import polars as pl

ImportType = Literal["hh", "daily", "sites"]
MpanCheck = Literal["warn", "quarantine", "off"]
Shape = Literal["wide", "long", "daily", "sites"]
Label = Literal["start", "end"]
Clock = Literal["local", "utc", "offset"]

READINGS: Final = {
    "row_number": pl.Int64(),
    "mpan": pl.String(),
    "register": pl.String(),
    "period_start": pl.Datetime("us", "UTC"),
    "quantity_kwh": pl.Float64(),
    "reading_type": pl.String(),
    "is_ambiguous": pl.Boolean(),
}
"""Half hours. `row_number` is the row of the file (its first is 1), `register` is `import` unless the file says
`export`, `reading_type` is actual, estimated or manual, `is_ambiguous` marks half hours of a clock change that the
file cannot tell apart."""

DAILY: Final = {
    "row_number": pl.Int64(),
    "mpan": pl.String(),
    "register": pl.String(),
    "local_date": pl.Date(),
    "quantity_kwh": pl.Float64(),
    "reading_type": pl.String(),
}
"""Daily totals of UK calendar days."""

SITES: Final = {
    "row_number": pl.Int64(),
    "name": pl.String(),
    "company_id": pl.Int64(),
    "region_id": pl.Int64(),
    "address": pl.String(),
    "postcode": pl.String(),
    "site_type": pl.String(),
    "floor_area_m2": pl.Float64(),
    "latitude": pl.Float64(),
    "longitude": pl.Float64(),
    "is_active": pl.Boolean(),
    "created_on": pl.Date(),
}
"""Sites; all but `name` may be null where the file leaves them blank; `site_type` and `is_active` have defaults."""


@dataclass(frozen=True)
class Options:
    """What the job says about a file.

    `feed` names a layout of `FEEDS`; None detects one. `today` bounds the dates that are believed. `unit` is taken
    where the file names none.
    """

    import_type: ImportType
    today: date
    feed: str | None = None
    mpan_check: MpanCheck = "warn"
    unit: str = "kWh"


@dataclass(frozen=True)
class Slot:
    """A column of a wide file that holds one half hour.

    `column` and `flag` are places of columns in the row, from 0. `place` is the n-th half hour of the day (1 to 50) in
    a positional file, else the minute of the day at which the half hour starts by the clock; None where the name of
    the column does not say (an hour that is repeated in autumn).
    """

    column: int
    place: int | None
    flag: int | None = None


@dataclass(frozen=True)
class Layout:
    """How a supplier lays out its files, by the names of columns; what is None is found in the file itself.

    `header` are the column names of a file that comes without them. `label` says which end of the half hour a stamp
    or the name of a column names. `date_order` is the order of day, month and year where digits leave it open.
    The readings are of the day that lies `days_late` before the date.
    """

    description: str = ""
    shape: Shape | None = None
    header: tuple[str, ...] = ()
    mpan: str | None = None
    date: str | None = None
    time: str | None = None
    period: str | None = None
    stamp: str | None = None
    end: str | None = None
    value: str | None = None
    unit: str | None = None
    reading_type: str | None = None
    register: str | None = None
    label: Label | None = None
    clock: Clock | None = None
    date_order: Literal["dmy", "mdy", "ymd"] | None = None
    days_late: int = 0


ROLES: Final = ("mpan", "date", "time", "period", "stamp", "end", "value", "unit", "reading_type", "register")
"""What a column may be; the names of `Layout`'s fields for them."""


@dataclass(frozen=True)
class Dialect:
    """How the bytes become rows: `kind`, encoding and delimiter, the row of the header (0: none) and cells in a row."""

    kind: Literal["text", "workbook", "json"]
    encoding: str = "utf-8"
    delimiter: str = ","
    header_row: int = 0
    width: int = 0


@dataclass(frozen=True)
class Decision:
    """How a file will be read, and why: `said` are sentences for the job's record.

    `columns` are the file's column names, made unique; `slots` the half-hour columns of a wide file, `positional` if
    they count half hours of the day. It is plain data: `msgspec.json` writes and reads it.
    """

    layout: Layout
    dialect: Dialect
    columns: tuple[str, ...]
    unit: str
    slots: tuple[Slot, ...] = ()
    positional: bool = False
    mpan: str | None = None
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """A stretch of the file, in order.

    `rows` are READINGS, DAILY or SITES; `rejects` as in `reading.REJECT_SCHEMA`, `raw` being the cells of the row that
    matter, as JSON by column name: `parse_again` reads it. `skipped` counts what is no reading, by reason; `warnings`
    counts what was read all the same. Everything up to the file's row `last_row` is in this or an earlier piece.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    last_row: int
    bytes_read: int
    skipped: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
