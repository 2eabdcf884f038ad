"""What kind of load a DAG run is, for the ledger."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.utils.types import DagRunType

from energy_ingest.operators.runs import cycle_of, run_of

KINDS = {
    "scheduled": "scheduled",
    "backfill": "backfill",
    "manual": "manual",
    "operator_triggered": "manual",
    "asset_triggered": "asset_triggered",
    "dataset_triggered": "asset_triggered",
    "asset_materialization": "manual",
}


@pytest.mark.parametrize("kind", DagRunType)
def test_every_type_of_run_has_its_name_in_the_ledger(kind: DagRunType):
    """A task gets it as an enumeration or as text."""
    for run_type in (kind, kind.value):
        dag_run = SimpleNamespace(run_type=run_type, run_id="r")
        run = run_of({"dag_run": dag_run, "ti": SimpleNamespace(dag_id="d", try_number=2)})
        assert (run.import_type, run.dag_id, run.run_id, run.try_number) == (KINDS[kind.value], "d", "r", 2)


@pytest.mark.parametrize(
    ("max_tries", "retries", "first"),
    [(3, 3, 1), (0, 0, 1), (5, 3, 3), (9, 3, 7)],
    ids=["new", "new without retries", "cleared after try 2", "cleared after tries 2 and 6"],
)
def test_the_first_try_of_a_cycle(max_tries: int, retries: int, first: int):
    """Clearing adds the retries to the tries that there were."""
    context = {
        "ti": SimpleNamespace(max_tries=max_tries),
        "task": SimpleNamespace(retries=retries),
        "dag_run": SimpleNamespace(start_date=None),
    }
    assert cycle_of(context) == (first, None)
