"""Meter point ids: the 13 digits of an MPAN core, their check digit, and how an id is shown."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_WEIGHTS: Final = (3, 5, 7, 13, 17, 19, 23, 29, 31, 37, 41, 43)
"""Primes of the MPAN's check digit (MRASCo: sum of digit times prime, modulo 11, modulo 10); 11 is not among them."""

_SCIENTIFIC: Final = re.compile(r"\d(\.\d+)?e\+?\d+", re.I)
_WHOLE_FLOAT: Final = re.compile(r"(\d+)\.0+")
_FULL_MPAN: Final = re.compile(r"\d{21}")
_ID: Final = re.compile(r"[^\W_][\w.:/#()&*+-]{0,39}")
_FORMULA: Final = re.compile(r'="(.*)"')


def has_check_digit(mpan: str) -> bool:
    """Whether these are 13 digits of which the last is the check digit of the others."""
    if len(mpan) != 13 or not (mpan.isascii() and mpan.isdecimal()):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(mpan, _WEIGHTS, strict=False))
    return total % 11 % 10 == int(mpan[12])


@lru_cache(maxsize=4096)
def read(text: str) -> tuple[str | None, str | None]:
    """A meter id as it stands in a file, without the marks of spreadsheets: (id, None) or (None, what is wrong).

    Blanks, a leading quote and `="..."` go; of the 21 digits of a full MPAN, the core is taken.
    """
    plain = _FORMULA.sub(r"\1", text.strip()).lstrip("'`\u2018\u2019").replace(" ", "").replace("\xa0", "")
    if not plain:
        return None, "is blank: name the meter in every row"
    if _SCIENTIFIC.fullmatch(plain):
        return None, "is in scientific notation, which lost digits: format the column as text and export it again"
    if number := _WHOLE_FLOAT.fullmatch(plain):
        plain = number[1]
    if _FULL_MPAN.fullmatch(plain) and has_check_digit(plain[8:]):
        plain = plain[8:]
    if not _ID.fullmatch(plain):
        return None, "is no meter id: at most 40 letters, digits and marks as in K0123/1-A, a letter or digit first"
    return plain.upper(), None


def masked(mpan: str) -> str:
    """The id for logs, alerts and reports, where a whole one is personal data: `12*********90`."""
    return f"{mpan[:2]}{'*' * (len(mpan) - 4)}{mpan[-2:]}" if len(mpan) > 7 else "*" * len(mpan)
