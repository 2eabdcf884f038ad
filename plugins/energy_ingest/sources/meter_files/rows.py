"""What all shapes of files share: sorting out rows that are none, naming their meter, and keeping count of the rest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import polars as pl

from energy_ingest.reading import REJECT_SCHEMA
from energy_ingest.sources.meter_files import headers, mpan, values
from energy_ingest.sources.meter_files.model import Decision, Options

_FOOTER: Final = r"(?i)^\s*((grand|sub)?[ -]?totals?\b|sum\b|end of|report\b|generated\b)"


SHAPE: Final = "(row)"
"""In place of a column's name, where a whole row is wrong."""


class Sieve:
    """The rows of a piece that are still good, and what became of the others.

    `rows` has the file's columns "0", "1", ... and `row_number`. Every method takes out what it refuses or passes over.
    """

    def __init__(self, decision: Decision, options: Options, rows: pl.DataFrame) -> None:
        self.decision, self.options, self.rows = decision, options, rows
        self.skipped: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        self._rejects: list[pl.DataFrame] = []

    @property
    def rejects(self) -> pl.DataFrame:
        """All rejects so far, in the order of the file."""
        return pl.concat([pl.DataFrame(schema=REJECT_SCHEMA), *self._rejects]).sort("row_number", maintain_order=True)

    def index(self, name: str | None) -> str:
        """The frame's name for a column of the file."""
        return str(self.decision.columns.index(name or ""))

    def skip(self, mask: pl.Series, reason: str) -> None:
        """Pass over the rows of the mask, counted by reason."""
        if count := int(mask.sum()):
            self.skipped[reason] += count
            self.rows = self.rows.filter(~mask)

    def skip_cells(self, count: int, reason: str) -> None:
        """Count cells that are passed over while their row stays."""
        if count:
            self.skipped[reason] += count

    def reject(self, mask: pl.Series, column: str, reasons: pl.Series | str) -> None:
        """Refuse the rows of the mask for what stands in `column` (a name of the file)."""
        if not mask.any():
            return
        bad = self.rows.filter(mask)
        why = pl.repeat(reasons, bad.height, eager=True) if isinstance(reasons, str) else reasons.filter(mask)
        raw = [json.dumps(cells, ensure_ascii=False) for cells in self._named_cells(bad)]
        self.note(bad["row_number"], column, bad[self.index(column)], why, raw)
        self.rows = self.rows.filter(~mask)

    def reject_shape(self, mask: pl.Series, cells: pl.Series, reason: str) -> None:
        """Refuse rows that are not of the file's shape: `cells` says what they have instead.

        Their `raw` says so, too, so that `parse_again` does not take them for complete before somebody has looked.
        """
        if not mask.any():
            return
        bad, shown = self.rows.filter(mask), cells.filter(mask)
        named = zip(self._named_cells(bad), shown, strict=True)
        raw = [json.dumps({**row, SHAPE: what}, ensure_ascii=False) for row, what in named]
        self.note(bad["row_number"], SHAPE, shown, pl.repeat(reason, bad.height, eager=True), raw)
        self.rows = self.rows.filter(~mask)

    def note(self, row_numbers: pl.Series, column: str, shown: pl.Series, why: pl.Series, raw: list[str]) -> None:
        """Add rejects whose rows or cells somebody else takes out."""
        columns = pl.repeat(column, len(raw), dtype=pl.String, eager=True)
        parts = dict(zip(REJECT_SCHEMA, (row_numbers, columns, shown, why, raw), strict=True))
        self._rejects.append(pl.DataFrame(parts, schema=REJECT_SCHEMA))

    def warn_of_ambiguous(self, readings: pl.DataFrame) -> None:
        """Count the readings that are marked as ambiguous."""
        if count := int(readings["is_ambiguous"].sum()):
            self.warnings["half hour of a clock change that the file cannot tell apart, marked is_ambiguous"] += count

    def _named_cells(self, rows: pl.DataFrame) -> Iterator[dict[str, str]]:
        """The cells of rows that are not blank, by column name."""
        names = self.decision.columns
        for row in rows.select(str(n) for n in range(len(names))).iter_rows():
            yield {name: cell for name, cell in zip(names, row, strict=True) if cell}

    def read(
        self, name: str, read: Callable[[str], values.Read[Any]], dtype: Any, into: str, *, warn: bool = False
    ) -> None:
        """A column of the file by a reader of `values`, into a column of `rows`; what is wrong is refused, or told."""
        place = self.index(name)
        found, problems = values.each(self.rows[place], read, dtype)
        self.rows = self.rows.with_columns(found.alias(into))
        wrong = problems.is_not_null()
        if warn:
            self.warnings.update(problems.drop_nulls().to_list())
        else:
            self.reject(wrong, name, problems)


