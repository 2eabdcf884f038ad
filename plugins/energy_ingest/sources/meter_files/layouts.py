"""Named layouts: what suppliers' files say by agreement and not by themselves."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from energy_ingest.sources.meter_files.model import Layout

_GENERIC: Final = {
    "start-labelled": Layout("stamps name the start of the half hour", label="start"),
    "end-labelled": Layout("stamps name the end of the half hour", label="end"),
    "local-time": Layout("all dates and times are UK clock time", clock="local"),
    "utc": Layout("all dates and times are UTC (or GMT all year)", clock="utc"),
    "utc-start-labelled": Layout("UTC, stamps name the start of the half hour", clock="utc", label="start"),
    "utc-end-labelled": Layout("UTC, stamps name the end of the half hour", clock="utc", label="end"),
    "month-first": Layout("dates are month, day, year", date_order="mdy"),
    "year-first": Layout("dates are year, month, day, the year of two digits", date_order="ymd"),
}


@cache
def feeds() -> dict[str, Layout]:
    """The layouts by name: ours for what a file leaves open, then those of suppliers."""
    text = files(__package__).joinpath("feeds.json").read_bytes()
    return _GENERIC | msgspec.json.decode(text, type=dict[str, Layout])


FEEDS: Final = feeds()
