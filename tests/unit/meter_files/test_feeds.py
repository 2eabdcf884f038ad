"""Every named feed reads a file with the header that the supplier is known for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from energy_ingest.sources.meter_files import FEEDS, headers
from tests.unit.meter_files import made_up
from tests.unit.meter_files.made_up import read

EXAMPLES = json.loads((Path(__file__).parents[1] / "golden" / "meter_files" / "feed_headers.json").read_text())
ONE = made_up.mpan(1)
LONG = {name for name, header in EXAMPLES.items() if len(header.split(",")) < 20}


def cell(name: str, feed: str, number: str = "1.5") -> str:
    """What may stand in a column of this name."""
    layout = FEEDS[feed]
    if name == layout.mpan:
        return ONE
    if name in (layout.date, layout.stamp):
        return "24-02-01" if layout.date_order == "ymd" else "01/02/2024"
    if name == layout.unit or name in ("Unit", "Units"):
        return "kWh"
    return "A" if headers.is_flag(name) else number


@pytest.mark.parametrize("feed", sorted(set(EXAMPLES) - LONG - {"tem", "my-energy-coach-site-name"}))
def test_a_day_in_a_row(feed):
    names = EXAMPLES[feed].split(",")
    extra = {name for name in names if headers.normal(name) in ("hh49", "hh50", "49", "50", "p49", "p50")}
    extra |= {name for name in names if name.endswith(("HH49", "HH50"))}
    row = ["" if name in extra and "Read" not in name else cell(name, feed) for name in names]
    found = read(",".join(names) + "\n" + ",".join(row) + "\n", feed=feed)
    assert found.rejects.rows() == []
    assert (found.rows.height, set(found.rows["mpan"]), set(found.rows["quantity_kwh"])) == (48, {ONE}, {1.5})
    first = "2024-01-31" if FEEDS[feed].days_late else "2024-02-01"
    assert found.rows["period_start"].dt.strftime("%F %R").to_list()[0] == f"{first} 00:00"
    assert found.rows["period_start"].n_unique() == 48


@pytest.mark.parametrize("feed", sorted(LONG))
def test_a_half_hour_in_a_row(feed):
    names, layout = EXAMPLES[feed].split(","), FEEDS[feed]
    rows = []
    for n in range(48):
        at = f"{n // 2:02}:{n % 2 * 30:02}"
        values = {layout.time: at, layout.period: f"{n + 1}", layout.stamp: f"01/02/2024 {at}"}
        rows.append(",".join(values.get(name.strip()) or cell(name, feed) for name in names))
    found = read("\n".join([",".join(names), *rows]) + "\n", feed=feed)
    assert found.rejects.rows() == []
    assert (found.rows.height, found.rows["period_start"].n_unique()) == (48, 48)


def test_feeds_name_columns_of_their_headers():
    for feed, header in EXAMPLES.items():
        have = {headers.normal(name) for name in headers.unique(header.split(","))}
        layout = FEEDS[feed]
        for name in (layout.mpan, layout.date, layout.time, layout.stamp, layout.period, layout.unit, layout.value):
            assert name is None or headers.normal(name) in have or name == "column 1", (feed, name)


@pytest.mark.parametrize("feed", [name for name, layout in FEEDS.items() if layout.header])
def test_files_without_header(feed):
    row = [cell(name, feed) for name in FEEDS[feed].header]
    found = read(",".join(row) + "\n", feed=feed)
    assert (found.rejects.rows(), found.rows.height) == ([], 48)
