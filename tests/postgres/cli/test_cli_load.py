"""`migrate`, `load` and `replay`: what they bring, what they report, and the code they end with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from energy_ingest.loading import schema
from include.twin.client import Twin
from tests.postgres.cli.conftest import FIRST, EnergyIngest, Source, rows, windows
from tools import postgres

ROOT = Path(__file__).parents[3]
MARKET_INDEX = ("--dataset", "elexon_market_index")
DATES = ("--from", "2024-10-26", "--to", "2024-10-28")


def contents(url: str) -> list[Any]:
    """Every row with all that is known of it, but for the job that brought it."""
    with psycopg.connect(url) as connection:
        query = "SELECT to_jsonb(r) - 'job_id' FROM energy.elexon_market_index_versions r ORDER BY 1"
        return [row for (row,) in connection.execute(query)]


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with Twin.start() as running:
        yield running


@pytest.fixture
def airflow(twin: Twin, warehouse: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of a process that loads from the twin; Airflow's metadata does not even exist."""
    twin.clear_faults()
    return {
        **{
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ENERGY", "WAREHOUSE"))
        },
        "PYTHONPATH": str(ROOT / "plugins"),
        "PYTHONWARNINGS": "ignore",
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW_CONN_ELEXON_DEFAULT": json.dumps({"conn_type": "http", "host": twin.url}),
        "NO_PROXY": "127.0.0.1,localhost",
        "WAREHOUSE_URL": warehouse["energy_loader"],
        "ENERGY_ARCHIVE_URL": (tmp_path / "archive").as_uri(),
    }


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "energy_ingest.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    "more", [{}, {"extra": {"timeout": 60}}], ids=["an address", "a connection for Airflow to read"]
)
def test_load_as_the_operator_does(airflow: dict[str, str], twin: Twin, more: dict[str, Any]) -> None:
    connection = {"conn_type": "http", "host": twin.url, **more}
    done = run({**airflow, "AIRFLOW_CONN_ELEXON_DEFAULT": json.dumps(connection)}, "load", *MARKET_INDEX, *DATES)
    assert (done.returncode, done.stderr, done.stdout) == (
        0,
        "",
        "windows: 3 = 3 complete + 0 failed + 0 not tried\n"
        "rows: 292 = 292 inserted + 0 revised + 0 unchanged + 0 quarantined + 0 duplicates\n",
    )
    with psycopg.connect(airflow["WAREHOUSE_URL"]) as warehouse:
        query = "SELECT DISTINCT import_type, dag_id, left(run_id, 9), status FROM ledger.import_job"
        assert warehouse.execute(query).fetchall() == [("command", None, "command__", "completed")]
        paths = [path for (path,) in warehouse.execute("SELECT DISTINCT archive_path FROM ledger.import_job")]
    assert all(path.startswith(f"{airflow['ENERGY_ARCHIVE_URL']}/elexon_market_index/") for path in paths)
    assert paths and all(Path(path.removeprefix("file://")).is_file() for path in paths)


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        ("html", 2, "the answer is an HTML page"),
        ("short_day=43-44", 1, "2024-10-26: partial, 92 of 96 items after the deadline\n"),
    ],
)
def test_what_goes_wrong_decides_the_code(
    airflow: dict[str, str], twin: Twin, fault: str, code: int, told: str
) -> None:
    twin.add_fault(fault)
    done = run(airflow, "load", *MARKET_INDEX, "--from", "2024-10-26", "--to", "2024-10-26")
    assert (done.returncode, told in done.stdout + done.stderr) == (code, True), done
    assert "Traceback" not in done.stderr


def test_a_list_of_units_of_ones_own(airflow: dict[str, str]) -> None:
    dates = ("--from", "2024-10-27", "--to", "2024-10-27")
    done = run(airflow, "load", "--dataset", "elexon_b1610", *dates, "--units", "2__HSTAT003, 2__DSTAT001")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "windows: 1 = 1 complete + 0 failed + 0 not tried"), (
        done
    )
    with psycopg.connect(airflow["WAREHOUSE_URL"]) as connection:
        query = "SELECT bm_unit, count(*) FROM energy.elexon_b1610 GROUP BY 1 ORDER BY 1"
        assert connection.execute(query).fetchall() == [("2__DSTAT001", 50), ("2__HSTAT003", 50)]


