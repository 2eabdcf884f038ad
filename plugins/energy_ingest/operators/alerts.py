"""What happens when a run has failed: its DAG's callback, which runs after all retries, and for killed tasks too."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from energy_ingest.loading.diagnosis import Run

log = logging.getLogger(__name__)

PAST: Final = timedelta(days=1)
"""A run this long after its time makes up for the past: its failures are gathered in a digest."""


def alert_on_failure(context: Mapping[str, Any]) -> None:
    """Note what a failed run shows to be wrong, and tell people of it if they do not know.

    On the DAG, not on its tasks: Airflow calls it once a run, after the last retry, and also where a task was killed or
    the run took too long, of which a task's own callback never hears. Everything is caught here: Airflow would only
    count the exception.
    """
    from energy_ingest import windows  # heavy modules stay out of DAG parsing
    from energy_ingest.alerts.redact import redact
    from energy_ingest.hooks.channels import channels
    from energy_ingest.hooks.warehouse import WarehouseHook
    from energy_ingest.loading import diagnosis, incidents

    run = run_of(context)
    try:
        now, ways = windows.utc_now(), channels()
        with closing(WarehouseHook().get_conn()) as connection:
            incidents.report(connection, [diagnosis.explain(connection, run, now)], ways, now)
            incidents.deliver(connection, ways, now)
    except Exception:
        told = "%s %s failed, and nobody could be told; the monitor's heartbeat stays away\n%s"
        log.error(told, run.dag_id, run.run_id, redact(traceback.format_exc()))


def run_of(context: Mapping[str, Any]) -> Run:
    """What Airflow tells of the run: all of it, or only DAG and run where no task is at fault."""
    from energy_ingest import windows
    from energy_ingest.loading.diagnosis import Run

    ti, dag_run = context.get("ti"), context.get("dag_run")
    run_id = str(getattr(dag_run, "run_id", None) or context["run_id"])
    run_type = getattr(dag_run, "run_type", None)  # an enum, or on Airflow 2 its text
    kind = str(getattr(run_type, "value", run_type) or run_id.partition("__")[0])
    due = getattr(dag_run, "data_interval_end", None) or getattr(dag_run, "run_after", None) or _stamp(run_id)
    late = due is not None and due < windows.utc_now() - PAST
    return Run(
        dag_id=context["dag"].dag_id,
        run_id=run_id,
        reason=str(context.get("reason") or ""),
        task_id=getattr(ti, "task_id", ""),
        dataset=next((task.dataset for task in context["dag"].tasks if hasattr(task, "dataset")), None),
        log_url=str(getattr(ti, "log_url", "") or ""),
        past=kind == "backfill" or (kind == "scheduled" and late),
    )


def _stamp(run_id: str) -> datetime | None:
    """When the run was due, by its name."""
    try:
        stamp = datetime.fromisoformat(run_id.partition("__")[2].partition("_")[0])
    except ValueError:
        return None
    return stamp if stamp.tzinfo else None
