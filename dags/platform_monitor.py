"""### Platform: watch over loading

**Grain** One run every 15 minutes, of the last 24 hours.
**Source** The ledger: what is stuck, failure and retry rates, queues, durations, disk; limits are settings. Key figures
are kept in `ledger.kpi`.
**Late data** Does not apply.
**Triage** A red `watch` means that the monitor itself does not work: its log says why, and the monitor outside hears no
heartbeat meanwhile. What it watches is told of by alerts: `energy-ingest alerts list` shows those that are open,
`energy-ingest monitor` measures now.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG

from energy_ingest.operators.alerts import alert_on_failure
from energy_ingest.operators.dag import DEFAULT_ARGS, upkeep
from energy_ingest.operators.monitor import MonitorOperator

with DAG(
    dag_id="platform_monitor",
    schedule=upkeep("*/15 * * * *"),
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    on_failure_callback=alert_on_failure,
    tags=["platform", "tier-1"],
    doc_md=__doc__,
):
    MonitorOperator(task_id="watch")
