"""Counters, gauges and timings as a StatsD server gets them, through Airflow's own statistics."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dags.harness import ROOT

EMIT = """
from energy_ingest.alerts.thresholds import Disk, Figures, Group
from energy_ingest.hooks import metrics
metrics.counters("elexon_b1610", {"inserted": 240, "failed": 1}, 1.5)
groups = [Group("elexon", completed=19, failed=1, attempts=25, retries=5, rows=240, waiting=3)]
metrics.gauges(Figures(groups=groups, disk=Disk("/a", 0.5)))
"""


@pytest.fixture
def statsd() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(10)
        yield listener


def test_what_a_statsd_server_gets(statsd: socket.socket, tmp_path: Path):
    pytest.importorskip("statsd")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(statsd.getsockname()[1]),
        "PYTHONPATH": str(ROOT / "plugins"),
        "PYTHONWARNINGS": "ignore",
    }
    subprocess.run([sys.executable, "-c", EMIT], env=environment, check=True, capture_output=True, timeout=120)
    statsd.sendto(b"end", statsd.getsockname())
    lines: list[str] = []
    while (packet := statsd.recv(65_535)) != b"end":
        lines += packet.decode().splitlines()
    ours = {line.removeprefix("airflow.energy_ingest.") for line in lines if "energy_ingest" in line}
    assert {
        "elexon_b1610.inserted:240|c",
        "elexon_b1610.failed:1|c",
        "elexon_b1610.duration:1500.000000|ms",
        "success_rate:0.95|g",
        "retry_rate:0.2|g",
        "queue_depth:3|g",
        "availability:1.0|g",
        "disk_used:0.5|g",
        "elexon.failure_rate:0.05|g",
        "elexon.waiting:3|g",
    } <= ours
