"""Deciding how a file is to be read: from its bytes, its header, its first rows, or the feed that the job names.

Whatever is decided is said. Where two readings are possible and it matters, nothing is guessed: the file is refused
with both readings and the way to choose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Any, BinaryIO, Final, Literal

import polars as pl

from energy_ingest import clock
from energy_ingest.errors import Misconfigured, Rejected
from energy_ingest.sources.meter_files import headers, mpan, tables, text, values
from energy_ingest.sources.meter_files.layouts import FEEDS
from energy_ingest.sources.meter_files.model import Decision, Dialect, Label, Layout, Options, Slot

_HEADER_WITHIN: Final = 40
"""Rows among which the header must be."""

_SAMPLE_ROWS: Final = 20_000
_MPAN_IN_NAME: Final = re.compile(r"(?<!\d)\d{13}(?!\d)")


@dataclass
class _Look:
    """A file being looked at: its first rows, and what has been decided so far."""

    name: str
    options: Options
    dialect: Dialect
    rows: list[list[str]]
    whole: bool
    layout: Layout
    facts: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    said: list[str] = field(default_factory=list)

    @property
    def body(self) -> list[list[str]]:
        return self.rows[self.dialect.header_row :]

    def cells(self, column: int, most: int = 1000) -> list[str]:
        """What stands in a column's first rows, without blanks."""
        found = (row[column].strip() for row in self.body[:most] if len(row) > column)
        return [cell for cell in found if cell and cell != self.columns[column]]

    def refuse(self, why: str, fix: str) -> Rejected:
        return Rejected(f"{why}. Nothing was loaded. {fix}")


def decide(open_file: Callable[[], BinaryIO], name: str, options: Options) -> Decision:
    """How the file will be read; `name` is only looked at for an MPAN in it.

    Raises:
        Rejected: no table, no layout that fits, or two readings are possible; the message says how to choose.
        Misconfigured: the job names a feed that does not exist.
    """
    look = _open(open_file, name, options)
    if options.import_type == "sites":
        return _decide_sites(look)
    _find_header(look)
    _find_meter(look)
    if options.import_type == "daily":
        return _decide_daily(look)
    blocks, flags = headers.half_hours(look.columns)
    if blocks:
        return _decide_wide(look, blocks, flags)
    return _decide_long(look)


def _open(open_file: Callable[[], BinaryIO], name: str, options: Options) -> _Look:
    if options.feed is not None and options.feed not in FEEDS:
        raise Misconfigured(f"there is no feed {options.feed!r}; known are {', '.join(sorted(FEEDS))}")
    layout = FEEDS[options.feed] if options.feed else Layout()
    with open_file() as file:
        head = file.read(text.HEAD_BYTES)
    if not head.strip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"):
        raise Rejected("the file is empty: there is nothing to import; ask for it again")
    text.refuse_other_files(head)
    kind = tables.kind_of(open_file, head)
    if kind == "workbook":
        rows = tables.workbook(open_file)
        dialect = Dialect("workbook", width=max(map(len, rows), default=0))
        return _Look(name, options, dialect, rows, True, layout, said=["read as a workbook, its first filled sheet"])
    if kind == "json":
        names, body, facts = tables.json_rows(open_file)
        dialect = Dialect("json", header_row=1, width=len(names))
        return _Look(name, options, dialect, [names, *body], True, layout, facts, said=["read as JSON"])
    return _open_text(name, options, layout, head)


def _open_text(name: str, options: Options, layout: Layout, head: bytes) -> _Look:
    encoding = text.encoding_of(head)
    lines = text.head_lines(head, encoding)
    if any(ord(char) < 9 for line in lines[:20] for char in line):
        raise Rejected("the file is binary, not a table: export it as CSV, .xlsx, .xls or JSON")
    delimiter = text.delimiter_of(lines)
    rows = [text.cells_of(line, delimiter) for line in lines[:_SAMPLE_ROWS]]
    if not any(cell.strip() for row in rows for cell in row if not cell.lower().startswith("sep=")):
        raise Rejected("the file has no rows: there is nothing to import; ask for it again")
    said = f"read as text: {encoding}, cells parted by {'tab' if delimiter == chr(9) else delimiter!r}"
    whole = len(head) < text.HEAD_BYTES and len(lines) <= _SAMPLE_ROWS
    return _Look(name, options, Dialect("text", encoding, delimiter), rows, whole, layout, said=[said])


