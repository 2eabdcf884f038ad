"""Pacing: one line for everybody who asks an upstream, whatever machine they are on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from energy_ingest.catalog import ELEXON
from energy_ingest.loading.database import connect
from energy_ingest.loading.pacing import pace
from tests.postgres.processes import together

FAST = replace(ELEXON, name="fast", requests_per_second=50)


def take_slots(_: Callable[[str], None], url: str, notes: Path, count: int) -> None:
    """Note each slot, and by the same clock when it was let go."""
    with connect(url) as connection:
        lines = []
        for _ in range(count):
            slot = pace(connection, FAST)
            (now,) = connection.execute("SELECT clock_timestamp()").fetchone() or (None,)
            lines.append(f"{slot.isoformat()} {now.isoformat()}\n")
        notes.write_text("".join(lines))


def test_never_more_slots_in_a_second_than_allowed(warehouse_url: str, tmp_path: Path):
    together(take_slots, *[(warehouse_url, tmp_path / f"{n}", 30) for n in range(3)])
    lines = [line.split() for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    slots = sorted(datetime.fromisoformat(slot) for slot, _ in lines)
    assert len(slots) == 90
    assert min(after - before for before, after in pairwise(slots)) >= timedelta(seconds=1 / 50)
    assert max(sum(timedelta(0) <= slot - first < timedelta(seconds=1) for slot in slots) for first in slots) <= 50
    assert all(datetime.fromisoformat(slot) <= datetime.fromisoformat(now) for slot, now in lines), "nobody goes early"


def test_a_slot_that_nobody_took_is_not_made_up_for(warehouse_url: str):
    with connect(warehouse_url) as connection:
        first = pace(connection, ELEXON)
        connection.execute("UPDATE ledger.request_slot SET next_at = clock_timestamp() - interval '1 hour'")
        slots = [pace(connection, ELEXON) for _ in range(3)]
    gaps = [after - before for before, after in pairwise([first, *slots])]
    assert gaps[0] > timedelta(0)
    assert min(gaps[1:]) >= timedelta(seconds=0.1)


def test_upstreams_do_not_wait_for_each_other(warehouse_url: str):
    with connect(warehouse_url) as connection:
        pace(connection, FAST)
        connection.execute("UPDATE ledger.request_slot SET next_at = clock_timestamp() + interval '1 hour'")
        pace(connection, ELEXON)
        assert connection.execute("SELECT count(*) FROM ledger.request_slot").fetchone() == (2,)
