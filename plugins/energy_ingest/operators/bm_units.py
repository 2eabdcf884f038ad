"""The operator that takes over the register of BM units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator


class BmUnitsOperator(BaseOperator):
    """Ask Elexon for its register of BM units, and put fuel and capacity of each into `energy.bm_unit`.

    :param warehouse_conn_id: Airflow connection of the warehouse
    """

    ui_color = "#e8f4ea"

    def __init__(self, *, warehouse_conn_id: str = "energy_warehouse", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.warehouse_conn_id = warehouse_conn_id

    def execute(self, context: Mapping[str, Any]) -> dict[str, int]:
        """Ask and store, and return the counts."""
        from contextlib import closing

        from energy_ingest.hooks.elexon import ElexonHook
        from energy_ingest.hooks.warehouse import WarehouseHook
        from energy_ingest.loading import bm_units, database
        from energy_ingest.loading.executions import recorded
        from energy_ingest.operators import runs

        with (
            runs.no_retry_if_misconfigured(),
            database.typed_errors(),
            closing(WarehouseHook(self.warehouse_conn_id).get_conn()) as connection,
            recorded(connection, "quality", "register of BM units", runs.caller_of(context)) as execution,
        ):
            units = ElexonHook().bm_units(connection)
            changed = bm_units.store(connection, units)
            execution.processed = changed
        self.log.info("%d BM units, %d of them new or changed", len(units), changed)
        return {"units": len(units), "changed": changed}
