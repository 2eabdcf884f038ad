"""Made-up B1610 rows in a warehouse, with the ledger as a load leaves it: for measuring and for rehearsals."""

from __future__ import annotations

from contextlib import closing
from datetime import date

from psycopg import sql

from energy_ingest import clock
from energy_ingest.catalog import Dataset
from energy_ingest.loading import database

_JOB = """
INSERT INTO ledger.import_job (dataset, import_type, scope, window_start, window_label, status, total_rows,
                               inserted_rows, influx_pending, code_version)
VALUES (%(dataset)s, 'command', 'all', %(start)s, %(label)s, 'completed', %(rows)s, %(rows)s, true, 'made up')
RETURNING job_id
"""
_WINDOW = """
INSERT INTO ledger.window (dataset, scope, window_start, window_end, label, state, influx_state)
VALUES (%(dataset)s, 'all', %(start)s, %(end)s, %(label)s, 'complete', 'pending')
"""
_ROWS = """
INSERT INTO energy.elexon_b1610 (settlement_date, settlement_period, bm_unit, national_grid_bm_unit, psr_type,
                                 quantity_mwh, period_start, recorded_from, job_id)
SELECT {label}, period, format('T_UNIT%s-%s', unit / 9, unit % 9), format('UNIT%s-%s', unit / 9, unit % 9),
       CASE WHEN unit % 4 = 0 THEN 'Consumption' ELSE 'Generation' END,
       round((hashint4(unit * 50 + period) % 500000)::numeric / 1000, 3),
       {start} + (period - 1) * interval '30 minutes', now(), {job}
FROM generate_series(1, {periods}) AS period, generate_series(1, {units}) AS unit
"""


def load(dsn: str, dataset: Dataset, day: date, units: int) -> int:
    """A settlement day of this many units that waits for InfluxDB, as B1610 or a dataset on its table; returns rows."""
    (window,) = dataset.windows(day, day)
    periods = clock.settlement_periods(day)
    values = {"dataset": dataset.name, "label": day, "start": window.start, "end": window.end, "rows": periods * units}
    with closing(database.connect(dsn)) as connection:
        (job,) = connection.execute(_JOB, values).fetchone() or (0,)
        connection.execute(_WINDOW, values)
        rows = sql.SQL(_ROWS).format(label=day, start=window.start, job=job, periods=periods, units=units)
        connection.execute(rows)
        connection.execute("VACUUM ANALYZE energy.elexon_b1610")
    return periods * units
