"""### Elexon: register of BM units

**Grain** One row per BM unit, with its fuel and capacity as they are now; what left the register stays.
**Source** Elexon Insights `/reference/bmunits/all`, no key. One request, Mondays 04:30 UK time.
**Late data** Does not apply: the register has no history. Each run reads all of it.
**Triage** Red `take_over`: its log says why; until it is green again, generation by fuel and the rules `over_capacity`
and `solar_at_night` go by the register as it was. `energy-ingest quality units` does the same, from a file too.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG

from energy_ingest import settings
from energy_ingest.operators.alerts import alert_on_failure
from energy_ingest.operators.bm_units import BmUnitsOperator
from energy_ingest.operators.dag import DEFAULT_ARGS, upkeep

with DAG(
    dag_id="elexon_bm_units",
    schedule=upkeep("30 4 * * MON"),
    start_date=pendulum.datetime(2024, 1, 1, tz="Europe/London"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    on_failure_callback=alert_on_failure,
    tags=["elexon", "power", "tier-3"],
    doc_md=__doc__,
):
    BmUnitsOperator(task_id="take_over", pool=settings.ELEXON_POOL.get())
