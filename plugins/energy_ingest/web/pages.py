"""The pages: static files of this package, for whoever is logged in. They hold no data; that is asked of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.staticfiles import StaticFiles

router = APIRouter(prefix="/pages", include_in_schema=False)

FILES: Final = StaticFiles(directory=Path(__file__).parent / "static")
"""Answers 304 for whoever has the same already, and nothing outside its folder."""

HEADERS: Final = {
    # Nothing from another host, nothing inline, and no frame but Airflow's own.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "Cache-Control": "private, no-cache",
    "Vary": "Authorization, Cookie",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


@router.get("/{name}")
async def page(name: str, request: Request) -> Response:
    """A page, or what it is made of: HTML, a module, a style sheet, a picture."""
    response = await FILES.get_response(name, request.scope)
    response.headers.update(HEADERS)
    return response
