"""The operator that checks what was loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from airflow.providers.common.compat.sdk import BaseOperator, Param

from energy_ingest.operators.dag import WINDOW_PARAMS
from energy_ingest.quality import DATASETS

FORM: Final = {
    "dataset": Param(
        None, type=["null", "string"], enum=[None, *DATASETS], title="Dataset", description="Only this; empty: all."
    ),
    **WINDOW_PARAMS,
}
"""The trigger form. Without dates a run checks what is marked."""

LIMIT_DAYS: Final = 3660
"""Ten years: most dates that are checked at once."""


class CheckQualityOperator(BaseOperator):
    """Judge the days that changed, and tell people of what is red: an incident a dataset and rule, which closes itself.

    It is green whatever it finds: a gate behind it stops on red issues.

    :param warehouse_conn_id: Airflow connection of the warehouse
    """

    ui_color = "#efe6f5"

    def __init__(self, *, warehouse_conn_id: str = "energy_warehouse", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.warehouse_conn_id = warehouse_conn_id

    def execute(self, context: Mapping[str, Any]) -> dict[str, int]:
        """Check, and return how many issues are open by severity among what was checked."""
        from contextlib import closing

        from energy_ingest import windows
        from energy_ingest.hooks.channels import channels
        from energy_ingest.hooks.warehouse import WarehouseHook  # heavy modules stay out of DAG parsing
        from energy_ingest.loading import incidents, quality
        from energy_ingest.operators import runs

        now, params = windows.utc_now(), context["params"]
        with (
            runs.no_retry_if_misconfigured(),
            closing(WarehouseHook(self.warehouse_conn_id).get_conn()) as connection,
        ):
            chosen = quality.known([params["dataset"]] if params.get("dataset") else None)
            found = quality.check(connection, chosen, _span(params), now, runs.caller_of(context))
            ways, red = channels(), quality.findings(connection)
            incidents.report(connection, red, ways, now, rules=[quality.RED], occurred=False)
            incidents.deliver(connection, ways, now)
        self.log.info("open among what was checked: %s red, %s amber", found["red"], found["amber"])
        for finding in red:
            self.log.warning("%s", finding.title)
        return found


def _span(params: Mapping[str, Any]) -> Any:
    from energy_ingest import windows

    first, last = params.get("window_from"), params.get("window_to")
    return windows.parse_range(first or last, last or first, LIMIT_DAYS) if first or last else None
