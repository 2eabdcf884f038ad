"""A half hour in a row: by settlement date and period, or by a stamp in local time, in UTC or with its offset.

Local time without an offset shows an hour twice in autumn. Where both are there one after the other, their order says
which is which; else they are marked as ambiguous. The order is looked for in runs of neighbouring rows within that
hour, so that it does not depend on how the file is cut into pieces: `held_back` never lets a piece end inside one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from energy_ingest import clock
from energy_ingest.sources.meter_files import rows, values
from energy_ingest.sources.meter_files.model import READINGS, Decision
from energy_ingest.sources.meter_files.rows import Sieve

_HALF_HOUR: Final = pl.duration(minutes=30)
_LONDON: Final = "Europe/London"

_LONGEST_RUN: Final = 200_000
"""Rows that wait for the rest of their hour: four for each of 50,000 meters in a file by time."""


def readings(sieve: Sieve) -> pl.DataFrame:
    """READINGS of the rows that are left in the sieve."""
    layout = sieve.decision.layout
    if layout.period:
        rows.identify(sieve)
        rows.read_date(sieve)
        _by_period(sieve, layout.period)
    else:
        _by_stamp(sieve)
        rows.identify(sieve)
    rows.read_value(sieve)
    _refuse_misplaced(sieve)
    sieve.warn_of_ambiguous(sieve.rows)
    return sieve.rows.with_columns(quantity_kwh=pl.col("value") * pl.col("factor")).select(*READINGS)


def _by_period(sieve: Sieve, name: str) -> None:
    sieve.read(name, _period, pl.Int64, "period")
    over = pl.col("period") > pl.col("half_hours")
    sieve.rows = sieve.rows.with_columns(
        period_start=pl.col("midnight") + pl.duration(minutes=(pl.col("period") - 1) * 30),
        is_ambiguous=pl.lit(False),
        misplaced=pl.when(over).then(pl.lit("the day does not have so many settlement periods")),
    )


def _period(text: str) -> values.Read[int]:
    found, why = values.number(text)
    if found is None or not found.is_integer() or not 1 <= found <= 50:
        return None, why or "is no settlement period: 1 to 50"
    return int(found), None


def _by_stamp(sieve: Sieve) -> None:
    """Add `period_start`, `is_ambiguous` and `misplaced` (why the stamp cannot be one, or null)."""
    stamps = _stamps(sieve)
    if sieve.decision.layout.clock == "local":
        placed = _from_local(sieve, stamps)
    else:
        start = stamps["stamp"].dt.replace_time_zone("UTC")
        placed = stamps.with_columns(instant=start, is_ambiguous=pl.lit(False))
    length = _HALF_HOUR if sieve.decision.layout.label == "end" else pl.duration(minutes=0)
    off_grid = (pl.col("stamp").dt.minute() % 30 != 0) | (pl.col("stamp").dt.second() != 0)
    placed = placed.select(
        period_start=pl.col("instant") - length,
        is_ambiguous="is_ambiguous",
        misplaced=pl.coalesce(
            "problem",
            pl.when(off_grid).then(pl.lit("is not on the half hour: half-hourly data has times like 00:00 and 00:30")),
            pl.when(pl.col("instant").is_null()).then(
                pl.lit("did not exist on UK clocks, which skipped it: if the file is in UTC, name a feed that says so")
            ),
        ),
    )
    sieve.rows = sieve.rows.hstack(placed)


def _stamps(sieve: Sieve) -> pl.DataFrame:
    """`stamp` as the file shows it (in UTC where it has an offset), and `problem`, for every row."""
    decision, today = sieve.decision, sieve.options.today
    order = decision.layout.date_order or "dmy"
    if decision.layout.stamp:
        texts = sieve.rows[sieve.index(decision.layout.stamp)]
        if decision.layout.clock == "offset":
            found, problems = values.instants(texts, order)
        else:
            found, problems = values.stamps(texts, order)
    else:
        date_texts = sieve.rows[sieve.index(decision.layout.date)]
        time_texts = sieve.rows[sieve.index(decision.layout.time)]
        days, wrong_day = values.each(date_texts, lambda text: values.day(text, order, today), pl.Date)
        minutes, wrong_time = values.each(time_texts, values.minute, pl.Int64)
        frame = pl.DataFrame({"day": days, "minute": minutes, "a": wrong_day, "b": wrong_time})
        return frame.select(
            stamp=pl.col("day").cast(pl.Datetime("us")) + pl.duration(minutes=pl.col("minute")),
            problem=pl.coalesce("a", "b"),
        )
    latest = datetime.combine(today + timedelta(days=2), datetime.min.time())
    earliest = datetime.combine(values.EARLIEST, datetime.min.time())
    outside = pl.when(~pl.col("stamp").is_between(earliest, latest)).then(
        pl.lit(f"is not between {values.EARLIEST} and tomorrow: correct the date, or name the feed")
    )
    return pl.DataFrame({"stamp": found, "problem": problems}).with_columns(problem=pl.coalesce("problem", outside))


def _from_local(sieve: Sieve, stamps: pl.DataFrame) -> pl.DataFrame:
    """Add `instant` in UTC and `is_ambiguous` to local stamps."""
    label = pl.col("stamp")
    both = stamps.with_columns(
        earliest=label.dt.replace_time_zone(_LONDON, ambiguous="earliest", non_existent="null"),
        latest=label.dt.replace_time_zone(_LONDON, ambiguous="latest", non_existent="null"),
    ).with_columns(pl.col("earliest", "latest").dt.convert_time_zone("UTC"))
    repeated = (both["earliest"] != both["latest"]).fill_null(False)
    if not repeated.any():
        return both.with_columns(instant="earliest", is_ambiguous=pl.lit(False))
    later, exact = _folds(sieve, both["stamp"], repeated)
    return both.with_columns(
        instant=pl.when(later).then("latest").otherwise("earliest"), is_ambiguous=repeated & ~exact
    )


def _folds(sieve: Sieve, stamps: pl.Series, repeated: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Whether each row is of the second of two equal hours, and whether its run makes that certain."""
    layout = sieve.decision.layout
    meter = [sieve.index(name) for name in (layout.mpan, layout.register, layout.unit) if name]
    table = sieve.rows.select("row_number", *meter).with_columns(stamp=stamps, repeated=repeated)
    breaks = (pl.col("row_number").diff() != 1) | (pl.col("repeated") != pl.col("repeated").shift())
    table = table.with_row_index("at").with_columns(run=breaks.fill_null(True).cum_sum()).filter("repeated")
    later, exact = [False] * stamps.len(), [False] * stamps.len()
    for _, group in table.group_by("run", *meter, maintain_order=True):
        folds, certain = resolve(group["stamp"].to_list())
        for at, fold in zip(group["at"], folds, strict=True):
            later[at], exact[at] = fold, certain
    return pl.Series(later, dtype=pl.Boolean), pl.Series(exact, dtype=pl.Boolean)


