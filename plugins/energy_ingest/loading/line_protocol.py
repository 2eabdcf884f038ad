r"""Rows to InfluxDB line protocol, column by column. Pure.

Escaping follows InfluxDB's own parser: in names and tag values a comma, blank or equals sign is escaped by one
backslash; in text fields a quote or backslash is. What the protocol cannot say in a tag is replaced as InfluxDB's
clients do it: line breaks and tabs by `\n`, `\r`, `\t`, a trailing backslash by backslash and blank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from energy_ingest.contracts import Kind
from energy_ingest.projection import Points, Scaled

PRECISION: Final = "us"
"""Time stamps are microseconds, as in PostgreSQL."""

_CONTROL: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_MEASUREMENT: Final = {**_CONTROL, ",": r"\,", " ": r"\ "}
_NAME: Final = {**_MEASUREMENT, "=": r"\="}


@dataclass(frozen=True)
class Field:
    """A column to read for the lines: the table's column, perhaps scaled; `is_time` ones are read in microseconds."""

    column: str
    factor: int = 1
    is_time: bool = False
    spread: str = ""

    @property
    def name(self) -> str:
        """Its name in the frame."""
        if self.is_time:
            return f"{self.column} in us" + (f" + {self.spread}" if self.spread else "")
        return self.column if self.factor == 1 else f"{self.column} * {self.factor}"


def columns(points: Sequence[Points]) -> list[Field]:
    """The columns that these points need, each once."""
    needed = [field for one in points for field in _columns(one)]
    return list(dict.fromkeys(needed))


def _columns(points: Points) -> Iterator[Field]:
    yield _time(points)
    yield from (Field(column) for column in points.tags.values())
    yield from (_field(source) for source in points.fields.values())


def _time(points: Points) -> Field:
    return Field(points.time, is_time=True, spread=points.spread)


def _field(source: str | Scaled) -> Field:
    return Field(source.column, source.factor) if isinstance(source, Scaled) else Field(source)


def lines(frame: pl.DataFrame, points: Points, kinds: Mapping[str, Kind]) -> pl.Series:
    """One line per row, null for a row without any field.

    `frame` has the columns of `columns`, by name: text as PostgreSQL writes it, times as 64-bit integers.
    """
    time = pl.col(_time(points).name) + round(points.shift.total_seconds() * 1_000_000)
    series, end = _series(frame, points), [pl.lit(" "), time.cast(pl.String)]
    sources = {_replaced(key, _NAME): _field(source) for key, source in points.fields.items()}
    fields = [_assignment(frame, key, field, kinds[field.column]) for key, field in sources.items()]
    if any(frame[field.name].null_count() for field in sources.values()):
        present = pl.concat_str([pl.concat_str([pl.lit(","), *field]) for field in fields], ignore_nulls=True)
        line = pl.concat_str([*series, pl.lit(" "), present.str.strip_prefix(","), *end])
        return frame.select(line=pl.when(present != "").then(line))["line"]
    separators = [pl.lit(" "), *([pl.lit(",")] * (len(fields) - 1))]
    values = [part for separator, field in zip(separators, fields, strict=True) for part in (separator, *field)]
    return frame.select(line=pl.concat_str([*series, *values, *end]))["line"]


def _series(frame: pl.DataFrame, points: Points) -> list[pl.Expr]:
    """Measurement and tags, in the order of their names, which is how InfluxDB stores them."""
    parts = [pl.lit(_replaced(points.measurement, _MEASUREMENT))]
    for key in sorted({**points.tags, **points.constants}):
        name = f",{_replaced(key, _NAME)}="
        if key in points.constants:
            parts.append(pl.lit(name + escaped_tag(points.constants[key])))
            continue
        values = frame[points.tags[key]]
        tag = [pl.lit(name), _tag(values)]
        everywhere = (values != "").all(ignore_nulls=False)
        parts += (
            tag if everywhere else [pl.when(pl.col(values.name) != "").then(pl.concat_str(tag)).otherwise(pl.lit(""))]
        )
    return parts


def _assignment(frame: pl.DataFrame, key: str, field: Field, kind: Kind) -> list[pl.Expr]:
    """`key=value`, the value in the notation of its type."""
    if kind in ("number", "exact", "boolean"):
        return [pl.lit(f"{key}="), pl.col(field.name)]
    if kind == "integer":
        return [pl.lit(f"{key}="), pl.col(field.name), pl.lit("i")]
    return [pl.lit(f'{key}="'), _text(frame[field.name]), pl.lit('"')]


def _tag(values: pl.Series) -> pl.Expr:
    """A tag column, escaped where any of its values needs it."""
    value = pl.col(values.name)
    if not values.str.contains(r"[,= \n\r\t]|\\$").any():
        return value
    for plain, escaped in _NAME.items():
        value = value.str.replace_all(plain, escaped, literal=True)
    return value.str.replace(r"\\$", r"\ ")


def _text(values: pl.Series) -> pl.Expr:
    """A text field, escaped where any of its values needs it."""
    value = pl.col(values.name)
    if not values.str.contains(r'["\\]').any():
        return value
    return value.str.replace_all("\\", r"\\", literal=True).str.replace_all('"', r"\"", literal=True)


def escaped_tag(value: str) -> str:
    """A tag value as the protocol writes it."""
    escaped = _replaced(value, _NAME)
    return f"{escaped} " if escaped.endswith("\\") else escaped


def stored_tag(value: str) -> str:
    """What InfluxDB keeps of a tag value."""
    kept = _replaced(value, _CONTROL)
    return f"{kept[:-1]} " if kept.endswith("\\") else kept


def _replaced(text: str, replacements: Mapping[str, str]) -> str:
    for plain, written in replacements.items():
        text = text.replace(plain, written)
    return text