@pytest.fixture
def empty(pg_server: postgres.Server) -> Iterator[str]:
    """A second warehouse, new and migrated, for an archive to fill."""
    with psycopg.connect(pg_server.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE replayed")
        url = pg_server.url("replayed", "postgres", pg_server.password)
        schema.migrate(url)
        yield url
        admin.execute("DROP DATABASE replayed WITH (FORCE)")


def test_replay_makes_the_same_rows_without_the_source(
    energy_ingest: EnergyIngest, source: Source, warehouse_url: str, empty: str
) -> None:
    """Oldest answer first: the revision comes out with both its versions, each as old as its retrieval."""
    source.load(windows(3))
    source.days[FIRST] = rows(FIRST, price=70.0)
    source.load(windows(1))
    before = contents(warehouse_url)
    assert len(before) == 292 + 96
    assert energy_ingest("replay", *MARKET_INDEX, WAREHOUSE_URL=empty) == (
        0,
        "answers in the archive: 4, not readable: 0\n"
        "windows: 4 = 4 complete + 0 failed + 0 not tried\n"
        "rows: 388 = 292 inserted + 96 revised + 0 unchanged + 0 quarantined + 0 duplicates\n",
        "",
    )
    assert contents(empty) == before
    assert energy_ingest("replay", *MARKET_INDEX, WAREHOUSE_URL=empty).code == 0
    assert contents(empty) == before
    assert energy_ingest("coverage", *MARKET_INDEX, "--json", WAREHOUSE_URL=empty).json[0]["rows"] == 292


def test_replay_of_some_dates(energy_ingest: EnergyIngest, source: Source, empty: str) -> None:
    source.load(windows(3))
    dates = ("--from", "2024-10-27", "--to", "2024-10-27")
    done = energy_ingest("replay", *MARKET_INDEX, *dates, WAREHOUSE_URL=empty)
    assert (done.code, done.out.splitlines()[1]) == (0, "windows: 1 = 1 complete + 0 failed + 0 not tried")


def test_damaged_files_are_reported_and_never_loaded(
    energy_ingest: EnergyIngest, source: Source, empty: str, tmp_path: Path
) -> None:
    source.load(windows(3))
    first, second, _ = sorted(tmp_path.rglob("*.gz"))
    body = bytearray(first.read_bytes())
    body[len(body) // 2] ^= 0xFF
    first.write_bytes(body)
    next(second.parent.glob(f"{second.stem}*.json")).write_text("{}")
    done = energy_ingest("replay", *MARKET_INDEX, WAREHOUSE_URL=empty)
    assert (done.code, done.out.splitlines()[:2]) == (
        1,
        ["answers in the archive: 2, not readable: 1", "windows: 2 = 1 complete + 1 failed + 0 not tried"],
    )
    assert done.err.count(" is damaged (") == 2
    assert done.err.count("\n") == 2
    coverage = energy_ingest("coverage", *MARKET_INDEX, "--json", WAREHOUSE_URL=empty).json[0]
    states = [(gap["label"], gap["state"]) for gap in coverage["gaps"]]
    assert (coverage["rows"], states) == (96, [("2024-10-26", "failed"), ("2024-10-27", "missing")])


def test_one_unreadable_description_alone_is_told(
    energy_ingest: EnergyIngest, source: Source, empty: str, tmp_path: Path
) -> None:
    source.load(windows(2))
    next(tmp_path.rglob("2024-10-26*.json")).write_text("not JSON")
    done = energy_ingest("replay", *MARKET_INDEX, WAREHOUSE_URL=empty)
    assert (done.code, done.out.splitlines()[:2]) == (
        1,
        ["answers in the archive: 1, not readable: 1", "windows: 1 = 1 complete + 0 failed + 0 not tried"],
    )


def test_no_archive_could_not_run(energy_ingest: EnergyIngest, tmp_path: Path) -> None:
    assert energy_ingest("replay", *MARKET_INDEX) == (
        3,
        "",
        f"energy-ingest: {(tmp_path / 'archive').as_uri()} holds no answer of elexon_market_index for these dates: "
        "set ENERGY_ARCHIVE_URL to the archive that the loads wrote to\n",
    )


def test_migrate_says_from_where_to_where(energy_ingest: EnergyIngest, pg_server: postgres.Server) -> None:
    with psycopg.connect(pg_server.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE unmigrated")
        try:
            url = pg_server.url("unmigrated", "postgres", pg_server.password)
            version = schema.newest_version()
            first = energy_ingest("migrate", WAREHOUSE_OWNER_URL=url)
            assert first == (0, f"warehouse schema: none -> {version}\n", "")
            again = energy_ingest("migrate", WAREHOUSE_OWNER_URL="", WAREHOUSE_URL=url)
            assert again == (0, f"warehouse schema: {version}, up to date\n", "")
        finally:
            admin.execute("DROP DATABASE unmigrated WITH (FORCE)")


def test_migrate_needs_the_owner(energy_ingest: EnergyIngest, warehouse_url: str) -> None:
    done = energy_ingest("migrate", WAREHOUSE_OWNER_URL=warehouse_url)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("energy-ingest: permission denied for ")
    assert done.err.endswith(": migrations need the role that owns the warehouse, name it in WAREHOUSE_OWNER_URL\n")
