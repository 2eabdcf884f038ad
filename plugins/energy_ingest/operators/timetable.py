"""A daily UK timetable that ends: for rehearsals of the past. Production uses Airflow's own, which never ends."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable


class BoundedTimetable(CronDataIntervalTimetable):
    """The timetable of `cron` up to the data interval that starts at `last`.

    A DAG's `end_date` would do the same, but Airflow copies it to the tasks, and a run that a person triggers later is
    then green without its task.
    """

    def __init__(self, cron: str, timezone: str, last: datetime) -> None:
        super().__init__(cron, timezone=timezone)
        self._arguments = {"cron": cron, "timezone": timezone, "last": last.isoformat()}
        self._last = last

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next run, or None after the last."""
        info = super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )
        return info if info and info.data_interval.start <= self._last else None

    def serialize(self) -> dict[str, Any]:
        """For the scheduler."""
        return self._arguments

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> BoundedTimetable:
        """From what `serialize` gave."""
        return cls(data["cron"], data["timezone"], datetime.fromisoformat(data["last"]))
