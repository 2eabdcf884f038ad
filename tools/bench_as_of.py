"""What an as-of read of a month costs among a year of whole-market generation, and how PostgreSQL plans it.

    python -m tools.bench_as_of [--days 366]

Each day has 440,496 rows, as B1610 has; a year, 161 million, takes half an hour, and 30 GB where temporary files go
(TMPDIR). Every fiftieth row is revised, as a settlement run would. The tables are not logged, which spares writing
everything twice and changes nothing of how they are read.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from typing import Final

import psycopg

from energy_ingest.loading import database, schema
from tools import postgres

FIRST_DAY: Final = date(2024, 1, 1)
TUNED: Final = {"shared_buffers": "1GB", "maintenance_work_mem": "512MB", "max_wal_size": "8GB"}

DAY: Final = """
INSERT INTO energy.elexon_b1610 (settlement_date, settlement_period, bm_unit, national_grid_bm_unit, psr_type,
  settlement_run, quantity_mwh, period_start, recorded_from, job_id)
SELECT %(day)s, period, 'T_UNIT-' || unit, 'UNIT-' || unit, 'Generation', 'II',
       ((7919 * unit + 31 * period) %% 50000) / 100.0,
       %(day)s::timestamp AT TIME ZONE 'UTC' + (period - 1) * interval '30 minutes',
       %(day)s::timestamp AT TIME ZONE 'UTC' + interval '5 days', 1
FROM generate_series(1, 48) AS period, generate_series(10001, 19177) AS unit
"""
REVISED: Final = """
UPDATE energy.elexon_b1610 SET quantity_mwh = quantity_mwh + 1, settlement_run = 'SF',
  recorded_from = recorded_from + interval '20 days', job_id = 2
WHERE settlement_date = %s AND (settlement_period * 7 + right(bm_unit, 5)::integer) %% 50 = 0
"""
AS_OF: Final = """
SELECT settlement_date, settlement_period, bm_unit, quantity_mwh FROM energy.elexon_b1610_as_of(%(known)s)
WHERE settlement_date >= %(first)s AND settlement_date < %(end)s
"""
SIZES: Final = """
SELECT relname, reltuples::bigint, round(pg_table_size(oid) / 1e9, 1), round(pg_indexes_size(oid) / 1e9, 1)
FROM pg_class WHERE oid = ANY('{energy.elexon_b1610, energy.elexon_b1610_revision}'::regclass[])
"""
READS: Final = {"a month": AS_OF, "a month of one unit": f"{AS_OF} AND bm_unit = 'T_UNIT-14242'"}


def main() -> None:
    """Fill, read, print."""
    parser = argparse.ArgumentParser(description="Measure as-of reads at size.")
    parser.add_argument("--days", type=int, default=366, help="from January 2024 on; June is read (default: 366)")
    arguments = parser.parse_args()
    with postgres.temporary(durable=True, **TUNED) as server:
        schema.migrate(server.dsn)
        with closing(database.connect(server.dsn)) as connection:
            for done in fill(connection, arguments.days):
                sys.stderr.write(f"\r{done} of {arguments.days} days")
            report(connection)


def fill(connection: psycopg.Connection, days: int) -> Iterator[int]:
    """Fill the days, one at a time; the number of those done."""
    for table in ("elexon_b1610", "elexon_b1610_revision"):
        connection.execute(f"ALTER TABLE energy.{table} SET UNLOGGED, SET (autovacuum_enabled = off)")
    for number in range(days):
        day = FIRST_DAY + timedelta(days=number)
        connection.execute(DAY, {"day": day})
        connection.execute(REVISED, [day])
        yield number + 1
    connection.execute("VACUUM ANALYZE energy.elexon_b1610, energy.elexon_b1610_revision")


def report(connection: psycopg.Connection) -> None:
    """Print the sizes, and of each read its plan and the median of three times."""
    for size in connection.execute(SIZES):
        print("{}: {:,} rows, {} GB, indexes {} GB".format(*size))
    values = {"first": date(2024, 6, 1), "end": date(2024, 7, 1), "known": date(2024, 7, 10)}
    for name, query in READS.items():
        plans = [explained(connection, query, values) for _ in range(3)]
        seconds = statistics.median(float(plan[-1].split()[-2]) / 1000 for plan in plans)
        print(f"\n{name}: {seconds:.2f} s\n" + "\n".join(plans[-1]))


def explained(connection: psycopg.Connection, query: str, values: dict[str, date]) -> list[str]:
    """The lines of the plan of a query that was run."""
    cursor = psycopg.ClientCursor(connection)
    return [line for (line,) in cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {query}", values)]


if __name__ == "__main__":
    main()
