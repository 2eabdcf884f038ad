"""### Meter files: half-hourly and daily readings, and sites

**Grain** One run a minute for whatever has arrived in the inbox (ENERGY_INBOX_URL); one job a file, known by its
SHA-256, so the same bytes are never loaded twice. With parameters, or `conf` through the REST API: one named file.
**Source** Files of suppliers and data collectors, in every layout of docs/meter-files.md.
**Late data** The inbox is the state: there is nothing to catch up. A later file revises what it changes, an estimate
never replaces an actual reading, former values stay as revisions.
**Triage** Skipped: nothing to do. Red `import`: a file was given up after its retries; its last log line names the
file, the cause and the next command, and the file lies in `failed/` with a report. `energy-ingest jobs list` shows the
queue, `energy-ingest quarantine list` the rows that were refused.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset

from energy_ingest import settings
from energy_ingest.operators.alerts import alert_on_failure
from energy_ingest.operators.dag import DEFAULT_ARGS, every_minute
from energy_ingest.operators.meter_files import FORM, ImportMeterFilesOperator

with DAG(
    dag_id="meter_files",
    schedule=every_minute(),
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    max_active_runs=settings.METER_WORKERS.get_int(),
    default_args=DEFAULT_ARGS,
    on_failure_callback=alert_on_failure,
    params=FORM,
    tags=["meter", "power", "tier-1"],
    doc_md=__doc__,
):
    ImportMeterFilesOperator(task_id="import", outlets=[Asset("x-energy://meter/readings")])
