"""`parse`: read an answer from a file as a load would, offline, and say what is wrong with it."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from energy_ingest import catalog
from energy_ingest.calendars import within
from energy_ingest.cli import options, output
from energy_ingest.cli.options import Json, MaybeFirst, MaybeLast, OneDataset, Units
from energy_ingest.contracts import Contract
from energy_ingest.errors import IngestError, Misconfigured
from energy_ingest.sources import Scope
from energy_ingest.windows import Window, utc_now

if TYPE_CHECKING:
    import polars as pl

    from energy_ingest.catalog import Dataset

SHOWN: Final = 10
"""Problems told one by one."""

CHUNK: Final = 2**20

FIXES: Final = {
    "is not a half hour": "ask for the window that holds it (--from, --to); a settlement date has 46, 48 or 50 periods",
    "is not": "if the source's new form is right, change `kind` of {column} in catalog/; else tell the source",
    "is missing": "if the source may leave it out, set `nullable=True` for {column} in catalog/",
    "is outside": "if the value is right, widen `low` and `high` of {column} in catalog/",
    "contradicts": "compare it with the UTC {stamp} of the half hour; the source shifted its stamps or its periods",
    "was not asked for": "add it to ENERGY_ELEXON_BM_UNITS or --units, or use `all`",
    "": "look at the row in the file; if the source's form is right, the contract in catalog/ must follow",
}
"""What to do, by how the reason begins; the first that fits."""


@dataclass
class Finding:
    """What a file holds; every row is in `rows` or `quarantined`, `duplicates` of `rows` repeat a key."""

    file: str
    dataset: str
    rows: int = 0
    quarantined: int = 0
    duplicates: int = 0
    drift: dict[str, list[str]] = field(default_factory=lambda: {"unknown": [], "missing": []})
    windows: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    rejected: str | None = None

    @property
    def exit_code(self) -> int:
        """2: nothing of it would be loaded; 1: something is odd."""
        if self.rejected:
            return output.CRITICAL
        odd = self.quarantined or self.duplicates or any(self.drift.values()) or not self.rows
        return output.DEGRADED if odd else output.HEALTHY


def parse(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An answer as the source gave it, plain or gzip'd.")],
    dataset: OneDataset,
    first: MaybeFirst = None,
    last: MaybeLast = None,
    units: Units = None,
    as_json: Json = False,
) -> None:
    """Read an answer from a file, offline: rows, quarantine, drift, and the first problems with their fixes.

    Without --from and --to the windows are the settlement dates in the file; without --units every unit is accepted.
    Exit code 1: no rows, or some would be quarantined, or fields changed; 2: the answer would be rejected whole.
    """
    chosen, span = catalog.get(dataset), options.span(first, last, utc_now())
    scope = options.scopes(chosen, units)[0] if units else _anyone(chosen)
    finding = examine(file, chosen, span, scope)
    output.show_json(vars(finding)) if as_json else _tell(finding)
    raise typer.Exit(finding.exit_code)


def examine(file: Path, dataset: Dataset, span: tuple[date, date] | None, scope: Scope) -> Finding:
    """Take a file through the steps of a load, up to the door of the warehouse.

    Raises:
        Misconfigured: it cannot be read.
    """
    from energy_ingest.sources import source_of

    finding, body = Finding(str(file), dataset.name), _read(file)
    if dataset.source is catalog.ELEXON:  # flat rows; the others' parsers tell
        finding.drift = _drift(dataset.contract, body)
    windows = list(dataset.windows(*span)) if span and not dataset.report else _windows(dataset, body, file.name)
    try:
        chunks = (body[place : place + CHUNK] for place in range(0, len(body), CHUNK))
        _take(finding, dataset, list(source_of(dataset).parse(dataset, chunks, windows, scope)), windows, scope)
    except IngestError as error:
        finding.rejected = str(error)
    return finding


def _take(finding: Finding, dataset: Dataset, pieces: Sequence[Any], windows: Iterable[Window], scope: Scope) -> None:
    import polars as pl

    finding.rows = sum(piece.rows.height for piece in pieces)
    finding.quarantined = sum(piece.rejects.height for piece in pieces)
    unknown = finding.drift["unknown"]
    unknown += [name for name in dict.fromkeys(n for p in pieces for n in p.unknown_fields) if name not in unknown]
    problems = [row for piece in pieces for row in piece.rejects.head(SHOWN).rows(named=True)]
    finding.problems = [_problem(dataset, row) for row in problems[:SHOWN]]
    if pieces:
        keys = pl.concat([piece.rows.select(dataset.contract.key) for piece in pieces])
        finding.duplicates = keys.height - keys.n_unique()
        finding.windows = [_window(dataset, window, scope, keys) for window in windows]


def _window(dataset: Dataset, window: Window, scope: Scope, keys: pl.DataFrame) -> dict[str, Any]:
    items = dataset.items(keys.filter(within(dataset.bounds(window))), scope)
    return {"label": f"{window}", "expected": dataset.expected_items(window, scope), "actual": len(items)}


def _problem(dataset: Dataset, row: dict[str, Any]) -> dict[str, Any]:
    fix = next(text for beginning, text in FIXES.items() if row["reason"].startswith(beginning))
    told = {"row": row["row_number"], "column": row["column"], "value": row["value"], "reason": row["reason"]}
    return {**told, "fix": fix.format(column=row["column"], stamp="end" if dataset.stamps_end else "start")}


def _anyone(dataset: Dataset) -> Scope:
    """Every member; a file of a pipeline is Transwestern's until somebody says otherwise."""
    return Scope("TW", ("TW",)) if dataset.report else Scope("all")


