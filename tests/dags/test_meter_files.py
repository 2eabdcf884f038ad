"""meter_files: files that arrived are imported, a named one with its form; nothing to do costs nothing."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from energy_ingest.loading.database import connect
from tests.dags.harness import Ran, parse, run

pytestmark = pytest.mark.usefixtures("metadata")

HEADER = ",".join(["MPAN", "Date", *(f"HH{n:02}" for n in range(1, 49))])


@pytest.fixture
def inbox(tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    monkeypatch.setenv("ENERGY_INBOX_URL", folder.as_uri())
    monkeypatch.setenv("AIRFLOW_CONN_ENERGY_WAREHOUSE", warehouse_url)
    return folder


def put(path: Path, count: int = 2, value: object = 1) -> None:
    """A file of whole days that was written an hour ago."""
    rows = [f"1000000000012,{date(2024, 6, 3) + timedelta(days=n):%d/%m/%Y}" + f",{value}" * 48 for n in range(count)]
    path.write_text("\n".join([HEADER, *rows, ""]))
    os.utime(path, (path.stat().st_mtime - 3600,) * 2)


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with connect(url) as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload]


def state_of_task(ran: Ran) -> str:
    """Of the only task."""
    from airflow.models import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(TaskInstance).filter_by(dag_id="meter_files", run_id=ran.run_id).one()
        return str(getattr(found.state, "value", found.state))


def test_what_has_arrived_is_imported(inbox: Path, warehouse_url: str):
    put(inbox / "june.csv")
    ran = run("meter_files", kind="manual")
    counts = {"files": 1, "completed": 1, "failed": 0, "inserted": 96, "revised": 0, "unchanged": 0}
    assert (ran.state, ran.errors) == ("success", [])
    assert ran.result == {**counts, "quarantined": 0, "duplicate": 0}
    assert [event for event in ran.events if event] == [ran.result]
    assert (inbox / "processed" / "1_june.csv").exists()
    ((dag_id, run_id),) = ask(warehouse_url, "SELECT dag_id, run_id FROM ledger.import_job")
    assert (dag_id, run_id) == ("meter_files", ran.run_id)


def test_without_work_the_task_is_skipped(inbox: Path):
    ran = run("meter_files", kind="manual")
    assert (ran.state, ran.errors, state_of_task(ran)) == ("success", [], "skipped")


def test_the_form_names_a_file_and_how(inbox: Path, warehouse_url: str):
    put(inbox / "june.csv")
    put(inbox / "other.csv", count=1)
    conf = {"file": "june.csv", "dry_run": True, "priority": "high", "tags": ["trial"], "notes": "look at it first"}
    conf["metadata"] = {"source": "portal"}
    ran = run("meter_files", kind="manual", conf=conf)
    assert (ran.state, ran.result["inserted"]) == ("success", 96)
    job = "SELECT file_name, dry_run, priority, tags, notes, max_retries, metadata ->> 'source' FROM ledger.import_job"
    assert ask(warehouse_url, job) == [("june.csv", True, "high", ["trial"], "look at it first", 3, "portal")]
    assert ask(warehouse_url, "SELECT count(*) FROM energy.meter_reading") == [(0,)]
    assert (inbox / "other.csv").exists()


def test_a_file_that_is_given_up_makes_the_run_red_after_all_others_are_done(inbox: Path, warehouse_url: str):
    put(inbox / "good.csv")
    put(inbox / "bad.csv", value="x")
    ran = run("meter_files", kind="manual", retries=2)
    assert ran.state == "failed"
    (error,) = ran.errors
    assert type(error).__name__ == "AirflowFailException"
    assert "bad.csv, hh): failed: 96 quarantined: all 96 items were refused" in str(error)
    states = ask(warehouse_url, "SELECT file_name, status FROM ledger.import_job ORDER BY 1")
    assert states == [("bad.csv", "failed"), ("good.csv", "completed")]


@pytest.mark.parametrize("name", ["../secret.csv", "none.csv"])
def test_a_name_that_is_none_fails_at_once(inbox: Path, name: str):
    ran = run("meter_files", kind="manual", conf={"file": name}, retries=2)
    assert [type(error).__name__ for error in ran.errors] == ["AirflowFailException"]
    assert "inbox" in str(ran.errors[0])


def test_a_repeated_attempt_finds_its_job_made(inbox: Path, warehouse_url: str):
    """The warehouse broke off after the job was made: the retry must not ask for the file that is no longer there."""
    from energy_ingest.loading.meter_files.work import Importer

    put(inbox / "june.csv")
    work, broken = Importer.work, [True]

    def once_broken(*given: Any) -> None:
        if broken:
            broken.clear()
            raise ConnectionError("made up")
        work(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Importer, "work", once_broken)
        ran = run("meter_files", kind="manual", conf={"file": "june.csv"}, retries=1)
    assert (ran.state, len(ran.errors)) == ("success", 1)
    assert ask(warehouse_url, "SELECT status, claims FROM ledger.import_job") == [("completed", 1)]


def test_it_runs_every_minute_and_catches_nothing_up():
    dag = parse().dags["meter_files"]
    assert (dag.catchup, dag.timetable.summary, dag.max_active_runs) == (False, "* * * * *", 2)
