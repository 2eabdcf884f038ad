"""The fixed SQL statements, one per file. Statements per dataset are composed in `loading.merge` from the catalogue."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> str:
    """The text of `<name>.sql`, such as `statement("ledger/begin")`."""
    return files(__package__).joinpath(f"{name}.sql").read_text("utf-8")
