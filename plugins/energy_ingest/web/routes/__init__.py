"""The routes, one module per subject; each is behind the dependencies of `web.app` and names its own permission."""

from __future__ import annotations

from typing import Final

from energy_ingest.web.routes import coverage, datasets, jobs, quality, watch

ROUTERS: Final = (coverage.router, datasets.router, jobs.router, quality.router, watch.router)
