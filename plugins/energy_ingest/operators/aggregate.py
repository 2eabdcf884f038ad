"""The operator that keeps the aggregates of meter readings up to date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from airflow.providers.common.compat.sdk import BaseOperator, Param

from energy_ingest.operators.dag import WINDOW_PARAMS

FORM: Final = {
    "range": Param(
        "daily",
        enum=["daily", "weekly", "monthly", "annual", "all"],
        title="Range",
        description="With dates: redo these days, or the whole weeks, months or years that have them.",
    ),
    **WINDOW_PARAMS,
}
"""The trigger form. Without dates a run redoes what is dirty."""


class AggregateMetersOperator(BaseOperator):
    """Redo the days of meters that are dirty, and the weeks, months and years that contain them.

    :param warehouse_conn_id: Airflow connection of the warehouse
    """

    ui_color = "#e8f3e2"

    def __init__(self, *, warehouse_conn_id: str = "energy_warehouse", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.warehouse_conn_id = warehouse_conn_id

    def execute(self, context: Mapping[str, Any]) -> dict[str, int]:
        """Redo, and return the counts; they also go out with the asset event."""
        from energy_ingest.hooks.warehouse import WarehouseHook  # heavy modules stay out of DAG parsing
        from energy_ingest.loading import aggregates
        from energy_ingest.operators import runs

        with runs.no_retry_if_misconfigured():
            connect, span = WarehouseHook(self.warehouse_conn_id).get_conn, _span(context["params"])
            summary = aggregates.aggregate(connect, span, runs.caller_of(context), self._report)
        for asset in self.outlets or []:
            context["outlet_events"][asset].extra = summary.counts()
        return summary.counts()

    def _report(self, summary: Any) -> None:
        self.log.info("%s", summary.progress())


def _span(params: Mapping[str, Any]) -> Any:
    from energy_ingest import windows
    from energy_ingest.loading import aggregates

    first, last = params.get("window_from"), params.get("window_to")
    if not first and not last:
        return None
    return aggregates.span_of(
        params["range"], *windows.parse_range(first or last, last or first, aggregates.LIMIT_DAYS)
    )
