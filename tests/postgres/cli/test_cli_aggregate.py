"""`energy-ingest aggregate`: what is dirty, and ranges of dates; options that contradict each other."""

from __future__ import annotations

import pytest

from tests.postgres.cli.conftest import EnergyIngest
from tests.postgres.test_aggregates import AUTUMN, day_of, read

DONE = {"redone": 1, "daily": 1, "weekly": 1, "monthly": 1, "annual": 1}
SAME = {"redone": 1, "daily": 0, "weekly": 0, "monthly": 0, "annual": 0}
IDLE = {**SAME, "redone": 0}


def test_what_is_dirty_then_nothing_then_what_is_named(energy_ingest: EnergyIngest, warehouse_url: str) -> None:
    read(warehouse_url, AUTUMN)
    found = energy_ingest("aggregate", "--all", "--json")
    assert (found.code, found.json) == (0, DONE)
    assert day_of(warehouse_url, AUTUMN, "total_kwh") == (50,)
    assert energy_ingest("aggregate", "--json").json == IDLE
    for dates in (["--date", "2024-10-27"], ["--from", "2024-10-27", "--to", "2024-10-27"]):
        assert energy_ingest("aggregate", *dates, "--json").json == SAME
    assert energy_ingest("aggregate", "--date", "2024-10-26", "--json").json == IDLE
    assert energy_ingest("aggregate", "--range", "weekly", "--date", "2024-10-26", "--json").json == SAME
    assert energy_ingest("aggregate", "--all", "--date", "2024-01-01", "--json").json == SAME
    assert energy_ingest("aggregate", "--date", "2024-10-27").out == (
        "1/1 months, 1 days of meters redone; rows written: 0 daily, 0 weekly, 0 monthly, 0 annual\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--all", "--range", "daily"], "--all and --range exclude each other"),
        (["--date", "2024-10-27", "--to", "2024-10-28"], "--date and --from, --to exclude each other"),
        (["--range", "hourly", "--date", "2024-10-27"], "no range 'hourly': use one of all, daily, weekly"),
        (["--range", "hourly"], "no range 'hourly': use one of all, daily, weekly"),
        (["--date", "27.10.2024"], "is not a range of dates: use YYYY-MM-DD"),
    ],
)
def test_what_makes_no_sense_is_said(energy_ingest: EnergyIngest, arguments: list[str], said: str) -> None:
    found = energy_ingest("aggregate", *arguments)
    assert found.code == 3
    assert said in found.err
