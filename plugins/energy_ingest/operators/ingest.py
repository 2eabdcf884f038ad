"""The operator that loads a run's windows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, BaseOperator

from energy_ingest import catalog
from energy_ingest.operators.idle import skip_idle

if TYPE_CHECKING:
    from energy_ingest.loading.ingest import Summary
    from energy_ingest.sources import Scope
    from energy_ingest.windows import Window


class IngestWindowsOperator(BaseOperator):
    """Load the windows that a run owns; the newest run also takes what the ledger says is due.

    One task handles all windows of the run in each of the dataset's scopes, each in its own transaction. A failing
    window does not stop the others; the task fails at the end naming what is left, and its retry does only that.
    Clearing it loads everything again.

    :param dataset: name of a dataset in the catalogue
    :param warehouse_conn_id: Airflow connection of the warehouse
    :param source_conn_id: Airflow connection of the source, by default the one named in the catalogue
    :param look_back: windows of this time before the run's own are read again too
    """

    ui_color = "#e8f4ea"

    def __init__(
        self,
        *,
        dataset: str,
        warehouse_conn_id: str = "energy_warehouse",
        source_conn_id: str | None = None,
        look_back: timedelta = timedelta(0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dataset = catalog.get(dataset).name
        self.warehouse_conn_id = warehouse_conn_id
        self.source_conn_id = source_conn_id
        self.look_back = look_back

    def execute(self, context: Mapping[str, Any]) -> dict[str, int]:
        """Load, and return the counts; they also go out with the asset event."""
        counts = self.counts(self.load_all(context))
        skip_idle(self, context, counts)
        return counts

    def load_all(self, context: Mapping[str, Any]) -> list[Summary]:
        """Load in every scope.

        Raises:
            AirflowException: some windows failed.
            AirflowFailException: something is misconfigured.
        """
        from energy_ingest.hooks import metrics  # heavy modules stay out of DAG parsing
        from energy_ingest.operators import runs

        began = time.monotonic()
        with runs.no_retry_if_misconfigured():
            summaries = [self._load(context, scope) for scope in catalog.get(self.dataset).scopes()]
        metrics.counters(self.dataset, self.counts(summaries), time.monotonic() - began)
        for asset in self.outlets or []:
            context["outlet_events"][asset].extra = self.counts(summaries)
        for summary in summaries:
            self._raise_for_failures(summary)
        return summaries

    def _load(self, context: Mapping[str, Any], scope: Scope) -> Summary:
        from energy_ingest.hooks.loader import loader_for
        from energy_ingest.loading.ingest import Summary
        from energy_ingest.operators import runs

        dataset = catalog.get(self.dataset)
        loader = loader_for(dataset, scope, runs.run_of(context), self.warehouse_conn_id, self.source_conn_id)
        todo = self._todo(loader, context)
        if not todo:
            self.log.info("%s, %s: nothing is left to load", dataset.name, scope.name)
            return Summary(0)
        self.log.info("%s, %s: %d windows, %s to %s", dataset.name, scope.name, len(todo), todo[0], todo[-1])
        return loader.load(todo)

    def counts(self, summaries: Sequence[Summary]) -> dict[str, int]:
        """Every counter over all scopes."""
        from energy_ingest.loading.ingest import Summary

        each = [summary.counts() for summary in summaries]
        return {name: sum(counts[name] for counts in each) for name in Summary(0).counts()}

    def _todo(self, loader: Any, context: Mapping[str, Any]) -> list[Window]:
        """Own windows and due ones, without those that an earlier try of this run has loaded.

        A scheduled run that is new also takes what the answer has besides, and leaves what another run had that way.
        """
        from contextlib import closing

        from energy_ingest import windows
        from energy_ingest.loading import database, ledger
        from energy_ingest.operators import runs

        own, newest = runs.windows_of(loader.dataset, context, self.look_back)
        now = windows.utc_now()
        with closing(loader.connect()) as connection, database.typed_errors():
            if runs.is_new(context) and not self.look_back:
                own = ledger.with_batch(connection, loader.dataset, loader.scope, own, now)
            alone = newest and not runs.others_at_work(context)
            due = ledger.due(connection, loader.dataset, loader.scope, now, never_tried=alone) if newest else []
            done = ledger.completed_by(connection, loader.run, loader.scope, *runs.cycle_of(context))
        return sorted(window for window in {*own, *due} if window.start not in done)

    def _raise_for_failures(self, summary: Summary) -> None:
        if not summary.failed and not summary.left:
            return
        window, error = min(summary.failed.items(), key=lambda item: item[0])
        raise AirflowException(
            f"{len(summary.failed)} of {summary.total} windows failed and {summary.left} were not tried; "
            f"first {window}: {error}. Loaded windows are safe. To load one by hand: "
            f"energy-ingest load --dataset {self.dataset} --from {window.label} --to {window.label}"
        ) from error
