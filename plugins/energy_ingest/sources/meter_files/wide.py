"""A day in a row: 48 or 50 columns of half hours, counted from local midnight or named by the clock.

Counted columns tell the hours of a clock change apart, if there are 50 of them. Columns named by the clock cannot: in
spring the two that the clock skips are blank or zero, in autumn 01:00 and 01:30 hold one hour of two (or both summed),
which is marked as ambiguous and never made up.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import polars as pl

from energy_ingest.sources.meter_files import rows, values
from energy_ingest.sources.meter_files.model import READINGS, ROLES, Slot
from energy_ingest.sources.meter_files.rows import Sieve

_ROW: Final = ("row_number", "mpan", "register", "factor", "reading_type", "midnight", "half_hours")


def readings(sieve: Sieve) -> pl.DataFrame:
    """READINGS of the rows that are left in the sieve; cells that are none are counted or refused there."""
    decision = sieve.decision
    rows.identify(sieve)
    rows.read_date(sieve)
    slots = [slot for slot in decision.slots if slot.place is not None]
    _refuse_impossible_days(sieve, slots)
    _refuse_unplaced(sieve)
    numbers = _numbers(sieve, slots)
    if not decision.positional and decision.layout.label == "end":
        numbers = _spring_by_end(sieve.rows["half_hours"], numbers, slots)
    return _placed(sieve, _cells(sieve, slots, numbers)).select(*READINGS)


def _numbers(sieve: Sieve, slots: Sequence[Slot]) -> pl.DataFrame:
    """The slots' cells as numbers, null where blank or refused."""
    clear_comma = sieve.decision.dialect.delimiter == ","
    texts = sieve.rows.select(str(slot.column) for slot in slots)
    columns, bad = [], 0
    for slot, text, found in zip(slots, texts, values.cast(texts), strict=True):
        number, problems = values.numbers(text, found, clear_comma)
        if problems is not None:
            bad += _refuse_cells(sieve, problems.is_not_null().arg_true(), slot, problems)
        columns.append(number)
    numbers = pl.DataFrame(columns)
    sieve.skip_cells(sum(column.null_count() for column in columns) - bad, "blank cell")
    return numbers


def _refuse_cells(sieve: Sieve, at: pl.Series, slot: Slot, problems: pl.Series) -> int:
    """Refuse the cells of a column in the rows `at`, for the problems of those rows; how many they are."""
    if not at.len():
        return 0
    decision, bad = sieve.decision, sieve.rows[at]
    named = (getattr(decision.layout, role) for role in ROLES)
    kept = [*(name for name in named if name), decision.columns[slot.column]]
    kept += [decision.columns[slot.flag]] if slot.flag is not None else []
    cells = bad.select(pl.col(sieve.index(name)).alias(name) for name in dict.fromkeys(kept))
    raw = [json.dumps(row, ensure_ascii=False) for row in cells.iter_rows(named=True)]
    sieve.note(bad["row_number"], decision.columns[slot.column], bad[str(slot.column)], problems.gather(at), raw)
    return bad.height


def _refuse_unplaced(sieve: Sieve) -> None:
    """Cells of columns for an hour that is repeated: nobody says which half of it they are."""
    why = "is of an hour that autumn repeats, but not said of which turn: ask for a file with columns HH1 to HH50"
    for slot in sieve.decision.slots:
        if slot.place is None:
            filled = sieve.rows.select(values.counts(pl.col(str(slot.column)))).to_series()
            _refuse_cells(sieve, filled.arg_true(), slot, pl.repeat(why, filled.len(), eager=True))


def _spring_by_end(half_hours: pl.Series, numbers: pl.DataFrame, slots: Sequence[Slot]) -> pl.DataFrame:
    """In spring 01:00 and 02:00 are one instant: where the half hour that ends then stands under 02:00, take it."""
    if not (half_hours == 46).any():
        return numbers
    by_place = {slot.place: str(slot.column) for slot in slots}
    first, last = pl.col(by_place[30]), pl.col(by_place[90])
    moved = pl.lit(half_hours == 46) & (first.fill_null(0) == 0) & (last.fill_null(0) != 0)
    return numbers.with_columns(
        pl.when(moved).then(last).otherwise(first).alias(by_place[30]),
        pl.when(moved).then(None).otherwise(last).alias(by_place[90]),
    )


