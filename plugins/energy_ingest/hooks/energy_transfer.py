"""Energy Transfer informational postings."""

from __future__ import annotations

from energy_ingest.catalog import ENERGY_TRANSFER
from energy_ingest.hooks.upstream import UpstreamHook


class EnergyTransferHook(UpstreamHook):
    """Energy Transfer's informational postings: no key; one request every two seconds."""

    upstream = ENERGY_TRANSFER
    default_conn_name = ENERGY_TRANSFER.conn_id
    hook_name = "Energy Transfer informational postings"
