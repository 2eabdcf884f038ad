"""The schema: from nothing, again, by several at once, over loaded data; its tables, and who may do what."""

# ruff: noqa: S608 - the names put into statements here are the catalogue's

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.script import ScriptDirectory
from psycopg import errors

from energy_ingest.catalog import DATASETS, Dataset
from energy_ingest.contracts import SQL_TYPES
from energy_ingest.errors import Misconfigured
from energy_ingest.loading import schema
from energy_ingest.loading.database import connect
from tests.postgres.processes import together
from tests.postgres.world import DAY, Feed, ask, audit, days, load, loader, one, states
from tools import postgres

VERSIONS = [script.revision for script in ScriptDirectory(str(schema.MIGRATIONS)).walk_revisions()][::-1]


@pytest.fixture
def empty(pg_server: postgres.Server) -> Iterator[str]:
    """A database without anything, as its owner, who owns nothing else."""
    with psycopg.connect(pg_server.dsn, autocommit=True) as admin:
        postgres.create_role(admin, "plain_owner", "made-up")
        admin.execute("CREATE DATABASE empty OWNER plain_owner")
        yield pg_server.url("empty", "plain_owner", "made-up")
        admin.execute("DROP DATABASE empty WITH (FORCE)")


@pytest.fixture
def template_url(warehouse_template: dict[str, str]) -> str:
    """What every test's warehouse is a clone of, as its loader: to be looked at only."""
    return warehouse_template["energy_loader"]


def dump(url: str) -> list[tuple[Any, ...]]:
    """Tables, columns, constraints, indexes, functions, triggers: all that makes up the schema."""
    return ask(
        url,
        """
        SELECT 'column', table_schema || '.' || table_name, column_name || ' ' || data_type || ' ' || is_nullable
        FROM information_schema.columns WHERE table_schema IN ('ledger', 'energy')
        UNION ALL SELECT 'constraint', conrelid::regclass::text, conname || ' ' || pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace IN ('ledger'::regnamespace, 'energy'::regnamespace)
        UNION ALL SELECT 'index', tablename, indexdef FROM pg_indexes WHERE schemaname IN ('ledger', 'energy')
        UNION ALL SELECT 'function', proname, prosrc FROM pg_proc
        WHERE pronamespace IN ('ledger'::regnamespace, 'energy'::regnamespace)
        UNION ALL SELECT 'trigger', tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger
        WHERE NOT tgisinternal ORDER BY 1, 2, 3""",
    )


# --- Applying ---


def test_from_nothing_and_again(empty: str):
    assert schema.current_version(empty) is None
    assert schema.migrate(empty) == (None, schema.newest_version())
    first = dump(empty)
    assert schema.migrate(empty) == (schema.newest_version(), schema.newest_version())
    assert dump(empty) == first
    assert schema.current_version(empty) == schema.newest_version() == VERSIONS[-1]


def migrate(_: Callable[[str], None], url: str) -> None:
    schema.migrate(url)


def test_several_at_once(empty: str, warehouse_template: dict[str, str]):
    together(migrate, *[(empty,)] * 3)
    assert schema.current_version(empty) == schema.newest_version()
    assert dump(empty) == dump(warehouse_template["energy_owner"])


def test_versions_follow_one_another():
    assert [f"{number:04}" for number in range(1, len(VERSIONS) + 1)] == VERSIONS


def test_an_interrupted_migration_leaves_the_version_before(empty: str, monkeypatch: pytest.MonkeyPatch):
    """Each version is a transaction: what fails half way is not there at all, and the next try completes it."""
    from energy_ingest.migrations import dataset_table

    create = dataset_table.op.execute
    calls: list[str] = []

    def fail_at_the_third(statement: str) -> None:
        calls.append(statement)
        if len(calls) == 3:
            raise ConnectionError("the network went away")
        create(statement)

    monkeypatch.setattr(dataset_table.op, "execute", fail_at_the_third)
    with pytest.raises(ConnectionError):
        schema.migrate(empty)
    monkeypatch.undo()
    assert schema.current_version(empty) == VERSIONS[0]
    assert one(empty, "SELECT to_regclass('energy.elexon_system_prices') IS NULL")
    schema.migrate(empty)
    assert schema.current_version(empty) == VERSIONS[-1]


def test_a_warehouse_newer_than_the_code_is_left_alone(warehouse_url: str, owner_url: str):
    """After a roll-back of the code, for example."""
    with connect(owner_url) as owner:
        owner.execute("UPDATE ledger.schema_version SET version_num = '9999'")
    before = dump(owner_url)
    with pytest.raises(Misconfigured, match=r"9999.*newer"):
        schema.migrate(owner_url)
    assert dump(owner_url) == before