# --- header and meter ---


def _find_header(look: _Look) -> None:
    """Set the columns' names and where the rows begin."""
    for n, row in enumerate(look.rows[:_HEADER_WITHIN]):
        if _is_header(row, look.layout):
            look.columns = headers.unique(_trimmed(row))
            look.said.append(f"row {n + 1} is the header")
            break
    else:
        n = -1
        _name_columns(look)
    if look.dialect.kind == "text":
        counts = sorted(len(row) for row in look.rows[n + 1 :] if any(cell.strip() for cell in row))
        usual = counts[len(counts) // 2] if counts else len(look.columns)
    else:
        usual = look.dialect.width
    look.dialect = replace(look.dialect, header_row=n + 1, width=max(usual, len(look.columns), 2))
    for role in ("mpan", "date", "time", "period", "stamp", "value", "unit", "reading_type", "register", "end"):
        wanted = getattr(look.layout, role)
        if wanted is not None:
            _require(look, role, wanted)


def _trimmed(row: Sequence[str]) -> list[str]:
    """Without the blank cells at the end."""
    cells = list(row)
    while cells and not cells[-1].strip():
        cells.pop()
    return cells


def _is_header(row: Sequence[str], layout: Layout) -> bool:
    named = [name for name in (layout.mpan, layout.date, layout.stamp, layout.value) if name]
    have = [headers.normal(cell) for cell in row]
    if named and all(headers.normal(name) in have for name in named):
        return True
    if len(row) > 20:
        blocks, _ = headers.half_hours(row)
        return bool(blocks)
    when = any(headers.find(role, row) is not None for role in ("date", "stamp"))
    return when and (headers.find("value", row) is not None or bool(_value_like(row)))


def _name_columns(look: _Look) -> None:
    """Names for a file without header: the feed's, else what 48 or 50 numbers after a meter and a date can only be."""
    first = next((row for row in look.rows if any(cell.strip() for cell in row) and not _is_sep(row)), [])
    if look.layout.header:
        if len(_trimmed(first)) > len(look.layout.header):
            raise look.refuse(
                f"the rows have {len(first)} cells, the feed {look.options.feed} has {len(look.layout.header)} columns",
                "Name another feed, or none.",
            )
        look.columns = headers.unique(look.layout.header)
        look.said.append(f"no header: the columns are those of the feed {look.options.feed}")
        return
    for count in (50, 48):
        at = len(first) - count
        if at >= 2 and all(values.number(cell)[1] is None for cell in first[at:]):
            dates = [n for n in range(at) if values.day(first[n], "dmy", look.options.today)[0]]
            if len(dates) == 1:
                lead = ["Date" if n == dates[0] else f"column {n + 1}" for n in range(at)]
                look.columns = headers.unique([*lead, *(f"HH{n}" for n in range(1, count + 1))])
                look.said.append(f"no header: column {dates[0] + 1} holds dates, the last {count} are half hours")
                return
    raise look.refuse(
        "no header was found in the first rows, with a meter, a date or time stamp, and values",
        "Add a header like MPAN,Date,HH1,HH2,... or MPAN,Datetime,kWh, or name the supplier's feed (--feed).",
    )


def _is_sep(row: Sequence[str]) -> bool:
    return bool(row) and row[0].strip('" ').lower().startswith("sep=")


def _require(look: _Look, role: str, wanted: str) -> None:
    """The feed's column by the file's spelling of its name."""
    have = [headers.normal(name) for name in look.columns]
    if headers.normal(wanted) not in have:
        raise look.refuse(
            f"the feed {look.options.feed} has a column {wanted!r}, which the file does not have "
            f"(it has {', '.join(look.columns[:12])}{', ...' if len(look.columns) > 12 else ''})",
            "Name another feed, or none to detect the layout.",
        )
    spelled: dict[str, Any] = {role: look.columns[have.index(headers.normal(wanted))]}
    look.layout = replace(look.layout, **spelled)


def _find_meter(look: _Look) -> None:
    """The column that names the meter: by the feed, by name and content; else the file's name."""
    if look.layout.mpan:
        return
    named = headers.meters(look.columns)
    valid = [n for n in range(len(look.columns)) if _holds_mpans(look, n)]
    sure = [n for n in named if n in valid] or valid
    strong = [n for n in named if headers.normal(look.columns[n]) in headers.METERS[0].split()]
    if strong or len(sure) == 1 or len(named) == 1:
        chosen = strong[0] if strong else sure[0] if len(sure) == 1 else named[0]
        look.layout = replace(look.layout, mpan=look.columns[chosen])
        how = "its name says so" if chosen in named else "only it holds MPANs with their check digit"
        look.said.append(f"column {look.columns[chosen]!r} names the meter: {how}")
    elif len(sure) > 1 or len(named) > 1:
        both = " or ".join(repr(look.columns[n]) for n in (sure if len(sure) > 1 else named))
        raise look.refuse(f"the meter may be named by {both}", "Name the supplier's feed (--feed), which says which.")


def _holds_mpans(look: _Look, column: int) -> bool:
    cells = look.cells(column, 50)
    good = sum(mpan.has_check_digit(mpan.read(cell)[0] or "") for cell in cells)
    return good > 0 and good * 2 >= len(cells)


def _meter_of_file(look: _Look) -> str | None:
    """The one MPAN of a file that has no column for it: in its name, or in what JSON says beside the readings."""
    if look.layout.mpan:
        return None
    places = {"the file's name": look.name, **{f"{name!r} of the JSON": value for name, value in look.facts.items()}}
    for place, where in places.items():
        found: set[str] = {
            digits for digits in _MPAN_IN_NAME.findall(where) if mpan.has_check_digit(digits) or place[0] == "'"
        }
        if len(found) == 1:
            look.said.append(f"the meter is the MPAN in {place}")
            return found.pop()
    raise look.refuse(
        f"no column names the meter (the columns are {', '.join(look.columns[:12])}) and the file's name has no MPAN",
        "Add a column MPAN, put the MPAN into the file's name, or name the supplier's feed (--feed).",
    )


# --- shapes ---


def _found(look: _Look, role: str, taken: Sequence[str | None] = ()) -> str | None:
    """The column of a role, by the feed or by its name, if it is not another's already."""
    if wanted := getattr(look.layout, role):
        return str(wanted)
    names = ["" if name in taken else name for name in look.columns]
    place = headers.find(role, names)
    return None if place is None else look.columns[place]


def _value_like(names: Sequence[str]) -> list[int]:
    """Columns that name a unit of energy without being a total."""
    have = [headers.normal(name) for name in names]
    return [n for n, name in enumerate(have) if "kwh" in name and "total" not in name]


def _complete(look: _Look, layout: Layout, said: Sequence[str] = ()) -> Decision:
    """The decision, with the unit, the order of dates, and what is not read."""
    used = {
        getattr(layout, role)
        for role in ("mpan", "date", "time", "period", "stamp", "end", "value", "unit", "reading_type", "register")
    }
    layout = replace(layout, date_order=_date_order(look, layout))
    if layout.unit and not layout.register and _says_direction(look, layout.unit):
        layout = replace(layout, register=layout.unit)
    unit = _unit_of_name(layout.value or "") or look.facts.get("unit") or look.options.unit
    rest = [name for name in look.columns if name not in used]
    told = [*look.said, *said]
    if layout.clock == "utc":
        told.append("times are UTC")
    if rest and layout.shape != "wide":
        told.append(f"not read: {', '.join(rest[:20])}")
    return Decision(layout, look.dialect, look.columns, unit, mpan=_meter_of_file(look), said=tuple(told))


def _unit_of_name(name: str) -> str | None:
    found = re.search(r"(?<![a-z])(kwh|mwh|wh)(?![a-z])", name.lower())
    return found[1] if found else None


def _unit_column(look: _Look, taken: Sequence[str | None]) -> str | None:
    """The column of the unit: by name, and if it says units at all (`Type` may be many things)."""
    if look.layout.unit:
        return look.layout.unit
    for alias in headers.ROLES["unit"].split():
        for n, name in enumerate(look.columns):
            if headers.normal(name) == alias and name not in taken:
                cells = look.cells(n, 200)
                if alias in ("unit", "units", "uom", "reportingunit") or (
                    cells
                    and all(values.unit(cell, "kWh")[1] is None or headers.is_other_quantity(cell) for cell in cells)
                ):
                    return name
    return None


def _flag_column(look: _Look, taken: Sequence[str | None]) -> str | None:
    """The column that says actual or estimated: by name, and for names like `Type` also by what stands in it."""
    if look.layout.reading_type:
        return look.layout.reading_type
    for alias in headers.ROLES["reading_type"].split():
        for n, name in enumerate(look.columns):
            if headers.normal(name) == alias and name not in taken:
                cells = look.cells(n, 200)
                if alias not in ("type", "status") or all(values.reading_type(cell)[1] is None for cell in cells):
                    return name
    return None


def _says_direction(look: _Look, column: str) -> bool:
    """Whether the unit is one of the industry's measurement quantities, which name the direction, too."""
    cells = {cell.upper() for cell in look.cells(look.columns.index(column), 200)}
    return bool(cells) and cells <= {"AI", "AE", "RI", "RE"}


def _date_order(look: _Look, layout: Layout) -> Literal["dmy", "mdy", "ymd"]:
    """Day before month, unless the feed says otherwise; a file that must be otherwise is refused."""
    if layout.date_order:
        return layout.date_order
    column = layout.date or layout.stamp
    cells = look.cells(look.columns.index(column), 500) if column else []
    if cells and not any(_readable(cell, "dmy", look.options.today) for cell in cells):
        if all(_readable(cell, "mdy", look.options.today) for cell in cells):
            raise look.refuse(
                f"the dates ({cells[0]} ...) are only dates if the month comes first", "Name the feed month-first."
            )
        if all(_readable(cell, "ymd", look.options.today) for cell in cells):
            return "ymd"
    return "dmy"


def _readable(cell: str, order: str, today: date) -> bool:
    found, _ = values.stamp(cell, order)
    return found is not None and values.EARLIEST <= found.date() <= today.replace(year=today.year + 1)


def _clock(look: _Look, column: str | None) -> Literal["local", "utc"]:
    if look.layout.clock in ("local", "utc"):
        return look.layout.clock
    if _is_n3rgy(look):
        return "utc"
    return "utc" if column and re.search(r"utc|gmt", column, re.I) else "local"


def _is_n3rgy(look: _Look) -> bool:
    """JSON of n3rgy's consumption service, which gives the ends of half hours in UTC, as smart meters keep it."""
    return "/consumption/" in look.facts.get("resource", "") and look.facts.get("granularity") == "halfhour"


def _decide_wide(look: _Look, blocks: list[headers.Block], flags: list[headers.Block]) -> Decision:
    energy = [block for block in blocks if not headers.is_other_quantity(block.what)]
    preferred = [block for block in energy if "wh" in block.what] or energy
    if len(preferred) != 1:
        names = " or ".join(f"{block.what or 'the plain ones'!r}" for block in energy) or "none of active energy"
        raise look.refuse(f"the half hours may stand in several blocks of columns: {names}", "Name a feed (--feed).")
    block = preferred[0]
    date_column = _found(look, "date") or _found(look, "stamp")
    if date_column is None:
        raise look.refuse("a file with a column for each half hour needs a date in each row", "Add a column Date.")
    label = look.layout.label or _label_of_block(block)
    slots = _slots(look.columns, block, flags, label)
    row_flag = None if slots[0].flag is not None else _flag_column(look, [look.layout.mpan, date_column])
    unit = _unit_column(look, [look.layout.mpan, date_column, row_flag])
    layout = replace(
        look.layout, shape="wide", date=date_column, label=label, clock=_clock(look, date_column), unit=unit,
        reading_type=row_flag, time=None, stamp=None, value=None, period=None,
    )  # fmt: skip
    first, last = look.columns[block.columns[0][0]], look.columns[block.columns[-1][0]]
    said = [
        f"a row is a day: {len(block.columns)} half hours in columns {first} to {last}, "
        + (f"named by the clock at the {label} of each" if block.clock else "counted from local midnight")
    ]
    if slots[0].flag is not None:
        said.append("a column of flags belongs to each half hour")
    decision = _complete(look, layout, said)
    unit_name = _unit_of_name(re.sub(r"[\d_()]", " ", block.what)) or decision.unit
    return replace(decision, slots=slots, positional=not block.clock, unit=unit_name)


def _label_of_block(block: headers.Block) -> Label:
    return "end" if block.columns[0][1] == 30 or any(minute == 1440 for _, minute in block.columns) else "start"


def _slots(
    names: Sequence[str], block: headers.Block, flags: Sequence[headers.Block], label: Label
) -> tuple[Slot, ...]:
    """The block's columns with their places in the day, and their flags: of the same number, or right behind."""
    columns = sorted(block.columns)
    numbered = next(({n: c for c, n in f.columns} for f in flags if f.clock == block.clock), {})
    behind = {column + 1 for column, _ in columns}
    beside = all(c < len(names) and headers.is_flag(names[c]) for c in behind) and not behind & {c for c, _ in columns}
    slots = []
    for position, (column, number) in enumerate(columns):
        place = number
        if block.clock and label == "end":
            place = -30 if number == 0 and position == 0 else (number - 30) % 1440
        slots.append(Slot(column, place, numbered.get(number, column + 1 if beside else None)))
    repeated = [Slot(n, None) for n, name in enumerate(names) if block.clock and headers.is_repeated_hour(name)]
    return (*slots, *repeated)


def _decide_long(look: _Look) -> Decision:
    layout = look.layout
    stamp = _found(look, "stamp", [layout.mpan])
    date_column = None if stamp else _found(look, "date", [layout.mpan])
    period = None if stamp else _found(look, "period", [layout.mpan])
    time_column = None if stamp or period else _found(look, "time", [layout.mpan])
    if time_column and _counts_periods(look, time_column):
        period, time_column = time_column, None
    if not stamp and not (date_column and (period or time_column)):
        raise look.refuse(
            "the file has neither 48 columns of half hours, nor a time stamp, nor a date with a time or period",
            "If it holds a total per day, import it as daily. Else name the supplier's feed (--feed).",
        )
    value = _value_column(look)
    taken = [layout.mpan, stamp, date_column, time_column, period, value]
    end = _found(look, "end", taken) if stamp else None
    flag = _flag_column(look, taken)
    unit = _unit_column(look, [*taken, flag]) if not _unit_of_name(value) else layout.unit
    with_offset = bool(stamp) and all(values.has_offset(c) for c in look.cells(look.columns.index(stamp or ""), 50))
    chosen = replace(
        layout, shape="long", stamp=stamp, date=date_column, time=time_column, period=period, value=value, end=end,
        unit=unit, reading_type=flag,
        clock="offset" if with_offset and look.cells(look.columns.index(stamp or ""), 1)
        else _clock(look, stamp or date_column),
    )  # fmt: skip
    how = "settlement date and period" if period else "time stamp"
    decision = _complete(look, chosen, [f"a row is a half hour, by its {how}; {value!r} is the value"])
    if period:
        return decision
    _refuse_skipped_hour(look, decision.layout)
    label, why = _label(look, decision.layout)
    return replace(
        decision, layout=replace(decision.layout, label=label),
        said=(*decision.said, f"the time stamp is the {label} of the half hour: {why}"),
    )  # fmt: skip


def _counts_periods(look: _Look, column: str) -> bool:
    cells = look.cells(look.columns.index(column), 500)
    return bool(cells) and all(cell.isdecimal() and 1 <= int(cell) <= 50 for cell in cells)


def _value_column(look: _Look) -> str:
    if look.layout.value:
        return look.layout.value
    likely = _value_like(look.columns)
    if len(likely) > 1:
        both = " or ".join(repr(look.columns[n]) for n in likely)
        raise look.refuse(f"the value may be {both}", "Name the supplier's feed (--feed), which says which.")
    if likely:
        return look.columns[likely[0]]
    value = _found(look, "value")
    if value is None:
        raise look.refuse(
            f"no column is known for the value (the columns are {', '.join(look.columns[:12])})",
            "Call it Consumption or kWh, or name the supplier's feed (--feed).",
        )
    return value


def _label(look: _Look, layout: Layout) -> tuple[Label, str]:
    """Whether stamps name the start or the end of their half hours: by the feed, by name, or by the first and last."""
    if layout.label:
        return layout.label, "the feed says so"
    name = headers.normal(layout.stamp or layout.time or "")
    if layout.end or re.search(r"start|from|begin", name):
        return "start", "its name says so"
    if re.search(r"end$|^end|until", name):
        return "end", "its name says so"
    if _is_n3rgy(look):
        return "end", "n3rgy writes it so"
    votes = _votes(look, layout)
    if len(votes) == 1:
        label: Label = "start" if "start" in votes else "end"
        return label, f"days run from {'00:00 to 23:30' if label == 'start' else '00:30 to 00:00'} in it"
    why = "some meters' days begin at 00:00 and others' end there" if votes else "no meter's first or last day is whole"
    raise look.refuse(
        f"the stamps may name the start or the end of the half hours: {why}",
        "Name the feed start-labelled or end-labelled (or the supplier's), which says which.",
    )


def _votes(look: _Look, layout: Layout) -> set[Label]:
    """What the first and last stamps of each meter speak for."""
    first: dict[str, time] = {}
    last: dict[str, time] = {}
    for meter, stamp in _sampled_stamps(look, layout):
        if meter in first:
            last.pop(meter, None)  # to have the meter that was seen last at the end
            last[meter] = stamp.time()
        first.setdefault(meter, stamp.time())
    if not look.whole and last:
        last.popitem()
    begun = {first[meter] for meter in last}
    votes: set[Label] = set()
    if time(0) in begun or time(23, 30) in last.values():
        votes.add("start")
    if time(0, 30) in begun or time(0) in last.values():
        votes.add("end")
    return votes


def _sampled_stamps(look: _Look, layout: Layout) -> list[tuple[str, datetime]]:
    """Meter and stamp of the rows looked at, as far as the stamp can be read."""
    places = [look.columns.index(name) for name in (layout.stamp or layout.date, layout.time) if name]
    meter = look.columns.index(layout.mpan) if layout.mpan else None
    rows = [row for row in look.body if len(row) > max(*places, meter or 0)]
    texts = pl.Series([" ".join(row[place] for place in places) for row in rows], dtype=pl.String)
    stamps, _ = values.stamps(texts, layout.date_order or "dmy")
    named = zip((row[meter] if meter is not None else "" for row in rows), stamps, strict=True)
    return [(name, stamp) for name, stamp in named if stamp is not None]


def _refuse_skipped_hour(look: _Look, layout: Layout) -> None:
    """A whole hour that UK clocks skip means that the file is not in their time, not even in summer."""
    if layout.clock != "local" or look.layout.clock == "local":
        return
    for _, stamp in _sampled_stamps(look, layout):
        if stamp.month == 3 and stamp.hour == 1 and stamp.minute == 30:
            local = stamp.replace(tzinfo=clock.LONDON)
            if local.astimezone(UTC).astimezone(clock.LONDON).hour != 1:
                raise look.refuse(
                    f"the stamp {stamp} did not exist on UK clocks, so the file may be in UTC all year",
                    "Name the feed utc-start-labelled or utc-end-labelled, or local-time to quarantine such rows.",
                )


def _decide_daily(look: _Look) -> Decision:
    blocks, _ = headers.half_hours(look.columns)
    if blocks:
        raise look.refuse("the file has columns of half hours, not totals of days", "Import it as hh.")
    date_column = _found(look, "date") or _found(look, "stamp")
    if date_column is None:
        raise look.refuse("a daily file needs a date in each row", "Add a column Date.")
    value = _value_column(look)
    flag = _flag_column(look, [look.layout.mpan, date_column, value])
    unit = _unit_column(look, [look.layout.mpan, date_column, value, flag]) if not _unit_of_name(value) else None
    layout = replace(
        look.layout, shape="daily", date=date_column, value=value, unit=unit, reading_type=flag, clock="local",
        time=None, stamp=None, period=None,
    )  # fmt: skip
    return _complete(look, layout, [f"a row is a day's total; {value!r} is the value"])


def _decide_sites(look: _Look) -> Decision:
    from energy_ingest.sources.meter_files import sites

    for n, row in enumerate(look.rows[:_HEADER_WITHIN]):
        if sites.is_header(row):
            look.columns = headers.unique(_trimmed(row))
            width = max(len(look.columns), look.dialect.width, 2)
            look.dialect = replace(look.dialect, header_row=n + 1, width=width)
            said = (*look.said, f"row {n + 1} is the header; a row is a site")
            return Decision(Layout(shape="sites"), look.dialect, look.columns, "", said=said)
    raise look.refuse(
        "no header with a column for the site's name was found", "Add a header like name,address,postcode."
    )
