"""What the columns of a file are: a day, a half hour or a total in a row; in which clock and units."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Final, Literal

import polars as pl

from energy_ingest import clock
from energy_ingest.sources.meter_files import headers, mpan, values
from energy_ingest.sources.meter_files.look import Look, refusal
from energy_ingest.sources.meter_files.model import ROLES, Clock, Decision, Label, Layout, Slot

_MPAN_IN_NAME: Final = re.compile(r"(?<!\d)\d{13}(?!\d)")
_ONLY_DIGITS: Final = re.compile(r"\d{1,2}[-/. ]\d{1,2}[-/. ]\d")
_SAYS_UNITS: Final = {"unit", "units", "uom", "reportingunit"}
_MAY_SAY_FLAGS: Final = {"type", "status"}
_ENOUGH_STEPS: Final = 4
"""Equal steps from stamp to stamp that show how far apart a file's readings are."""


def _found(look: Look, role: str, taken: Sequence[str | None] = ()) -> str | None:
    """The column of a role, by the feed or by its name, if it is not another's already."""
    if wanted := getattr(look.layout, role):
        return str(wanted)
    names = ["" if name in taken else name for name in look.columns]
    place = headers.find(role, names)
    return None if place is None else look.columns[place]


def _complete(look: Look, layout: Layout, named_unit: str | None, said: str) -> Decision:
    """The decision, with the unit, the order of dates, and what is not read."""
    layout = replace(layout, date_order=_date_order(look, layout), register=_direction_column(look, layout))
    unit = named_unit or look.facts.get("unit") or look.options.unit
    if not values.unit(unit, "")[0]:
        raise refusal(f"the values are in {unit!r}, which is no unit of electric energy", "Export kWh, Wh or MWh.")
    used = [getattr(layout, role) for role in ROLES]
    rest = [name for name in look.columns if name not in used]
    told = [*look.said, said, *_said_of_dates(look, layout)]
    if layout.clock == "utc":
        told.append("times are UTC")
    if rest and layout.shape != "wide":
        told.append(f"not read: {', '.join(rest[:20])}")
    return Decision(layout, look.dialect, look.columns, unit, mpan=_meter_of_file(look), said=tuple(told))


def _unit_of_name(name: str) -> str | None:
    found = re.search(r"(?<![a-z])(kwh|mwh|wh)(?![a-z])", name.lower())
    return found[1] if found else None


def _unit_column(look: Look, taken: Sequence[str | None]) -> str | None:
    """The column of the unit: by name, and for names like `Type` also by what stands in it."""

    def says_units(name: str, cells: Sequence[str]) -> bool:
        return headers.normal(name) in _SAYS_UNITS or (bool(cells) and all(values.is_unit(cell) for cell in cells))

    return look.layout.unit or _column(look, "unit", taken, says_units)


def _flag_column(look: Look, taken: Sequence[str | None]) -> str | None:
    """The column that says actual or estimated: by name, and for names like `Type` also by what stands in it."""

    def says_flags(name: str, cells: Sequence[str]) -> bool:
        return headers.normal(name) not in _MAY_SAY_FLAGS or all(values.reading_type(c)[1] is None for c in cells)

    return look.layout.reading_type or _column(look, "reading_type", taken, says_flags)


def _column(
    look: Look, role: str, taken: Sequence[str | None], fits: Callable[[str, Sequence[str]], bool]
) -> str | None:
    """The first column with a name of the role whose name and cells fit."""
    free = [(n, name) for n, name in enumerate(look.columns) if name not in taken]
    for alias in headers.ROLES[role].split():
        for n, name in free:
            if headers.normal(name) == alias and fits(name, look.cells(n, 200)):
                return name
    return None


def _direction_column(look: Look, layout: Layout) -> str | None:
    """The column that says import or export, if all of its cells do; a unit of AI, AE, RI or RE says it, too."""

    def says_directions(_: str, cells: Sequence[str]) -> bool:
        known = (values.direction(cell)[0] or cell.upper() in ("RI", "RE") for cell in cells)
        return bool(cells) and all(known)

    taken = [getattr(layout, role) for role in ROLES if role != "unit"]
    return layout.register or _column(look, "register", taken, says_directions)


