"""The operator that lets InfluxDB follow the warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
    BaseHook,
    BaseOperator,
)

from energy_ingest import catalog, settings

if TYPE_CHECKING:
    from energy_ingest.loading.influx import Summary
    from energy_ingest.loading.influx_client import Influx


class ProjectInfluxOperator(BaseOperator):
    """Write what this run's loads inserted or revised to InfluxDB; the newest run also takes what waits from before.

    Without an InfluxDB the task is skipped, and nothing is lost: the ledger knows what waits. Where InfluxDB cannot be
    used, only the newest run (and one that a person started) fails, so that an outage holds up no catch-up.

    :param dataset: name of a dataset in the catalogue
    :param warehouse_conn_id: Airflow connection of the warehouse
    :param influxdb_conn_id: Airflow connection of InfluxDB, of the provider's type
    """

    ui_color = "#e3eefb"

    def __init__(
        self,
        *,
        dataset: str,
        warehouse_conn_id: str = "energy_warehouse",
        influxdb_conn_id: str = "influxdb_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dataset = catalog.get(dataset).name
        self.warehouse_conn_id = warehouse_conn_id
        self.influxdb_conn_id = influxdb_conn_id

    def execute(self, context: Mapping[str, Any]) -> dict[str, int]:
        """Write, and return the counts."""
        from energy_ingest.errors import Misconfigured, Retryable  # heavy modules stay out of DAG parsing
        from energy_ingest.operators import runs

        newest = runs.windows_of(catalog.get(self.dataset), context)[1]
        try:
            summary = self._project(context, newest)
        except (Misconfigured, Retryable) as error:
            if not newest and runs.run_of(context).import_type in ("scheduled", "backfill"):
                raise AirflowSkipException(f"{error} What this run loaded waits for the newest run.") from error
            raise (AirflowException if isinstance(error, Retryable) else AirflowFailException)(str(error)) from error
        if summary.failed:
            window, refusal = next(iter(summary.failed.items()))
            raise AirflowFailException(f"InfluxDB refuses {len(summary.failed)} windows; first {window}: {refusal}")
        return summary.counts()

    def _project(self, context: Mapping[str, Any], newest: bool) -> Summary:
        from contextlib import closing
        from datetime import timedelta

        from energy_ingest.hooks.warehouse import WarehouseHook
        from energy_ingest.loading.influx import Projector, log_progress
        from energy_ingest.operators import runs

        backlog = timedelta(minutes=settings.INFLUX_MINUTES.get_int() if newest else 0)
        with closing(self._influx()) as influx:
            connect = WarehouseHook(self.warehouse_conn_id).get_conn
            projector = Projector(catalog.get(self.dataset), connect, influx, log_progress())
            summary = projector.project(runs.run_of(context), backlog)
        self.log.info("%s: %s", self.dataset, summary.progress())
        return summary

    def _influx(self) -> Influx:
        from energy_ingest.hooks.influxdb import InfluxDBHook

        if reason := self.idle():
            raise AirflowSkipException(reason)
        return InfluxDBHook(self.influxdb_conn_id).influx()

    def idle(self) -> str | None:
        """Why there is nothing to do, told without the client of InfluxDB, which takes half a second to import."""
        if settings.INFLUXDB_URL.get():
            return None
        try:
            BaseHook.get_connection(self.influxdb_conn_id)
        except AirflowNotFoundException:
            return (
                f"no InfluxDB is configured (connection {self.influxdb_conn_id}, or INFLUXDB_URL): nothing is written, "
                "and what was loaded waits in the ledger"
            )
        return None
