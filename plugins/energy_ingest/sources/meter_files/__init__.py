"""Meter files: half-hourly and daily readings and sites, in the layouts that suppliers use, as typed rows.

Pure: bytes in, rows out. `decide` looks at the start of a file and says how it will be read, `parse` reads it piece by
piece in bounded memory. Every value of the file comes out exactly once, as a row, as a reject with its reason, or in a
count of what is no reading.
"""

from energy_ingest.sources.meter_files.detection import decide
from energy_ingest.sources.meter_files.layouts import FEEDS
from energy_ingest.sources.meter_files.model import (
    DAILY,
    READINGS,
    SITES,
    Decision,
    Dialect,
    Layout,
    Options,
    Piece,
    Slot,
)
from energy_ingest.sources.meter_files.mpan import masked
from energy_ingest.sources.meter_files.pieces import parse, parse_again
from energy_ingest.sources.meter_files.rows import SHAPE

__all__ = [
    "DAILY", "FEEDS", "READINGS", "SHAPE", "SITES", "Decision", "Dialect", "Layout", "Options", "Piece", "Slot",
    "decide", "masked", "parse", "parse_again",
]  # fmt: skip