def resolve(stamps: Sequence[datetime]) -> tuple[list[bool], bool]:
    """Which of one meter's stamps within the repeated hour are of its second turn, and whether that is certain.

    Certain is 01:00 01:30 01:00 01:30, or all of it backwards; else the second of two equal stamps is taken as later.
    """
    minutes = [stamp.minute for stamp in stamps]
    if minutes == [0, 30, 0, 30]:
        return [False, False, True, True], True
    if minutes == [30, 0, 30, 0]:
        return [True, True, False, False], True
    return [minute in minutes[:n] for n, minute in enumerate(minutes)], False


def held_back(decision: Decision, frame: pl.DataFrame) -> int:
    """How many rows at the end of a block are within an hour that the clocks repeat: they wait for the next block."""
    layout = decision.layout
    if layout.clock != "local" or layout.period or decision.dialect.kind != "text":
        return 0
    places = [str(decision.columns.index(name)) for name in (layout.stamp or layout.date, layout.time) if name]
    order, count = layout.date_order or "dmy", 0
    longest = min(frame.height, _LONGEST_RUN)
    while count < longest and _is_repeated(" ".join(frame[-1 - count, place] for place in places), order):
        count += 1
    return count if count < _LONGEST_RUN else 0


def _is_repeated(text: str, order: str) -> bool:
    stamp, _ = values.stamp(text, order)
    if stamp is None or stamp.hour != 1 or stamp.month != 10:
        return False
    local = stamp.replace(tzinfo=clock.LONDON)
    return local.utcoffset() != local.replace(fold=1).utcoffset()


def _refuse_misplaced(sieve: Sieve) -> None:
    layout = sieve.decision.layout
    name = layout.period or layout.stamp or layout.time or ""
    sieve.reject(sieve.rows["misplaced"].is_not_null(), name, sieve.rows["misplaced"])
    if layout.end and layout.stamp:
        _refuse_other_lengths(sieve, layout.end)


def _refuse_other_lengths(sieve: Sieve, name: str) -> None:
    """Where the file says start and end, they must be half an hour apart (by their offsets, not by the clock)."""
    if sieve.decision.layout.clock != "offset":
        return
    ends, _ = values.instants(sieve.rows[sieve.index(name)], sieve.decision.layout.date_order or "dmy")
    length = ends.dt.replace_time_zone("UTC") - sieve.rows["period_start"]
    wrong = (length != timedelta(minutes=30)).fill_null(True)
    sieve.reject(wrong, name, "is not half an hour after the start: only half hours are read")
