"""MPANs are personal data: what people read in logs, alerts and reports has them masked."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

from energy_ingest.sources.meter_files import masked

T = TypeVar("T")

_ID: Final = re.compile(r"(?<![^\W_])(?<![.,])(?=(?:[A-Za-z]*\d){8})[A-Za-z\d]{9,}(?![^\W_])")
"""Nine or more letters and digits, at least eight of them digits; the decimals of a number are none. Underscores may
stand around it, as in the names of files."""


def masked_all(value: Any) -> Any:
    """The same of a value of JSON, with all texts in it."""
    if isinstance(value, dict):
        return {masked_text(name): masked_all(item) for name, item in value.items()}
    return [masked_all(item) for item in value] if isinstance(value, list | tuple) else masked_text(value)


def masked_text(text: T) -> T:
    """The text with everything masked that may be a meter's id; what is no text stays as it is."""
    return _ID.sub(lambda found: masked(found[0]), text) if isinstance(text, str) else text  # type: ignore[return-value]
