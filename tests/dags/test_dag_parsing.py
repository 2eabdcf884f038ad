"""What Airflow makes of the DAG files: which DAGs, with what schedule, the same on every parse and in every layout."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pendulum
import pytest
from airflow.timetables.base import TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable

import energy_ingest
from energy_ingest import settings
from energy_ingest.calendars import SETTLEMENT_DAYS, ending_in
from energy_ingest.catalog import DATASETS
from energy_ingest.operators.timetable import BoundedTimetable
from tests.dags.harness import AIRFLOW_3, DAGS, ROOT, Serialization, digest, parse, parse_alone

SOURCES = {
    "elexon_b1610",
    "elexon_market_index",
    "elexon_system_prices",
    "elexon_boalf",
    "elexon_bod",
    "elexon_physical",
}
"""Those with a run a settlement date."""
DAY = timedelta(days=1)
GAS = {"national_gas_quality", "national_gas_quality_sweep", "transwestern_capacity", "energy_transfer_capacity"}
PAUSED = {"elexon_boalf", "elexon_bod", "elexon_physical", "energy_transfer_capacity"}
PLATFORM = {"platform_migrate", "platform_monitor", "platform_health", "platform_cleanup"}
METERS = {"meter_files", "meter_aggregates"}
QUALITY = {"data_quality", "elexon_bm_units"}
LONDON, CHICAGO = "Europe/London", "America/Chicago"


@pytest.fixture(scope="module")
def bag() -> Any:
    return parse()


@pytest.fixture(params=sorted(SOURCES | GAS | PLATFORM | METERS | QUALITY))
def dag(request: pytest.FixtureRequest, bag: Any) -> Any:
    return bag.dags[request.param]


@pytest.fixture(params=sorted(SOURCES))
def source_dag(request: pytest.FixtureRequest, bag: Any) -> Any:
    return bag.dags[request.param]


def test_the_dags_are_these(bag: Any):
    assert bag.import_errors == {}
    assert set(bag.dags) == SOURCES | GAS | PLATFORM | METERS | QUALITY
    assert set(bag.dags) == {path.stem for path in DAGS.glob("*.py")}


def test_parse_time(bag: Any, capsys: pytest.CaptureFixture[str]):
    """Reported, not judged: it depends on the machine."""
    with capsys.disabled():
        print()
        for stat in bag.dagbag_stats:
            print(f"  {Path(stat.file).name:28} parsed in {stat.duration.total_seconds() * 1000:6.1f} ms")
    assert {Path(stat.file).stem for stat in bag.dagbag_stats} == set(bag.dags)


def test_every_dag(dag: Any):
    assert Path(dag.fileloc).stem == dag.dag_id
    assert dag.doc_md and dag.doc_md.startswith("### ")
    source, *rest = sorted(dag.tags, key=lambda tag: not dag.dag_id.startswith(tag))
    assert dag.dag_id.startswith(f"{source}_")
    assert len([tag for tag in rest if tag in {"tier-1", "tier-2", "tier-3"}]) == 1
    assert dag.timezone.name == (LONDON if dag.dag_id not in GAS else CHICAGO if "capacity" in dag.dag_id else "UTC")
    assert dag.start_date.tzinfo is not None
    assert dag.start_date < pendulum.datetime(2026, 1, 1)
    assert 1 <= dag.max_active_runs <= 16
    assert len(dag.tasks) <= 3
    for task in dag.tasks:
        assert task.retries >= 1, "a task queued while the API server starts fails without having run"
        assert task.retry_delay >= timedelta(seconds=1)


def test_every_source(source_dag: Any):
    assert source_dag.catchup is True
    assert source_dag.end_date is None
    assert type(source_dag.timetable).__name__ == "CronDataIntervalTimetable"
    task = source_dag.get_task("ingest")
    assert task.dataset == source_dag.dag_id
    assert [asset.uri for asset in task.outlets] == [f"x-energy://{source_dag.dag_id.replace('_', '/', 1)}"]


def test_what_costs_many_requests_waits_for_a_person(bag: Any):
    assert {dag_id for dag_id, dag in bag.dags.items() if dag.is_paused_upon_creation} == PAUSED


@pytest.mark.parametrize("dag_id", sorted(GAS))
def test_every_gas_source(dag_id: str, bag: Any):
    dag = bag.dags[dag_id]
    task = dag.get_task("ingest")
    assert (dag.catchup, dag.end_date) == (True, None)
    assert task.dataset == dag_id.removesuffix("_sweep")
    assert getattr(task, "reschedule", False) == ("capacity" in dag_id), "waits without a worker slot"


def test_each_half_hour_has_its_run_and_each_posting(bag: Any):
    """Through both clock changes, of which there are other dates in America."""
    for dag_id, first, last in (("national_gas_quality", 26, 28), ("transwestern_capacity", 1, 5)):
        dataset, month = DATASETS[dag_id], 10 if dag_id.startswith("national") else 11
        found = intervals(bag.dags[dag_id], date(2024, month, first), date(2024, month, last))
        owned = [
            ending_in(dataset.calendar, start, end) if start < end else ending_in(dataset.calendar, end - DAY, end)[-1:]
            for start, end in found
        ]
        starts = [window.start for windows in owned for window in windows]
        assert len(starts) == len(set(starts)) and starts == sorted(starts)
        whole = sorted(dataset.windows(date(2024, month, first + 1), date(2024, month, last - 2)))
        assert {window.start for window in whole} <= set(starts)


def test_platform_dags_make_up_for_nothing(bag: Any):
    """They look at what is so now; migrations wait for a person."""
    for dag_id in PLATFORM:
        dag = bag.dags[dag_id]
        assert (dag.catchup, dag.max_active_runs) == (False, 1)
        assert dag.timetable.can_be_scheduled == (dag_id != "platform_migrate")


def test_the_scheduler_gets_all_of_it(dag: Any):
    data = json.loads(json.dumps(Serialization.to_dict(dag)))
    again = Serialization.from_dict(data)
    assert again.dag_id == dag.dag_id
    assert (again.start_date, again.max_active_runs, again.tags) == (dag.start_date, dag.max_active_runs, dag.tags)
    assert [task.task_id for task in again.tasks] == [task.task_id for task in dag.tasks]
    assert again.params.dump() == dag.params.dump()
    if AIRFLOW_3:  # on 2 a DAG that came back cannot be sent again
        assert json.loads(json.dumps(Serialization.to_dict(dag))) == data


@pytest.mark.skipif(not AIRFLOW_3, reason="Airflow 2 has no DAG versions")
def test_airflow_finds_no_value_that_varies_with_time(dag: Any):
    from airflow.utils.dag_version_inflation_checker import check_dag_file_stability

    assert check_dag_file_stability(dag.fileloc).warnings == {}


def intervals(dag: Any, first: date, last: date) -> list[tuple[Any, Any]]:
    """The data intervals that the scheduler makes of a DAG that came to it as JSON."""
    timetable = Serialization.from_dict(json.loads(json.dumps(Serialization.to_dict(dag)))).timetable
    earliest, latest = (pendulum.datetime(day.year, day.month, day.day, tz=LONDON) for day in (first, last))
    restriction = TimeRestriction(earliest=earliest, latest=latest.add(hours=12), catchup=True)
    found: list[Any] = []
    while info := timetable.next_dagrun_info(
        last_automated_data_interval=found[-1] if found else None, restriction=restriction
    ):
        found.append(info.data_interval)
    return [(each.start, each.end) for each in found]


def test_a_backfill_needs_the_day_after_the_last(source_dag: Any):
    """As docs/operations.md says: Airflow takes a date for its midnight, before the run of that settlement date."""
    dag = Serialization.from_dict(json.loads(json.dumps(Serialization.to_dict(source_dag))))
    first = pendulum.datetime(2024, 3, 29)
    for last, days in ((pendulum.datetime(2024, 3, 31), [29, 30]), (pendulum.datetime(2024, 4, 1), [29, 30, 31])):
        assert [run.logical_date.day for run in dag.iter_dagrun_infos_between(first, last)] == days


def test_each_run_owns_the_settlement_date_of_its_logical_date(source_dag: Any):
    """Through both clock changes: no date left out, none owned twice."""
    found = intervals(source_dag, date(2024, 3, 25), date(2024, 11, 3))
    assert [end for _, end in found[:-1]] == [start for start, _ in found[1:]]
    assert [[window.label for window in ending_in(SETTLEMENT_DAYS, *each)] for each in found] == [
        [start.in_timezone("UTC").date()] for start, _ in found
    ]
    assert len(found) == (date(2024, 11, 3) - date(2024, 3, 25)).days + 1


def test_a_rehearsal_ends_where_it_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(settings.START.env, "2024-10-20")
    monkeypatch.setenv(settings.UNTIL.env, "2024-10-28")
    bag = parse()
    assert bag.import_errors == {}
    for dag_id in SOURCES:
        dag = bag.dags[dag_id]
        assert dag.start_date == pendulum.datetime(2024, 10, 20, 2, tz=LONDON)
        assert dag.end_date is None
        last = pendulum.datetime(2024, 10, 28, 2, tz=LONDON)
        assert dag.timetable.serialize() == BoundedTimetable("0 2 * * *", LONDON, last).serialize()
        found = intervals(dag, date(2024, 10, 20), date(2024, 11, 20))
        assert [start.in_timezone(LONDON).day for start, _ in found] == list(range(20, 29))


@pytest.mark.parametrize("setting", [settings.START, settings.UNTIL], ids=lambda setting: setting.env)
def test_a_bad_date_is_named(setting: settings.Setting, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(setting.env, "20.10.2024")
    errors = parse().import_errors
    assert {Path(path).stem for path in errors} == SOURCES | GAS
    assert all(f"{setting.env}='20.10.2024' is not a date: use YYYY-MM-DD" in text for text in errors.values())


def test_every_module_of_the_library_is_importable():
    """With each Airflow and its pins; a command line's `__main__` runs, and migrations need Alembic around them."""
    names = {module.name for module in walk_packages(energy_ingest.__path__, "energy_ingest.")}
    elsewhere = (".migrations.",) if AIRFLOW_3 else (".migrations.", ".web.")  # Airflow 2 has no FastAPI, nor our pages
    for name in names:
        if not name.endswith(".__main__") and not any(part in name for part in elsewhere):
            import_module(name)
    assert {"energy_ingest.operators.ingest", "energy_ingest.hooks.elexon"} <= names


