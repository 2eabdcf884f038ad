"""`make demo`, in a folder of its own: it loads, reports, and the second time finds everything there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.driver import NAMES, own_ports, run_tool
from tools.private import write_private


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a stack that is gone after the test."""
    folder = tmp_path / "stack"
    folder.mkdir()
    write_private(folder / "state.json", json.dumps({"ports": own_ports()}))
    own_warehouse = dict.fromkeys(("WAREHOUSE_URL", "WAREHOUSE_OWNER_URL", "WAREHOUSE_READER_URL"), "")  # as in no .env
    env = {**os.environ, **own_warehouse, "ENERGY_STACK": str(folder)}
    yield env
    assert run_tool("stack", "clean", env=env).returncode == 0
    assert not folder.exists()


def test_demo_fills_every_window_and_loads_nothing_twice(env: dict[str, str]) -> None:
    first = run_tool("demo", "--days", "1", env=env)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Loaded without gaps" in first.stdout
    lines = [line.replace("│", " ").split() for line in first.stdout.splitlines()]
    assert {cells[0]: cells[1:6] for cells in lines if cells and cells[0] in NAMES} == {
        "elexon_system_prices": ["2", "2", "0", "96", "0"],  # 31 March has 46 half hours, 27 October 50
        "elexon_market_index": ["2", "2", "0", "192", "0"],
        "elexon_b1610": ["2", "2", "0", "480", "0"],
    }
    assert "http://127.0.0.1:" in first.stdout and "user: admin" in first.stdout

    again = run_tool("demo", "--days", "1", env=env)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "no row was loaded twice" in again.stdout
