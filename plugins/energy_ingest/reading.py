"""Reading JSON rows against a contract: decoding, and the check of every row.

`decode` turns bytes into a frame with the source's names, `validate` into typed columns with ours plus rejected rows.
Nothing is dropped: a row comes out either valid or rejected with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final

import msgspec
import polars as pl

from energy_ingest.contracts import Column, Contract, Kind
from energy_ingest.errors import Rejected

# `number` travels as a float (exact to 15 significant digits, fast); `exact` as the source's own digits.
_JSON_TYPES: Final[Mapping[Kind, Any]] = {"text": str, "integer": int, "number": float, "exact": Decimal, "boolean": bool}
_FRAME_TYPES: Final[Mapping[Kind, pl.DataType]] = {"integer": pl.Int64(), "number": pl.Float64(), "boolean": pl.Boolean()}


@dataclass(frozen=True)
class Checked:
    """A validated piece of an answer.

    `rows` has the contract's database columns and `row_number` (1-based place in the answer); `rejects` has
    `row_number`, `column`, `value`, `reason`, `raw` (the row as JSON text); `unknown_fields` are the answer's fields that
    the contract does not have.
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


def decode(contract: Contract, text: bytes) -> pl.DataFrame:
    """A JSON array of flat objects as a frame.

    Strict typed decoding first; whatever does not fit (text where a number belongs, unknown or absent fields) is
    decoded again as plain text, so that `validate` can name the row, the column and the value.

    Raises:
        Rejected: not UTF-8, not JSON, or not an array of objects.
    """
    decoder, getters = _decoder(contract)
    try:
        rows = decoder.decode(text)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return _decode_as_text(text)
    return pl.DataFrame([get(rows) for get in getters])


@cache
def _decoder(contract: Contract) -> tuple[Any, list[Any]]:
    """A compiled decoder for the contract, and for each column a function rows -> Series."""
    required = [c for c in contract.columns if not c.optional]
    optional = [c for c in contract.columns if c.optional]
    row = msgspec.defstruct(
        "Row",
        [
            *((c.source, _json_type(c)) for c in required),
            *((c.source, _json_type(c), None) for c in optional),
            *((name, Any, None) for name in contract.ignored),
        ],
        forbid_unknown_fields=True,
        gc=False,
    )
    return msgspec.json.Decoder(list[row]), [_series(c) for c in contract.columns]  # type: ignore[valid-type]


def _json_type(column: Column) -> Any:
    kind = _JSON_TYPES.get(column.kind, str)
    return kind | None if column.nullable or column.optional else kind


def _series(column: Column) -> Any:
    name, kind = column.source, _FRAME_TYPES.get(column.kind, pl.String())
    if column.kind == "exact":
        return lambda rows: pl.Series(name, [None if (v := getattr(r, name)) is None else f"{v:f}" for r in rows], kind)
    return lambda rows: pl.Series(name, [getattr(r, name) for r in rows], kind)


def _decode_as_text(text: bytes) -> pl.DataFrame:
    try:
        rows = json.loads(text.decode("utf-8"), parse_float=str, parse_int=str)
    except UnicodeDecodeError as error:
        raise Rejected(
            f"the answer is not UTF-8: byte 0x{text[error.start]:02x} at offset {error.start}. The source changed its "
            "encoding; look at the archived answer and teach the parser the new one"
        ) from None
    except ValueError as error:
        raise Rejected(f"the answer is not valid JSON: {error}; look at the archived answer") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Rejected("the answer is not a list of objects: the source changed its structure, the parser must follow")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pl.DataFrame([pl.Series(name, [_as_text(row.get(name)) for row in rows], pl.String) for name in names])


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)  # true, false, and whatever nested thing does not belong here


