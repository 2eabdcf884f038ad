"""### Platform: remove what is finished and old

**Grain** One run a week, Sundays 02:00 UK time.
**Source** The ledger, the archive, the inbox of meter files; with the connection `energy_warehouse_owner`, as the role
that loads may not delete.
**Late data** Does not apply: what waits or runs, what brought rows, and the newest answer of a window always stay.
**Triage** Red `clean`: its log says why; the next run does the rest. `energy-ingest cleanup --dry-run` lists what would
be removed, `ledger.execution` what was.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG

from energy_ingest.operators.alerts import alert_on_failure
from energy_ingest.operators.cleanup import CleanupOperator
from energy_ingest.operators.dag import DEFAULT_ARGS, upkeep

with DAG(
    dag_id="platform_cleanup",
    schedule=upkeep("0 2 * * SUN"),
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    on_failure_callback=alert_on_failure,
    tags=["platform", "tier-2"],
    doc_md=__doc__,
):
    CleanupOperator(task_id="clean")
