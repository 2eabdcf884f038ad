"""The app that Airflow's API server mounts at /energy: JSON, and the pages on it."""

from __future__ import annotations

from typing import Final

from fastapi import Depends, FastAPI, Request

from energy_ingest import settings
from energy_ingest.web import pages
from energy_ingest.web.access import not_forged, signed_in
from energy_ingest.web.answers import Json, Route, answer_errors
from energy_ingest.web.description import RESPONSES, described
from energy_ingest.web.routes import ROUTERS

DESCRIPTION: Final = """Energy-market data: what is loaded, what is missing and why, and what to do about it.

Users and permissions are Airflow's; see docs/api.md."""


class EnergyApp(FastAPI):
    """Our app; it remembers in each request which app it is mounted in, whose public API starts runs."""

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        """Answer a request."""
        scope["energy.airflow"] = scope.get("app")
        await super().__call__(scope, receive, send)


def create_app() -> FastAPI:
    """The app, with every route behind Airflow's authentication."""
    app = EnergyApp(
        title="Energy data",
        version=settings.CODE_VERSION.get(),
        description=DESCRIPTION,
        dependencies=[Depends(signed_in), Depends(not_forged)],
        responses=RESPONSES,
        docs_url=None,  # would be open, and asks another host for its scripts
        redoc_url=None,
        openapi_url=None,
    )
    app.router.route_class = Route
    answer_errors(app)
    for router in (*ROUTERS, pages.router):
        app.include_router(router)

    @app.get("/openapi.json", include_in_schema=False)
    def openapi(request: Request) -> Json:
        """The description for machines."""
        return Json(described(app, request.scope.get("root_path", "")))

    return app
