"""### Elexon: acceptances of bids and offers (BOALF)

**Grain** One row per settlement date, BM unit, acceptance and its stretch of time.
**Source** Elexon Insights `/balancing/acceptances`, no key, one request for each unit of ENERGY_ELEXON_BM_DATA_UNITS
and at most 7 days.
**Late data** The newest run re-reads the last 3 days. Paused until somebody wants it.
**Triage** Healthy while the newest run is green. Red `ingest`: its last log line names the first window that failed,
the cause and the command that loads it; nothing is lost, and the next run takes it up again. `energy-ingest coverage
--dataset elexon_boalf` shows what is missing and why. Red `project_influx`: InfluxDB lags, PostgreSQL has everything;
`energy-ingest influx status` says why.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, Asset

from energy_ingest import settings
from energy_ingest.operators.alerts import alert_on_failure
from energy_ingest.operators.dag import DEFAULT_ARGS, WINDOW_PARAMS, first_run, uk_daily
from energy_ingest.operators.ingest import IngestWindowsOperator
from energy_ingest.operators.project import ProjectInfluxOperator

with DAG(
    dag_id="elexon_boalf",
    schedule=uk_daily(),
    start_date=first_run(),
    catchup=True,
    is_paused_upon_creation=True,
    max_active_runs=4,
    default_args=DEFAULT_ARGS,
    on_failure_callback=alert_on_failure,
    params=WINDOW_PARAMS,
    tags=["elexon", "power", "tier-3"],
    doc_md=__doc__,
):
    IngestWindowsOperator(
        task_id="ingest",
        dataset="elexon_boalf",
        pool=settings.ELEXON_POOL.get(),
        outlets=[Asset("x-energy://elexon/boalf")],
    ) >> ProjectInfluxOperator(task_id="project_influx", dataset="elexon_boalf")
