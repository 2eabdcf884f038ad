"""Energy Transfer's informational postings: operationally available capacity, one CSV file per gas day and cycle.

The file says neither gas day nor cycle: they are the request's, checked against the name of the file. Only a header
means that the cycle is not posted yet.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import polars as pl

from energy_ingest import clock, reading
from energy_ingest.errors import Rejected, Retryable
from energy_ingest.reading import Checked, Problem
from energy_ingest.sources import Request, Scope

if TYPE_CHECKING:
    from energy_ingest.catalog import Dataset
    from energy_ingest.windows import Window

_CODES: Final = {cycle.label: cycle.code for cycle in clock.NOMINATION_CYCLES}
_FILE_NAME: Final = re.compile(r'filename="?([^";]+)"?', re.I)
_GAS_DAY: Final = re.compile(r"\d\d-\d\d-\d{4}")
_CYCLE: Final = re.compile(r"(timely|evening|intraday[ _]*[123]|final)", re.I)
_BLANK: Final = "is blank without a Qty Reason"


def request(dataset: Dataset, windows: Sequence[Window], scope: Scope, now: datetime) -> Request:
    """The file of one gas day and cycle."""
    (window,), (asset,) = windows, scope.members
    params = {
        "f": "csv",
        "extension": "csv",
        "asset": asset,
        "gasDay": f"{window.label:%m/%d/%Y}",
        "cycle": f"{_CODES[window.part]}",
        "searchType": "NOM",
        "searchString": "",
        "locType": "ALL",
        "locZone": "ALL",
    }
    return Request(dataset.path, tuple(params.items()))


def parse(
    dataset: Dataset,
    chunks: Iterable[bytes],
    windows: Sequence[Window],
    scope: Scope,
    headers: Mapping[str, str] = {},
) -> Iterator[Checked]:
    """Check every row of the file; one that is named for another gas day or cycle is refused whole.

    Raises:
        Retryable: an empty or truncated body, or an HTML page in place of data.
        Rejected: not CSV in UTF-8 with exactly the header of the contract.
    """
    (window,), (asset,), contract = windows, scope.members, dataset.contract
    lines = _lines(b"".join(chunks), headers)
    names = [column.source for column in contract.columns]
    _require_header(lines[0], names)
    frame = _frame(names, lines[1:])
    rows = reading.typed(contract, frame)
    problems = [
        *_misnamed(window, headers, rows.height),
        *_wrong_length(lines[1:], len(names)),
        *reading.problems(contract, frame, rows),
        *_blank(dataset, rows),
    ]
    placed = rows.with_columns(
        gas_day=pl.lit(window.label),
        nomination_cycle=pl.lit(window.part),
        asset=pl.lit(asset),
        gas_day_start=pl.lit(clock.naesb_gas_day(window.label)[0].isoformat()),
    ).select(*contract.loaded)
    yield reading.sift(contract, frame, placed, [problem for problem in problems if problem[0].any()], 1)


def _lines(body: bytes, headers: Mapping[str, str]) -> list[list[str]]:
    if not body.strip():
        raise Retryable("the answer is empty, without even a header: the source broke off; it is asked again")
    if "html" in headers.get("content-type", "").lower() or body.lstrip()[:1] == b"<":
        raise Retryable("the answer is an HTML page, not CSV: a maintenance or error page; the source is asked again")
    if not body.endswith(b"\n"):
        raise Retryable("the answer breaks off inside a line: truncated on the way; it is asked again")
    try:
        return [line for line in csv.reader(body.decode("utf-8-sig").splitlines(keepends=True), strict=True) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Rejected(f"the answer is no CSV in UTF-8 ({error}); look at the archived answer") from None


def _require_header(header: Sequence[str], names: Sequence[str]) -> None:
    if list(header) != list(names):
        gone = [name for name in names if name not in header]
        new = [name for name in header if name not in names]
        raise Rejected(
            f"the header is not the known one (missing: {', '.join(gone) or 'none'}; new: {', '.join(new) or 'none'}; "
            "or another order). Nothing was loaded; if it is right, change the columns in catalog/ and replay it"
        )


def _frame(names: Sequence[str], lines: Sequence[Sequence[str]]) -> pl.DataFrame:
    """The file as text: blanks around values and commas in quantities go, an empty value is null."""
    padded = [[*line, *[""] * len(names)][: len(names)] for line in lines]
    frame = pl.DataFrame(padded, schema=dict.fromkeys(names, pl.String), orient="row")
    frame = frame.with_columns(pl.all().str.strip_chars())
    frame = frame.with_columns(pl.col("DC", "OPC", "TSQ", "OAC").str.replace_all(",", "", literal=True))
    return frame.with_columns(pl.when(pl.all() != "").then(pl.all()))


def _misnamed(window: Window, headers: Mapping[str, str], height: int) -> list[Problem]:
    """Every row of a file whose name contradicts the request."""
    found = _FILE_NAME.search(headers.get("content-disposition", ""))
    name = found[1] if found else ""
    day, cycle = _GAS_DAY.search(name), _CYCLE.search(name)
    same_day = not day or day[0] == f"{window.label:%m-%d-%Y}"
    same_cycle = not cycle or _bare(cycle[1]) == _bare(window.part)
    if same_day and same_cycle:
        return []
    return [
        (pl.repeat(True, height, dtype=pl.Boolean, eager=True), "loc", f"is in a file named {name!r}, not {window}")
    ]


def _bare(cycle: str) -> str:
    return re.sub("[ _]", "", cycle).lower()


def _wrong_length(lines: Sequence[Sequence[str]], length: int) -> list[Problem]:
    mask = pl.Series([len(line) != length for line in lines], dtype=pl.Boolean)
    return [(mask, "loc", f"is in a line that has not {length} values")]


def _blank(dataset: Dataset, rows: pl.DataFrame) -> list[Problem]:
    """Quantities that are missing for no reason; the source says so where they are unavailable."""
    names = [column.name for column in dataset.contract.columns if column.kind == "exact"]
    return [(rows[name].is_null() & rows["qty_reason"].is_null(), name, _BLANK) for name in names]
