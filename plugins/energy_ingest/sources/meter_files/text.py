"""Bytes to rows: encodings, line ends, delimiters and quotes; every cell stays the text that it is in the file.

A row of the result is a line of the file, in order, so that a row number means what an editor shows. Line breaks
inside quotes are not known: such a row breaks in two, which are both refused, instead of swallowing what follows.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

import polars as pl

from energy_ingest.errors import Rejected
from energy_ingest.sources.meter_files.model import Dialect

Opener = Callable[[], BinaryIO]

HEAD_BYTES: Final = 1 << 20
"""How much of a file is looked at to decide how to read it."""

LONGEST_LINE: Final = 1 << 20
_DELIMITERS: Final = (",", "\t", ";", "|")
_REFUSED: Final = {
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"PAR1": "a Parquet file",
}
_BOMS: Final = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_DAMAGED_BOM: Final = "\ufffd".encode()


def refuse_other_files(head: bytes) -> None:
    """Raise for what is no table at all, whatever the file is called.

    Raises:
        Rejected: an archive, image, document or web page; the message says which.
    """
    for magic, what in _REFUSED.items():
        if head.startswith(magic):
            raise Rejected(f"the file is {what}, not a table: unpack or export it as CSV, .xlsx, .xls or JSON")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if start.startswith((b"<html", b"<!doctype", b"<?xml", b"<script", b"<table")):
        raise Rejected(
            "the file is a web page or XML, not a table (the portal may have answered with a login or an error page): "
            "export it again as CSV"
        )


def encoding_of(head: bytes) -> str:
    """UTF-16 if its mark says so, else UTF-8 if it is that, else Windows-1252.

    NUL bytes are dropped before: UTF-16 without its mark, or damaged, so becomes one of the latter.
    """
    for bom, encoding in _BOMS.items():
        if head.startswith(bom):
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head.replace(b"\0", b""))
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def blocks(open_file: Opener, encoding: str, size: int) -> Iterator[tuple[bytes, int]]:
    r"""Whole lines as UTF-8 with `\n` ends and without NUL bytes, about `size` at a time, and the bytes read so far.

    Raises:
        Rejected: a line longer than 1 MiB.
    """
    ready, rest, read = b"", b"", 0
    with open_file() as file:
        for text, size_read in _normal(file, encoding, size):
            if ready:
                yield ready, read
            end = text.rfind(b"\n") + 1
            ready, rest = (rest + text[:end], text[end:]) if end else (b"", rest + text)
            read = size_read
            if len(rest) > LONGEST_LINE:
                raise Rejected("the file has a line of more than 1 MiB: it is no CSV table; export it again")
    if ready or rest:
        yield ready + (rest + b"\n" if rest else b""), read


def _normal(file: BinaryIO, encoding: str, size: int) -> Iterator[tuple[bytes, int]]:
    decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)("replace")
    held, read = b"", 0
    while chunk := file.read(max(size, len(_DAMAGED_BOM) * 2)):  # a mark is never cut in two
        first = not read
        read += len(chunk)
        text = decoder.decode(chunk).encode("utf-8", "replace") if decoder else chunk
        text = held + text.replace(b"\0", b"")
        if first:
            text = _without_mark(text)
        held = b"\r" if text.endswith(b"\r") else b""  # its \n may be in the next chunk
        yield _line_ends(text[: len(text) - len(held)]), read
    if held:
        yield b"\n", read


def _without_mark(text: bytes) -> bytes:
    text = text.removeprefix(codecs.BOM_UTF8)
    while text.startswith(_DAMAGED_BOM):
        text = text.removeprefix(_DAMAGED_BOM)
    return text


def _line_ends(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text


def head_lines(head: bytes, encoding: str) -> list[str]:
    """The lines of the first bytes of a file; of a longer file, without the last, which is cut off."""
    whole = b"".join(block for block, _ in blocks(lambda: io.BytesIO(head), encoding, HEAD_BYTES))
    lines = whole.decode("utf-8", "replace").split("\n")[:-1]
    return lines if len(head) < HEAD_BYTES else lines[:-1]


def delimiter_of(lines: list[str]) -> str:
    """What parts the cells: as `sep=` says, else what occurs equally often in most of the fuller lines."""
    if lines and lines[0].strip().strip('"').lower().startswith("sep=") and len(lines[0].strip().strip('"')) == 5:
        return lines[0].strip().strip('"')[4]
    filled = [line for line in lines[:200] if line.strip()]
    scores = {d: Counter(len(cells_of(line, d)) for line in filled) for d in _DELIMITERS}
    best = {d: max((n * n * (width - 1) for width, n in score.items()), default=0) for d, score in scores.items()}
    return max(_DELIMITERS, key=lambda d: best[d])


def cells_of(line: str, delimiter: str) -> list[str]:
    """The cells of one line; an open quote ends with the line."""
    if '"' not in line:
        return line.split(delimiter) if line else []
    return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])


def frame(text: bytes, dialect: Dialect, first_row: int) -> tuple[pl.DataFrame, pl.Series]:
    """The lines of a block as columns "0", "1", ... of text with `row_number`, and how many cells each line had.

    Quick where every line has the same number of cells, which is checked, else line by line.
    """
    height, width = text.count(b"\n"), dialect.width
    rows = _quick(text, dialect, height)
    if rows is None:
        lines = text.decode("utf-8", "replace").split("\n")[:-1]
        cells = [cells_of(line, dialect.delimiter) for line in lines]
        counts = pl.Series([_filled(row, width) for row in cells], dtype=pl.Int64)
        rows = padded(cells, width)
    else:
        counts = pl.repeat(width, height, dtype=pl.Int64, eager=True)
    return rows.with_columns(row_number=pl.int_range(first_row, first_row + height, dtype=pl.Int64)), counts


def padded(rows: list[list[str]], width: int) -> pl.DataFrame:
    """Rows of cells as columns "0", "1", ..., `width` of them, blank where a row is shorter."""
    cells = [row if len(row) == width else (row + [""] * width)[:width] for row in rows]
    return pl.DataFrame(cells, schema=dict.fromkeys(_names(width), pl.String), orient="row")


def _quick(text: bytes, dialect: Dialect, height: int) -> pl.DataFrame | None:
    """The block by polars' reader, or None where that cannot tell the lines apart or they are not all alike.

    It refuses lines with too many cells and broken quotes; lines with too few show in the number of delimiters.
    """
    delimiter, width, quoted = dialect.delimiter.encode(), dialect.width, b'"' in text
    expected = height * (width - 1)
    if text.count(delimiter) < expected or (text.count(delimiter) > expected and not quoted):
        return None
    if quoted and delimiter + b' "' in text:
        return None
    first = delimiter * (width - 1) + b"\n"  # sets the number of columns, whatever the first line is
    try:
        rows = pl.read_csv(
            first + text,
            has_header=False,
            infer_schema=False,
            separator=dialect.delimiter,
            quote_char='"' if quoted else None,
        )
    except pl.exceptions.PolarsError:
        return None
    if rows.height != height + 1 or rows.width != width:
        return None
    rows = rows.slice(1).with_columns(pl.all().fill_null(""))
    rows.columns = _names(width)
    if text.count(delimiter) > expected:
        inside = rows.select(
            pl.sum_horizontal(pl.all().str.count_matches(dialect.delimiter, literal=True).sum())
        ).item()
        return rows if text.count(delimiter) == expected + inside else None
    return rows


def _names(width: int) -> list[str]:
    return [str(n) for n in range(width)]


def records(open_file: Opener, dialect: Dialect) -> list[list[str]]:
    """All rows of a small file; here quotes may hold line breaks, as addresses do, and a row is a record.

    Raises:
        Rejected: more than 64 MiB.
    """
    parts, size = [], 0
    for block, _ in blocks(open_file, dialect.encoding, HEAD_BYTES):
        parts.append(block.decode("utf-8", "replace"))
        size += len(block)
        if size > 64 << 20:
            raise Rejected("files of sites are read up to 64 MiB: split it")
    return list(csv.reader(io.StringIO("".join(parts), newline=""), delimiter=dialect.delimiter, skipinitialspace=True))


def _filled(row: list[str], width: int) -> int:
    """Cells of a row; blank ones beyond the width are none."""
    count = len(row)
    while count > width and not row[count - 1].strip():
        count -= 1
    return count