def _named(dataset: Dataset, name: str) -> list[Window]:
    """The window that the name of a file tells, such as OAC_TW_06-22-2026_Timely.csv.

    Raises:
        Misconfigured: it tells none.
    """
    day, bare = re.search(r"(\d\d)-(\d\d)-(\d{4})", name), re.sub("[ _]", "", name).lower()
    with suppress(ValueError):
        label = day and date(int(day[3]), int(day[1]), int(day[2]))
        for window in dataset.windows(label, label) if label else ():
            if window.part.replace(" ", "").lower() in bare:
                return [window]
    raise Misconfigured(f"{name} tells no gas day and cycle: name the file such as OAC_TW_06-22-2026_Intraday 1.csv")


def _windows(dataset: Dataset, body: bytes, name: str) -> list[Window]:
    """The windows of the dates in the file's time column, before anything is known of its rows."""
    if dataset.report:
        return _named(dataset, name)
    columns = {column.name: column.source for column in dataset.contract.columns}
    source = columns.get("published_stamp", columns[dataset.time_column])
    pattern = rb'"%s"\s*:\s*"(\d{4}-\d\d-\d\d)' % source.encode()
    found: list[Window] = []
    for text in sorted({match[1].decode() for match in re.finditer(pattern, body)}):
        with suppress(ValueError, OverflowError):  # no date, or the last there is: its rows will be quarantined
            found += dataset.windows(date.fromisoformat(text), date.fromisoformat(text))
    return found


def _drift(contract: Contract, body: bytes) -> dict[str, list[str]]:
    """Fields of the first row that the contract does not know, and fields it requires that are nowhere."""
    start = re.search(rb"\[\s*\{", body)
    if not start:
        return {"unknown": [], "missing": []}
    try:
        row, _ = json.JSONDecoder().raw_decode(body[start.end() - 1 :][:CHUNK].decode("utf-8", "replace"))
    except ValueError:
        row = {}
    known = {*(column.source for column in contract.columns), *contract.ignored}
    required = [column.source for column in contract.columns if not column.optional]
    missing = [name for name in required if not re.search(rb'"%s"\s*:' % name.encode(), body)]
    return {"unknown": [name for name in row if name not in known], "missing": missing}


def _read(file: Path) -> bytes:
    try:
        body = file.read_bytes()
        return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    except (OSError, EOFError, zlib.error) as error:
        raise Misconfigured(f"{file} cannot be read ({error}): name a file with an answer, plain or gzip'd") from None


def _tell(finding: Finding) -> None:
    if finding.rejected:
        typer.echo(f"rejected as a whole: {finding.rejected}")
    else:
        typer.echo(f"{finding.rows:,} rows, {finding.quarantined:,} quarantined, {finding.duplicates:,} repeat a key")
    for what, fields in finding.drift.items():
        if fields:
            typer.echo(f"drift: {what} fields {', '.join(fields)}")
    if finding.windows:
        output.show_table(("window", "expected", "actual"), (window.values() for window in finding.windows))
    for problem in finding.problems:
        typer.echo("row {row}, {column}: {value!r} {reason}\n    fix: {fix}".format(**problem))
    if finding.quarantined > len(finding.problems):
        typer.echo(f"... and {finding.quarantined - len(finding.problems):,} more")
