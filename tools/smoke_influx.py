"""The whole projection against a real InfluxDB 2.7: make smoke-influx.

INFLUXDB_URL, INFLUXDB_TOKEN, INFLUXDB_ORG and INFLUXDB_BUCKET name it. Everything is written to, and in the end deleted
from, the measurement `energy_ingest_smoke`, at the times of the day before yesterday. The warehouse is a temporary one.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import polars as pl
import psycopg
from influxdb_client.rest import ApiException

from energy_ingest.catalog import B1610
from energy_ingest.errors import IngestError, Misconfigured
from energy_ingest.loading import database, schema
from energy_ingest.loading.influx import Projector, Summary
from energy_ingest.loading.influx_client import Batch, Influx, Target, target_from_environment
from energy_ingest.projection import Projection, Scaled
from tools import made_up, postgres

MEASUREMENT = "energy_ingest_smoke"
TAGS = ("bm_unit", "national_grid_bm_unit", "psr_type")
DATASET = replace(
    B1610, name=MEASUREMENT, influx=Projection(tags=TAGS, extra={"average_mw": Scaled("quantity_mwh", 2)})
)
DAY = datetime.now(UTC).date() - timedelta(days=2)
UNITS = 30
REVISION = """
WITH job AS (
  INSERT INTO ledger.import_job (dataset, import_type, scope, window_start, window_label, status, total_rows,
                                 revised_rows, influx_pending, code_version)
  SELECT dataset, import_type, scope, window_start, window_label, status, 96, 96, true, code_version
  FROM ledger.import_job LIMIT 1 RETURNING job_id
)
UPDATE energy.elexon_b1610 SET psr_type = 'Revised', job_id = job.job_id, recorded_from = now() FROM job
WHERE bm_unit IN ('T_UNIT0-1', 'T_UNIT0-2')
"""


def main() -> None:
    """Run every step; exit 1 where one fails."""
    target = target_from_environment()
    if target is None:
        sys.exit("set INFLUXDB_URL, INFLUXDB_TOKEN, INFLUXDB_ORG and INFLUXDB_BUCKET to an InfluxDB 2.7")
    os.environ["ENERGY_INFLUX_MAPPING"] = "lean"
    with postgres.temporary() as server, closing(Influx(target)) as influx:
        schema.migrate(server.dsn)
        smoke = Smoke(server.dsn, target, influx, made_up.load(server.dsn, DATASET, DAY, UNITS))
        print(f"{target}, version {influx.client.version()}")
        try:
            for name, step in smoke.steps().items():
                print(f"ok  {name}: {step()}", flush=True)
        except (AssertionError, IngestError, ApiException) as error:
            sys.exit(f"FAILED  {name}: {error}")


class Smoke:
    """The steps; each gives what it found, or raises."""

    def __init__(self, dsn: str, target: Target, influx: Influx, rows: int) -> None:
        self._dsn, self._target, self._influx, self._rows = dsn, target, influx, rows
        self._projector = Projector(DATASET, partial(database.connect, dsn), influx)

    def steps(self) -> dict[str, Callable[[], str]]:
        """Everything to do, in this order."""
        return {
            "nothing is there": self.delete,
            "write": self.write,
            "read back by InfluxQL": self.read_by_influxql,
            "read back by Flux": self.read_by_flux,
            "write again": self.write_again,
            "revise tags": self.revise,
            "401, wrong token": lambda: self.refused(replace(self._target, token="of nobody")),  # noqa: S106
            "404, unknown bucket": lambda: self.refused(replace(self._target, bucket="no such bucket")),
            "404, unknown organization": lambda: self.refused(replace(self._target, org="no such organization")),
            "400, a faulty line": lambda: self.one_refused("faulty", "1..5"),
            "422, a conflict of types": lambda: self.one_refused("conflict", '"text"'),
            "rebuild": self.rebuild,
            "delete": self.delete,
        }

    def write(self) -> str:
        """All rows arrive."""
        return _expect(self._projector.project(), self._rows)

    def read_by_influxql(self) -> str:
        """The points are there, by the bucket's name as a database."""
        return _same(count_by_influxql(self._target, MEASUREMENT, "quantity_mwh"), self._rows)

    def read_by_flux(self) -> str:
        """The points are there."""
        return _same(self._flux(), self._rows)

    def write_again(self) -> str:
        """The same points, not more."""
        with closing(psycopg.connect(self._dsn, autocommit=True)) as connection:
            connection.execute("UPDATE ledger.import_job SET influx_pending = true")
        _expect(self._projector.project(), self._rows)
        return _same(self._flux(), self._rows)

    def revise(self) -> str:
        """Rows whose tags change leave nothing stale."""
        with closing(psycopg.connect(self._dsn, autocommit=True)) as connection:
            connection.execute(REVISION)
        summary = self._projector.project()
        _same(self._flux('r["psr_type"] == "Revised"'), summary.points)
        return f"{summary.points} points moved, " + _same(self._flux(), self._rows)

    def refused(self, target: Target) -> str:
        """What a target that is wrong says."""
        with closing(Influx(target)) as influx:
            try:
                influx.write(_batch("refused", "1"))
            except Misconfigured as error:
                return str(error)
        raise AssertionError(f"{target} took a line")

    def one_refused(self, probe: str, value: str) -> str:
        """A line that is refused among two that are not."""
        (refusal,) = self._influx.write(_batch(probe, "1", value, "2"))
        _same(self._flux(f'r["probe"] == "{probe}"', "x"), 2)
        return refusal.reason

    def rebuild(self) -> str:
        """From the warehouse, after a deletion by somebody else."""
        start, end = _span()
        self._influx.delete(MEASUREMENT, start, end, {"bm_unit": "T_UNIT1-1"})
        _same(self._flux(), self._rows - self._rows // UNITS)
        _expect(self._projector.rebuild(DAY, DAY), self._rows)
        return _same(self._flux(), self._rows)

    def delete(self) -> str:
        """Nothing is left."""
        self._influx.delete(MEASUREMENT, *_span())
        return _same(self._flux(), 0)

    def _flux(self, condition: str = "true", field: str = "quantity_mwh") -> int:
        start, end = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in _span())
        filters = f'r["_measurement"] == "{MEASUREMENT}" and r["_field"] == "{field}" and {condition}'
        query = f"from(bucket: {json.dumps(self._target.bucket)}) |> range(start: {start}, stop: {end})"
        tables = self._influx.client.query_api().query(f"{query} |> filter(fn: (r) => {filters}) |> count()")
        return sum(record.get_value() for table in tables for record in table.records)