def _date_order(look: Look, layout: Layout) -> Literal["dmy", "mdy", "ymd"]:
    """Day before month, unless the feed says otherwise; a file that must be otherwise is refused."""
    if layout.date_order:
        return layout.date_order
    column = layout.date or layout.stamp
    cells = look.cells(look.columns.index(column), 500) if column else []
    if all(_readable(cell, "dmy", look.options.today) for cell in cells):
        return "dmy"
    for order, feed in (("mdy", "month-first"), ("ymd", "year-first")):
        if all(_readable(cell, order, look.options.today) for cell in cells):
            raise refusal(
                f"some of the dates ({cells[0]} ...) are only dates in another order", f"Name the feed {feed}."
            )
    return "dmy"


def _said_of_dates(look: Look, layout: Layout) -> list[str]:
    """In which order the dates are read, where only digits stand in them."""
    column = layout.date or layout.stamp
    cells = look.cells(look.columns.index(column), 1) if column else []
    order = {"dmy": "day before month", "mdy": "month before day", "ymd": "year first"}[layout.date_order or "dmy"]
    return [f"dates are {order}" for cell in cells if _ONLY_DIGITS.match(cell)]


def _readable(cell: str, order: str, today: date) -> bool:
    found, _ = values.stamp(cell, order)
    return found is not None and values.EARLIEST <= found.date() <= today + timedelta(days=366)


def _clock(look: Look, column: str | None) -> Clock:
    """What the times are in: as the feed says, as the stamps or the name of their column say, else UK clock time."""
    if look.layout.clock:
        return look.layout.clock
    cells = look.cells(look.columns.index(column), 50) if column else []
    if cells and all(values.has_offset(cell) for cell in cells):
        return "offset"
    return "utc" if _is_n3rgy(look) or re.search(r"utc|gmt", column or "", re.I) else "local"


def _is_n3rgy(look: Look) -> bool:
    """JSON of n3rgy's consumption service, which gives the ends of half hours in UTC, as smart meters keep it."""
    return "/consumption/" in look.facts.get("resource", "") and look.facts.get("granularity") == "halfhour"


def decide_wide(look: Look) -> Decision:
    """A day in a row."""
    blocks, flags = headers.half_hours(look.columns)
    energy = [block for block in blocks if not headers.is_other_quantity(block.what)]
    preferred = [block for block in energy if "wh" in block.what] or energy
    if len(preferred) != 1:
        names = " or ".join(f"{block.what or 'the plain ones'!r}" for block in energy) or "none of active energy"
        raise refusal(f"the half hours may stand in several blocks of columns: {names}", "Name a feed (--feed).")
    block = preferred[0]
    date_column = _found(look, "date") or _found(look, "stamp")
    if date_column is None:
        raise refusal("a file with a column for each half hour needs a date in each row", "Add a column Date.")
    label = look.layout.label or _label_of_block(block)
    slots = _slots(look.columns, block, flags, label)
    row_flag = None if slots[0].flag is not None else _flag_column(look, [look.layout.mpan, date_column])
    unit = _unit_column(look, [look.layout.mpan, date_column, row_flag])
    layout = replace(
        look.layout, shape="wide", date=date_column, label=label, clock=_clock(look, date_column), unit=unit,
        reading_type=row_flag, time=None, stamp=None, value=None, period=None,
    )  # fmt: skip
    first, last = look.columns[block.columns[0][0]], look.columns[block.columns[-1][0]]
    how = f"named by the clock at the {label} of each" if block.clock else "counted from local midnight"
    flagged = ", each with a flag" if slots[0].flag is not None else ""
    said = f"a row is a day: {len(block.columns)} half hours in columns {first} to {last}, {how}{flagged}"
    decision = _complete(look, layout, _unit_of_name(re.sub(r"[\d_()]", " ", block.what)), said)
    return replace(decision, slots=slots, positional=not block.clock)


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


