"""The tests' side of Airflow, on 2.11 and on 3: parse, serialise, and run a DAG in this process."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from pydoc import locate
from typing import Any
from unittest.mock import patch

import airflow
import pendulum
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session

ROOT = Path(__file__).parents[2]
DAGS = ROOT / "dags"
AIRFLOW_3 = airflow.__version__ >= "3"

if AIRFLOW_3:
    from airflow.dag_processing.dagbag import BundleDagBag
    from airflow.models.asset import AssetEvent
    from airflow.serialization.serialized_objects import DagSerialization as Serialization

    CREATE_RUN = "airflow.models.dagrun.get_or_create_dagrun"
else:
    from airflow.models.dagbag import DagBag
    from airflow.models.dataset import DatasetEvent as AssetEvent
    from airflow.serialization.serialized_objects import SerializedDAG as Serialization

    CREATE_RUN = "airflow.models.dag._get_or_create_dagrun"

__all__ = [
    "AIRFLOW_3",
    "CREATE_RUN",
    "DAGS",
    "ROOT",
    "Ran",
    "Serialization",
    "alone",
    "digest",
    "interval",
    "make_known",
    "parse",
    "parse_alone",
    "run",
]

Interval = tuple[datetime, datetime]


@dataclass
class Ran:
    """What became of a run: an error for each try that failed, result and asset events of its first task."""

    state: str = ""
    run_id: str = ""
    errors: list[BaseException] = field(default_factory=list)
    result: Any = None
    events: list[dict[str, Any]] = field(default_factory=list)


def interval(day: date) -> Interval:
    """The data interval of the scheduled run that owns a settlement date."""
    start = pendulum.datetime(day.year, day.month, day.day, 2, tz="Europe/London")
    return start, start.add(days=1)


def parse(folder: Path = DAGS, file: str = "") -> Any:
    """A folder of DAGs or one of its files, parsed anew as a DAG processor does."""
    if AIRFLOW_3:
        return BundleDagBag(dag_folder=folder / file, bundle_path=folder, bundle_name="dags-folder")
    return DagBag(dag_folder=folder / file)


def make_known() -> None:
    """Write every DAG to Airflow's database."""
    if not AIRFLOW_3:
        parse().sync_to_db()
        return
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(parse(), "dags-folder", None)


def parse_alone(dags: Path, plugins: Path, home: Path) -> dict[str, Any]:
    """What `parse.py` prints."""
    return alone("parse.py", dags, dags=dags, plugins=plugins, home=home)


def alone(script: str, argument: Path, *, dags: Path, plugins: Path, home: Path) -> dict[str, Any]:
    """What a script beside this file prints in a process of its own; the database that it is told of does not exist."""
    ours = ("AIRFLOW", "ENERGY", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://nobody@127.0.0.1:1/none",
        "PYTHONHASHSEED": "7",  # the order in sets is another one than here
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, str(Path(__file__).with_name(script)), str(argument)]
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def digest(dag: Any) -> str:
    """What the scheduler gets, in short, wherever the file lies: Airflow 3 makes a new DAG version when it changes."""
    data = Serialization.to_dict(dag)
    places = ("fileloc", "relative_fileloc", "_processor_dags_folder")
    data["dag"] = {name: value for name, value in data["dag"].items() if name not in places}
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def run(
    dag_id: str,
    data_interval: Interval | None = None,
    *,
    kind: str = "scheduled",
    conf: dict[str, Any] | None = None,
    retries: int = 0,
    clear: Ran | None = None,
    **when: Any,
) -> Ran:
    """Run a DAG as the scheduler would for a data interval, or as `when` says to `dag.test`; retries follow at once.

    With `clear`, no new run is made: the tasks of that one are cleared, and run once more.
    """
    file = f"{dag_id}.py"
    dag = parse(file=file).dags[dag_id]
    ran, began = Ran(), pendulum.now("UTC")
    for task in dag.tasks:
        task.retries, task.retry_delay, task.retry_exponential_backoff = retries, timedelta(0), False
        if hasattr(task, "execute"):  # what is mapped gets one only when it runs
            task.execute = _recording(task.execute, ran.errors)
    if data_interval:
        when["logical_date" if AIRFLOW_3 else "execution_date"] = data_interval[0]
    with patch(CREATE_RUN, _created_as(kind, data_interval, clear)), _writing_only(file):
        dag_run = dag.test(run_conf=conf, **when)
    ran.state, ran.run_id = str(getattr(dag_run.state, "value", dag_run.state)), dag_run.run_id
    ran.result, ran.events = _left_behind(dag_run.get_task_instance(dag.roots[0].task_id), began)
    return ran


def _writing_only(file: str) -> AbstractContextManager[Any]:
    """Airflow 3's `dag.test` writes the DAGs to its database anew, for seconds each time: here those of this file."""
    if not AIRFLOW_3:
        return nullcontext()
    return patch("airflow.dag_processing.dagbag.BundleDagBag", lambda **_: parse(file=file))


def _recording(execute: Callable[..., Any], errors: list[BaseException]) -> Callable[..., Any]:
    """The same, with its errors kept: not every Airflow shows them to a callback."""

    def recorded(*given: Any, **named: Any) -> Any:
        try:
            return execute(*given, **named)
        except Exception as error:
            if type(error).__name__ not in ("DownstreamTasksSkipped", "AirflowSkipException"):  # neither is a failure
                errors.append(error)
            raise

    return recorded


def _created_as(kind: str, data_interval: Interval | None, clear: Ran | None) -> Callable[..., Any]:
    """`dag.test` makes manual runs for the interval before their date: make the run that the scheduler would."""
    create: Any = locate(CREATE_RUN)

    def created(*, session: Any, **given: Any) -> Any:
        if clear:  # its tasks are cleared already: `dag.test` begins with that
            dag_run = session.query(DagRun).filter_by(dag_id=given["dag"].dag_id, run_id=clear.run_id).one()
            dag_run.dag, dag_run.state = given["dag"], "running"
        else:
            dag_run = create(session=session, **given | ({"data_interval": data_interval} if data_interval else {}))
            dag_run.run_type, dag_run.start_date = kind, pendulum.now("UTC")
        session.commit()
        return dag_run

    return created


def _left_behind(ti: Any, since: datetime) -> tuple[Any, list[dict[str, Any]]]:
    """The task's result, and the extras of its asset events."""
    with create_session() as session:
        events = session.query(AssetEvent).filter_by(source_dag_id=ti.dag_id, source_run_id=ti.run_id)
        events = events.filter(AssetEvent.timestamp >= since)
        return ti.xcom_pull(task_ids=ti.task_id), [event.extra for event in events]