def test_an_upgrade_keeps_the_data(empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """From the first version that could load, one version at a time: rows, history and ledger stay as they are."""
    upgrade = schema.command.upgrade
    monkeypatch.setattr(schema.command, "upgrade", lambda config, _: upgrade(config, "0002"))
    schema.migrate(empty)
    monkeypatch.undo()
    with connect(empty) as owner:
        owner.execute(OLD_LOAD)
    names = {table: [name for (name,) in ask(empty, COLUMNS, table)] for table in TABLES}

    def everything() -> dict[str, list[tuple[Any, ...]]]:
        return {t: ask(empty, f"SELECT {', '.join(columns)} FROM {t} ORDER BY 1, 2") for t, columns in names.items()}

    before = everything()
    assert schema.migrate(empty) == ("0002", schema.newest_version())
    assert everything() == before
    as_of = "SELECT system_sell_price_gbp_per_mwh FROM energy.elexon_system_prices_as_of(%s)"
    assert [one(empty, as_of, at) for at in ("2024-03-06 12:00Z", "2024-03-08")] == [1, 4]
    moved = "SELECT change_gbp_per_mwh FROM energy.elexon_system_prices_restatement ORDER BY known_from"
    assert ask(empty, moved) == [(None,), (3,)]
    for (view,) in ask(empty, "SELECT format('%I.%I', schemaname, viewname) FROM pg_views WHERE schemaname = 'energy'"):
        ask(empty, f"SELECT * FROM {view}")
    old = DAY - timedelta(days=1)
    load(empty, Feed(), tmp_path, days(old, 2))
    assert states(empty) == {old: "complete", DAY: "complete"}
    prices = "SELECT system_sell_price_gbp_per_mwh FROM energy.elexon_system_prices_versions"
    versions = ask(empty, f"{prices} WHERE settlement_date = %s AND settlement_period = 1 ORDER BY version_id", old)
    assert versions == [(1,), (4,), (80.25,)], "what was short goes on where it stopped"
    audit(empty)


TABLES = ("ledger.import_job", "ledger.window", "ledger.quarantine")
TABLES += ("energy.elexon_system_prices", "energy.elexon_system_prices_revision")
COLUMNS = """SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0
    AND attname <> 'influx_state' ORDER BY attnum -- version 0003 notes that nothing is in InfluxDB yet"""
OLD_LOAD = """
    INSERT INTO ledger.import_job (dataset, import_type, scope, window_start, window_label, status, code_version,
      total_rows, inserted_rows, quarantined_rows, retrieved_at)
    VALUES ('elexon_system_prices', 'scheduled', 'all', '2024-03-04', '2024-03-04', 'completed', '0',
      2, 1, 1, '2024-03-06');
    INSERT INTO ledger.window (dataset, scope, window_start, window_end, label, state, last_job_id)
    VALUES ('elexon_system_prices', 'all', '2024-03-04', '2024-03-05', '2024-03-04', 'partial', 1);
    INSERT INTO ledger.quarantine (job_id, dataset, scope, window_start, row_number, reason, raw)
    VALUES (1, 'elexon_system_prices', 'all', '2024-03-04', 1, 'a reason', '{}');
    INSERT INTO energy.elexon_system_prices (settlement_date, settlement_period, created_at, bsad_defaulted,
      period_start, system_sell_price_gbp_per_mwh, system_buy_price_gbp_per_mwh, net_imbalance_volume_mwh,
      recorded_from, job_id)
    VALUES ('2024-03-04', 1, '2024-03-05', false, '2024-03-04', 1, 2, 3, '2024-03-06', 1);
    INSERT INTO ledger.import_job (dataset, import_type, scope, window_start, window_label, status, code_version,
      total_rows, revised_rows, retrieved_at)
    VALUES ('elexon_system_prices', 'scheduled', 'all', '2024-03-04', '2024-03-04', 'completed', '0',
      1, 1, '2024-03-07');
    UPDATE energy.elexon_system_prices SET system_sell_price_gbp_per_mwh = 4, recorded_from = '2024-03-07', job_id = 2;
"""


def test_a_row_of_every_table_outlives_every_later_version(empty: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """One version at a time, and a row in each table as soon as there is one: whatever a release held, the next has."""
    upgrade, kept = schema.command.upgrade, {}
    for version in VERSIONS:
        monkeypatch.setattr(schema.command, "upgrade", lambda config, _, to=version: upgrade(config, to))
        schema.migrate(empty)
        assert schema.current_version(empty) == version
        new = {name for (name,) in ask(empty, ALL_TABLES)} - kept.keys()
        with connect(empty) as owner:
            for table in sorted(new, key=_referred_to_first):
                if not one(empty, f"SELECT count(*) FROM {table}"):  # a trigger may have made one
                    owner.execute(a_row_of(empty, table))
                    owner.commit()
        for table in new:
            names = [name for (name,) in ask(empty, COLUMNS, table)]
            kept[table] = (names, ask(empty, f"SELECT {', '.join(names)} FROM {table}"))
    monkeypatch.undo()
    assert schema.migrate(empty) == (VERSIONS[-1], VERSIONS[-1])
    assert {"energy.elexon_b1610_revision", "energy.meter_reading", "ledger.incident", "ledger.drift"} <= kept.keys()
    for table, (names, rows) in kept.items():
        found = ask(empty, f"SELECT {', '.join(names)} FROM {table}")
        assert rows and all(row in found for row in rows), table
    load(empty, Feed(), tmp_path, days(DAY, 2))
    assert states(empty).items() >= {DAY: "complete", DAY + timedelta(days=1): "complete"}.items()


ALL_TABLES = """SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
    WHERE schemaname IN ('energy', 'ledger') AND tablename <> 'schema_version'"""
ROW = """SELECT attname, format_type(atttypid, NULL), (
      SELECT substring(pg_get_constraintdef(c.oid) FROM '''([^'']*)''::text') FROM pg_constraint c
      WHERE c.conrelid = attrelid AND contype = 'c' AND conkey = ARRAY[attnum] LIMIT 1)
    FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
      AND attidentity = '' AND attgenerated = ''"""
OF_TYPE = {
    "text": "x", "date": "2024-03-04", "timestamp with time zone": "2024-03-04", "boolean": "false", "jsonb": "{}",
    "text[]": "{}", "uuid": "00000000-0000-0000-0000-000000000001", "interval": "1 hour", "integer[]": "{}",
}  # fmt: skip
OF_NAME = {
    "window_end": "2024-03-05",
    "recorded_to": "2024-03-05",
    "status": "completed",
    "total_rows": "5",
    "errors": "0",
}


def a_row_of(url: str, table: str) -> str:
    """A row with a value in every column that may have one; of a column's allowed words the first."""
    values = {name: OF_NAME.get(name, word or OF_TYPE.get(kind, "1")) for name, kind, word in ask(url, ROW, table)}
    literals = ", ".join(f"'{value}'" for value in values.values())
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({literals})"


def _referred_to_first(table: str) -> tuple[int, str]:
    return (0 if table in ("ledger.import_job", "ledger.incident", "energy.site", "energy.meter") else 1, table)


# --- Tables are what the catalogue says ---


TYPE_NAMES = {"timestamptz": "timestamp with time zone", "smallint": "integer"}


def columns_of(url: str, table: str) -> dict[str, str]:
    """Name and type of each column; a small integer is an integer."""
    query = """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"""
    return {name: TYPE_NAMES.get(kind, kind) for name, kind in ask(url, query, f"energy.{table}")}


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_a_datasets_table_holds_its_contract(template_url: str, dataset: Dataset):
    types = {name: SQL_TYPES[kind].split(" COLLATE")[0] for name, kind in dataset.contract.loaded.items()}
    expected = {name: TYPE_NAMES.get(kind, kind) for name, kind in types.items()}
    ours = {"recorded_from": "timestamp with time zone", "job_id": "bigint"}
    assert columns_of(template_url, dataset.table) == expected | ours
    key = """SELECT array_agg(attname::text ORDER BY array_position(indkey::int2[], attnum))
        FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY((indkey::int2[])[0:indnkeyatts - 1])
        WHERE indrelid = %s::regclass AND indisprimary"""
    assert tuple(one(template_url, key, f"energy.{dataset.table}")) == dataset.contract.key
    # what the source may leave out, the table must take
    required = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attnotnull"
    not_null = {name for (name,) in ask(template_url, required, f"energy.{dataset.table}")}
    nullable = {column.name for column in dataset.contract.columns if column.nullable or column.optional}
    assert not_null & nullable == set()


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_history_has_the_columns_of_the_table(template_url: str, dataset: Dataset):
    current = columns_of(template_url, dataset.table)
    history = columns_of(template_url, f"{dataset.table}_revision")
    assert history == current | {"recorded_to": "timestamp with time zone", "superseded_by": "bigint"}
    versions = columns_of(template_url, f"{dataset.table}_versions")
    added = {"version_id", "is_current", "valid_from", "valid_to", "source_system"}
    assert set(versions) == set(current) - {"recorded_from"} | added
    as_of = f"SELECT * FROM energy.{dataset.table}_as_of(now()) LIMIT 0"
    with connect(template_url) as connection:
        described = connection.execute(as_of).description or []
    assert {column.name for column in described} == set(current)


def test_a_change_by_hand_is_history_too(warehouse_url: str, owner_url: str, tmp_path: Path):
    load(warehouse_url, Feed(), tmp_path, days(DAY))
    first_known = one(owner_url, "SELECT min(recorded_from) FROM energy.elexon_system_prices")
    with connect(owner_url) as owner:
        owner.execute("DELETE FROM energy.elexon_system_prices WHERE settlement_period = 1")
        owner.execute(
            "UPDATE energy.elexon_system_prices SET system_sell_price_gbp_per_mwh = 0, recorded_from = now()"
            " WHERE settlement_period = 2"
        )
    price = (
        "SELECT settlement_period, system_sell_price_gbp_per_mwh FROM energy.elexon_system_prices{} ORDER BY 1 LIMIT 2"
    )
    assert ask(owner_url, price.format("_revision")) == [(1, 80.25), (2, 80.5)]
    assert ask(owner_url, price.format("")) == [(2, 0), (3, 80.75)]
    assert ask(owner_url, price.format("_as_of(%s)"), first_known) == [(1, 80.25), (2, 80.5)]


# --- Who may do what ---

FORBIDDEN_TO_THE_LOADER = [
    "DROP TABLE energy.elexon_system_prices",
    "DELETE FROM energy.elexon_system_prices",
    "DELETE FROM energy.elexon_system_prices_revision",
    "UPDATE energy.elexon_system_prices_revision SET job_id = 0",
    "TRUNCATE energy.elexon_system_prices",
    "ALTER TABLE energy.elexon_system_prices DISABLE TRIGGER keep_updated",
    "CREATE TABLE energy.mine ()",
    "CREATE TABLE ledger.mine ()",
    "CREATE SCHEMA mine",
    "DELETE FROM ledger.window",
    "DELETE FROM ledger.import_job",
    "DELETE FROM ledger.quarantine",
    "TRUNCATE ledger.request_slot",
    "UPDATE ledger.schema_version SET version_num = '0000'",
    "INSERT INTO ledger.schema_version VALUES ('0000')",
    "DELETE FROM ledger.schema_version",
    "CREATE OR REPLACE FUNCTION energy.elexon_system_prices_keep_updated() RETURNS trigger LANGUAGE sql AS ''",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY energy.elexon_system_prices TO PROGRAM 'true'",
]


@pytest.mark.parametrize("statement", FORBIDDEN_TO_THE_LOADER)
def test_the_loader_may_not(template_url: str, statement: str):
    with connect(template_url) as loader_connection, pytest.raises(errors.InsufficientPrivilege):
        loader_connection.execute(statement)


READABLE = ["energy.elexon_system_prices", "energy.elexon_b1610_versions", "energy.elexon_market_index_revision"]
READABLE += ["ledger.window", "ledger.import_job", "ledger.quarantine", "ledger.drift", "ledger.schema_version"]
READABLE += ["energy.elexon_b1610_as_of(now())"]


def test_the_reader_reads_everything_and_writes_nothing(warehouse_template: dict[str, str]):
    tables = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('energy', 'ledger')"
    reader_url = warehouse_template["energy_reader"]
    names = {name for (name,) in ask(reader_url, tables)}
    with connect(reader_url) as reader:
        for relation in {*names, *READABLE}:
            reader.execute(f"SELECT count(*) FROM {relation}")
        for name in names:
            for attempt in ("DELETE FROM {}", "INSERT INTO {} DEFAULT VALUES", "TRUNCATE {}", "DROP TABLE {}"):
                with pytest.raises(errors.InsufficientPrivilege):
                    reader.execute(attempt.format(name))


def test_a_loader_without_rights_is_told_what_to_do(reader_url: str, tmp_path: Path):
    with pytest.raises(Misconfigured, match="grant the role energy_loader"):
        loader(reader_url, Feed(), tmp_path).load(days(DAY))


def test_a_loader_may_not_migrate(warehouse_url: str):
    with pytest.raises(Misconfigured, match="WAREHOUSE_OWNER_URL"):
        schema.migrate(warehouse_url)


def test_one_role_for_everything(empty: str, tmp_path: Path):
    """A managed database, where nobody may create roles: its owner migrates and loads."""
    schema.migrate(empty)
    feed = Feed()
    load(empty, feed, tmp_path, days(DAY))
    feed.restate(DAY, "systemSellPrice", 1.0)
    assert load(empty, feed, tmp_path, days(DAY)).count("revised") == 1
    audit(empty, expected=days(DAY))


def test_a_server_without_our_roles(tmp_path: Path):
    """Grants are made where the role exists; nothing else depends on them."""
    with postgres.temporary() as server:
        schema.migrate(server.dsn)
        load(server.dsn, Feed(), tmp_path, days(DAY))
        audit(server.dsn, expected=days(DAY))
        assert one(server.dsn, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'energy%'") == 0
