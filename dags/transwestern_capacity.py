"""### Transwestern: operationally available capacity

**Grain** One row per gas day, nomination cycle, asset, location and direction of flow.
**Source** Energy Transfer's postings `/ipost/capacity/operationally-available`, one CSV file per gas day and cycle,
no key.
**Late data** A cycle is looked for every 10 minutes after it was due, without a worker slot, for 12 hours; then its
window is `abandoned`, and re-read after 1 and 3 days. A file that is posted again becomes a revision.
**Triage** Healthy while the newest run is green. Red `ingest`: its last log line names the first window that failed,
the cause and the command that loads it; nothing is lost, and the next run takes it up again. `energy-ingest coverage
--dataset transwestern_capacity` shows what is missing and why. What each file is worth:
`energy.capacity_file_quality`. Red `project_influx`: InfluxDB lags, PostgreSQL has everything; `energy-ingest influx
status` says why.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, Asset

from energy_ingest.operators.alerts import alert_on_failure
from energy_ingest.operators.dag import DEFAULT_ARGS, WINDOW_PARAMS, first_posting, postings
from energy_ingest.operators.postings import IngestPostingsOperator
from energy_ingest.operators.project import ProjectInfluxOperator

with DAG(
    dag_id="transwestern_capacity",
    schedule=postings(),
    start_date=first_posting(),
    catchup=True,
    max_active_runs=8,
    default_args=DEFAULT_ARGS,
    on_failure_callback=alert_on_failure,
    params=WINDOW_PARAMS,
    tags=["transwestern", "gas", "tier-1"],
    doc_md=__doc__,
):
    IngestPostingsOperator(
        task_id="ingest",
        dataset="transwestern_capacity",
        outlets=[Asset("x-energy://energy_transfer/transwestern_capacity")],
    ) >> ProjectInfluxOperator(task_id="project_influx", dataset="transwestern_capacity")