def decide_long(look: Look) -> Decision:
    """A half hour in a row."""
    layout = look.layout
    stamp = _found(look, "stamp", [layout.mpan])
    date_column = None if stamp else _found(look, "date", [layout.mpan])
    if not stamp and not date_column:
        stamp = _found(look, "end", [layout.mpan])
    period = None if stamp else _found(look, "period", [layout.mpan])
    time_column = None if stamp or period else _found(look, "time", [layout.mpan])
    if time_column and _counts_periods(look, time_column):
        period, time_column = time_column, None
    if not stamp and not (date_column and (period or time_column)):
        raise refusal(
            "the file has neither 48 columns of half hours, nor a time stamp, nor a date with a time or period",
            "If it holds a total per day, import it as daily. Else name the supplier's feed (--feed).",
        )
    value = _value_column(look)
    taken = [layout.mpan, stamp, date_column, time_column, period, value]
    end = _found(look, "end", taken) if stamp else None
    flag = _flag_column(look, taken)
    chosen = replace(
        layout, shape="long", stamp=stamp, date=date_column, time=time_column, period=period, value=value, end=end,
        unit=_unit_column(look, [*taken, flag]), reading_type=flag, clock=_clock(look, stamp or date_column),
    )  # fmt: skip
    how = "settlement date and period" if period else "time stamp"
    said = f"a row is a half hour, by its {how}; {value!r} is the value"
    decision = _complete(look, chosen, _unit_of_name(value), said)
    if period:
        _refuse_periods_from_zero(look.cells(look.columns.index(period)))
        return decision
    stamps = _sampled_stamps(look, decision.layout)
    _refuse_other_steps(stamps)
    if decision.layout.clock == "local" and layout.clock is None:
        _refuse_skipped_hour(stamps)
    label, why = _label(look, decision.layout, stamps)
    return replace(
        decision, layout=replace(decision.layout, label=label),
        said=(*decision.said, f"the time stamp is the {label} of the half hour: {why}"),
    )  # fmt: skip


def _refuse_periods_from_zero(cells: Sequence[str]) -> None:
    """Settlement periods count from 1: those of a file that counts from 0 would all be half an hour early."""
    if "0" in cells and "48" not in cells:
        raise refusal(
            "the periods begin with 0, so each may be the one before", "Count them from 1, as settlement does."
        )


def _counts_periods(look: Look, column: str) -> bool:
    cells = look.cells(look.columns.index(column), 500)
    return bool(cells) and all(cell.isdecimal() and 1 <= int(cell) <= 50 for cell in cells)


def _value_column(look: Look) -> str:
    if look.layout.value:
        return look.layout.value
    likely = headers.energy(look.columns)
    if len(likely) > 1:
        both = " or ".join(repr(look.columns[n]) for n in likely)
        raise refusal(f"the value may be {both}", "Name the supplier's feed (--feed), which says which.")
    if likely:
        return look.columns[likely[0]]
    value = _found(look, "value")
    if value is None:
        raise refusal(
            f"no column is known for the value (the columns are {', '.join(look.columns[:12])})",
            "Call it Consumption or kWh, or name the supplier's feed (--feed).",
        )
    return value


def _label(look: Look, layout: Layout, stamps: Sequence[tuple[str, datetime]]) -> tuple[Label, str]:
    """Whether stamps name the start or the end of their half hours, and how that is known."""
    if layout.label:
        return layout.label, "the feed says so"
    name = headers.normal(layout.stamp or layout.time or "")
    if layout.end or re.search(r"start|from|begin", name):
        return "start", "its name says so"
    if re.search(r"end$|^end|until", name):
        return "end", "its name says so"
    if _is_n3rgy(look):
        return "end", "n3rgy writes it so"
    votes = _votes(stamps, look.whole)
    if len(votes) == 1:
        label: Label = "start" if "start" in votes else "end"
        return label, f"days run from {'00:00 to 23:30' if label == 'start' else '00:30 to 00:00'} in it"
    why = "some meters' days begin at 00:00 and others' end there" if votes else "no meter's first or last day is whole"
    raise refusal(
        f"the stamps may name the start or the end of the half hours: {why}",
        "Name the feed start-labelled or end-labelled (or the supplier's), which says which.",
    )


