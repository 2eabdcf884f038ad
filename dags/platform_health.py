"""### Platform: the health of every dataset, and healing

**Grain** One run every 6 hours, of everything that should be loaded by now.
**Source** The ledger and the catalogue's publication calendars: missed publications count, not hours.
**Late data** What is missed is loaded by runs of the dataset's own DAG, named `heal__...`, oldest dates first; five
attempts with growing pauses, then a person has to look.
**Triage** Red `check`: its log says why; nothing is healed meanwhile. Red `heal`: the DAG of the dataset does not exist
here. `energy-ingest health` says the same at any time.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

from energy_ingest.operators.alerts import alert_on_failure
from energy_ingest.operators.dag import DEFAULT_ARGS, upkeep
from energy_ingest.operators.health import HealthOperator

with DAG(
    dag_id="platform_health",
    schedule=upkeep("20 */6 * * *"),
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    on_failure_callback=alert_on_failure,
    tags=["platform", "tier-1"],
    doc_md=__doc__,
):
    TriggerDagRunOperator.partial(task_id="heal").expand_kwargs(HealthOperator(task_id="check").output)
