"""The gate: what the plugin adds to Airflow's API server, and only there. Airflow 3.2 and later; else nothing.

Schedulers, workers and DAG processors load plugins too: they pay nothing for pages. This is the one module that may be
imported everywhere.
"""

from __future__ import annotations

import logging
import sys
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


def fastapi_apps() -> list[dict[str, Any]]:
    """What goes into `AirflowPlugin.fastapi_apps`: our app, or nothing, never an error."""
    if not is_open():
        return []
    try:
        from energy_ingest.web.app import create_app
    except ImportError as error:  # Airflow calls these modules no stable interface
        log.warning("no pages and no API at %s: %s; everything else works", PREFIX, error)
        return []
    return [{"app": create_app(), "url_prefix": PREFIX, "name": "Energy data"}]


def external_views() -> list[dict[str, Any]]:
    """What goes into `AirflowPlugin.external_views`: where Airflow's UI shows our pages; nothing where they are absent.

    Addresses are relative to Airflow's own, and so right behind a path prefix.
    """
    if not is_open():
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
