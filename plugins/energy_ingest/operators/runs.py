"""What a DAG run asks for: its windows, its kind, its retries. Works on Airflow 2.11 and 3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.providers.common.compat.sdk import AirflowFailException

from energy_ingest import calendars, settings, windows
from energy_ingest.catalog import Dataset
from energy_ingest.errors import Misconfigured
from energy_ingest.loading.ledger import Run
from energy_ingest.windows import Window

if TYPE_CHECKING:
    from energy_ingest.loading.executions import Caller

_IMPORT_TYPES: Final = {
    "scheduled": "scheduled",
    "backfill": "backfill",
    "asset_triggered": "asset_triggered",
    "dataset_triggered": "asset_triggered",  # its name on Airflow 2
}
"""By type of run; every other one was started by hand, in whatever way."""


def run_of(context: Mapping[str, Any]) -> Run:
    """Who loads, for the ledger."""
    dag_run, ti = context["dag_run"], context["ti"]
    kind = str(getattr(dag_run.run_type, "value", dag_run.run_type))
    return Run(
        _IMPORT_TYPES.get(kind, "manual"),
        dag_id=ti.dag_id,
        run_id=dag_run.run_id,
        try_number=ti.try_number,
    )


def caller_of(context: Mapping[str, Any]) -> Caller:
    """Which task runs something, for telemetry."""
    from energy_ingest.loading.executions import Caller  # psycopg stays out of DAG parsing

    ti = context["ti"]
    return Caller(ti.dag_id, context["dag_run"].run_id, ti.try_number)


def log_url_of(context: Mapping[str, Any]) -> str:
    """Where the log of the task is to be read."""
    return str(getattr(context["ti"], "log_url", "") or "")


def windows_of(
    dataset: Dataset, context: Mapping[str, Any], look_back: timedelta = timedelta(0)
) -> tuple[list[Window], bool]:
    """The windows of a run, and whether it is the newest scheduled one (which also takes what is due).

    The parameters `window_from` and `window_to` win, then the data interval. An instant, as cron triggers give it, and
    no interval at all (triggered without a logical date) mean the newest window at that time.

    Raises:
        Misconfigured: a bad range, or a range in a backfill, which would load the same windows in every run.
    """
    params, dag_run = context["params"], context["dag_run"]
    first, last = params.get("window_from"), params.get("window_to")
    kind = run_of(context).import_type
    if first or last:
        if kind == "backfill":
            raise Misconfigured("window_from and window_to make no sense in a backfill: its dates choose the windows")
        return list(dataset.windows(*windows.parse_range(first or last, last or first))), False
    now = windows.utc_now()
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start is None:
        start = end = getattr(dag_run, "run_after", None) or now
    if start == end:
        own = calendars.ending_in(dataset.calendar, end - timedelta(days=2), end)[-1:]
    else:
        own = calendars.ending_in(dataset.calendar, start - look_back, end)
    return own, kind == "scheduled" and _is_newest(dataset, end, now)


def others_at_work(context: Mapping[str, Any]) -> bool:
    """Whether other runs of the DAG are under way: a window that nobody tried yet is then theirs, as in catch-up."""
    return at_work(context["ti"], context["ti"].dag_id) > 1


def at_work(ti: Any, dag_id: str) -> int:
    """How many runs of a DAG are under way, or wait to be."""
    states = ("queued", "running")
    if hasattr(ti, "get_dr_count"):
        return int(ti.get_dr_count(dag_id=dag_id, states=list(states)))
    from airflow.models import DagRun  # Airflow 2.11, where a task may ask the database

    return sum(len(DagRun.find(dag_id=dag_id, state=state)) for state in states)


def cycle_of(context: Mapping[str, Any]) -> tuple[int, datetime]:
    """The first try of the present cycle of retries, and the start of the run.

    Clearing a task starts a new cycle, and loads everything again. A run that was deleted and made again has the name
    of the former one and counts its tries anew.
    """
    ti = context["ti"]
    return int(ti.max_tries) - int(context["task"].retries) + 1, context["dag_run"].start_date


def is_new(context: Mapping[str, Any]) -> bool:
    """Whether the schedule made this run, and nobody has cleared it."""
    first_try, _ = cycle_of(context)
    return run_of(context).import_type == "scheduled" and first_try == 1


@contextmanager
def no_retry_if_misconfigured() -> Iterator[None]:
    """Fail the task at once where a retry cannot help.

    Raises:
        AirflowFailException: something is misconfigured.
    """
    try:
        yield
    except Misconfigured as error:
        raise AirflowFailException(str(error)) from error


def _is_newest(dataset: Dataset, end: datetime, now: datetime) -> bool:
    """Whether no scheduled window has ended since, or none that a run could have taken; days are enough to know."""
    until = settings.UNTIL.get_date()
    since = calendars.ending_in(dataset.calendar, end, min(now, end + timedelta(days=3))) if end < now else []
    return end + dataset.cadence > now or not [window for window in since if not until or window.label <= until]
