"""Bodies of archived answers, as they came: bounded, as text, and only from where the loader put them."""

from __future__ import annotations

from typing import Any, Final

from fastapi import HTTPException, Response

from energy_ingest.errors import Rejected
from energy_ingest.hooks.loader import archive_root
from energy_ingest.loading import archive, attempts

USUAL: Final = 2**20
MOST: Final = 8 * 2**20

HEADERS: Final = {"Content-Security-Policy": "default-src 'none'; sandbox", "X-Content-Type-Options": "nosniff"}
"""Whatever a source sent, no browser runs it."""


def answer(row: dict[str, Any], most: int) -> Response:
    """The body of an attempt's answer, at most so many bytes of it.

    Raises:
        HTTPException: 404, where there is none, any more or at all.
    """
    if not attempts.has_raw(row):
        raise HTTPException(404, "this attempt left no answer in the archive; files of meters are not shown here")
    root = archive_root()
    below = row["archive_path"].removeprefix(f"{str(root).rstrip('/')}/")
    if below == row["archive_path"] or ".." in below.split("/"):
        raise HTTPException(404, "the answer lies in an archive of before: ENERGY_ARCHIVE_URL names another one now")
    try:
        body = archive.head(root / below, most + 1)
    except Rejected as error:
        raise HTTPException(404, str(error)) from None
    headers = {**HEADERS, "X-Truncated": str(len(body) > most).lower()}
    return Response(body[:most], headers=headers, media_type="text/plain; charset=utf-8")
