"""The operator that removes what is finished and old."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator


class CleanupOperator(BaseOperator):
    """Remove what ended more than ENERGY_CLEANUP_DAYS ago, and keep a record of what was removed.

    :param owner_conn_id: Airflow connection of the role that owns the warehouse; the one that loads may not delete
    """

    ui_color = "#eeeeee"

    def __init__(self, *, owner_conn_id: str = "energy_warehouse_owner", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.owner_conn_id = owner_conn_id

    def execute(self, context: Mapping[str, Any]) -> dict[str, int]:
        """Clean up, and return the counts."""
        from contextlib import closing

        from energy_ingest import settings, windows
        from energy_ingest.hooks.inbox import inbox_root
        from energy_ingest.hooks.loader import archive_root
        from energy_ingest.hooks.warehouse import WarehouseHook
        from energy_ingest.loading import cleanup
        from energy_ingest.loading.executions import recorded
        from energy_ingest.operators import runs

        now, days = windows.utc_now(), settings.CLEANUP_DAYS.get_int()
        with (
            runs.no_retry_if_misconfigured(),
            closing(WarehouseHook(self.owner_conn_id).get_conn()) as connection,
            recorded(connection, "cleanup", f"older than {days} days", runs.caller_of(context)) as execution,
        ):
            removed = cleanup.clean_up(connection, archive_root(), inbox_root(), days, now, dry_run=False)
            execution.details, execution.processed = removed.as_json(), sum(removed.counts().values())
        for name, count in removed.counts().items():
            self.log.info("%s: %d removed", name, count)
        return removed.counts()
