"""Reading JSON rows against a contract: decoding, typing, and the check of every row.

`decode` turns arrays into a frame with the source's names, `typed` that into one with ours, `problems` finds what
breaks the contract, `sift` parts those rows from the others. Nothing is dropped: a row comes out valid, or rejected
with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Annotated, Any, Final, TypeAlias

import msgspec
import polars as pl

from energy_ingest.contracts import Column, Contract, Kind
from energy_ingest.errors import Rejected

_INT32: Final = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]

# `number` travels as a float (exact to 15 significant digits, fast); `exact` as the source's own digits.
_JSON_TYPES: Final[Mapping[Kind, Any]] = {"integer": _INT32, "number": float, "exact": msgspec.Raw, "boolean": bool}
_FRAME_TYPES: Final[Mapping[Kind, Any]] = {"integer": pl.Int32, "number": pl.Float64, "boolean": pl.Boolean}

_DIGITS: Final = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?$"
"""A number as text. Larger exponents mean nothing here, and are more than PostgreSQL's `numeric` takes."""

_NUL: Final = rb"\u0000"
"""How JSON writes the one character that PostgreSQL's text cannot hold."""

Problem: TypeAlias = tuple[pl.Series, str, str]
"""Which rows (a mask) break a rule, the database column that does, and what is wrong with it."""


@dataclass(frozen=True)
class Checked:
    """A validated piece of an answer.

    `rows` has the contract's loaded columns and `row_number` (1-based place in the answer); `rejects` has
    `row_number`, `column`, `value`, `reason`, `raw` (the row as JSON text); `unknown_fields` are the answer's fields
    that the contract does not have.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    unknown_fields: tuple[str, ...] = ()

    @property
    def received(self) -> int:
        """Rows of the answer that this piece accounts for."""
        return self.rows.height + self.rejects.height


REJECT_SCHEMA: Final = {
    "row_number": pl.Int64(),
    "column": pl.String(),
    "value": pl.String(),
    "reason": pl.String(),
    "raw": pl.String(),
}


def decode(contract: Contract, arrays: Sequence[bytes | bytearray]) -> tuple[pl.DataFrame, list[Problem]]:
    """JSON arrays of flat objects as one frame, and the values that have no place in their column.

    Strict typed decoding first; what does not fit (text where a number belongs, unknown or absent fields) is decoded
    again as plain text, so that the row, the column and the value can be named.

    Raises:
        Rejected: not UTF-8, not JSON, not arrays of objects, or a field that the contract requires is in no row at all.
    """
    decoder, width, columns = _decoder(contract)
    if any(_NUL in array for array in arrays):
        return _decode_as_text(contract, arrays)
    try:
        frames = [_frame(decoder.decode(array), width, columns) for array in arrays]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _decode_as_text(contract, arrays)
    return pl.concat(frames, rechunk=True), []


@cache
def _decoder(contract: Contract) -> tuple[Any, int, Sequence[Column]]:
    """A compiled decoder for the contract, the number of its fields, and the columns that the first of them are."""
    columns = sorted(contract.columns, key=lambda column: column.optional)
    fields = [(c.source, _json_type(c), None) if c.optional else (c.source, _json_type(c)) for c in columns]
    fields += [(name, Any, None) for name in contract.ignored]
    row = msgspec.defstruct("Row", fields, forbid_unknown_fields=True, gc=False)
    return msgspec.json.Decoder(list[row]), len(fields), columns  # type: ignore[valid-type]


def _json_type(column: Column) -> Any:
    kind = _JSON_TYPES.get(column.kind, str)
    return kind if kind is msgspec.Raw or not (column.nullable or column.optional) else kind | None


def _frame(rows: Iterable[msgspec.Struct], width: int, columns: Sequence[Column]) -> pl.DataFrame:
    """Rows as columns; every n-th of all their values is the quickest way there."""
    values = list(chain.from_iterable(map(msgspec.structs.astuple, rows)))
    return pl.DataFrame([_series(column, values[n::width]) for n, column in enumerate(columns)])


def _series(column: Column, values: list[Any]) -> pl.Series:
    if column.kind == "exact":
        values = [_own_digits(value) for value in values]
    return pl.Series(column.source, values, _FRAME_TYPES.get(column.kind, pl.String))


def _own_digits(value: msgspec.Raw | None) -> str | None:
    text = "null" if value is None else bytes(value).decode()
    return msgspec.json.decode(text) if text[0] in 'n"' else text


def _decode_as_text(contract: Contract, arrays: Sequence[bytes | bytearray]) -> tuple[pl.DataFrame, list[Problem]]:
    rows = [row for array in arrays for row in _objects(array)]
    _require_fields(contract, rows)
    names = dict.fromkeys(
        [*(name for row in rows for name in row), *(c.source for c in contract.columns if c.optional)]
    )
    try:
        frame = pl.DataFrame([pl.Series(n, [_as_text(row.get(n)) for row in rows], pl.String) for n in names])
    except UnicodeEncodeError as error:
        raise Rejected(f"the answer holds text that is no Unicode ({error}); look at the archived answer") from None
    texts = [c for c in contract.columns if c.kind == "text"]
    misfits = [(pl.Series([not _is_text(row.get(c.source)) for row in rows]), c.name) for c in texts]
    return frame, [(mask, name, "is not text, or has NUL characters") for mask, name in misfits if mask.any()]


def _objects(array: bytes | bytearray) -> list[dict[str, Any]]:
    try:
        rows = json.loads(array.decode("utf-8"), parse_float=str, parse_int=str, parse_constant=_no_json)
    except UnicodeDecodeError as error:
        around = bytes(array[max(0, error.start - 20) : error.start + 20])
        raise Rejected(
            f"the answer is not UTF-8, at {around!r}: the source changed its encoding; look at the archived answer and "
            "teach the parser the new one"
        ) from None
    except (ValueError, RecursionError) as error:
        raise Rejected(f"the answer is not valid JSON: {error}; look at the archived answer") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Rejected("the answer is not a list of objects: the source changed its structure, the parser must follow")
    return rows


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _is_text(value: object) -> bool:
    return value is None or (isinstance(value, str) and "\0" not in value)


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)  # true, false, and whatever nested thing does not belong here


def _require_fields(contract: Contract, rows: Sequence[Mapping[str, Any]]) -> None:
    present = {name for row in rows for name in row}
    missing = [c.source for c in contract.columns if c.source not in present and not c.optional]
    if missing:
        unknown = _unknown(contract, present)
        hint = f" New fields in the answer: {', '.join(unknown)}; renamed?" if unknown else ""
        raise Rejected(
            f"the answer has no field {', '.join(missing)}.{hint} Nothing was loaded; if the source renamed a field, "
            "change `source` of that column in catalog/ and replay the archived answer"
        )


def typed(contract: Contract, frame: pl.DataFrame) -> pl.DataFrame:
    """The contract's columns for the same rows, null where a value does not fit."""
    return frame.select(_typed(c, frame.schema[c.source]).alias(c.name) for c in contract.columns)


