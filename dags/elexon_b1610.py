"""### Elexon: actual generation output per generation unit (B1610)

**Grain** One row per settlement date, settlement period and BM unit; the units are those of ENERGY_ELEXON_BM_UNITS.
**Source** Elexon Insights `/datasets/B1610/stream`, no key.
**Late data** First published 5 working days after the day, restated by SF, R1, R2, R3 and RF up to 430 days later:
until published a window is `not_yet_published`, then the newest run re-reads it by that calendar; former values stay
as revisions.
**Triage** Healthy while the newest run is green. Red `ingest`: its last log line names the first window that failed,
the cause and the command that loads it; nothing is lost, and the next run takes it up again. `energy-ingest coverage
--dataset elexon_b1610` shows what is missing and why. Red `project_influx`: InfluxDB lags, PostgreSQL has everything;
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
    dag_id="elexon_b1610",
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
        dataset="elexon_b1610",
        pool=settings.ELEXON_POOL.get(),
        outlets=[Asset("x-energy://elexon/b1610")],
    ) >> ProjectInfluxOperator(task_id="project_influx", dataset="elexon_b1610")