def test_production_needs_no_timetable_of_ours():
    """Composer gives its scheduler no plugins."""
    from energy_ingest.operators.dag import uk_daily

    assert type(uk_daily()) is CronDataIntervalTimetable


# --- in a process of its own: cut off from the world, in each layout ---


def layout(name: str, folder: Path) -> tuple[Path, Path]:
    """The folder of DAGs and the folder of plugins, laid out as on a platform."""
    if name == "repository":  # the bundle is the whole repository, as in git-sync
        for part in ("dags", "plugins", "include", "tools", "tests", "docs"):
            if (ROOT / part).exists():
                shutil.copytree(ROOT / part, folder / part)
        shutil.copy(ROOT / ".airflowignore", folder)
        return folder, folder / "plugins"
    return DAGS, ROOT / "plugins"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["folders of their own", "repository"])
def test_parsing_alone(name: str, tmp_path: Path, bag: Any):
    """No network, no database, the library from where it lies, and the very same DAGs."""
    dags, plugins = layout(name, tmp_path / "deployed")
    seen = parse_alone(dags, plugins, tmp_path)
    assert seen["errors"] == {}
    assert seen["dags"] == {dag_id: digest(dag) for dag_id, dag in bag.dags.items()}
    assert Path(seen["library"]).is_relative_to(tmp_path if name != "folders of their own" else ROOT / "plugins")
    # not Alembic, which Airflow 3.2 imports itself; ours is in `loading`
    assert {"polars", "psycopg", "energy_ingest.loading"} & set(seen["imported"]) == set(), "slow to import"


@pytest.mark.slow
def test_the_plugin_loader_executes_one_file(tmp_path: Path):
    """It would import each file below plugins/ under its bare name, and so replace modules of others."""
    seen = parse_alone(DAGS, ROOT / "plugins", tmp_path)
    stems = {path.stem for path in (ROOT / "plugins").rglob("*.py")} - {"__init__"}
    assert seen["plugin_errors"] == {}
    assert "energy" in seen["plugins"]
    assert stems & set(seen["added_by_plugins"]) == {"energy_ui"}
