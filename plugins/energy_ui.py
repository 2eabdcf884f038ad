"""The one file that Airflow's plugin loader executes; all else below plugins/ is a library (see .airflowignore)."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowPlugin

from energy_ingest.operators.timetable import BoundedTimetable
from energy_ingest.web import gate


class EnergyPlugin(AirflowPlugin):
    """What this project adds to Airflow itself; loading data needs none of it."""

    name = "energy"
    timetables = [BoundedTimetable]  # noqa: RUF012 - Airflow reads a list
    fastapi_apps = gate.fastapi_apps()
    external_views = gate.external_views()
