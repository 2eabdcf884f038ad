"""An inbox and a warehouse for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.postgres.meter_files.files import Box


@pytest.fixture
def box(warehouse_url: str, tmp_path: Path) -> Box:
    return Box(tmp_path / "inbox", warehouse_url)