def tidy(sieve: Sieve, counts: pl.Series) -> None:
    """Take out blank lines, repeated headers and footers, and refuse rows that are too short or too long."""
    decision = sieve.decision
    if counts.len() and counts.min() == counts.max() == decision.dialect.width and not _odd(sieve.rows, decision):
        return
    cells = pl.concat_list(pl.col(str(n)).str.strip_chars() for n in range(decision.dialect.width))
    sieve.rows = sieve.rows.with_columns(count=counts, filled=cells.list.eval(pl.element() != "").list.sum())
    sieve.skip(sieve.rows["filled"] == 0, "blank line")
    sieve.skip(sieve.rows.select(_is_header(decision)).to_series(), "repeated header")
    if decision.layout.shape != "sites":
        sieve.skip(sieve.rows.select(_is_footer(decision)).to_series(), "footer")
    width, least = len(decision.columns), _least(decision)
    short = sieve.rows["count"] < least
    why = f"breaks off: a row needs {least} cells at least; complete it, or export the file again"
    sieve.reject_shape(short, _shown(sieve.rows["count"]), why)
    over = (pl.col("count") > max(width, decision.dialect.width)) | _overflows(decision)
    long = sieve.rows.select(over).to_series()
    why = f"has more cells than the {width} of the header: a delimiter inside a value? put it in quotes"
    sieve.reject_shape(long, _shown(sieve.rows["count"]), why)
    sieve.rows = sieve.rows.drop("count", "filled")


def _is_header(decision: Decision) -> pl.Expr:
    """Whether a row repeats the names of the first columns that have one."""
    named = [(n, headers.normal(name)) for n, name in enumerate(decision.columns) if not name.startswith("column ")]
    same = [_normal(str(n)) == name for n, name in named[:8]]
    return pl.all_horizontal(pl.col("filled") > 1, *same)


def _normal(column: str) -> pl.Expr:
    return pl.col(column).str.to_lowercase().str.replace_all(r"[^a-z0-9]", "")


def _overflows(decision: Decision) -> pl.Expr:
    """Whether a row has something beyond the last column of the header."""
    beyond = range(len(decision.columns), decision.dialect.width)
    return pl.any_horizontal(pl.col("0").is_null(), *(pl.col(str(n)).str.strip_chars() != "" for n in beyond))


def _is_footer(decision: Decision) -> pl.Expr:
    """Whether a row is a remark or a total: alone in its row, or in place of the meter or date."""
    keys = [pl.col(str(decision.columns.index(name))).str.strip_chars() for name in key_columns(decision)]
    total = [key.str.contains(_FOOTER) for key in keys]
    cut_off = pl.col("0").str.contains(r"^['\s]*\d[\d\s]*$")  # the start of a meter id, where a file was truncated
    # a quote that is never closed makes a single cell of a whole row
    swallowed = pl.col("0").str.count_matches(decision.dialect.delimiter, literal=True) >= _least(decision) - 1
    alone = ((pl.col("filled") == 1) & ~cut_off & ~swallowed) | pl.col("0").str.contains(_FOOTER)
    unnamed = pl.any_horizontal(key == "" for key in keys) & alone
    return pl.any_horizontal(total) | unnamed


def _shown(counts: pl.Series) -> pl.Series:
    return counts.cast(pl.String) + " cells"


def _odd(rows: pl.DataFrame, decision: Decision) -> bool:
    """Whether some row is no ordinary one: blank, repeating the header, or a footer (its meter or date says so)."""
    keys = [str(decision.columns.index(name)) for name in key_columns(decision)]
    if not keys:
        return True
    blank = [(pl.col(key).str.strip_chars() == "").any() for key in keys]
    same = [(pl.col(key).str.strip_chars() == decision.columns[int(key)]).any() for key in keys]
    footer = [pl.col(key).str.contains(_FOOTER).any() for key in ("0", *keys)]
    return bool(rows.select(pl.any_horizontal(*blank, *same, *footer, _overflows(decision).any())).item())


