"""### Elexon: system prices and imbalance volume (DISEBSP)

**Grain** One row per settlement date and settlement period: 48, or 46 and 50 on clock-change days.
**Source** Elexon Insights `/balancing/settlement/system-prices/{date}`, no key, one request per settlement date.
**Late data** Re-issued the next day and with each later settlement run: the newest run re-reads at 1, 2, 7 .. 430
days of age.
**Triage** Healthy while the newest run is green. Red `ingest`: its last log line names the first window that failed,
the cause and the command that loads it; nothing is lost, and the next run takes it up again. `energy-ingest coverage
--dataset elexon_system_prices` shows what is missing and why. Red `project_influx`: InfluxDB lags, PostgreSQL has
everything; `energy-ingest influx status` says why.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, Asset

from energy_ingest import settings
from energy_ingest.operators.alerts import alert_on_failure
from energy_ingest.operators.dag import DEFAULT_ARGS, WINDOW_PARAMS, first_run, uk_daily
from energy_ingest.operators.ingest import IngestWindowsOperator
from energy_ingest.operators.project import ProjectInfluxOperator

with DAG(
    dag_id="elexon_system_prices",
    schedule=uk_daily(),
    start_date=first_run(),
    catchup=True,
    max_active_runs=4,
    default_args=DEFAULT_ARGS,
    on_failure_callback=alert_on_failure,
    params=WINDOW_PARAMS,
    tags=["elexon", "power", "tier-1"],
    doc_md=__doc__,
):
    IngestWindowsOperator(
        task_id="ingest",
        dataset="elexon_system_prices",
        pool=settings.ELEXON_POOL.get(),
        outlets=[Asset("x-energy://elexon/system_prices")],
    ) >> ProjectInfluxOperator(task_id="project_influx", dataset="elexon_system_prices")
