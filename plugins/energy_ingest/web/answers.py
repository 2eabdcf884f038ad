"""How the app answers: JSON with an ETag, problems that name the fix, and cursors."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as AnyHTTPException

from energy_ingest.errors import IngestError, Misconfigured, Rejected, Retryable

log = logging.getLogger(__name__)

HEADERS: Final = {
    "Cache-Control": "private, no-cache",
    "Vary": "Authorization, Cookie",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer: nobody keeps it for another user, and it is what it says."""


class Json(Response):
    """JSON of plain values: instants and dates as ISO 8601, decimals as strings, digit for digit."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body."""
        return msgspec.json.encode(content)


class Route(APIRoute):
    """A route whose answers have an ETag: 304 without a body for whoever has the same already."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with what all answers have."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            response = await handle(request)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            if request.method != "GET" or response.status_code != HTTPStatus.OK or not isinstance(response.body, bytes):
                return response
            etag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
            response.headers["ETag"] = etag
            known = {item.strip().removeprefix("W/") for item in request.headers.get("if-none-match", "").split(",")}
            return Response(status_code=304, headers={**HEADERS, "ETag": etag}) if etag in known else response

        return handled


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """An error as RFC 9457 has it; `detail` names the fix."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return Response(msgspec.json.encode(content), status, {**HEADERS, **(headers or {})}, "application/problem+json")


def answer_errors(app: FastAPI) -> None:
    """Errors as problems: what is ours says what to do, what is not says only where to look."""

    @app.exception_handler(AnyHTTPException)
    async def http(_: Request, error: AnyHTTPException) -> Response:
        return problem(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        wrong = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        return problem(422, "; ".join(wrong) + "; see openapi.json for what is allowed")

    @app.exception_handler(IngestError)
    async def ours(request: Request, error: IngestError) -> Response:
        if isinstance(error, Rejected):  # our own statement is wrong
            return await unexpected(request, error)
        log.warning("answered 503: %s", error)
        return problem(503, str(error), {"Retry-After": "10"} if isinstance(error, Retryable) else None)

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        log.error("answered 500", exc_info=error)
        return problem(500, "something unexpected happened: the API server's log has the details")


@contextmanager
def blamed(status: int) -> Iterator[None]:
    """What is wrong in here is the request's, not the server's: that status, with the error's own words.

    Raises:
        HTTPException: for a Misconfigured.
    """
    try:
        yield
    except Misconfigured as error:
        raise HTTPException(status, str(error)) from None


def cursor_of(key: Sequence[Any]) -> str:
    """Where a list goes on: behind the row of this key."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def key_of(cursor: str | None, length: int) -> list[Any] | None:
    """The key in a cursor; None for none.

    Raises:
        HTTPException: 400, if it is not one of ours.
    """
    if not cursor:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        key = None
    if not isinstance(key, list) or len(key) != length or not all(isinstance(part, str | int) for part in key):
        raise HTTPException(400, "this is no cursor of this list: pass on what `next` of the page before says")
    return key


def page(found: Sequence[Any], limit: int, key: Callable[[Any], Sequence[Any]]) -> tuple[Sequence[Any], str | None]:
    """A page of `limit` out of rows of which one more was asked for, and the cursor of the next one."""
    rows = found[:limit]
    return rows, cursor_of(key(rows[-1])) if len(found) > limit else None
