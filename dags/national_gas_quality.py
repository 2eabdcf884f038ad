"""### National Gas: gas quality

**Grain** One row per publication and site.
**Source** National Gas operational data `/gasquality/latestdata` (GET, at most every 12 minutes) for the half hour
just past, `/historicdata` (POST) for older ones, no key.
**Late data** One answer has whole dates: the first run of a date loads all of it that is missing, and the others of
that date ask for nothing. `national_gas_quality_sweep` re-reads the last 2 days. A stamp without zone is read in
ENERGY_NATIONAL_GAS_STAMP_ZONE; the stamp as it came is kept.
**Triage** Healthy while the newest run is green. Red `ingest`: its last log line names the first window that failed,
the cause and the command that loads it; nothing is lost, and the next run takes it up again. `energy-ingest coverage
--dataset national_gas_quality` shows what is missing and why. Red `project_influx`: InfluxDB lags, PostgreSQL has
everything; `energy-ingest influx status` says why.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, Asset

from energy_ingest.operators.alerts import alert_on_failure
from energy_ingest.operators.dag import DEFAULT_ARGS, WINDOW_PARAMS, first_half_hour, half_hourly
from energy_ingest.operators.ingest import IngestWindowsOperator
from energy_ingest.operators.project import ProjectInfluxOperator

with DAG(
    dag_id="national_gas_quality",
    schedule=half_hourly(),
    start_date=first_half_hour(),
    catchup=True,
    max_active_runs=2,
    default_args=DEFAULT_ARGS,
    on_failure_callback=alert_on_failure,
    params=WINDOW_PARAMS,
    tags=["national_gas", "gas", "tier-1"],
    doc_md=__doc__,
):
    IngestWindowsOperator(
        task_id="ingest",
        dataset="national_gas_quality",
        outlets=[Asset("x-energy://national_gas/gas_quality")],
    ) >> ProjectInfluxOperator(task_id="project_influx", dataset="national_gas_quality")
