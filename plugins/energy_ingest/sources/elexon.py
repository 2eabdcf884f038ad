"""Elexon Insights API: system prices, market index, actual generation per unit (B1610), data of BM units.

Sources of the rules: the API's OpenAPI document; settlement periods per BSC Section X Annex X-2. Bounds of `from` and
`to` are inclusive and compare with the start of the half hour, so a settlement date ends at its last half hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

import polars as pl

from energy_ingest import clock, reading
from energy_ingest.errors import Misconfigured
from energy_ingest.reading import Checked, Problem
from energy_ingest.sources import Request, Scope
from energy_ingest.sources.json_rows import json_arrays

if TYPE_CHECKING:
    from energy_ingest.catalog import Dataset
    from energy_ingest.windows import Window

API: Final = "/bmrs/api/v1"
ARRAYS: Final = 8
"""JSON arrays that are checked at once: enough to be fast, few enough to bound memory."""
MAX_UNITS: Final = 250
"""BM units in one request; longer query strings are refused on the way."""


def request(dataset: Dataset, windows: Sequence[Window], scope: Scope, _now: datetime | None = None) -> Request:
    """The request for adjoining settlement dates; `{date}` in the dataset's path is the first of them.

    Raises:
        Misconfigured: more BM units than one request can carry.
    """
    if len(scope.members) > MAX_UNITS:
        raise Misconfigured(
            f"{len(scope.members)} BM units are too many for one request: list at most {MAX_UNITS}, or use `all`"
        )
    if "{date}" in dataset.path:
        return Request(dataset.path.format(date=windows[0].label))
    first, last = windows[0].start, windows[-1].end - clock.HALF_HOUR
    members = tuple((dataset.member_param, member) for member in scope.members)
    return Request(dataset.path, (("from", _minute(first)), ("to", _minute(last)), *members))


def parse(
    dataset: Dataset,
    chunks: Iterable[bytes],
    windows: Sequence[Window],
    scope: Scope,
    _headers: Mapping[str, str] | None = None,
) -> Iterator[Checked]:
    """Check every row against the contract, its half hour and its stamp.

    Raises:
        Retryable, Rejected: see `json_arrays` and `reading`.
    """
    half_hours, arrays, first_row = _half_hours(windows, dataset), json_arrays(chunks), 1
    while batch := list(islice(arrays, ARRAYS)):
        frame, misfits = reading.decode(dataset.contract, batch)
        rows = _place(reading.typed(dataset.contract, frame), half_hours)
        problems = [*misfits, *reading.problems(dataset.contract, frame, rows), *_misplaced(rows, dataset, scope)]
        yield reading.sift(dataset.contract, frame, _derive(rows, dataset), problems, first_row)
        first_row += frame.height


def _half_hours(windows: Sequence[Window], dataset: Dataset) -> pl.DataFrame:
    """Every half hour of the windows with its UTC start and the stamp that the source gives it."""
    rows = []
    for window in windows:
        for period in range(1, clock.settlement_periods(window.label) + 1):
            start = clock.period_start(window.label, period)
            stamp = start + clock.HALF_HOUR if dataset.stamps_end else start
            rows.append((window.label, period, start.isoformat(), stamp.strftime("%Y-%m-%dT%H:%M:%S")))
    schema = {
        "settlement_date": pl.Date,
        "settlement_period": pl.Int32,
        "period_start": pl.String,
        "expected": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _place(rows: pl.DataFrame, half_hours: pl.DataFrame) -> pl.DataFrame:
    """Give each row its UTC start and the stamp it should have; null for rows of other windows."""
    return rows.join(half_hours, on=["settlement_date", "settlement_period"], how="left", maintain_order="left")


def _misplaced(rows: pl.DataFrame, dataset: Dataset, scope: Scope) -> list[Problem]:
    """Rows of other windows or units, and stamps that contradict the half hour."""
    rules = [
        (rows["period_start"].is_null(), "settlement_period", "is not a half hour of the requested window"),
    ]
    if "stamp" in rows.columns:
        rules.append((_other_stamp(rows), "stamp", "contradicts settlement date and period"))
    if scope.members:
        rules.append((~rows[dataset.member_column].is_in(scope.members), dataset.member_column, "was not asked for"))
    return [rule for rule in rules if rule[0].any()]


def _other_stamp(rows: pl.DataFrame) -> pl.Series:
    """Where the source's stamp, with or without a sign of UTC, is not that of the half hour."""
    other = rows["stamp"] != rows["expected"]
    if not other.any():
        return other
    bare = pl.col("stamp").str.strip_suffix("Z").str.strip_suffix("+00:00")
    return rows.select(bare != pl.col("expected")).to_series()


def _derive(rows: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """The columns that are loaded, with those that follow from others."""
    if "is_placeholder" in dataset.contract.derived:
        nothing = [pl.col(name).cast(pl.Float64) == 0 for name in ("price_gbp_per_mwh", "volume_mwh")]
        rows = rows.with_columns(is_placeholder=pl.all_horizontal(nothing))
    return rows.select(*dataset.contract.loaded)


def _minute(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%MZ")