def _typed(column: Column, have: pl.DataType) -> pl.Expr:
    raw = pl.col(column.source)
    match column.kind:
        case "exact":
            return pl.when(raw.str.contains(_DIGITS)).then(raw)
        case "number" if have == pl.String:
            number = raw.cast(pl.Float64, strict=False)
            return pl.when(number.is_finite()).then(number)
        case "integer" if have == pl.String:
            return raw.cast(pl.Int32, strict=False)
        case "boolean" if have == pl.String:
            return raw.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
        case "date":
            return raw.str.to_date("%Y-%m-%d", strict=False)
        case "instant":
            return raw.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", strict=False, time_zone="UTC")
        case _:
            return raw


_WANTED: Final[Mapping[Kind, str]] = {
    "integer": "a whole number of 32 bits",
    "number": "a number",
    "exact": "a number",
    "boolean": "true or false",
    "date": "a date YYYY-MM-DD",
    "instant": "a date and time with offset",
}


def problems(contract: Contract, frame: pl.DataFrame, rows: pl.DataFrame) -> list[Problem]:
    """Which rows break which rules: types, nulls and ranges. `rows` is what `typed` made of `frame`."""
    columns = ((c, frame[c.source], rows[c.name]) for c in contract.columns)
    return [(mask, c.name, why) for c, raw, value in columns for mask, why in _broken_rules(c, raw, value)]


def _broken_rules(column: Column, raw: pl.Series, value: pl.Series) -> Iterator[tuple[pl.Series, str]]:
    """The column's rules that some row breaks; whether any does is asked of counts and extremes, which cost little."""
    if value.null_count() > raw.null_count():
        yield value.is_null() & raw.is_not_null(), f"is not {_WANTED[column.kind]}"
    if raw.null_count() and not (column.nullable or column.optional):
        yield raw.is_null(), "is missing"
    if column.low is None and column.high is None:
        return
    number = value.cast(pl.Float64)
    low = -float("inf") if column.low is None else column.low
    high = float("inf") if column.high is None else column.high
    within = number.is_between(low, high)
    if not within.all():
        yield ~within, f"is outside {low:g} to {high:g}"


def sift(
    contract: Contract, frame: pl.DataFrame, rows: pl.DataFrame, problems: Sequence[Problem], first_row: int
) -> Checked:
    """Part `rows` into valid and rejected ones, each with its first problem; `frame` is how they came in the answer."""
    rows = rows.with_columns(row_number=pl.int_range(first_row, first_row + rows.height))
    unknown = tuple(_unknown(contract, frame.columns))
    if not problems:
        return Checked(rows, pl.DataFrame(schema=REJECT_SCHEMA), unknown)
    sources = {c.name: c.source for c in contract.columns}
    verdicts = (
        pl.when(mask).then(
            pl.struct(pl.col(sources[name]).cast(pl.String).alias("value"), column=pl.lit(name), reason=pl.lit(why))
        )
        for mask, name, why in problems
    )
    verdict = frame.select(pl.coalesce(verdicts).alias("verdict"))["verdict"]
    bad = verdict.is_not_null()
    raw = [json.dumps(row) for row in frame.filter(bad).iter_rows(named=True)]
    rejects = verdict.filter(bad).struct.unnest().with_columns(rows["row_number"].filter(bad), raw=pl.Series(raw))
    return Checked(rows.filter(~bad), rejects.select(*REJECT_SCHEMA), unknown)


def _unknown(contract: Contract, names: Iterable[str]) -> list[str]:
    """Fields of the answer that the contract does not know: drift, worth telling, never a reason to stop."""
    known = {*(c.source for c in contract.columns), *contract.ignored}
    return [name for name in names if name not in known]
