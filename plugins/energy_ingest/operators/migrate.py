"""The operator that brings the warehouse's schema to the version of the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator


class MigrateWarehouseOperator(BaseOperator):
    """Apply the migrations that are missing, under a lock; nothing that users loaded is dropped.

    :param owner_conn_id: Airflow connection of the role that owns the warehouse
    """

    ui_color = "#f0e6f6"

    def __init__(self, *, owner_conn_id: str = "energy_warehouse_owner", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.owner_conn_id = owner_conn_id

    def execute(self, context: Mapping[str, Any]) -> str:
        """Migrate, and return the version."""
        from contextlib import closing

        from energy_ingest.hooks.warehouse import WarehouseHook
        from energy_ingest.loading import schema
        from energy_ingest.loading.executions import recorded
        from energy_ingest.operators import runs

        owner = WarehouseHook(self.owner_conn_id)
        with runs.no_retry_if_misconfigured():
            before, after = schema.migrate(owner.conninfo())
        with (  # afterwards: before, there may be no table for it
            closing(owner.get_conn()) as connection,
            recorded(connection, "migration", after, runs.caller_of(context)) as execution,
        ):
            execution.details = {"before": before, "after": after}
        self.log.info("warehouse schema: %s -> %s", before or "none", after)
        return after
