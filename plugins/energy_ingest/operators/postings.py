"""The operator that waits for a posting without a worker slot, then loads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import BaseSensorOperator, PokeReturnValue

from energy_ingest import catalog, settings
from energy_ingest.operators.idle import skip_idle
from energy_ingest.operators.ingest import IngestWindowsOperator


class IngestPostingsOperator(BaseSensorOperator, IngestWindowsOperator):
    """Load the windows that a run owns; while one is due but not posted, come back later, until its deadline.

    Between two looks the task is `up_for_reschedule` and holds no slot. A catch-up of the past waits for nothing.

    :param dataset: name of a dataset in the catalogue
    """

    def __init__(self, **kwargs: Any) -> None:
        # the ledger ends the waiting, by the deadline of the window
        super().__init__(
            mode="reschedule", poke_interval=settings.POSTING_POLL_SECONDS.get_int(), timeout=7 * 86_400, **kwargs
        )

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Wait and load, and return the counts."""
        counts = super().execute(context)
        skip_idle(self, context, counts)
        return counts

    def poke(self, context: Mapping[str, Any]) -> PokeReturnValue:
        """Load, and say whether every own window that is due was posted or given up."""
        from energy_ingest import windows
        from energy_ingest.operators import runs

        summaries, now = self.load_all(context), windows.utc_now()
        own, _ = runs.windows_of(catalog.get(self.dataset), context)
        late = {window for window in own if window.end <= now}
        states = [(item.window, item.outcome) for summary in summaries for item in summary.loaded]
        waiting = [f"{w}: {o.reason}" for w, o in states if w in late and o.state == "not_yet_published"]
        if waiting:
            self.log.info("not posted yet, looked for again later: %s", "; ".join(waiting))
        return PokeReturnValue(is_done=not waiting, xcom_value=self.counts(summaries))
