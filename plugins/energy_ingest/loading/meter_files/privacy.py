"""MPANs are personal data: what people read in logs, alerts and reports has them masked."""

from __future__ import annotations

import re
from typing import Final, TypeVar

from energy_ingest.sources.meter_files import masked

T = TypeVar("T")

_ID: Final = re.compile(r"(?<![\w.,])(?=(?:[A-Za-z]*\d){8})[A-Za-z\d]{9,}(?![\w])")
"""Nine or more letters and digits, at least eight of them digits; the decimals of a number are none."""


def masked_text(text: T) -> T:
    """The text with everything masked that may be a meter's id; what is no text stays as it is."""
    return _ID.sub(lambda found: masked(found[0]), text) if isinstance(text, str) else text  # type: ignore[return-value]
