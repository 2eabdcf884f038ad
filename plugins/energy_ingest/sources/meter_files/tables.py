"""Workbooks and JSON as rows of text, like a CSV file would have them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any, BinaryIO, Final

from energy_ingest.errors import Rejected

LARGEST: Final = 64 << 20
"""Bytes of a workbook or JSON file: they are read whole, CSV is not."""

_MOST_CELLS: Final = 20_000_000
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def kind_of(open_file: Callable[[], BinaryIO], head: bytes) -> str:
    """text, workbook or json, by content whatever the name says.

    Raises:
        Rejected: a ZIP archive that is no workbook.
    """
    if head.startswith(_OLE):
        return "workbook"
    if head.startswith(b"PK\x03\x04"):
        with open_file() as file:
            names = _names_in(file)
        if not any(name.startswith("xl/") for name in names):
            raise Rejected("the file is a ZIP archive, not a table: unpack it and deliver the files in it")
        return "workbook"
    return "json" if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else "text"


def _names_in(file: BinaryIO) -> list[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(_whole(file))) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > 16 * LARGEST:
                raise Rejected(f"the workbook is larger than {16 * LARGEST >> 20} MiB unpacked: export it as CSV")
            return archive.namelist()
    except zipfile.BadZipFile:
        raise Rejected("the file is a broken ZIP archive or workbook: deliver it again") from None


def _whole(file: BinaryIO) -> bytes:
    body = file.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise Rejected(f"workbooks and JSON files are read up to {LARGEST >> 20} MiB: export this one as CSV")
    return body


def workbook(open_file: Callable[[], BinaryIO]) -> list[list[str]]:
    """The rows of a workbook's first sheet that is not empty.

    Raises:
        Rejected: unreadable, encrypted, too large, or without a row.
    """
    from python_calamine import CalamineError, CalamineWorkbook  # only workbooks need it

    with open_file() as file:
        body = _whole(file)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(body))
        sheets = (book.get_sheet_by_name(name) for name in book.sheet_names)
        sheet = next((sheet for sheet in sheets if sheet.height), None)
        if sheet is None:
            return []
        if sheet.height * sheet.width > _MOST_CELLS:
            raise Rejected(f"the workbook has more than {_MOST_CELLS:,} cells: export it as CSV")
        return [[_text(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]
    except (CalamineError, zipfile.BadZipFile) as error:
        raise Rejected(
            f"the workbook cannot be read ({error}): open it, remove its protection, save it as CSV"
        ) from None


def _text(cell: Any) -> str:
    """A cell as it would be typed: whole numbers without a point, dates in ISO form."""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return f"{int(cell.total_seconds()) // 60}:{int(cell.total_seconds()) % 60:02}"
    return str(cell)


def json_rows(open_file: Callable[[], BinaryIO]) -> tuple[list[str], list[list[str]], dict[str, str]]:
    """Names, rows, and the other facts of a JSON file with a list of readings.

    Either a list of flat objects, or one of them a line, or an object with one such list (`values` of n3rgy) and facts
    beside it.

    Raises:
        Rejected: not JSON, or no list of readings in it.
    """
    with open_file() as file:
        body = _whole(file)
    try:
        content = _json(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Rejected(f"the file is not valid JSON ({error}): it may be cut off; deliver it again") from None
    facts: dict[str, str] = {}
    if isinstance(content, dict):
        facts = {name: value for name, value in content.items() if isinstance(value, str)}
        lists = [value for value in content.values() if _is_table(value)]
        content = lists[0] if len(lists) == 1 else None
    if not _is_table(content):
        raise Rejected("the JSON has no single list of readings: objects with, say, `timestamp` and `value`")
    names = list(dict.fromkeys(name for row in content for name in row))
    return names, [[_cell(row.get(name)) for name in names] for row in content], facts


def _json(text: str) -> Any:
    """A document, or the documents that stand a line each; numbers as they are written."""
    read = partial(json.loads, parse_float=str, parse_int=str)
    first = text.lstrip().partition("\n")
    if first[0].rstrip().endswith("}") and first[2].lstrip().startswith("{"):
        return [read(line) for line in text.splitlines() if line.strip()]
    return read(text)


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _cell(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