def _votes(stamps: Sequence[tuple[str, datetime]], whole: bool) -> set[Label]:
    """What the earliest and the latest stamp of each meter speak for, in whichever order they come.

    If only the start of a file was looked at, a meter's earliest or latest stamp counts where the file begins with it.
    """
    votes: set[Label] = set()
    for found in _by_meter(stamps).values():
        earliest, latest = min(found), max(found)
        if earliest == latest:
            continue
        if whole or found[0] == earliest:
            votes |= {"start"} if earliest.time() == time(0) else {"end"} if earliest.time() == time(0, 30) else set()
        if whole or found[0] == latest:
            votes |= {"start"} if latest.time() == time(23, 30) else {"end"} if latest.time() == time(0) else set()
    return votes


def _by_meter(stamps: Sequence[tuple[str, datetime]]) -> dict[str, list[datetime]]:
    by_meter: dict[str, list[datetime]] = {}
    for meter, stamp in stamps:
        by_meter.setdefault(meter, []).append(stamp)
    return by_meter


def _sampled_stamps(look: Look, layout: Layout) -> list[tuple[str, datetime]]:
    """Meter and stamp of the rows looked at, as far as the stamp can be read."""
    places = [look.columns.index(name) for name in (layout.stamp or layout.date, layout.time) if name]
    meter = look.columns.index(layout.mpan) if layout.mpan else None
    rows = [row for row in look.body if len(row) > max(*places, meter or 0)]
    texts = pl.Series([" ".join(row[place] for place in places) for row in rows], dtype=pl.String)
    stamps, _ = values.stamps(texts, layout.date_order or "dmy")
    named = zip((row[meter] if meter is not None else "" for row in rows), stamps, strict=True)
    return [(name, stamp) for name, stamp in named if stamp is not None]


def _refuse_other_steps(stamps: Sequence[tuple[str, datetime]]) -> None:
    """Readings of quarters, hours or days are none of half hours, though their stamps may be on the half hour."""
    steps: Counter[timedelta] = Counter()
    for found in _by_meter(stamps).values():
        times = sorted(set(found))
        steps.update(after - before for before, after in pairwise(times))
    usual, count = steps.most_common(1)[0] if steps else (clock.HALF_HOUR, 0)
    if count >= _ENOUGH_STEPS and (usual < clock.HALF_HOUR or clock.HALF_HOUR not in steps):
        raise refusal(
            f"the readings are {usual.total_seconds() / 60:g} minutes apart: they are not of half hours",
            "Ask for half-hourly data; import totals of days as daily. If half hours are missing, add them blank.",
        )


def _refuse_skipped_hour(stamps: Sequence[tuple[str, datetime]]) -> None:
    """A stamp in the hour that UK clocks skip means that the file is not in their time, not even in summer."""
    for _, stamp in stamps:
        if (stamp.month, stamp.hour, stamp.minute) == (3, 1, 30):
            local = stamp.replace(tzinfo=clock.LONDON)
            if local.astimezone(UTC).astimezone(clock.LONDON).hour != 1:
                raise refusal(
                    f"the stamp {stamp} did not exist on UK clocks, so the file may be in UTC all year",
                    "Name the feed utc-start-labelled or utc-end-labelled, or local-time to quarantine such rows.",
                )


def decide_daily(look: Look) -> Decision:
    """A day's total in a row."""
    blocks, _ = headers.half_hours(look.columns)
    if blocks:
        raise refusal("the file has columns of half hours, not totals of days", "Import it as hh.")
    date_column = _found(look, "date") or _found(look, "stamp")
    if date_column is None:
        raise refusal("a daily file needs a date in each row", "Add a column Date.")
    value = _value_column(look)
    flag = _flag_column(look, [look.layout.mpan, date_column, value])
    unit = _unit_column(look, [look.layout.mpan, date_column, value, flag])
    layout = replace(
        look.layout, shape="daily", date=date_column, value=value, unit=unit, reading_type=flag, clock="local",
        time=None, stamp=None, period=None,
    )  # fmt: skip
    return _complete(look, layout, _unit_of_name(value), f"a row is a day's total; {value!r} is the value")


def _meter_of_file(look: Look) -> str | None:
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
    raise refusal(
        f"no column names the meter (the columns are {', '.join(look.columns[:12])}) and the file's name has no MPAN",
        "Add a column MPAN, put the MPAN into the file's name, or name the supplier's feed (--feed).",
    )
