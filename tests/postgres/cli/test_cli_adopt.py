"""`adopt`: what another system kept becomes rows, with its history, and never undoes what is newer."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.postgres.cli.conftest import EnergyIngest
from tests.unit.test_kept_files import RAW, transformed
from tools import postgres

NAME = "OAC_TW_007933047_06-22-2026_Timely.csv"
CAPACITY = ("--dataset", "transwestern_capacity")


def put(folder: Path, name: str, body: bytes, at: datetime) -> str:
    (folder / name).write_bytes(body)
    os.utime(folder / name, (at.timestamp(), at.timestamp()))
    return str(folder / name)


@pytest.fixture
def scheduled(energy_ingest: EnergyIngest, tmp_path: Path):
    def adopt(*arguments: str):
        return energy_ingest("adopt", *arguments, *CAPACITY, ENERGY_START="2026-06-22", ENERGY_UNTIL="2026-06-22")

    return adopt


def rows(url: str) -> list[tuple]:
    query = """SELECT gas_day::text, nomination_cycle, loc, total_scheduled_quantity_dth_per_day
               FROM energy.transwestern_capacity ORDER BY loc, flow_ind"""
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def test_files_of_the_old_pipeline(scheduled, tmp_path: Path, warehouse_url: str):
    first = put(tmp_path, NAME, transformed(RAW), datetime(2026, 7, 2, tzinfo=UTC))
    done = scheduled(first)
    assert (done.code, done.out.splitlines()[0]) == (0, "files: 1 = 1 in the archive + 0 refused"), done
    assert "4 inserted" in done.out and {row[:2] for row in rows(warehouse_url)} == {("2026-06-22", "Timely")}
    before = rows(warehouse_url)
    again = scheduled(first)
    assert again.code == 0 and "4 unchanged" in again.out
    # an older copy of the same posting with another value does not undo the newer one
    older = put(
        tmp_path, "OAC_TW_06-22-2026_timely.csv", RAW.replace(b'"1000"', b'"7"'), datetime(2026, 6, 1, tzinfo=UTC)
    )
    scheduled(older)
    assert rows(warehouse_url) == before


def test_the_old_pipelines_table(scheduled, tmp_path: Path, warehouse_url: str, pg_server: postgres.Server):
    """As docs/migration.md exports it: the columns that it had, a cycle at a time, the gas day said."""
    head, *lines = transformed(RAW).decode().splitlines()
    kinds = {"dc": "numeric", "opc": "numeric", "tsq": "numeric", "oac": "numeric", "download_timestamp": "float8"}
    columns = ", ".join(f"{name} {kinds.get(name, 'text')}" for name in head.split(","))
    with psycopg.connect(pg_server.dsn) as old:
        old.execute(f"CREATE TEMPORARY TABLE operational_capacity (id serial, {columns}, created_at timestamp)")
        with old.cursor().copy(f"COPY operational_capacity ({head}) FROM STDIN CSV") as into:
            into.write("\n".join(lines))
        with old.cursor().copy("COPY operational_capacity TO STDOUT CSV HEADER") as out:
            exported = b"".join(map(bytes, out))
    file = put(tmp_path, "OAC_TW_old_Timely.csv", exported, datetime(2026, 7, 2, tzinfo=UTC))
    done = scheduled(file, "--date", "2026-06-22")
    assert (done.code, done.out.splitlines()[0]) == (0, "files: 1 = 1 in the archive + 0 refused"), done
    assert "4 inserted" in done.out and {row[:2] for row in rows(warehouse_url)} == {("2026-06-22", "Timely")}


def test_a_refused_file_does_not_keep_the_others(scheduled, tmp_path: Path, warehouse_url: str):
    nameless = put(tmp_path, "capacity.csv", RAW, datetime(2026, 7, 1, tzinfo=UTC))
    good = put(tmp_path, NAME, RAW, datetime(2026, 7, 1, tzinfo=UTC))
    done = scheduled(nameless, good, str(tmp_path / "gone.csv"))
    assert done.code == 1 and "files: 3 = 1 in the archive + 2 refused" in done.out
    assert "capacity.csv: no date in the file's name; give it with --date" in done.err and "gone.csv" in done.err
    assert len(rows(warehouse_url)) == 4


def test_a_file_that_contradicts_what_is_said(scheduled, tmp_path: Path, warehouse_url: str):
    done = scheduled(put(tmp_path, NAME, RAW, datetime(2026, 7, 1, tzinfo=UTC)), "--part", "Evening")
    assert "4 quarantined" in done.out and rows(warehouse_url) == []
