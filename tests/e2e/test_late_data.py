"""What is published later, and what is restated: the newest run looks again when the calendar says so.

The tests move the twin's clock, and make due now what the ledger has planned for later.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from energy_ingest import clock
from energy_ingest.catalog import B1610
from include.twin.client import Twin
from tests.e2e.driver import Airflow, Warehouse, dates

DAG = B1610.name
VALUES = "SELECT settlement_period, bm_unit, quantity_mwh FROM energy.elexon_b1610{} WHERE settlement_date = %s"
FORMER = "SELECT count(*) AS n FROM energy.elexon_b1610_versions WHERE NOT is_current AND settlement_date = %s"

pytestmark = pytest.mark.usefixtures("caught_up")  # the DAGs are switched on


def look_again(airflow: Airflow, records: Warehouse, days: list[date]) -> None:
    """Let the newest run do what it would do on the day when these windows are due."""
    records.make_due(DAG, days)
    newest = airflow.newest(DAG)
    airflow.clear(DAG, newest)
    assert airflow.finish(DAG, newest) == "success"


def load(airflow: Airflow, days: list[date]) -> None:
    run_id = airflow.trigger(DAG, window_from=f"{days[0]}", window_to=f"{days[-1]}")
    assert airflow.finish(DAG, run_id) == "success"


def test_what_is_not_published_is_waited_for(airflow: Airflow, records: Warehouse, twin: Twin) -> None:
    yesterday = datetime.now(clock.LONDON).date() - clock.ONE_DAY
    whole = 5 * clock.settlement_periods(yesterday)  # of five units; the day may be that of a clock change
    load(airflow, [yesterday])
    [window] = records.rows("SELECT * FROM ledger.window WHERE dataset = %s AND label = %s", DAG, yesterday)
    assert (window["state"], window["actual"]) == ("not_yet_published", 0)
    assert window["next_due_at"] == B1610.publication.due(next(B1610.windows(yesterday, yesterday)))
    assert window["next_due_at"] > datetime.now(UTC)

    twin.set_now((datetime.now(UTC) + timedelta(days=14)).isoformat())
    look_again(airflow, records, [yesterday])
    assert records.states(DAG, [yesterday]) == {yesterday: "complete"}
    assert [job["inserted_rows"] for job in records.jobs(DAG, [yesterday])] == [0, whole]


def test_what_is_restated_becomes_a_revision(airflow: Airflow, records: Warehouse, twin: Twin) -> None:
    days = dates(date(2024, 7, 1), date(2024, 7, 2))
    twin.set_now("2024-07-20T12:00:00Z")  # the first settlement run alone is out
    load(airflow, days)
    initial = {day: values(records, day) for day in days}
    known_at = records.rows("SELECT now() AS now")[0]["now"]

    twin.set_now("2024-09-12T12:00:00Z")  # 70 days later, the second reconciliation is
    last = records.last_job()
    look_again(airflow, records, days)
    newest = max(airflow.runs(DAG, "scheduled"))
    assert records.jobs_since(last) == [(DAG, day, "completed") for day in [*days, newest]]
    for day in days:
        first, second = records.jobs(DAG, [day])
        assert first["inserted_rows"] == 240
        assert second["revised_rows"] > 0
        assert second["revised_rows"] + second["unchanged_rows"] == 240
        assert records.rows(FORMER, day) == [{"n": second["revised_rows"]}]
        assert values(records, day) != initial[day]
        assert values(records, day, known_at) == initial[day]


def values(records: Warehouse, day: date, known_at: datetime | None = None) -> list[tuple[object, ...]]:
    """What we know of a day, or knew then."""
    found = (
        records.rows(VALUES.format("_as_of(%s)"), known_at, day) if known_at else records.rows(VALUES.format(""), day)
    )
    return sorted(tuple(row.values()) for row in found)
