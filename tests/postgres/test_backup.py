"""Backup and restore, by the commands of docs/backup.md: another server with the same rows, rights and ledger."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg import errors

from energy_ingest.catalog import SYSTEM_PRICES
from energy_ingest.loading.database import connect
from include.influx_double.server import InfluxDouble, State
from include.influx_double.stores import Memory, count
from tests.postgres.meter_files.files import Box, wide
from tests.postgres.meter_files.files import days as readings_of
from tests.postgres.world import DAY, Feed, ask, audit, content, days, load, one
from tools import postgres

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "backup.md").read_text()
BACK_UP, RESTORE, REPLAY, REBUILD = re.findall(r"```bash\n(.*?)```", PAGE, re.S)

TABLES = """SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
    WHERE schemaname IN ('energy', 'ledger') ORDER BY 1"""
RIGHTS = """
    SELECT relnamespace::regnamespace || '.' || relname AS object, grantee::regrole::text, privilege_type
    FROM pg_class, aclexplode(relacl) WHERE relnamespace::regnamespace::text IN ('energy', 'ledger')
    UNION ALL
    SELECT oid::regprocedure::text, CASE grantee WHEN 0 THEN 'public' ELSE grantee::regrole::text END, privilege_type
    FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
    WHERE pronamespace::regnamespace::text IN ('energy', 'ledger')
    UNION ALL
    SELECT nspname, grantee::regrole::text, privilege_type FROM pg_namespace, aclexplode(nspacl)
    WHERE nspname IN ('energy', 'ledger')
    UNION ALL
    SELECT 'database', grantee::regrole::text, privilege_type FROM pg_database, aclexplode(datacl)
    WHERE datname = current_database() ORDER BY 1, 2, 3"""


@pytest.fixture
def second_server() -> Iterator[postgres.Server]:
    """A server that has never heard of us."""
    with postgres.temporary() as server:
        yield server


def run(commands: str, environment: dict[str, str]) -> str:
    """What a person types, in a shell that stops at the first failure; gives what was printed."""
    path = os.pathsep.join([str(postgres.find_bindir()), str(Path(sys.executable).parent), os.environ["PATH"]])
    shell = ["bash", "-euo", "pipefail", "-c", commands]
    done = subprocess.run(
        shell, cwd=ROOT, env={**os.environ, "PATH": path, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def everything(url: str) -> dict[str, tuple[int, str]]:
    """Number and checksum of the rows of every table."""
    total = "SELECT count(*), coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {} AS t"
    return {table: ask(url, total.format(table))[0] for (table,) in ask(url, TABLES)}


def test_a_backup_is_restored_on_another_server(
    warehouse: dict[str, str], second_server: postgres.Server, role_passwords: dict[str, str], tmp_path: Path
):
    loader, owner = warehouse["energy_loader"], warehouse["energy_owner"]
    folders = {name: tmp_path / name.lower() for name in ("ARCHIVE", "INBOX", "BACKUP")}
    folders["BACKUP"].mkdir()
    feed = Feed()
    load(loader, feed, folders["ARCHIVE"], days(DAY, 2))
    feed.restate(DAY, "systemSellPrice", 1.0, count=3)
    load(loader, feed, folders["ARCHIVE"], days(DAY, 3))
    Box(folders["INBOX"], loader).load("june.csv", wide(readings_of(1)))
    places = {"WAREHOUSE_OWNER_URL": owner, **{name: str(path) for name, path in folders.items()}}
    run(BACK_UP, places)
    before, rights, prices = everything(owner), ask(owner, RIGHTS), content(owner, SYSTEM_PRICES, with_times=True)
    assert before["energy.elexon_system_prices_revision"][0] == 3 and before["energy.meter_reading"][0] == 3 * 48

    new = {role: second_server.url("warehouse", role, password) for role, password in role_passwords.items()}
    names = {role.replace("energy", "WAREHOUSE").upper() + "_PASSWORD": each for role, each in role_passwords.items()}
    restored = {name: tmp_path / f"new-{name.lower()}" for name in ("ARCHIVE", "INBOX")}
    places |= {name: str(path) for name, path in restored.items()} | names
    places |= {"ADMIN_URL": second_server.dsn, "WAREHOUSE_OWNER_URL": new["energy_owner"]}
    places |= {"WAREHOUSE_URL": new["energy_loader"], "ENERGY_ARCHIVE_URL": str(restored["ARCHIVE"])}
    places |= {"ENERGY_START": f"{DAY}", "ENERGY_UNTIL": f"{DAY + timedelta(days=2)}"}
    run(RESTORE, places)
    assert everything(new["energy_owner"]) == before
    assert ask(new["energy_owner"], RIGHTS) == rights
    _same_files(folders["ARCHIVE"], restored["ARCHIVE"])
    _same_files(folders["INBOX"], restored["INBOX"])
    _every_answer_is_there(new["energy_reader"], folders["ARCHIVE"], restored["ARCHIVE"])

    told = run(REPLAY, places)
    assert "not readable: 0" in told and "0 inserted + 0 revised + 240 unchanged" in told
    assert content(new["energy_reader"], SYSTEM_PRICES, with_times=True) == prices

    _influx_is_rebuilt(places)
    _people_may_do_what_they_could(new)
    load(new["energy_loader"], feed, restored["ARCHIVE"], days(DAY, 4))
    audit(new["energy_loader"], expected=days(DAY, 4))


def _same_files(old: Path, new: Path) -> None:
    def files(root: Path) -> dict[str, bytes]:
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    assert files(new) == files(old) != {}


def _every_answer_is_there(url: str, old: Path, new: Path) -> None:
    """Whatever the ledger names is in the archive, at its new place."""
    named = [path for (path,) in ask(url, "SELECT archive_path FROM ledger.import_job WHERE archive_path IS NOT NULL")]
    assert named and all((new / Path(path.removeprefix("file://")).relative_to(old)).is_file() for path in named)


def _influx_is_rebuilt(places: dict[str, str]) -> None:
    with InfluxDouble(State(Memory(), buckets=("energy",))) as double:
        target = {"URL": double.url, "TOKEN": "token", "ORG": "org", "BUCKET": "energy"}
        run(REBUILD, {**places, **{f"INFLUXDB_{name}": value for name, value in target.items()}})
        assert count(double.state.store.contents("energy")) == 3 * 48


def _people_may_do_what_they_could(urls: dict[str, str]) -> None:
    assert one(urls["energy_reader"], "SELECT count(*) FROM energy.elexon_system_prices_as_of(now())") == 3 * 48
    for role in ("energy_loader", "energy_reader"):
        with connect(urls[role]) as connection, pytest.raises(errors.InsufficientPrivilege):
            connection.execute("DELETE FROM energy.elexon_system_prices")
