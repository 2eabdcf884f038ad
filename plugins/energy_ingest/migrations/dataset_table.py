"""The five objects that every dataset has: table, revision table, history trigger, versions view, as-of function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alembic import op

# ruff: noqa: S608 - the names come from the migrations themselves


def create_dataset_table(table: str, columns: Mapping[str, str], key: Sequence[str], source_system: str) -> None:
    """Create `energy.<table>` with history.

    `columns` maps a name to its SQL type and constraints, in order. Every row also carries `recorded_from` (since when
    we know this version) and `job_id` (the load that brought it). An UPDATE or DELETE, by whomever, moves the former
    version to `<table>_revision` in the same statement. Key columns lead with time, so a window's rows are neighbours.
    """
    names, keys = ", ".join(columns), ", ".join(key)
    definitions = ",\n  ".join(f"{name} {sql_type}" for name, sql_type in columns.items())
    old_names = ", ".join(f"o.{name}" for name in columns)
    same_key = " AND ".join(f"n.{name} = o.{name}" for name in key)
    op.execute(f"""
CREATE TABLE energy.{table} (
  {definitions},
  recorded_from timestamptz NOT NULL,
  job_id bigint NOT NULL,
  PRIMARY KEY ({keys})
);
CREATE TABLE energy.{table}_revision (
  {definitions},
  recorded_from timestamptz NOT NULL,
  recorded_to timestamptz NOT NULL,
  job_id bigint NOT NULL,
  superseded_by bigint
);
CREATE INDEX {table}_revision_key ON energy.{table}_revision ({keys}, recorded_from);

CREATE FUNCTION energy.{table}_keep_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO energy.{table}_revision ({names}, recorded_from, recorded_to, job_id, superseded_by)
  SELECT {old_names}, o.recorded_from, n.recorded_from, o.job_id, n.job_id
  FROM old_rows o JOIN new_rows n ON {same_key};
  RETURN NULL;
END $$;
CREATE TRIGGER keep_updated AFTER UPDATE ON energy.{table} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION energy.{table}_keep_updated();

CREATE FUNCTION energy.{table}_keep_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO energy.{table}_revision ({names}, recorded_from, recorded_to, job_id, superseded_by)
  SELECT {old_names}, o.recorded_from, now(), o.job_id, NULL FROM old_rows o;
  RETURN NULL;
END $$;
CREATE TRIGGER keep_deleted AFTER DELETE ON energy.{table} REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION energy.{table}_keep_deleted();

CREATE VIEW energy.{table}_versions AS
SELECT {names},
  row_number() OVER (PARTITION BY {keys} ORDER BY recorded_from, is_current) AS version_id,
  is_current, recorded_from AS valid_from, valid_to, '{source_system}'::text AS source_system, job_id
FROM (
  SELECT {names}, recorded_from, timestamptz '9999-12-31 23:59:59+00' AS valid_to, true AS is_current, job_id
  FROM energy.{table}
  UNION ALL
  SELECT {names}, recorded_from, recorded_to, false, job_id FROM energy.{table}_revision
) AS version;

CREATE FUNCTION energy.{table}_as_of(known_at timestamptz)
RETURNS SETOF energy.{table} LANGUAGE sql STABLE AS $$
  SELECT {names}, recorded_from, job_id FROM energy.{table} WHERE recorded_from <= known_at
  UNION ALL
  SELECT {names}, recorded_from, job_id FROM energy.{table}_revision
  WHERE recorded_from <= known_at AND known_at < recorded_to
$$;

COMMENT ON TABLE energy.{table} IS 'Current version of every row; earlier ones are in {table}_revision.';
COMMENT ON COLUMN energy.{table}.recorded_from IS 'UTC instant since when this version is known here';
COMMENT ON COLUMN energy.{table}.job_id IS 'ledger.import_job that brought this version';

SELECT ledger.grant_to('energy_loader', 'SELECT, INSERT, UPDATE', 'energy.{table}');
SELECT ledger.grant_to('energy_loader', 'SELECT, INSERT', 'energy.{table}_revision');
SELECT ledger.grant_to('energy_loader', 'SELECT', 'energy.{table}_versions');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'energy.{table}');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'energy.{table}_revision');
SELECT ledger.grant_to('energy_reader', 'SELECT', 'energy.{table}_versions');
""")


def drop_dataset_table(table: str) -> None:
    """Refuse: a downgrade that drops loaded data is a restore, not a migration."""
    raise RuntimeError(f"energy.{table} holds loaded data: restore a backup instead of downgrading")
