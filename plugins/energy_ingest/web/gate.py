"""The gate: what the plugin adds to Airflow's API server, and only there. Airflow 3.2 and later; else nothing.

Schedulers, workers and DAG processors load plugins too: they pay nothing for pages. This is the one module that may be
imported everywhere.
"""

from __future__ import annotations

import logging
import sys
from functools import cache
from typing import Any, Final

import airflow

PREFIX: Final = "/energy"
FIRST: Final = (3, 2)
"""First version of Airflow whose plugins we serve."""

PAGES: Final = {
    "coverage": "Coverage",
    "jobs": "Import jobs",
    "quality": "Quality",
    "restatements": "Restatements",
    "health": "Health and KPIs",
}
"""The pages and their titles; the first one has a place of its own in the navigation."""

log = logging.getLogger(__name__)


def is_open() -> bool:
    """Whether this process is an API server of an Airflow that can have our app: only there its module is loaded."""
    version = tuple(int(part) for part in airflow.__version__.split(".")[:2])
    return version >= FIRST and "airflow.api_fastapi.app" in sys.modules


@cache
def _app() -> Any:
    """Our app; None where it cannot be, never an error: Airflow calls the modules that it needs no stable interface."""
    try:
        from energy_ingest.web.app import create_app

        return create_app()
    except Exception as error:
        log.warning("no pages and no API at %s: %s: %s; everything else works", PREFIX, type(error).__name__, error)
        return None


def fastapi_apps() -> list[dict[str, Any]]:
    """What goes into `AirflowPlugin.fastapi_apps`: our app, or nothing."""
    if not is_open() or _app() is None:
        return []
    return [{"app": _app(), "url_prefix": PREFIX, "name": "Energy data"}]


def external_views() -> list[dict[str, Any]]:
    """What goes into `AirflowPlugin.external_views`: where Airflow's UI shows our pages; nothing where they are absent.

    Addresses are relative to Airflow's own, and so right behind a path prefix.
    """
    if not is_open() or _app() is None:
        return []
    folder = f"{PREFIX.removeprefix('/')}/pages"
    icons = {"icon": f"{folder}/icon.svg", "icon_dark_mode": f"{folder}/icon-dark.svg"}
    menu = [
        {"name": title, "href": f"{folder}/{page}.html", "url_route": f"energy-{page}", "category": "Energy", **icons}
        for page, title in PAGES.items()
    ]
    menu[0] |= {"name": "Energy", "nav_top_level": True}
    tab = {"name": "Coverage", "href": f"{folder}/coverage.html?dag={{DAG_ID}}", "url_route": "energy-dag-coverage"}
    return [*({**view, "destination": "nav"} for view in menu), {**tab, "destination": "dag", **icons}]