def key_columns(decision: Decision) -> list[str]:
    """The names of the columns that say which meter and day a row is about."""
    layout = decision.layout
    return [name for name in (layout.mpan, layout.date, layout.stamp) if name]


def _least(decision: Decision) -> int:
    """The cells that a row must have: up to the last column that is read, blank or not, and 46 half hours."""
    layout = decision.layout
    named = (
        layout.mpan, layout.date, layout.time, layout.period, layout.stamp, layout.end, layout.value,
    )  # fmt: skip
    places = [decision.columns.index(name) for name in named if name]
    slots = sorted(slot.column for slot in decision.slots if slot.place is not None)
    needed = slots[: len(slots) - (len(slots) - 46 if decision.positional else 0)]
    return max([*places, *needed], default=0) + 1


def identify(sieve: Sieve) -> None:
    """Add `mpan`, `register`, `factor` (kWh in a unit) and, if the row has one flag, `reading_type`."""
    layout, options = sieve.decision.layout, sieve.options
    _read_mpan(sieve)
    if layout.unit:
        sieve.read(layout.unit, lambda text: values.unit(text, sieve.decision.unit), pl.Float64, "factor")
        sieve.skip(sieve.rows["factor"] == 0.0, "other quantity than active energy")
    else:
        factor = values.unit(sieve.decision.unit, options.unit)[0]
        sieve.rows = sieve.rows.with_columns(factor=pl.lit(factor, pl.Float64))
    if layout.register:
        sieve.read(layout.register, values.direction, pl.String, "register")
    else:
        sieve.rows = sieve.rows.with_columns(register=pl.lit("import"))
    if layout.reading_type:
        sieve.read(layout.reading_type, values.reading_type, pl.String, "reading_type", warn=True)
    else:
        sieve.rows = sieve.rows.with_columns(reading_type=pl.lit("actual"))


def _read_mpan(sieve: Sieve) -> None:
    layout, check = sieve.decision.layout, sieve.options.mpan_check
    if layout.mpan is None:
        sieve.rows = sieve.rows.with_columns(mpan=pl.lit(sieve.decision.mpan, pl.String))
    else:
        sieve.read(layout.mpan, mpan.read, pl.String, "mpan")
    if check == "off":
        return
    valid, _ = values.each(sieve.rows["mpan"], lambda text: (mpan.has_check_digit(text), None), pl.Boolean)
    if check == "warn":
        if failing := int((~valid).sum()):
            sieve.warnings["meter id without the check digit of an MPAN"] += failing
        return
    why = "is no MPAN core of 13 digits with its check digit: correct it, or import with the check set to warn"
    sieve.reject(~valid, layout.mpan or "file", why)


def read_date(sieve: Sieve) -> None:
    """Add `local_date`, `midnight` (the instant at which the day starts) and `half_hours` (how many it has)."""
    layout, today = sieve.decision.layout, sieve.options.today
    order = layout.date_order or "dmy"
    sieve.read(layout.date or "", lambda text: values.day(text, order, today), pl.Date, "local_date")
    if layout.days_late:
        sieve.rows = sieve.rows.with_columns(pl.col("local_date") - pl.duration(days=layout.days_late))
    zone = "UTC" if layout.clock == "utc" else "Europe/London"
    midnight = pl.col("local_date").cast(pl.Datetime("us")).dt.replace_time_zone(zone)
    end = (pl.col("local_date") + pl.duration(days=1)).cast(pl.Datetime("us")).dt.replace_time_zone(zone)
    sieve.rows = sieve.rows.with_columns(
        midnight=midnight.dt.convert_time_zone("UTC"),
        half_hours=((end - midnight).dt.total_minutes() // 30).cast(pl.Int8),
    )


def read_value(sieve: Sieve) -> None:
    """Add `value`; rows where it is blank are passed over."""
    name = sieve.decision.layout.value or ""
    text = sieve.rows[sieve.index(name)]
    found = values.cast(text.to_frame())[0]
    number, problems = values.numbers(text, found, sieve.decision.dialect.delimiter == ",")
    sieve.rows = sieve.rows.with_columns(value=number)
    blank = number.is_null()
    if problems is not None:
        wrong = problems.is_not_null()
        blank = blank.filter(~wrong)
        sieve.reject(wrong, name, problems)
    sieve.skip(blank, "blank cell")
