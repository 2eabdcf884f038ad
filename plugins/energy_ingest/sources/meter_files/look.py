"""A file as detection sees it, and the error that refuses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from energy_ingest.errors import Rejected
from energy_ingest.sources.meter_files.model import Dialect, Layout, Options


@dataclass
class Look:
    """A file being looked at: its first rows (`whole`: all of them), and what has been decided so far."""

    name: str
    options: Options
    dialect: Dialect
    rows: list[list[str]]
    whole: bool
    layout: Layout
    facts: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    said: list[str] = field(default_factory=list)

    @property
    def body(self) -> list[list[str]]:
        """The rows below the header."""
        return self.rows[self.dialect.header_row :]

    def cells(self, column: int, most: int = 1000) -> list[str]:
        """What stands in a column's first rows, without blanks."""
        found = (row[column].strip() for row in self.body[:most] if len(row) > column)
        return [cell for cell in found if cell and cell != self.columns[column]]


def refusal(why: str, fix: str) -> Rejected:
    """The error that refuses a file."""
    return Rejected(f"{why}. Nothing was loaded. {fix}")
