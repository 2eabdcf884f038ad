"""The operator that looks after every dataset's health."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator


class HealthOperator(BaseOperator):
    """Compare what is loaded with what was published, tell people once, and name the runs that heal.

    Its result is for a `TriggerDagRunOperator` behind it, one run for each stretch of dates: what heals is a run of the
    dataset's own DAG, to be seen like any other. Nothing is started where runs of it are under way already, while its
    source does not answer, before the pause after the attempt before is over, or after too many attempts.

    :param warehouse_conn_id: Airflow connection of the warehouse
    """

    ui_color = "#e0f0f4"

    def __init__(self, *, warehouse_conn_id: str = "energy_warehouse", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.warehouse_conn_id = warehouse_conn_id

    def execute(self, context: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Look, and return the arguments of the runs that heal."""
        from contextlib import closing

        from energy_ingest import windows
        from energy_ingest.hooks.channels import channels
        from energy_ingest.hooks.warehouse import WarehouseHook
        from energy_ingest.loading import health, incidents
        from energy_ingest.loading.executions import recorded
        from energy_ingest.operators import runs

        now, ti = windows.utc_now(), context["ti"]
        with (
            runs.no_retry_if_misconfigured(),
            closing(WarehouseHook(self.warehouse_conn_id).get_conn()) as connection,
            recorded(connection, "health", "all datasets", runs.caller_of(context)) as execution,
        ):
            ways, before = channels(), health.missed_before(connection)
            found = [
                health.heal(connection, item, runs.at_work(ti, item.dataset) > 0, now)
                for item in health.examine(connection, now)
            ]
            wrong = list(health.findings(found, before, runs.log_url_of(context)))
            incidents.report(connection, wrong, ways, now, rules=[health.FRESHNESS], occurred=False)
            incidents.deliver(connection, ways, now)
            execution.details = {"datasets": [item.as_json() for item in found]}
            execution.processed, execution.warnings = len(found), len(wrong)
        for item in found:
            self.log.info("%s: %s, last data %s, %s", item.dataset, item.status, item.last_data_date, item.action)
        return health.runs(found, now)
