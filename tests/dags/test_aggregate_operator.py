"""meter_aggregates: runs after an import, at its time, and by hand for a range of dates."""

from __future__ import annotations

import pytest

from energy_ingest.loading.database import connect
from tests.dags.harness import AIRFLOW_3, interval, parse, run
from tests.postgres.test_aggregates import AUTUMN, ONE_DAY, day_of, dirty, read
from tests.postgres.world import ask

DAG = "meter_aggregates"
COUNTS = {"redone": 1, "daily": 1, "weekly": 1, "monthly": 1, "annual": 1}

pytestmark = pytest.mark.usefixtures("metadata", "connection")


@pytest.fixture
def connection(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", warehouse_url)


def test_a_run_redoes_what_is_dirty(warehouse_url: str):
    read(warehouse_url, AUTUMN)
    ran = run(DAG, interval(AUTUMN))
    assert (ran.state, ran.errors, ran.result, ran.events) == ("success", [], COUNTS, [COUNTS])
    assert day_of(warehouse_url, AUTUMN, "total_kwh") == (50,)
    caller = ask(warehouse_url, "SELECT dag_id, run_id, status FROM ledger.execution")
    assert caller == [(DAG, ran.run_id, "completed")]


def test_a_person_has_a_range_redone(warehouse_url: str):
    read(warehouse_url, AUTUMN)
    run(DAG, kind="manual")
    with connect(warehouse_url) as loader:
        loader.execute("DELETE FROM energy.meter_daily")
    form = {"range": "weekly", "window_from": f"{AUTUMN - ONE_DAY}", "window_to": f"{AUTUMN - ONE_DAY}"}
    ran = run(DAG, kind="manual", conf=form)
    assert ran.result == {**COUNTS, "weekly": 0, "monthly": 0, "annual": 0}
    assert (day_of(warehouse_url, AUTUMN, "total_kwh"), dirty(warehouse_url)) == ((50,), 0)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"window_from": "2024-03-02", "window_to": "2024-03-01"}, "2024-03"),
        ({"window_from": "1900-01-01", "window_to": "2024-03-01"}, "3660 days"),
    ],
)
def test_a_bad_range_is_refused_at_once(form: dict[str, str], said: str):
    ran = run(DAG, kind="manual", conf=form, retries=2)
    assert [type(error).__name__ for error in ran.errors] == ["AirflowFailException"]
    assert said in str(ran.errors[0])


def test_the_schedule():
    timetable = parse().dags[DAG].timetable
    assert type(timetable).__name__ == ("AssetOrTimeSchedule" if AIRFLOW_3 else "DatasetOrTimeSchedule")
    condition = timetable.asset_condition if AIRFLOW_3 else timetable.dataset_condition
    assert "x-energy://meter/readings" in repr(condition)
    assert "30 1 * * *" in repr(vars(timetable.timetable).values())
