"""The Elexon Insights API."""

from __future__ import annotations

from energy_ingest.catalog import ELEXON
from energy_ingest.hooks.upstream import UpstreamHook


class ElexonHook(UpstreamHook):
    """Elexon Insights: no key, at most 10 requests a second in total over all workers."""

    upstream = ELEXON
    default_conn_name = ELEXON.conn_id
    hook_name = "Elexon Insights"
