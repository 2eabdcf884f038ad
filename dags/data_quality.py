"""### Data quality: what was loaded, judged by rules

**Grain** One run checks every settlement date, gas day or local date that changed since it was checked.
**Source** The tables that the other DAGs load; rules are in `energy_ingest.quality`, see docs/quality.md.
**Late data** Each load marks its day, however old it is; a run judges what is marked, after each load and at 02:00.
With parameters, it judges a range of dates, marked or not.
**Triage** Red `gate`: values that cannot be true are in the tables, and nobody knows of them yet. `energy-ingest
quality report` lists them; load the days again, or correct the file, or `energy-ingest quality acknowledge` each. The
next run is green by itself. Red `check`: a rule could not be evaluated; its log says which.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset
from airflow.providers.common.sql.operators.sql import SQLCheckOperator

from energy_ingest.operators.alerts import alert_on_failure
from energy_ingest.operators.dag import DEFAULT_ARGS, after_or_daily
from energy_ingest.operators.quality import FORM, CheckQualityOperator
from energy_ingest.sql import statement

with DAG(
    dag_id="data_quality",
    schedule=after_or_daily(
        "0 2 * * *",
        Asset("x-energy://elexon/system_prices"),
        Asset("x-energy://elexon/market_index"),
        Asset("x-energy://elexon/b1610"),
        Asset("x-energy://national_gas/gas_quality"),
        Asset("x-energy://energy_transfer/transwestern_capacity"),
        Asset("x-energy://energy_transfer/capacity"),
        Asset("x-energy://meter/aggregates"),
    ),
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    on_failure_callback=alert_on_failure,
    params=FORM,
    tags=["data", "tier-2"],
    doc_md=__doc__,
):
    check = CheckQualityOperator(task_id="check")
    gate = SQLCheckOperator(
        task_id="gate", conn_id="energy_warehouse", sql=statement("quality/gate"), retry_on_failure=False
    )
    check >> gate
