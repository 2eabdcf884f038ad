"""`make smoke-influx` itself, against the double with the real engine behind it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from include.influx_double.server import InfluxDouble, State
from include.influx_double.stores import count

ROOT = Path(__file__).parents[2]


def smoke(**env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugins"), **env}
    command = [sys.executable, "-m", "tools.smoke_influx"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.parametrize("store", ["engine"], indirect=True)
def test_every_step_passes(double: InfluxDouble, state: State, bucket: str):
    target = {"URL": double.url, "TOKEN": "token", "ORG": "org", "BUCKET": bucket}
    done = smoke(**{f"INFLUXDB_{name}": value for name, value in target.items()})
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [line.split(":")[0].removeprefix("ok  ") for line in done.stdout.splitlines()[1:]]
    assert steps == [
        *("nothing is there", "write", "read back by InfluxQL", "read back by Flux", "write again", "revise tags"),
        *("401, wrong token", "404, unknown bucket", "404, unknown organization"),
        *("400, a faulty line", "422, a conflict of types", "rebuild", "delete"),
    ]
    assert count(state.store.contents(bucket)) == 0


def test_it_needs_an_influxdb():
    done = smoke(INFLUXDB_URL="")
    assert done.returncode == 1 and "set INFLUXDB_URL, INFLUXDB_TOKEN, INFLUXDB_ORG" in done.stderr