def _cells(sieve: Sieve, slots: Sequence[Slot], numbers: pl.DataFrame) -> pl.DataFrame:
    """A row for each cell that is not blank, in the order of the file, with its `place` in the day."""
    table = sieve.rows.select(*_ROW).with_columns(value=numbers.select(pl.concat_list(pl.all())).to_series())
    lists = ["value"]
    if any(slot.flag is not None for slot in slots):
        table = table.with_columns(reading_type=_flags(sieve, slots))
        lists.append("reading_type")
    places = pl.Series([slot.place for slot in slots], dtype=pl.Int64)
    place = places.gather(pl.int_range(numbers.height * len(slots), eager=True) % len(slots))
    return table.explode(lists).with_columns(place=place).filter(pl.col("value").is_not_null())


def _flags(sieve: Sieve, slots: Sequence[Slot]) -> pl.Series:
    """The reading types of the slots' flag columns, as a list per row."""
    columns = []
    for slot in slots:
        found, told = values.each(sieve.rows[str(slot.flag)], values.reading_type, pl.String)
        sieve.warnings.update(told.drop_nulls().to_list())
        columns.append(found.alias(str(slot.column)))
    return pl.DataFrame(columns).select(pl.concat_list(pl.all())).to_series()


def _placed(sieve: Sieve, cells: pl.DataFrame) -> pl.DataFrame:
    """The cells with `period_start`, without zeros in half hours that the day does not have."""
    decision, place, half_hours = sieve.decision, pl.col("place"), pl.col("half_hours")
    if decision.positional:
        start, gone = place * 30 - 30, place > half_hours
        blind = len([slot for slot in decision.slots if slot.place]) < 50
        ambiguous = (half_hours == 50) & (place > 2) if blind else pl.lit(False)
    else:
        first = 30 if decision.layout.label == "end" else 60  # the end 01:00 is shown twice, too
        start = place + pl.when(place >= 120).then((half_hours.cast(pl.Int64) - 48) * 30).otherwise(0)
        gone = (half_hours == 46) & place.is_between(60, 90)
        ambiguous = (half_hours == 50) & place.is_between(first, 90)
    sieve.skip_cells(int(cells.select(gone.sum()).item()), "zero in a half hour that the day does not have")
    placed = cells.filter(~gone).with_columns(
        period_start=pl.col("midnight") + pl.duration(minutes=start),
        quantity_kwh=pl.col("value") * pl.col("factor"),
        is_ambiguous=ambiguous,
    )
    sieve.warn_of_ambiguous(placed)
    return placed


def _refuse_impossible_days(sieve: Sieve, slots: Sequence[Slot]) -> None:
    """Refuse days with values in half hours that they do not have: all of such a row may stand at another time."""
    by_place = {slot.place: pl.col(str(slot.column)) for slot in slots}
    half_hours = pl.col("half_hours")
    if sieve.decision.positional:
        over = [(half_hours < place) & values.counts(by_place[place]) for place in by_place if place and place > 46]
        why = "the day does not have so many half hours: if the columns follow the clock or UTC, name such a feed"
    else:
        over = [(half_hours == 46) & values.counts(by_place[60])]
        last = (half_hours == 46) & values.counts(by_place[90])
        over.append(last & values.counts(by_place[30]) if sieve.decision.layout.label == "end" else last)
        why = "the clocks skip 01:00 to 02:00 on this day, which has values: if the file is in UTC, name such a feed"
    if over and sieve.rows.height and bool((sieve.rows["half_hours"] < len(slots)).any()):
        name = sieve.decision.layout.date or ""
        sieve.reject(sieve.rows.select(pl.any_horizontal(over)).to_series(), name, why)
