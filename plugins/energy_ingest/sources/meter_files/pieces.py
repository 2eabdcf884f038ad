"""A file piece by piece: bounded in memory, in order, and resumable after any row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final

import polars as pl

from energy_ingest.sources.meter_files import daily, long, rows, sites, tables, text, wide
from energy_ingest.sources.meter_files.model import Decision, Options, Piece
from energy_ingest.sources.meter_files.rows import SHAPE, Sieve

_PIECE_BYTES: Final = {"wide": 2 << 20, "long": 4 << 20, "daily": 4 << 20, "sites": 4 << 20}
"""Text that makes some 100 to 300 thousand rows, which take about 100 MiB while they are worked on."""

_SHAPES: Final = {"wide": wide.readings, "long": long.readings, "daily": daily.totals, "sites": sites.sites}

_Block = tuple[pl.DataFrame, pl.Series, int]
"""Rows of text, the number of cells that each had, and the bytes of the file read so far."""


def parse(
    open_file: Callable[[], BinaryIO],
    decision: Decision,
    options: Options,
    after_row: int = 0,
    piece_bytes: int | None = None,
) -> Iterator[Piece]:
    """The file in pieces, from the row after `after_row` (0: from the beginning).

    Raises:
        Rejected: what only the rest of the file shows, like a line without end.
    """
    size = piece_bytes or _PIECE_BYTES[decision.layout.shape or "long"]
    first = max(after_row, decision.dialect.header_row)
    for frame, counts, read in _whole_runs(decision, _blocks(open_file, decision, size)):
        if (last_row := int(frame["row_number"][-1])) > first:
            left = frame["row_number"] > first
            yield _sifted(Sieve(decision, options, frame.filter(left)), counts.filter(left), last_row, read)


def parse_again(raws: Iterable[str], decision: Decision, options: Options) -> Piece:
    """Rejected rows, corrected: the JSON of each reject's `raw`, cells by column name; row numbers count from 1."""
    corrected = [json.loads(raw) for raw in raws]
    width = max(decision.dialect.width, len(decision.columns))
    frame, counts = _from_cells([[str(row.get(name, "")) for name in decision.columns] for row in corrected], width)
    sieve = Sieve(decision, options, frame)
    unseen = pl.Series([row.get(SHAPE) or None for row in corrected], dtype=pl.String)
    sieve.reject_shape(unseen.is_not_null(), unseen, f"complete the cells, then blank {SHAPE!r} and read it again")
    return _sifted(sieve, counts.filter(unseen.is_null()), frame.height, 0)


def _sifted(sieve: Sieve, counts: pl.Series, last_row: int, read: int) -> Piece:
    """What the rows of a block are; `counts` are the cells that each had."""
    rows.tidy(sieve, counts)
    found = _SHAPES[sieve.decision.layout.shape or "long"](sieve)
    return Piece(found, sieve.rejects, last_row, read, dict(sieve.skipped), dict(sieve.warnings))


def _blocks(open_file: Callable[[], BinaryIO], decision: Decision, size: int) -> Iterator[_Block]:
    dialect = decision.dialect
    if dialect.kind == "text" and decision.layout.shape != "sites":
        row = 1
        for block, read in text.blocks(open_file, dialect.encoding, size):
            frame, counts = text.frame(block, dialect, row)
            row += frame.height
            yield frame, counts, read
        return
    if dialect.kind == "json":
        names, body, _ = tables.json_rows(open_file)
        table = [names, *body]
    elif dialect.kind == "workbook":
        table = tables.workbook(open_file)
    else:
        table = text.records(open_file, dialect)
    if table:
        yield *_from_cells(table, dialect.width), 0


def _from_cells(table: list[list[str]], width: int) -> tuple[pl.DataFrame, pl.Series]:
    frame = text.padded(table, width)
    counts = pl.Series([max(len(row), width) for row in table], dtype=pl.Int64)
    return frame.with_columns(row_number=pl.int_range(1, len(table) + 1, dtype=pl.Int64)), counts


def _whole_runs(decision: Decision, blocks: Iterable[_Block]) -> Iterator[_Block]:
    """The blocks, cut so that rows within an hour that the clocks repeat stay together."""
    held: list[tuple[pl.DataFrame, pl.Series]] = []
    for frame, counts, read in blocks:
        if held:
            frame = pl.concat([*(part for part, _ in held), frame])
            counts = pl.concat([*(part for _, part in held), counts])
        keep = frame.height - long.held_back(decision, frame) if decision.layout.shape == "long" else frame.height
        held = [(frame.slice(keep), counts.slice(keep))] if keep < frame.height else []
        if keep:
            yield frame.head(keep), counts.head(keep), read
    for frame, counts in held:
        yield frame, counts, read
