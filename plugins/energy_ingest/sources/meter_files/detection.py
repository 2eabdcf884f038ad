"""Deciding how a file is to be read: from its bytes, its header, its first rows, or the feed that the job names.

Whatever is decided is said. Where two readings are possible and it matters, nothing is guessed: the file is refused
with both readings and the way to choose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, Final

from energy_ingest.errors import Misconfigured, Rejected
from energy_ingest.sources.meter_files import headers, mpan, shapes, sites, tables, text, values
from energy_ingest.sources.meter_files.layouts import FEEDS
from energy_ingest.sources.meter_files.look import Look, refusal
from energy_ingest.sources.meter_files.model import ROLES, Decision, Dialect, Layout, Options

_HEADER_WITHIN: Final = 40
"""Rows among which the header must be."""

_SAMPLE_ROWS: Final = 20_000


def decide(open_file: Callable[[], BinaryIO], name: str, options: Options) -> Decision:
    """How the file will be read; `name` is only looked at for an MPAN in it.

    Raises:
        Rejected: no table, no layout that fits, or two readings are possible; the message says how to choose.
        Misconfigured: the job names a feed that does not exist.
    """
    look = _open(open_file, name, options)
    if options.import_type == "sites":
        return _decide_sites(look)
    _find_header(look)
    _find_meter(look)
    if options.import_type == "daily":
        return shapes.decide_daily(look)
    if headers.half_hours(look.columns)[0]:
        return shapes.decide_wide(look)
    return shapes.decide_long(look)


def _open(open_file: Callable[[], BinaryIO], name: str, options: Options) -> Look:
    if options.feed is not None and options.feed not in FEEDS:
        raise Misconfigured(f"there is no feed {options.feed!r}; known are {', '.join(sorted(FEEDS))}")
    layout = FEEDS[options.feed] if options.feed else Layout()
    with open_file() as file:
        head = file.read(text.HEAD_BYTES)
    if not head.strip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"):
        raise Rejected("the file is empty: there is nothing to import; ask for it again")
    text.refuse_other_files(head)
    kind = tables.kind_of(open_file, head)
    if kind == "workbook":
        rows = tables.workbook(open_file)
        dialect = Dialect("workbook", width=max(map(len, rows), default=0))
        return Look(name, options, dialect, rows, True, layout, said=["read as a workbook, its first filled sheet"])
    if kind == "json":
        names, body, facts = tables.json_rows(open_file)
        dialect = Dialect("json", header_row=1, width=len(names))
        return Look(name, options, dialect, [names, *body], True, layout, facts, said=["read as JSON"])
    return _open_text(name, options, layout, head)


def _open_text(name: str, options: Options, layout: Layout, head: bytes) -> Look:
    encoding = text.encoding_of(head)
    lines = text.head_lines(head, encoding)
    if any(ord(char) < 9 for line in lines[:20] for char in line):
        raise Rejected("the file is binary, not a table: export it as CSV, .xlsx, .xls or JSON")
    delimiter = text.delimiter_of(lines)
    rows = [text.cells_of(line, delimiter) for line in lines[:_SAMPLE_ROWS]]
    if not any(cell.strip() for row in rows for cell in row if not cell.lower().startswith("sep=")):
        raise Rejected("the file has no rows: there is nothing to import; ask for it again")
    said = f"read as text: {encoding}, cells parted by {'tab' if delimiter == chr(9) else delimiter!r}"
    whole = len(head) < text.HEAD_BYTES and len(lines) <= _SAMPLE_ROWS
    return Look(name, options, Dialect("text", encoding, delimiter), rows, whole, layout, said=[said])


def _find_header(look: Look) -> None:
    """Set the columns' names and where the rows begin."""
    for n, row in enumerate(look.rows[:_HEADER_WITHIN]):
        if _is_header(row, look.layout):
            look.columns = headers.unique(row)
            look.said.append(f"row {n + 1} is the header")
            break
    else:
        n = -1
        _name_columns(look)
    if look.dialect.kind == "text":
        counts = sorted(len(row) for row in look.rows[n + 1 :] if any(cell.strip() for cell in row))
        usual = counts[len(counts) // 2] if counts else len(look.columns)
    else:
        usual = look.dialect.width
    look.dialect = replace(look.dialect, header_row=n + 1, width=max(usual, len(look.columns), 2))
    for role in ROLES:
        wanted = getattr(look.layout, role)
        if wanted is not None:
            _require(look, role, wanted)


def _trimmed(row: Sequence[str]) -> list[str]:
    """Without the blank cells at the end."""
    cells = list(row)
    while cells and not cells[-1].strip():
        cells.pop()
    return cells


def _is_header(row: Sequence[str], layout: Layout) -> bool:
    named = [name for name in (layout.mpan, layout.date, layout.stamp, layout.value) if name]
    have = [headers.normal(cell) for cell in row]
    if named and all(headers.normal(name) in have for name in named):
        return True
    if len(row) > 20:
        blocks, _ = headers.half_hours(row)
        return bool(blocks)
    return _says_when(row) and (headers.find("value", row) is not None or bool(headers.energy(row)))


def _says_when(row: Sequence[str]) -> bool:
    return any(headers.find(role, row) is not None for role in ("date", "stamp", "end"))


def _name_columns(look: Look) -> None:
    """Names for a file without header: the feed's, else what 48 or 50 numbers after a meter and a date can only be."""
    first = next((row for row in look.rows if any(cell.strip() for cell in row) and not _is_sep(row)), [])
    if look.layout.header:
        if len(_trimmed(first)) > len(look.layout.header):
            raise refusal(
                f"the rows have {len(first)} cells, the feed {look.options.feed} has {len(look.layout.header)} columns",
                "Name another feed, or none.",
            )
        look.columns = headers.unique(look.layout.header)
        look.said.append(f"no header: the columns are those of the feed {look.options.feed}")
        return
    for count in (50, 48):
        at = len(first) - count
        if at >= 2 and all(values.number(cell)[1] is None for cell in first[at:]):
            dates = [n for n in range(at) if values.day(first[n], "dmy", look.options.today)[0]]
            if len(dates) == 1:
                lead = ["Date" if n == dates[0] else f"column {n + 1}" for n in range(at)]
                look.columns = headers.unique([*lead, *(f"HH{n}" for n in range(1, count + 1))])
                look.said.append(f"no header: column {dates[0] + 1} holds dates, the last {count} are half hours")
                return
    raise refusal(
        _why_no_header(look),
        "Add a header like MPAN,Date,HH1,HH2,... or MPAN,Datetime,kWh, or name the supplier's feed (--feed).",
    )


def _why_no_header(look: Look) -> str:
    """What is missing in the row that is most of a header."""
    for n, row in enumerate(look.rows[:_HEADER_WITHIN], 1):
        if series := headers.series(row):
            found = f"{len(series)} columns from {series[0]} to {series[-1]}"
            return f"row {n} has {found}, not one each for 48 or 50 half hours"
        if _says_when(row):
            return f"row {n} is like a header, but no column in it is known for energy: {', '.join(row[:12])}"
    return "no header was found in the first rows, with a meter, a date or time stamp, and values"


def _is_sep(row: Sequence[str]) -> bool:
    return bool(row) and row[0].strip('" ').lower().startswith("sep=")


def _require(look: Look, role: str, wanted: str) -> None:
    """The feed's column by the file's spelling of its name."""
    have = [headers.normal(name) for name in look.columns]
    if headers.normal(wanted) not in have:
        raise refusal(
            f"the feed {look.options.feed} has a column {wanted!r}, which the file does not have "
            f"(it has {', '.join(look.columns[:12])}{', ...' if len(look.columns) > 12 else ''})",
            "Name another feed, or none to detect the layout.",
        )
    spelled: dict[str, Any] = {role: look.columns[have.index(headers.normal(wanted))]}
    look.layout = replace(look.layout, **spelled)


def _find_meter(look: Look) -> None:
    """The column that names the meter: by the feed, by name and content; else the file's name."""
    if look.layout.mpan:
        return
    named = headers.meters(look.columns)
    valid = [n for n in range(len(look.columns)) if _holds_mpans(look, n)]
    sure = [n for n in named if n in valid] or valid
    strong = [n for n in named if headers.normal(look.columns[n]) in headers.METERS[0].split()]
    if strong or len(sure) == 1 or len(named) == 1:
        chosen = strong[0] if strong else sure[0] if len(sure) == 1 else named[0]
        look.layout = replace(look.layout, mpan=look.columns[chosen])
        how = "its name says so" if chosen in named else "only it holds MPANs with their check digit"
        look.said.append(f"column {look.columns[chosen]!r} names the meter: {how}")
    elif len(sure) > 1 or len(named) > 1:
        both = " or ".join(repr(look.columns[n]) for n in (sure if len(sure) > 1 else named))
        raise refusal(f"the meter may be named by {both}", "Name the supplier's feed (--feed), which says which.")


def _holds_mpans(look: Look, column: int) -> bool:
    cells = look.cells(column, 50)
    good = sum(mpan.has_check_digit(mpan.read(cell)[0] or "") for cell in cells)
    return good > 0 and good * 2 >= len(cells)


def _decide_sites(look: Look) -> Decision:
    for n, row in enumerate(look.rows[:_HEADER_WITHIN]):
        if sites.is_header(row):
            look.columns = headers.unique(row)
            width = max(len(look.columns), look.dialect.width, 2)
            look.dialect = replace(look.dialect, header_row=n + 1, width=width)
            said = (*look.said, f"row {n + 1} is the header; a row is a site")
            return Decision(Layout(shape="sites"), look.dialect, look.columns, "", said=said)
    raise refusal("no header with a column for the site's name was found", "Add a header like name,address,postcode.")
