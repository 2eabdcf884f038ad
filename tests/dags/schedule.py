"""Plan the next run of serialised DAGs as a scheduler does that has neither plugins nor our library; print it as JSON.

Run as a process of its own, `python schedule.py FILE`: what an interpreter has imported once, it keeps.
"""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

# What makes the library importable here must not.
sys.path[:] = [path for path in sys.path if not (Path(path) / "energy_ingest").is_dir()]

import pendulum  # noqa: E402
from airflow.timetables.base import TimeRestriction  # noqa: E402
from harness import Serialization  # noqa: E402


def main() -> None:
    """Deserialise, then ask each DAG for its first run."""
    dags = [Serialization.from_dict(data) for data in json.loads(Path(sys.argv[1]).read_text())]
    whenever = TimeRestriction(earliest=pendulum.datetime(2024, 1, 1), latest=None, catchup=True)
    runs = {
        dag.dag_id: dag.timetable.next_dagrun_info(last_automated_data_interval=None, restriction=whenever)
        for dag in dags
    }
    seen = {
        "library": find_spec("energy_ingest") is not None,
        "planned": {dag_id: run is not None for dag_id, run in runs.items()},
        "deferring": [task.task_id for dag in dags for task in dag.tasks if getattr(task, "start_from_trigger", False)],
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
