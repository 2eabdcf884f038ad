"""The operator that watches over loading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator


class MonitorOperator(BaseOperator):
    """Measure, tell people what is wrong and what is over, free what is stuck, and show a monitor outside a heartbeat.

    People are told before anything is changed. The heartbeat goes out last: whatever stops this task stops it too, so
    that somebody hears of the one trouble that Airflow cannot tell of. A red task means that the monitor itself does
    not work, never that something which it watches is wrong.

    :param warehouse_conn_id: Airflow connection of the warehouse
    """

    ui_color = "#fdeecb"

    def __init__(self, *, warehouse_conn_id: str = "energy_warehouse", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.warehouse_conn_id = warehouse_conn_id

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Watch, and return the report."""
        from contextlib import closing
        from dataclasses import replace

        from energy_ingest import windows
        from energy_ingest.errors import Retryable
        from energy_ingest.hooks import channels, metrics
        from energy_ingest.hooks.warehouse import WarehouseHook
        from energy_ingest.loading import incidents, monitor
        from energy_ingest.loading.executions import recorded
        from energy_ingest.operators import runs

        now, caller = windows.utc_now(), runs.caller_of(context)
        with (
            runs.no_retry_if_misconfigured(),
            closing(WarehouseHook(self.warehouse_conn_id).get_conn()) as connection,
            recorded(connection, "monitoring", "24 hours", caller) as execution,
        ):
            ways = channels.channels()
            report = monitor.examine(connection, now)
            monitor.tell(connection, report, ways, runs.log_url_of(context))
            incidents.canary(connection, ways, now)
            sent = incidents.deliver(connection, ways, now)
            report = replace(report, handled=monitor.handle_stuck(connection, report))
            monitor.keep(connection, report)
            execution.details, execution.warnings = report.as_json(), len(report.findings)
            self.log.info("%s; messages: %s; freed: %s", report.status, sent, report.handled)
            for finding in report.findings:
                self.log.warning("%s", finding.title)
            metrics.gauges(report.figures)
            try:
                self.log.info("heartbeat: %s", channels.heartbeat() or "none is configured")
            except Retryable as error:  # the monitor outside will say so itself
                self.log.warning("%s", error)
        return report.as_json()
