"""energy-ingest as a contestant of a side-by-side harness, in which other tools load the same B1610 days.

    python -m tools.side_by_side HARNESS [--only energy-ingest,ref-best --workloads w1,w2,w4 ...]

HARNESS is its folder, prepared as its README says; what follows goes to its `run.py`. The harness starts this module
again as the contestant, and checks afterwards every row that it finds. Ledger, history and archive are on, as always,
and so is our limit of ten requests a second; `energy-ingest-unpaced` is without the limit, as all the others are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from energy_ingest.loading.ingest import Fetch
from energy_ingest.sources import Answer, Request
from tools.bootstrap import ROOT

NAMES = {"energy-ingest": "--load", "energy-ingest-unpaced": "--load-unpaced"}
CONTESTANT = """
[[contestant]]
name = {name}
files = [{dag}]
env = {{PYTHONPATH = {path}, AIRFLOW_HOME = "$SCRATCH/airflow"}}
cmd = {{w1 = {command}, w2 = {command}, w4 = {command}}}
[contestant.check.b1610]
table = "energy.elexon_b1610"
cols = {{half_hour_end_time = "period_start + interval '30 minutes'", quantity = "quantity_mwh"}}
"""


def main() -> None:
    """Run the harness with us among its contestants, or be the contestant."""
    if sys.argv[1:] and sys.argv[1] in NAMES.values():
        return _load(paced=sys.argv[1] == "--load")
    if len(sys.argv) < 2 or not (Path(sys.argv[1]) / "contestants.toml").is_file():
        sys.exit(__doc__)
    harness, arguments = Path(sys.argv[1]).resolve(), sys.argv[2:]
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        ours = (_contestant(name, word) for name, word in NAMES.items())
        config.write((harness / "contestants.toml").read_text() + "".join(ours))
        config.flush()
        command = [sys.executable, "run.py", "--config", config.name, *arguments]
        sys.exit(subprocess.run(command, cwd=harness, check=False).returncode)


def _contestant(name: str, word: str) -> str:
    """Our table in TOML, in which a string is written as in JSON."""
    values = {
        "name": name,
        "dag": str(ROOT / "dags" / "elexon_b1610.py"),
        "path": f"{ROOT}:{ROOT / 'plugins'}",
        "command": f"{sys.executable} -m tools.side_by_side {word}",
    }
    return CONTESTANT.format(**{name: json.dumps(value) for name, value in values.items()})


def _load(*, paced: bool) -> None:
    """Load the days that the harness asks for by its environment, as the command line does: `migrate`, then `load`."""
    first = date.fromisoformat(os.environ["FROM"])
    os.environ |= {
        "WAREHOUSE_URL": os.environ["DSN"],
        "AIRFLOW_CONN_ELEXON_DEFAULT": json.dumps({"conn_type": "http", "host": os.environ["BASE"]}),
        "ENERGY_ARCHIVE_URL": (Path(os.environ["SCRATCH"]) / "archive").as_uri(),
        "ENERGY_ELEXON_BM_UNITS": "all",
    }
    from energy_ingest.catalog import B1610
    from energy_ingest.cli import load, options
    from energy_ingest.cli.app import end_fast
    from energy_ingest.loading import schema
    from energy_ingest.loading.ledger import Run

    end_fast()
    schema.migrate(os.environ["DSN"])
    columns = tuple(
        # the simulator has this field by another name
        replace(column, source="nationalGridBmUnit") if column.name == "national_grid_bm_unit" else column
        for column in B1610.contract.columns
    )
    source = B1610.source if paced else replace(B1610.source, requests_per_second=1000)
    dataset = replace(B1610, source=source, contract=replace(B1610.contract, columns=columns))
    loader = load.make_loader(dataset, dataset.scopes()[0], options.connect(), Run("command"))
    loader = replace(loader, fetch=_by_settlement_date(loader.fetch))
    summary = loader.load(list(dataset.windows(first, first + timedelta(days=int(os.environ["NDAYS"]) - 1))))
    print(summary.failed or f"{summary.count('received'):,} rows, {summary.count('unchanged'):,} of them unchanged")
    sys.exit(1 if summary.failed else 0)


def _by_settlement_date(fetch: Fetch) -> Fetch:
    """The simulator takes the date in `from` for the settlement date; ours is the UTC instant at which that begins."""

    def fetched(request: Request, pace: Callable[[], None]) -> AbstractContextManager[Answer]:
        label = dict(request.params)["to"][:10]
        return fetch(replace(request, params=(("from", label), ("to", label))), pace)

    return fetched


if __name__ == "__main__":
    main()
