"""A range of dates in the trigger form: loaded where it is good, refused by the form or by our own rule where not."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tests.e2e.driver import Airflow, Warehouse, dates

pytestmark = pytest.mark.usefixtures("caught_up")  # the DAGs are switched on


def test_a_range_is_loaded(airflow: Airflow, records: Warehouse) -> None:
    """As the API does it, without a logical date, and as the form of the UI does, with the present as logical date."""
    ranges = {
        ("elexon_market_index", None): (date(2024, 5, 1), date(2024, 5, 3)),
        ("elexon_b1610", datetime.now(UTC).isoformat()): (date(2024, 5, 4), date(2024, 5, 5)),
    }
    last = records.last_job()
    runs = {
        dag_id: airflow.trigger(dag_id, logical_date=logical_date, window_from=f"{first}", window_to=f"{final}")
        for (dag_id, logical_date), (first, final) in ranges.items()
    }
    assert {dag_id: airflow.finish(dag_id, run_id) for dag_id, run_id in runs.items()} == dict.fromkeys(runs, "success")
    wanted = [(dag_id, day, "completed") for (dag_id, _), span in ranges.items() for day in dates(*span)]
    assert records.jobs_since(last) == sorted(wanted)
    for (dag_id, _), span in ranges.items():
        assert records.states(dag_id, dates(*span)) == dict.fromkeys(dates(*span), "complete")
        assert {job["import_type"] for job in records.jobs(dag_id, dates(*span))} == {"manual"}


@pytest.mark.parametrize("conf", [{"window_from": "27/10/2024"}, {"window_from": "2024-02-30"}, {"window_to": 2024}])
def test_what_is_no_date_is_refused_by_the_form(airflow: Airflow, conf: dict[str, object]) -> None:
    body = {"logical_date": None, "conf": conf}
    status, text = airflow.refusal("POST", "/dags/elexon_system_prices/dagRuns", body)
    assert status in (400, 422)
    assert next(iter(conf)) in text


def test_a_bad_range_fails_at_once_with_a_reason(airflow: Airflow, records: Warehouse) -> None:
    last, dag_id = records.last_job(), "elexon_system_prices"
    bad = {
        "swap the two dates": ("2024-05-03", "2024-05-01"),
        "is more than 400 days": ("2023-01-01", "2024-05-01"),
    }
    runs = {why: airflow.trigger(dag_id, window_from=first, window_to=final) for why, (first, final) in bad.items()}
    for why, run_id in runs.items():
        assert airflow.finish(dag_id, run_id) == "failed"
        assert airflow.task(dag_id, run_id)["try_number"] == 1
        assert why in airflow.log(dag_id, run_id)
    assert records.jobs_since(last) == []
