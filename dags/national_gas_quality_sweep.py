"""### National Gas: gas quality of the last two days, read again

**Grain** One row per publication and site; the same table as `national_gas_quality`.
**Source** National Gas operational data `/gasquality/historicdata` (POST), no key.
**Late data** The latest data show one publication in half an hour; the others of that half hour come with this daily
sweep.
**Triage** Healthy while the newest run is green. Red `ingest`: its last log line names the first window that failed,
the cause and the command that loads it; nothing is lost, and the next run takes it up again. `energy-ingest coverage
--dataset national_gas_quality` shows what is missing and why. Red `project_influx`: InfluxDB lags, PostgreSQL has
everything; `energy-ingest influx status` says why.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG, Asset

from energy_ingest.operators.alerts import alert_on_failure
from energy_ingest.operators.dag import DEFAULT_ARGS, WINDOW_PARAMS, daily_at_six, first_half_hour
from energy_ingest.operators.ingest import IngestWindowsOperator
from energy_ingest.operators.project import ProjectInfluxOperator

with DAG(
    dag_id="national_gas_quality_sweep",
    schedule=daily_at_six(),
    start_date=first_half_hour(),
    catchup=True,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    on_failure_callback=alert_on_failure,
    params=WINDOW_PARAMS,
    tags=["national_gas", "gas", "tier-2"],
    doc_md=__doc__,
):
    IngestWindowsOperator(
        task_id="ingest",
        dataset="national_gas_quality",
        look_back=timedelta(days=1),
        outlets=[Asset("x-energy://national_gas/gas_quality")],
    ) >> ProjectInfluxOperator(task_id="project_influx", dataset="national_gas_quality")
