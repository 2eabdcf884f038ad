"""What all source DAGs share: schedule, first date, retries, form. Each DAG file still says what it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pendulum
from airflow.providers.common.compat.sdk import Asset, AssetAny, Param
from airflow.timetables import trigger
from airflow.timetables.base import Timetable
from airflow.timetables.interval import CronDataIntervalTimetable

from energy_ingest import clock, settings
from energy_ingest.calendars import AFTER_MIDNIGHT
from energy_ingest.catalog.energy_transfer import cycles_that_count
from energy_ingest.operators.timetable import BoundedTimetable

_CRON: Final = f"{AFTER_MIDNIGHT.minute} {AFTER_MIDNIGHT.hour} * * *"
_ZONE: Final = "Europe/London"
_CENTRAL: Final = "America/Chicago"

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
        return BoundedTimetable(_CRON, _ZONE, last=_after_midnight(settings.UNTIL))
    return CronDataIntervalTimetable(_CRON, timezone=_ZONE)


def half_hourly() -> CronDataIntervalTimetable:
    """Every half hour."""
    if settings.UNTIL.get():
        return BoundedTimetable("*/30 * * * *", "UTC", last=_utc(settings.UNTIL).add(hours=23, minutes=30))
    return CronDataIntervalTimetable("*/30 * * * *", timezone="UTC")


def first_half_hour() -> pendulum.DateTime:
    """Midnight UTC of ENERGY_NATIONAL_GAS_START, or of ENERGY_START."""
    return _utc(_or_start(settings.NATIONAL_GAS_START))


def every_minute() -> Timetable:
    """Every minute, for work that is found where it lies and not by its time."""
    return upkeep("* * * * *")


def upkeep(cron: str) -> Timetable:
    """At these times by UK clock; what a run missed, the next one does."""
    return trigger.CronTriggerTimetable(cron, timezone=_ZONE)


def after_or_daily(cron: str, *assets: Asset) -> Timetable:
    """After each event of one of these assets, and at a UK time."""
    timetable = trigger.CronTriggerTimetable(cron, timezone=_ZONE)
    try:
        from airflow.sdk import AssetOrTimeSchedule
    except ImportError:  # Airflow 2.11, where assets are datasets
        from airflow.timetables.datasets import DatasetOrTimeSchedule

        return DatasetOrTimeSchedule(timetable=timetable, datasets=AssetAny(*assets))  # noqa: AIR311
    return AssetOrTimeSchedule(timetable=timetable, assets=AssetAny(*assets))


def daily_at_six() -> CronDataIntervalTimetable:
    """06:00 UTC."""
    if settings.UNTIL.get():
        return BoundedTimetable("0 6 * * *", "UTC", last=_utc(settings.UNTIL).add(hours=6))
    return CronDataIntervalTimetable("0 6 * * *", timezone="UTC")


def postings() -> Timetable:
    """When the nomination cycles that count are due to be posted, US Central clock time.

    Airflow 2.11 has one cron only: it covers all these times and a few more, at which a run finds nothing to do.
    """
    times = [cycle.posted_at for cycle in clock.NOMINATION_CYCLES if cycle.code in cycles_that_count()]
    minutes, hours = (",".join(map(str, sorted(part))) for part in ({t.minute for t in times}, {t.hour for t in times}))
    covering = f"{minutes} {hours} * * *"
    if settings.UNTIL.get():
        return BoundedTimetable(covering, _CENTRAL, last=_central(settings.UNTIL).add(days=1, hours=9))
    if hasattr(trigger, "MultipleCronTriggerTimetable"):
        crons = (f"{time.minute} {time.hour} * * *" for time in times)
        return trigger.MultipleCronTriggerTimetable(*crons, timezone=_CENTRAL)
    return CronDataIntervalTimetable(covering, timezone=_CENTRAL)


def first_posting() -> pendulum.DateTime:
    """Before the first posting of ENERGY_CAPACITY_START, or of ENERGY_START, which is on the day before."""
    return _central(_or_start(settings.CAPACITY_START)).subtract(hours=11)


def first_run() -> pendulum.DateTime:
    """Start date of the source DAGs: 02:00 UK time of ENERGY_START."""
    return _after_midnight(settings.START)


def _after_midnight(setting: settings.Setting) -> pendulum.DateTime:
    return _midnight(setting, _ZONE).at(AFTER_MIDNIGHT.hour, AFTER_MIDNIGHT.minute)


def _or_start(setting: settings.Setting) -> settings.Setting:
    return setting if setting.get() else settings.START


def _utc(setting: settings.Setting) -> pendulum.DateTime:
    return _midnight(setting, "UTC")


def _central(setting: settings.Setting) -> pendulum.DateTime:
    return _midnight(setting, _CENTRAL)


def _midnight(setting: settings.Setting, zone: str) -> pendulum.DateTime:
    day = setting.get_date()
    assert day is not None  # noqa: S101 - START has a default, the others are asked only when set
    return pendulum.datetime(day.year, day.month, day.day, tz=zone)
