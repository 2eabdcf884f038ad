"""How fast consumption is aggregated, as a ratio to one plain GROUP BY over the same rows in the same run.

    python -m tools.bench_aggregates [--meters 1000] [--rounds 3]

A year of half hours of so many meters (1,000: 17.5 million readings) becomes days, weeks, months and a year. The limit
is one GROUP BY of day and meter with the same sums, into a table without an index. Then one day of every meter changes,
and is redone; five times, of five months, of which the median counts.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from contextlib import closing
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import psycopg

from energy_ingest import clock
from energy_ingest.loading import aggregates, database, schema
from tools import postgres

if TYPE_CHECKING:
    from rich.console import Console

FIRST_DAY: Final = date(2023, 1, 1)
DAYS: Final = 365
CHANGED: Final = tuple(date(2023, 6, 15) + timedelta(days=30 * number) for number in range(5))
METERS: Final = 1000
TARGET_RATIO, TARGET_SHARE = 1.5, 0.01
TUNED: Final = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}

READINGS: Final = """
INSERT INTO energy.meter_reading
SELECT at, (9000000000000 + 11 * meter)::text, 'kWh',
       ((7919 * meter + extract(epoch FROM at)::bigint / 1800) %% 5000) / 1000.0,
       CASE WHEN meter %% 20 = 0 THEN 'estimated' ELSE 'actual' END, false, now(), 1
FROM generate_series(%(start)s::timestamptz, %(end)s::timestamptz - interval '30 minutes', interval '30 minutes') AS at,
     generate_series(1, %(meters)s) AS meter
"""
GROUP_BY: Final = """
CREATE TABLE plain AS
SELECT (period_start AT TIME ZONE 'Europe/London')::date AS local_date, mpan, register, sum(quantity_kwh) AS total_kwh,
       sum(quantity_kwh) FILTER (WHERE extract(hour FROM period_start AT TIME ZONE 'Europe/London') BETWEEN 7 AND 22)
         AS peak_kwh,
       sum(quantity_kwh) FILTER (WHERE reading_type = 'estimated') AS estimated_kwh,
       min(quantity_kwh) AS min_kwh, max(quantity_kwh) AS max_kwh, count(*) AS reading_count
FROM energy.meter_reading GROUP BY 1, 2, 3
"""
MARK_ALL: Final = """
INSERT INTO energy.meter_dirty (local_date, mpan, register, marked_at)
SELECT local_date, mpan, register, now() FROM plain ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING
"""
CHANGE: Final = """
UPDATE energy.meter_reading SET quantity_kwh = quantity_kwh + 1, recorded_from = clock_timestamp()
WHERE period_start >= %s AND period_start < %s
"""
SAME: Final = """
SELECT count(*) FROM plain JOIN energy.meter_daily AS day
  USING (local_date, mpan, register, total_kwh, peak_kwh, min_kwh)
"""


def main() -> None:
    """Measure, print, and exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(description="Measure the aggregation of meters.")
    parser.add_argument("--meters", type=int, default=METERS, help=f"with a year of half hours (default: {METERS})")
    parser.add_argument("--rounds", type=int, default=3, help="times that each figure is taken (default: 3)")
    arguments = parser.parse_args()
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120)
    sys.exit(0 if bench(arguments.rounds, console, arguments.meters) else 1)


def bench(rounds: int, console: Console, meters: int = METERS) -> bool:
    """Measure and print; whether the targets are met."""
    walls: dict[str, list[float]] = {name: [] for name in ("plain GROUP BY", "all, from nothing", "one day changed")}
    with postgres.temporary(durable=True, **TUNED) as server:
        schema.migrate(server.dsn)
        with closing(database.connect(server.dsn)) as connection:
            readings = _fill(connection, meters)
            for _ in range(rounds):
                walls["plain GROUP BY"].append(_plain(connection))
                walls["all, from nothing"].append(_from_nothing(connection, server.dsn, meters * DAYS))
                days = [_one_day(connection, server.dsn, day, meters) for day in CHANGED]
                walls["one day changed"].append(statistics.median(days))
    return _report(walls, readings, console)


def _fill(connection: psycopg.Connection, meters: int) -> int:
    start, end = (clock.settlement_day(day)[0] for day in (FIRST_DAY, FIRST_DAY + timedelta(days=DAYS)))
    readings = connection.execute(READINGS, {"start": start, "end": end, "meters": meters}).rowcount
    connection.execute("INSERT INTO energy.meter (mpan) SELECT DISTINCT mpan FROM energy.meter_dirty")
    connection.execute("VACUUM ANALYZE")
    return readings


def _plain(connection: psycopg.Connection) -> float:
    connection.execute("DROP TABLE IF EXISTS plain")
    connection.execute("CHECKPOINT")
    began = time.perf_counter()
    with connection.transaction():
        connection.execute(aggregates.MEMORY)  # as much as ours has
        connection.execute(GROUP_BY)
    return time.perf_counter() - began


def _from_nothing(connection: psycopg.Connection, dsn: str, days: int) -> float:
    tables = ", ".join(f"energy.meter_{name}" for name in ("daily", *aggregates.PERIODS))
    connection.execute(f"TRUNCATE {tables}, ledger.quality_mark")
    connection.execute(MARK_ALL)
    connection.execute("VACUUM ANALYZE energy.meter_dirty")
    connection.execute("CHECKPOINT")
    wall = _aggregate(dsn, days)
    if (found := connection.execute(SAME).fetchone()) != (days,):
        raise RuntimeError(f"{found} days of {days} are what the plain GROUP BY says")
    connection.execute("VACUUM ANALYZE")
    return wall


def _one_day(connection: psycopg.Connection, dsn: str, day: date, meters: int) -> float:
    connection.execute("CHECKPOINT")
    connection.execute(CHANGE, clock.settlement_day(day))  # and at once redone, as after an import
    return _aggregate(dsn, meters)


def _aggregate(dsn: str, days: int) -> float:
    connection = database.connect(dsn)  # as the plain GROUP BY has one
    began = time.perf_counter()
    redone = aggregates.aggregate(lambda: connection).redone
    wall = time.perf_counter() - began
    if redone != days:
        raise RuntimeError(f"{redone} days of meters were redone, not {days}")
    return wall


def _report(walls: dict[str, list[float]], readings: int, console: Console) -> bool:
    from rich.table import Table

    medians = {name: statistics.median(runs) for name, runs in walls.items()}
    plain, everything, day = walls.values()
    ratio = statistics.median(ours / limit for ours, limit in zip(everything, plain, strict=True))
    share = statistics.median(one / ours for one, ours in zip(day, everything, strict=True))
    table = Table("aggregates", title=f"{readings:,} half hours of a year, median of {len(plain)}")
    for name in ("wall s", "readings/s", "ratio"):
        table.add_column(name, justify="right")
    ratios = ("", f"{ratio:.2f} x plain", f"{share:.2%} of all")
    for (name, wall), shown in zip(medians.items(), ratios, strict=True):
        table.add_row(name, f"{wall:.2f}", f"{readings / wall:,.0f}" if name != "one day changed" else "", shown)
    met = ratio <= TARGET_RATIO and share < TARGET_SHARE
    console.print(table)
    console.print(
        f"Targets: at most {TARGET_RATIO} x the plain GROUP BY, one day under {TARGET_SHARE:.0%} of all: "
        f"{'met' if met else '[red]missed[/]'}"
    )
    return met


if __name__ == "__main__":
    main()
