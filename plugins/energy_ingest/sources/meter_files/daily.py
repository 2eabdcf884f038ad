"""A day's total in a row."""

from __future__ import annotations

import polars as pl

from energy_ingest.sources.meter_files import rows
from energy_ingest.sources.meter_files.model import DAILY
from energy_ingest.sources.meter_files.rows import Sieve


def totals(sieve: Sieve) -> pl.DataFrame:
    """DAILY of the rows that are left in the sieve."""
    rows.identify(sieve)
    rows.read_date(sieve)
    rows.read_value(sieve)
    return sieve.rows.with_columns(quantity_kwh=pl.col("value") * pl.col("factor")).select(*DAILY)