def validate(contract: Contract, frame: pl.DataFrame, first_row: int = 1) -> Checked:
    """Check every row: types, nulls and ranges. Columns keep their upstream order; `first_row` numbers the rows.

    Raises:
        Rejected: a field that the contract requires is in no row at all.
    """
    _require_columns(contract, frame)
    frame = frame.with_row_index("row_number", offset=first_row).with_columns(pl.col("row_number").cast(pl.Int64))
    present = [c for c in contract.columns if c.source in frame.columns]
    typed = frame.select(
        "row_number",
        *(_typed(c, frame.schema[c.source]).alias(c.name) for c in present),
        *(pl.lit(None, pl.String).alias(c.name) for c in contract.columns if c.source not in frame.columns),
    )
    problems = [(c, mask, why) for c in present for mask, why in _problems(c, frame[c.source], typed[c.name])]
    if not problems:
        return Checked(typed, pl.DataFrame(schema=REJECT_SCHEMA))
    first = pl.coalesce(
        pl.when(mask).then(pl.struct(column=pl.lit(c.name), value=frame[c.source].cast(pl.String), reason=pl.lit(why)))
        for c, mask, why in problems
    )
    verdict = frame.select(first.alias("verdict"))["verdict"]
    return Checked(typed.filter(verdict.is_null()), reject(frame, verdict))


def reject(frame: pl.DataFrame, verdict: pl.Series) -> pl.DataFrame:
    """Rejected rows from a frame with `row_number` and a struct series (column, value, reason), null where valid."""
    refused = frame.with_columns(verdict.alias("verdict")).filter(pl.col("verdict").is_not_null())
    raw = pl.Series("raw", [json.dumps(row, default=str) for row in refused.drop("row_number", "verdict").to_dicts()], pl.String)
    return refused.select("row_number", pl.col("verdict").struct.unnest()).with_columns(raw).cast(REJECT_SCHEMA)  # type: ignore[arg-type]


def unknown_fields(contract: Contract, frame: pl.DataFrame) -> list[str]:
    """Fields of the answer that the contract does not know: drift, worth telling, never a reason to stop."""
    known = {*(c.source for c in contract.columns), *contract.ignored}
    return [name for name in frame.columns if name not in known]


def _require_columns(contract: Contract, frame: pl.DataFrame) -> None:
    missing = [c.source for c in contract.columns if c.source not in frame.columns and not c.optional]
    if missing and frame.height:
        unknown = unknown_fields(contract, frame)
        hint = f" New fields in the answer: {', '.join(unknown)}; renamed?" if unknown else ""
        raise Rejected(
            f"the answer has no field {', '.join(missing)}.{hint} Nothing was loaded; if the source renamed a field, change "
            "`source` of that column in catalog.py and replay the archived answer"
        )


def _typed(column: Column, have: pl.DataType) -> pl.Expr:
    raw = pl.col(column.source)
    match column.kind:
        case "integer":
            return raw.cast(pl.Int64, strict=False)
        case "number":
            return raw.cast(pl.Float64, strict=False)
        case "boolean" if have == pl.String:
            return raw.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
        case "date":
            return raw.str.to_date("%Y-%m-%d", strict=False)
        case "instant":
            return raw.str.to_datetime("%Y-%m-%dT%H:%M:%S%#z", strict=False, time_zone="UTC")
        case _:
            return raw


_WANTED: Final[Mapping[Kind, str]] = {
    "integer": "a whole number",
    "number": "a number",
    "exact": "a number",
    "boolean": "true or false",
    "date": "a date YYYY-MM-DD",
    "instant": "a date and time with offset",
}


def _problems(column: Column, raw: pl.Series, typed: pl.Series) -> list[tuple[pl.Series, str]]:
    """Masks of the rows that break this column's rules, each with the reason; empty where all keep them."""
    numeric = column.kind in ("exact", "number", "integer")
    value = typed.cast(pl.Float64, strict=False) if numeric else typed
    malformed = raw.is_not_null() & value.is_null()
    if numeric:
        malformed |= value.is_nan() | value.is_infinite()
    rules = [(malformed, f"is not {_WANTED.get(column.kind, 'text')}")]
    if not column.nullable and not column.optional:
        rules.append((raw.is_null(), "is missing"))
    if column.low is not None or column.high is not None:
        low = -float("inf") if column.low is None else column.low
        high = float("inf") if column.high is None else column.high
        rules.append((~value.is_between(low, high), f"is outside {low:g} to {high:g}"))
    return [(mask.fill_null(value=False), why) for mask, why in rules if mask.any()]