def count_by_influxql(target: Target, measurement: str, field: str) -> int:
    """How many points have a field, by the query language of InfluxDB 1, where a bucket's name is a database's."""
    form = {"db": target.bucket, "q": f'SELECT count("{field}") FROM "{measurement}"'}  # noqa: S608 - ours
    headers = {"Authorization": f"Token {target.token}", "Content-Type": "application/x-www-form-urlencoded"}
    request = Request(f"{target.url}/query", urlencode(form).encode(), headers)  # noqa: S310 - the user's own
    try:
        with urlopen(request, timeout=120) as answer:  # noqa: S310
            (result,) = json.load(answer)["results"]
    except HTTPError as error:
        raise AssertionError(f"InfluxQL: {error.code} {error.read().decode()[:300]}") from None
    return int(result["series"][0]["values"][0][1]) if "series" in result else 0


def _span() -> tuple[datetime, datetime]:
    (window,) = DATASET.windows(DAY, DAY)
    return window.start, window.end


def _batch(probe: str, *values: str) -> Batch:
    at = int(_span()[0].timestamp()) * 1_000_000
    lines = [f"{MEASUREMENT},probe={probe} x={value} {at + n}" for n, value in enumerate(values)]
    return Batch.of(pl.Series(lines))


def _expect(summary: Summary, points: int) -> str:
    if (summary.points, summary.refused, summary.outside_retention) != (points, 0, 0):
        raise AssertionError(f"expected {points} points, got {summary.counts()}")
    return summary.progress()


def _same(found: int, expected: int) -> str:
    if found != expected:
        raise AssertionError(f"expected {expected:,} points, found {found:,}")
    return f"{found:,} points"


if __name__ == "__main__":
    main()
