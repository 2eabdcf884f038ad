"""### Platform: bring the warehouse's schema to the version of the code

**Grain** One run after each deployment; running it again does nothing.
**Source** The migrations of the `energy_ingest` package (Alembic), under a lock, with the connection
`energy_warehouse_owner`.
**Late data** Does not apply.
**Triage** Red `migrate`: the log has PostgreSQL's message; a migration is one transaction, so nothing is half done.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG

from energy_ingest.operators.alerts import alert_on_failure
from energy_ingest.operators.dag import DEFAULT_ARGS
from energy_ingest.operators.migrate import MigrateWarehouseOperator

with DAG(
    dag_id="platform_migrate",
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    on_failure_callback=alert_on_failure,
    tags=["platform", "tier-1"],
    doc_md=__doc__,
):
    MigrateWarehouseOperator(task_id="migrate")
