"""Elexon Insights API: system prices, market index, actual generation per unit (B1610).

Sources of the rules: the API's OpenAPI document; settlement periods per BSC Section X Annex X-2. Bounds of `from` and
`to` are inclusive and compare with the start of the half hour, so a settlement date ends at its last half hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import polars as pl

from energy_ingest import clock, reading
from energy_ingest.errors import Misconfigured
from energy_ingest.reading import Checked
from energy_ingest.sources import Request, Scope
from energy_ingest.sources.json_rows import json_arrays

if TYPE_CHECKING:
    from energy_ingest.catalog import Dataset
    from energy_ingest.windows import Window

API: Final = "/bmrs/api/v1"
MAX_UNITS: Final = 250
"""BM units in one request; longer query strings are refused on the way."""


def request(dataset: Dataset, windows: Sequence[Window], scope: Scope) -> Request:
    """The request for adjoining settlement dates; `{date}` in the dataset's path is the first of them.

    Raises:
        Misconfigured: more BM units than one request can carry.
    """
    if len(scope.members) > MAX_UNITS:
        raise Misconfigured(f"{len(scope.members)} BM units are too many for one request: list at most {MAX_UNITS}, or use `all`")
    if "{date}" in dataset.path:
        return Request(dataset.path.format(date=windows[0].label))
    first, last = windows[0].start, windows[-1].end - clock.HALF_HOUR
    members = tuple((dataset.member_param, member) for member in scope.members)
    return Request(dataset.path, (("from", _minute(first)), ("to", _minute(last)), *members))


def parse(dataset: Dataset, chunks: Iterable[bytes], windows: Sequence[Window], scope: Scope) -> Iterator[Checked]:
    """Check every row against the contract, its half hour and its stamp.

    Raises:
        Retryable, Rejected: see `json_arrays` and `reading`.
    """
    half_hours = _half_hours(windows, dataset)
    first_row = 1
    for array in json_arrays(chunks):
        frame = reading.decode(dataset.contract, array)
        checked = reading.validate(dataset.contract, frame, first_row)
        placed = _place(checked, half_hours, dataset, scope)
        yield Checked(_derive(placed.rows, dataset), placed.rejects, tuple(reading.unknown_fields(dataset.contract, frame)))
        first_row += frame.height


def _half_hours(windows: Sequence[Window], dataset: Dataset) -> pl.DataFrame:
    """Every half hour of the windows with its UTC start and the stamp that the source gives it."""
    rows = []
    for window in windows:
        for period in range(1, clock.settlement_periods(window.label) + 1):
            start = clock.period_start(window.label, period)
            stamp = start + clock.HALF_HOUR if dataset.stamps_end else start
            rows.append((window.label, period, start.isoformat(), stamp.strftime("%Y-%m-%dT%H:%M:%S")))
    schema = {"settlement_date": pl.Date, "settlement_period": pl.Int64, "period_start": pl.String, "expected": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _place(checked: Checked, half_hours: pl.DataFrame, dataset: Dataset, scope: Scope) -> Checked:
    """Give each row its UTC start; reject rows of other windows or units, and stamps that contradict the period."""
    rows = checked.rows.join(half_hours, on=["settlement_date", "settlement_period"], how="left", maintain_order="left")
    stamp, suffix = pl.col("stamp").str.slice(0, 19), pl.col("stamp").str.slice(19)
    wrong_stamp = (stamp != pl.col("expected")) | ~suffix.is_in(["", "Z", "+00:00"])
    rules = [
        (pl.col("period_start").is_null(), "settlement_period", "is not a half hour of the requested window"),
        (wrong_stamp, "stamp", "contradicts settlement date and period"),
    ]
    if scope.members:
        rules.append((~pl.col(dataset.member_column).is_in(scope.members), dataset.member_column, "was not asked for"))
    bad = rows.select(mask.alias(str(n)) for n, (mask, _, _) in enumerate(rules))
    if not any(bad[name].any() for name in bad.columns):
        return Checked(rows.drop("expected", "stamp"), checked.rejects)
    verdict = pl.coalesce(
        pl.when(mask).then(pl.struct(column=pl.lit(column), value=pl.col(column).cast(pl.String), reason=pl.lit(reason)))
        for mask, column, reason in rules
    )
    series = rows.select(verdict.alias("verdict"))["verdict"]
    refused = reading.reject(rows.drop("period_start", "expected"), series)
    kept = rows.filter(series.is_null()).drop("expected", "stamp")
    return Checked(kept, pl.concat([checked.rejects, refused]))


def _derive(rows: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    if "is_placeholder" not in dataset.contract.derived:
        return rows
    nothing = [pl.col(name).cast(pl.Float64) == 0 for name in ("price_gbp_per_mwh", "volume_mwh")]
    return rows.with_columns(is_placeholder=pl.all_horizontal(nothing))


def _minute(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%MZ")
