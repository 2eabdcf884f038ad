"""What all source DAGs share: schedule, first date, retries, form. Each DAG file still says what it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pendulum
from airflow.providers.common.compat.sdk import Param
from airflow.timetables.interval import CronDataIntervalTimetable

from energy_ingest import settings
from energy_ingest.operators.timetable import BoundedTimetable

_CRON: Final = "0 2 * * *"
_ZONE: Final = "Europe/London"

DEFAULT_ARGS: Final[dict[str, Any]] = {
    "owner": "energy",
    "retries": 3,
    "retry_delay": timedelta(seconds=settings.RETRY_SECONDS.get_int()),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(hours=1),
}

WINDOW_PARAMS: Final = {
    "window_from": Param(
        None, type=["null", "string"], format="date", title="First date", description="Reload from this date ..."
    ),
    "window_to": Param(
        None, type=["null", "string"], format="date", title="Last date", description="... to this one, inclusive."
    ),
}
"""The trigger form: a range of dates. Left empty, a run loads the windows of its data interval."""


def uk_daily() -> CronDataIntervalTimetable:
    """After each settlement date, when its last half hour is published: 02:00 UK time.

    02:00 exists once on clock-change days too, and makes the UTC date of a run's logical date its settlement date.
    """
    if settings.UNTIL.get():
        return BoundedTimetable(_CRON, _ZONE, last=_at_two(settings.UNTIL))
    return CronDataIntervalTimetable(_CRON, timezone=_ZONE)


def first_run() -> pendulum.DateTime:
    """Start date of the source DAGs: 02:00 UK time of ENERGY_START."""
    return _at_two(settings.START)


def _at_two(setting: settings.Setting) -> pendulum.DateTime:
    day = setting.get_date()
    assert day is not None  # noqa: S101 - START has a default, UNTIL is asked only when set
    return pendulum.datetime(day.year, day.month, day.day, 2, tz=_ZONE)
