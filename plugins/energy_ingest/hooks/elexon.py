"""The Elexon Insights API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from energy_ingest.catalog import ELEXON
from energy_ingest.hooks.upstream import UpstreamHook

if TYPE_CHECKING:
    import psycopg

    from energy_ingest.loading.bm_units import Unit


class ElexonHook(UpstreamHook):
    """Elexon Insights: no key, at most 10 requests a second in total over all workers."""

    upstream = ELEXON
    default_conn_name = ELEXON.conn_id
    hook_name = "Elexon Insights"

    def bm_units(self, connection: psycopg.Connection) -> list[Unit]:
        """The register of BM units, asked for at the pace that all workers keep, which the warehouse knows.

        Raises:
            Rejected: the answer is not the register.
            Retryable: no answer for now.
        """
        from energy_ingest.loading import bm_units, pacing  # heavy modules stay out of DAG parsing

        with self.fetch(bm_units.REQUEST, lambda: pacing.pace(connection, ELEXON)) as answer:
            return bm_units.parse(b"".join(answer.chunks))
