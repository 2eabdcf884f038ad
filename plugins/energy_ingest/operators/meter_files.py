"""The operator that imports meter files: what has arrived in the inbox, or the file that a person names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, BaseOperator, Param

if TYPE_CHECKING:
    from energy_ingest.loading.meter_files.jobs import Order

FORM: Final = {
    "file": Param(
        None,
        type=["null", "string"],
        title="File",
        description="Name in the inbox, such as held/readings.csv (from held/ nothing is taken by itself) or "
        "failed/12_readings.csv. Empty: whatever has arrived.",
    ),
    "import_type": Param("hh", enum=["hh", "daily", "sites"], title="Import type"),
    "feed": Param(None, type=["null", "string"], title="Feed", description="Named layout; empty: found in the file."),
    "dry_run": Param(False, type="boolean", title="Dry run", description="Check everything, write nothing."),
    "force": Param(False, type="boolean", title="Force", description="Import bytes that were imported before."),
    "priority": Param("normal", enum=["high", "normal", "low"], title="Priority"),
    "max_retries": Param(3, type="integer", minimum=0, maximum=100, title="Retries at most"),
    "default_site": Param(
        None, type=["null", "string"], title="Default site", description="Number or name of the site of new meters."
    ),
    "tags": Param([], type="array", items={"type": "string"}, title="Tags"),
    "metadata": Param({}, type="object", title="Metadata", description="Facts that are kept with the job."),
    "notes": Param(None, type=["null", "string"], title="Notes"),
}
"""The trigger form, and what the REST API takes as `conf`."""


class ImportMeterFilesOperator(BaseOperator):
    """Make jobs of the files in the inbox, and work off the queue: one file after the other, each piece committed.

    What fails is tried again by a later run, 1, 2, 4 ... minutes after; the task fails only where a job has failed for
    good, after everything else is done. Several runs share the queue. Without work the task is skipped.

    :param warehouse_conn_id: Airflow connection of the warehouse
    """

    ui_color = "#f6efe0"

    def __init__(self, *, warehouse_conn_id: str = "energy_warehouse", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.warehouse_conn_id = warehouse_conn_id

    def execute(self, context: Mapping[str, Any]) -> dict[str, int]:
        """Import, and return the counts; they also go out with the asset event."""
        from energy_ingest.hooks.inbox import inbox  # heavy modules stay out of DAG parsing
        from energy_ingest.hooks.warehouse import WarehouseHook
        from energy_ingest.loading.meter_files import report
        from energy_ingest.loading.meter_files.jobs import Worker
        from energy_ingest.loading.meter_files.work import Importer, Summary
        from energy_ingest.operators import runs

        ti, summary = context["ti"], Summary()
        worker = Worker(ti.dag_id, context["dag_run"].run_id, ti.try_number)
        with runs.no_retry_if_misconfigured():
            importer = Importer(WarehouseHook(self.warehouse_conn_id).get_conn, inbox(), worker)
            if context["params"].get("file"):
                importer.take_named(context["params"]["file"], _order(context["params"]), summary)
            else:
                importer.take_all(summary)
            importer.work(summary)
        if not summary.taken and not summary.ended:
            raise AirflowSkipException("nothing has arrived, and nothing waits that may run now")
        for asset in self.outlets or []:
            context["outlet_events"][asset].extra = summary.counts()
        if summary.failed:
            raise AirflowFailException("; ".join(report.line(job) for job in summary.failed))
        return summary.counts()


def _order(params: Mapping[str, Any]) -> Order:
    from dataclasses import fields

    from energy_ingest.loading.meter_files.jobs import Order

    given = {item.name: params[item.name] for item in fields(Order) if item.name in params}
    return Order(**{**given, "tags": tuple(given.get("tags") or ())})
