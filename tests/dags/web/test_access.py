"""Every route asks who is there and what they may: walked, so that a new one cannot be forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from energy_ingest.web import access
from energy_ingest.web.app import create_app

OPEN_TO_ALL_USERS = {"/openapi.json", "/pages/{name}"}
"""Say nothing of data: a valid login is enough."""


def routes() -> list[Any]:
    return list(create_app().routes)


def called(dependant: Any) -> set[Any]:
    """All that is called before a route's function."""
    return {dependant.call} | {call for inner in dependant.dependencies for call in called(inner)}


def requests() -> list[tuple[str, str]]:
    """One request for each method of each route."""
    return [(method, route.path) for route in routes() for method in sorted(route.methods)]


def test_nothing_is_mounted_that_has_no_dependencies():
    from fastapi.routing import APIRoute

    assert routes()
    assert [route for route in routes() if not isinstance(route, APIRoute)] == []


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{'/'.join(sorted(route.methods))} {route.path}")
def test_every_route_asks_for_a_login_and_a_permission(route):
    before = called(route.dependant)
    assert {access.signed_in, access.not_forged} <= before
    assert route.path in OPEN_TO_ALL_USERS or access.PERMISSIONS & before


@pytest.mark.parametrize(("method", "path"), requests(), ids=lambda value: value)
def test_nobody_gets_in_without_a_token_or_with_a_wrong_one(asking, method, path):
    unknown = asking()
    assert unknown.ask(method, path).status_code == 401
    assert unknown.ask(method, path, headers={"Authorization": "Bearer e30.e30.e30"}).status_code in (401, 403)
    assert unknown.ask(method, path, headers={"Cookie": "_token=e30.e30.e30"}).status_code in (401, 403)


def test_a_viewer_sees_the_catalogue_and_may_not_reload(viewer, editor):
    seen = viewer.get("/datasets")
    assert seen.status_code == 200, seen.text
    assert {item["may_reload"] for item in seen.json()["datasets"]} == {False}
    assert {item["may_reload"] for item in editor.get("/datasets").json()["datasets"]} == {True}
    assert viewer.get("/datasets", headers={"If-None-Match": seen.headers["ETag"]}).status_code == 304
