"""The description for machines: what FastAPI makes of the routes, and what all answers have in common."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from fastapi import FastAPI

from energy_ingest.web.models.common import Problem

PROBLEMS: Final = {
    401: "Nobody is logged in.",
    403: "The login is forged, or this user may not.",
    404: "There is no such thing.",
    422: "A parameter has no valid value.",
    503: "The warehouse does not answer in time: try again later.",
}
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Problem, "description": why} for status, why in PROBLEMS.items()
}
"""Of every route."""
ETAG: Final = {"description": "Of this answer, for `If-None-Match`.", "schema": {"type": "string"}}


def described(app: FastAPI, address: str) -> dict[str, Any]:
    """The app's OpenAPI document, with the address that it is mounted at."""
    document = deepcopy(app.openapi())
    for methods in document["paths"].values():
        for method, operation in methods.items():
            _describe(method, operation["responses"])
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    token = {"type": "http", "scheme": "bearer", "description": "A token of Airflow's, from POST /auth/token."}
    cookie = {"type": "apiKey", "in": "cookie", "name": "_token", "description": "The cookie of Airflow's pages."}
    document["components"]["securitySchemes"] = {"token": token, "cookie": cookie}
    return {**document, "servers": [{"url": address}], "security": [{"token": []}, {"cookie": []}]}


def _describe(method: str, responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        if int(status) >= 400:
            response["content"] = {"application/problem+json": next(iter(response["content"].values()))}
    if method == "get" and "application/json" in responses["200"].get("content", {}):
        responses["200"]["headers"] = {"ETag": ETAG}
        responses["304"] = {"description": "Nothing changed since the answer that `If-None-Match` names."}
