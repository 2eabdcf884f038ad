"""National Gas operational data."""

from __future__ import annotations

from energy_ingest.catalog import NATIONAL_GAS
from energy_ingest.hooks.upstream import UpstreamHook


class NationalGasHook(UpstreamHook):
    """National Gas: no key; pacing and back-off are the catalogue's."""

    upstream = NATIONAL_GAS
    default_conn_name = NATIONAL_GAS.conn_id
    hook_name = "National Gas operational data"
