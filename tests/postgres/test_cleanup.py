"""Clean-up: what goes and what never does; and that a dry run tells the truth."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import psycopg
import pytest

from energy_ingest.catalog import B1610, SYSTEM_PRICES
from energy_ingest.errors import Misconfigured, Rejected
from energy_ingest.loading import ledger
from energy_ingest.loading.archive import kept_answers
from energy_ingest.loading.cleanup import Removed, clean_up
from energy_ingest.loading.database import connect
from energy_ingest.sources import Scope
from tests.postgres.cli.conftest import EnergyIngest, energy_ingest
from tests.postgres.world import DAY, UNITS, Feed, ask, audit, content, days, load, one

__all__ = ["energy_ingest"]

NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=31)


class Inbox:
    """As much of an ObjectStoragePath as is needed."""

    def __init__(self, folder: Path) -> None:
        self.fs, self.path = fsspec.filesystem("file"), f"{folder}"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox" / "processed").mkdir(parents=True)
    return tmp_path / "inbox"


@pytest.fixture
def owner(owner_url: str) -> Iterator[psycopg.Connection]:
    with connect(owner_url) as connection:
        yield connection


@pytest.fixture
def clean(owner: psycopg.Connection, archive: Path, inbox: Path) -> Any:
    """Clean up as of a month from now; checks that a dry run just before says exactly the same and changes nothing."""

    def clean(now: datetime = LATER, days: int = 30) -> Removed:
        files = sorted(archive.parent.rglob("*"))
        announced = clean_up(owner, archive, Inbox(inbox), days, now, dry_run=True)
        assert sorted(archive.parent.rglob("*")) == files
        done = clean_up(owner, archive, Inbox(inbox), days, now, dry_run=False)
        assert (announced.rows, announced.files) == (done.rows, done.files)
        again = clean_up(owner, archive, Inbox(inbox), days, now, dry_run=True)
        assert sum(again.counts().values()) == 0
        return done

    return clean


def fail(url: str, count: int = 1) -> None:
    run = ledger.Run("scheduled", "elexon_system_prices", "r", 1)
    with connect(url) as connection:
        for window in days(DAY, count):
            ledger.fail(connection, ledger.begin(connection, SYSTEM_PRICES, Scope("all"), window, run), Rejected("x"))


def jobs(url: str) -> int:
    return int(one(url, "SELECT count(*) FROM ledger.import_job"))


# --- attempts ---


def test_attempts_that_left_nothing_go_and_the_books_balance(warehouse_url: str, archive: Path, clean: Any):
    fail(warehouse_url)
    feed = Feed()
    for _ in range(3):
        load(warehouse_url, feed, archive, days(DAY))
    feed.restate(DAY, "systemSellPrice", 1.0)
    load(warehouse_url, feed, archive, days(DAY))
    load(warehouse_url, feed, archive, days(DAY))
    before = content(warehouse_url, SYSTEM_PRICES, with_times=True)
    with connect(warehouse_url) as connection:
        connection.execute("UPDATE ledger.import_job SET influx_pending = false")
    assert clean().rows["import_job"] == [
        "1 failed elexon_system_prices 2024-03-05",
        "3 completed elexon_system_prices 2024-03-05",
        "4 completed elexon_system_prices 2024-03-05",
    ]
    assert [job for (job,) in ask(warehouse_url, "SELECT job_id FROM ledger.import_job ORDER BY 1")] == [2, 5, 6]
    assert content(warehouse_url, SYSTEM_PRICES, with_times=True) == before
    load(warehouse_url, feed, archive, days(DAY))
    audit(warehouse_url, expected=days(DAY))


def test_the_last_answer_of_each_settlement_run_stays(warehouse_url: str, archive: Path, clean: Any):
    """It confirmed the values that it did not change, see `energy.elexon_b1610_by_run`."""
    feed = Feed(B1610, UNITS)
    for run in ("II", "SF", "SF", "R1", "R1"):
        feed[DAY] = [{**row, "settlementRunType": run} for row in feed[DAY]]
        load(warehouse_url, feed, archive, days(DAY))
    with connect(warehouse_url) as connection:
        connection.execute("UPDATE ledger.import_job SET influx_pending = false")
    assert clean().counts()["import_job"] == 2
    runs = ask(warehouse_url, "SELECT job_id, source_version FROM ledger.import_job ORDER BY 1")
    assert runs == [(1, "II"), (3, "SF"), (5, "R1")]


def test_what_is_young_or_at_work_or_waits_stays(warehouse_url: str, archive: Path, clean: Any):
    load(warehouse_url, Feed(), archive, days(DAY))
    fail(warehouse_url)
    load(warehouse_url, Feed(), archive, days(DAY))
    assert clean(NOW + timedelta(days=29)).counts()["import_job"] == 0
    with connect(warehouse_url) as connection:
        for status in ("queued", "processing"):
            connection.execute("UPDATE ledger.import_job SET status = %s WHERE status <> 'completed'", [status])
            assert clean().counts()["import_job"] == 0


def test_a_window_that_is_not_complete_keeps_its_story(warehouse_url: str, clean: Any):
    fail(warehouse_url)
    fail(warehouse_url)
    assert clean().counts()["import_job"] == 0


# --- history ---


def test_former_versions_are_kept_unless_configured(
    warehouse_url: str, archive: Path, clean: Any, monkeypatch: pytest.MonkeyPatch
):
    feed = Feed()
    for price in (1.0, 2.0, 3.0):
        feed.restate(DAY, "systemSellPrice", price)
        load(warehouse_url, feed, archive, days(DAY))
    versions = "SELECT valid_from, system_sell_price_gbp_per_mwh, is_current FROM energy.elexon_system_prices_versions"
    second, third = ask(warehouse_url, f"{versions} WHERE settlement_period = 1 ORDER BY 1")[1:]
    current = content(warehouse_url, SYSTEM_PRICES, with_times=True)
    assert "revision" not in clean(NOW + timedelta(days=10_000)).counts()

    monkeypatch.setenv("ENERGY_REVISION_DAYS", "40")
    assert clean(second[0] + timedelta(days=40)).counts()["revision"] == 0, "superseded just then"
    removed = clean(third[0] + timedelta(days=40))
    assert removed.counts()["revision"] == 1
    assert removed.rows["revision"] == [f"elexon_system_prices superseded on {second[0]:%Y-%m-%d}: 1"]
    horizon = "SELECT table_name, complete_from FROM ledger.history_horizon"
    assert ask(warehouse_url, horizon) == [("elexon_system_prices", second[0])]
    assert ask(warehouse_url, f"{versions} WHERE settlement_period = 1 ORDER BY 1") == [second, third]
    as_of = "SELECT count(*), min(system_sell_price_gbp_per_mwh) FROM energy.elexon_system_prices_as_of(%s)"
    assert ask(warehouse_url, as_of, second[0]) == [(48, 2)]
    assert one(warehouse_url, as_of.replace(", min(system_sell_price_gbp_per_mwh)", ""), DAY) == 0
    assert clean(NOW + timedelta(days=10_000)).counts()["revision"] == 1
    assert content(warehouse_url, SYSTEM_PRICES, with_times=True) == current, "whatever its age"


# --- quarantine, incidents, telemetry ---


def test_what_is_settled_goes(warehouse_url: str, owner: psycopg.Connection, archive: Path, clean: Any):
    feed = Feed()
    feed[DAY][0]["systemSellPrice"] = "no number"
    load(warehouse_url, feed, archive, days(DAY))
    assert clean().counts()["quarantine"] == 0, "somebody has to look at it"
    owner.execute("UPDATE ledger.quarantine SET resolved_at = now()")
    owner.execute("""
        INSERT INTO ledger.incident (fingerprint, rule, subject, severity, opened_at, last_seen_at, resolved_at, told,
          is_digest, finding)
        VALUES ('a', 'r', 's', 'warning', now(), now(), now(), NULL, false, '{}'),
               ('b', 'r', 's', 'warning', now(), now(), now(), 'warning', false, '{}'),
               ('c', 'r', 's', 'warning', now(), now(), NULL, 'warning', false, '{}');
        INSERT INTO ledger.alert_delivery (incident_id, kind, channel, message, created_at, next_try_at, delivered_at)
        VALUES (1, 'opened', 'email', '{}', now(), now(), now()), (3, 'opened', 'email', '{}', now(), now(), now()),
               (NULL, 'test', 'email', '{}', now(), now(), NULL);
        INSERT INTO ledger.execution (kind, target, status, started_at, completed_at, code_version)
        SELECT kind, '', 'completed', now(), now() + n * interval '1 second', '0'
        FROM generate_series(1, 2) AS n, unnest(ARRAY['monitoring', 'cleanup']) AS kind;
        INSERT INTO ledger.kpi (measured_at, name, value)
        VALUES (now(), 'young', 1), (now() - interval '380 days', 'old', 1)""")
    removed = clean()
    assert {name: len(rows) for name, rows in removed.rows.items()} == {
        **{"quarantine": 1, "influx_quarantine": 0, "alert_delivery": 1, "incident": 1},
        **{"execution": 1, "import_job": 0, "kpi": 1},
    }
    assert removed.rows["execution"][0].endswith("monitoring"), "what was removed is remembered longer"
    assert ask(warehouse_url, "SELECT fingerprint FROM ledger.incident ORDER BY 1") == [("b",), ("c",)]


# --- files ---


def test_processed_files_go_and_only_copies_stay(owner: psycopg.Connection, inbox: Path, clean: Any, tmp_path: Path):
    outside = tmp_path / "processed" / "5_e.csv"
    paths = {
        "completed": inbox / "processed" / "1_a.csv",
        "failed": inbox / "failed" / "2_b.csv",
        "queued": inbox / "accepted" / "3_c.csv",
        "checked": inbox / "checked" / "4_d.csv",
        "outside": outside,
    }
    for name, path in paths.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
        Path(f"{path}.report.txt").write_text("a report")
        status = name if name in ("failed", "queued") else "completed"
        owner.execute(
            "INSERT INTO ledger.import_job (dataset, import_type, scope, status, file_name, file_uri, total_rows,"
            " inserted_rows, completed_at, dry_run, code_version)"
            " VALUES ('meter_files', 'hh', 'all', %s, %s, %s, 1, 1, now(), %s, '0')",
            [status, path.name, str(path), name == "checked"],
        )
    assert clean().files["meter_files"] == [str(paths["completed"])]
    assert {path.name for path in inbox.rglob("*.csv")} == {"2_b.csv", "3_c.csv", "4_d.csv"}
    assert outside.exists() and not list((inbox / "processed").iterdir())


def test_the_archive_has_a_retention_of_its_own(
    warehouse_url: str, archive: Path, clean: Any, monkeypatch: pytest.MonkeyPatch
):
    feed = Feed()
    for price in (1.0, 2.0, 3.0):
        feed.restate(DAY, "systemSellPrice", price)
        load(warehouse_url, feed, archive, days(DAY))
    assert "archive" not in clean().files, "by default it keeps everything"
    monkeypatch.setenv("ENERGY_ARCHIVE_DAYS", "32")
    assert clean().files["archive"] == []
    monkeypatch.setenv("ENERGY_ARCHIVE_DAYS", "31")
    gone = clean(LATER + timedelta(hours=1)).files["archive"]
    assert len(gone) == 2
    ((path, meta),) = kept_answers(archive, SYSTEM_PRICES.name)
    assert str(path) == one(warehouse_url, "SELECT archive_path FROM ledger.import_job WHERE archive_path IS NOT NULL")
    assert meta.sha256
    assert not [
        path
        for path in archive.rglob("*")
        if path.is_file() and path.name.partition(".")[0] not in meta.stem and not path.name.startswith(meta.stem)
    ]


def test_a_job_stays_until_its_answer_has_expired(
    warehouse_url: str, archive: Path, clean: Any, monkeypatch: pytest.MonkeyPatch
):
    """Else nobody would know of the answer any more, and it would stay for ever."""
    monkeypatch.setenv("ENERGY_ARCHIVE_DAYS", "90")
    feed = Feed()
    for created in ("2024-03-05T10:00:00Z", "2024-03-05T11:00:00Z", "2024-03-05T12:00:00Z"):  # no value of ours
        feed.restate(DAY, "createdDateTime", created)
        load(warehouse_url, feed, archive, days(DAY))
    with connect(warehouse_url) as connection:
        connection.execute("UPDATE ledger.import_job SET influx_pending = false")
    named = one(warehouse_url, "SELECT count(DISTINCT archive_path) FROM ledger.import_job")
    assert (named, clean().counts()["import_job"]) == (3, 0)
    assert len(clean(NOW + timedelta(days=91)).files["archive"]) == 2
    assert len(list(archive.rglob("*.gz"))) == 1


def test_orphans_are_what_no_job_names(warehouse_url: str, archive: Path, clean: Any):
    load(warehouse_url, Feed(), archive, days(DAY))
    (body,) = archive.rglob("*.gz")
    left = [body.with_name(name) for name in (".abc.part", "2024-03-09_0123456789abcdef.gz")]
    young = body.with_name(".young.part")
    for path in (*left, young):
        path.write_bytes(b"x")
    for path in (*left, body):
        os.utime(path, (0, 0))
    for description in archive.rglob("*.meta.json"):
        description.unlink()  # even so a job names its answer
    found = clean(NOW).files["orphans"]
    assert found == sorted(map(str, left))
    assert body.exists() and young.exists()


# --- who may, and the command ---


def test_the_loader_may_not(warehouse_url: str, archive: Path, inbox: Path):
    with connect(warehouse_url) as connection, pytest.raises(Misconfigured, match="permission denied"):
        clean_up(connection, archive, Inbox(inbox), 30, LATER, dry_run=True)


def test_the_command(energy_ingest: EnergyIngest, warehouse_url: str, owner_url: str, tmp_path: Path):
    load(warehouse_url, Feed(), tmp_path, days(DAY))
    fail(warehouse_url)
    load(warehouse_url, Feed(), tmp_path, days(DAY))
    with connect(owner_url) as owner:
        owner.execute("UPDATE ledger.import_job SET completed_at = completed_at - interval '8 days'")
    env = {"ENERGY_INBOX_URL": tmp_path.as_uri()}
    assert energy_ingest("cleanup", "--json", **env).json["counts"]["import_job"] == 0
    dry = energy_ingest("cleanup", "--days", "7", "--dry-run", "--json", **env)
    assert (dry.code, dry.json["dry_run"], dry.json["counts"]["import_job"]) == (0, True, 1)
    shown = energy_ingest("cleanup", "--days", "7", "--verbose", **env)
    assert "import_job: 2 failed elexon_system_prices 2024-03-05" in shown.out
    assert jobs(warehouse_url) == 2
    kept = one(warehouse_url, "SELECT details -> 'counts' FROM ledger.execution ORDER BY started_at DESC LIMIT 1")
    assert kept["import_job"] == 1
    assert energy_ingest("cleanup", "--days", "0", **env).code == 3
