"""Answers that another system kept as files: which window each is for, and what the source had sent.

A pipeline's file says neither gas day nor cycle, so its name has to: `OAC_TW_007933047_06-08-2025_Intraday 1.csv`.
The old capacity pipeline wrote its result over the raw file: other names of the columns, three columns more.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

from energy_ingest.errors import Misconfigured, Rejected
from energy_ingest.sources import Scope

if TYPE_CHECKING:
    from energy_ingest.catalog import Dataset
    from energy_ingest.windows import Window

_ISO: Final = re.compile(r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)(?!\d)")
_US: Final = re.compile(r"(?<!\d)(?P<month>\d\d)-(?P<day>\d\d)-(?P<year>\d{4})(?!\d)")
_LINEAGE: Final = ("measure_date", "cycle_id", "download_timestamp")
"""Columns that the old capacity pipeline added; `measure_date` is the day of the download, not the gas day."""


@dataclass(frozen=True)
class KeptFile:
    """What a file is: its window and scope, the source's own bytes, and when they were asked for, if it says so."""

    window: Window
    scope: Scope
    body: bytes
    retrieved_at: datetime | None = None


def identify(dataset: Dataset, name: str, body: bytes, label: date | None = None, part: str | None = None) -> KeptFile:
    """What a kept file holds; `label` and `part` (a cycle, a half hour) are in its name where they are not given.

    Raises:
        Misconfigured: it cannot be said which window or scope it is for.
        Rejected: the old pipeline's form, but not whole.
    """
    day = label or _date_in(name)
    if day is None:
        raise Misconfigured(f"{name}: no date in the file's name; give it with --date YYYY-MM-DD")
    windows = [window for window in dataset.windows(day, day) if _is_part(window, part, name)]
    if len(windows) != 1:
        parts = ", ".join(window.part for window in dataset.windows(day, day))
        raise Misconfigured(f"{name}: which of {parts} it is does not stand in its name; give it with --part")
    restored, retrieved_at = _restore(dataset, name, body)
    return KeptFile(windows[0], _scope(dataset.scopes(), dataset, name), restored, retrieved_at)


def _date_in(name: str) -> date | None:
    if found := _US.search(name):
        return _date(name, found["year"], found["month"], found["day"])
    found = _ISO.search(name)
    return _date(name, *found.groups()) if found else None


def _date(name: str, *parts: str) -> date:
    try:
        return date(*map(int, parts))
    except ValueError:
        raise Misconfigured(f"{name}: {'-'.join(parts)} is no date; give it with --date YYYY-MM-DD") from None


def _is_part(window: Window, part: str | None, name: str) -> bool:
    return not window.part or _bare(window.part) in _bare(part or name)


def _bare(text: str) -> str:
    return re.sub(r"[ _]", "", text).lower()


def _scope(scopes: Iterable[Scope], dataset: Dataset, name: str) -> Scope:
    """The only scope, or the one that the file's name has between underscores."""
    known = list(scopes)
    named = known if len(known) == 1 else [scope for scope in known if scope.name in name.split("_")]
    if len(named) != 1:
        raise Misconfigured(
            f"{name}: none of {dataset.name}'s {', '.join(scope.name for scope in known)} is in its name"
        )
    return named[0]


def _restore(dataset: Dataset, name: str, body: bytes) -> tuple[bytes, datetime | None]:
    """The file as the source had sent it; what is not in the old pipeline's form stays as it is."""
    names = {_sanitised(column.source): column.source for column in dataset.contract.columns}
    head = body.split(b"\n", 1)[0].decode("utf-8", "replace")
    if not all(column in head for column in _LINEAGE):
        return body, None
    rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))
    if missing := names.keys() - (rows[0].keys() if rows else names.keys()):
        raise Rejected(f"{name}: the columns {', '.join(sorted(missing))} are missing; take the raw file instead")
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(names.values())
    writer.writerows([[row[column] for column in names] for row in rows])
    stamps = [float(row["download_timestamp"]) for row in rows if row["download_timestamp"]]
    return text.getvalue().encode(), datetime.fromtimestamp(max(stamps), UTC) if stamps else None


def _sanitised(column: str) -> str:
    """A column's name as the old capacity pipeline wrote it."""
    return re.sub(r"\W", "_", column.lower())
