"""### Meter aggregates: consumption by day, week, month and year

**Grain** One row per meter, register and UK day (46, 48 or 50 half hours), week from Monday to Sunday, month, year.
**Source** `energy.meter_reading` and `energy.meter_daily_reading`. Half hours win over a daily total of the same day.
**Late data** Whatever changes readings marks their days dirty in the same transaction, whichever period they lie in; a
run redoes all that is dirty, after each import and at 01:30. With parameters, it also redoes a range of dates.
**Triage** Red `aggregate`: its last log line has the cause; months done until then are committed, and what is still
dirty waits for the next run. `SELECT * FROM ledger.execution ORDER BY started_at DESC` has every run; `energy-ingest
aggregate` does the same by hand.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset

from energy_ingest.operators.aggregate import FORM, AggregateMetersOperator
from energy_ingest.operators.alerts import alert_on_failure
from energy_ingest.operators.dag import DEFAULT_ARGS, after_or_daily

with DAG(
    dag_id="meter_aggregates",
    schedule=after_or_daily("30 1 * * *", Asset("x-energy://meter/readings")),
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    on_failure_callback=alert_on_failure,
    params=FORM,
    tags=["meter", "power", "tier-2"],
    doc_md=__doc__,
):
    AggregateMetersOperator(task_id="aggregate", outlets=[Asset("x-energy://meter/aggregates")])
