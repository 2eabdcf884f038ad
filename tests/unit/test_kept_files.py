"""Files of other systems: which window each is for, and what the source had sent."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from energy_ingest.catalog import MARKET_INDEX, TRANSWESTERN_CAPACITY
from energy_ingest.errors import Misconfigured, Rejected
from energy_ingest.sources.kept_files import identify

RAW = (Path(__file__).parent / "golden" / "energy_transfer" / "oac_2026-06-22_timely_4_lines.csv").read_bytes()


def transformed(raw: bytes, *, without: str = "") -> bytes:
    """As the old capacity pipeline wrote it over the raw file."""
    rows = list(csv.DictReader(io.StringIO(raw.decode())))
    lineage = {"measure_date": "2026-07-01", "cycle_id": "Timely", "download_timestamp": "1782100000.5"}
    named = [{k.lower().replace(" ", "_").replace("/", "_"): v for k, v in row.items()} | lineage for row in rows]
    kept = [{name: value for name, value in row.items() if name != without} for row in named]
    text = io.StringIO()
    writer = csv.DictWriter(text, kept[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(kept)
    return text.getvalue().encode()


@pytest.mark.parametrize(
    ("name", "label", "part"),
    [
        ("OAC_TW_007933047_06-08-2025_Intraday 1.csv", date(2025, 6, 8), "Intraday 1"),
        ("OAC_TW_007933047_06-08-2025_intraday_3.csv", date(2025, 6, 8), "Intraday 3"),
        ("20250608_EVENING.csv", date(2025, 6, 8), "Evening"),
    ],
)
def test_a_posting_is_known_by_its_name(name, label, part):
    found = identify(TRANSWESTERN_CAPACITY, name, RAW)
    assert (found.window.label, found.window.part, found.scope.name) == (label, part, "TW")
    assert (found.body, found.retrieved_at) == (RAW, None)


def test_what_is_said_counts_more_than_the_name():
    found = identify(TRANSWESTERN_CAPACITY, "06-08-2025_Final.csv", RAW, date(2025, 6, 9), "Timely")
    assert (found.window.label, found.window.part) == (date(2025, 6, 9), "Timely")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("capacity_Timely.csv", "no date in the file's name; give it with --date"),
        ("13-40-2025_Timely.csv", "2025-13-40 is no date"),
        ("06-08-2025.csv", "which of Timely, Evening, .* give it with --part"),
    ],
)
def test_a_name_that_does_not_say_it(name, told):
    with pytest.raises(Misconfigured, match=told):
        identify(TRANSWESTERN_CAPACITY, name, RAW)


def test_the_pipeline_stands_in_the_name_where_there_are_several(monkeypatch):
    from energy_ingest.catalog import ENERGY_TRANSFER_CAPACITY

    monkeypatch.setenv("ENERGY_ENERGY_TRANSFER_ASSETS", "FGT,PEPL")
    name = "OAC_{}_06-08-2025_Final.csv"
    assert identify(ENERGY_TRANSFER_CAPACITY, name.format("PEPL_045256641"), RAW).scope.name == "PEPL"
    with pytest.raises(Misconfigured, match="none of energy_transfer_capacity's FGT, PEPL"):
        identify(ENERGY_TRANSFER_CAPACITY, name.format("TW"), RAW)


def test_the_old_pipelines_form_is_turned_back():
    found = identify(TRANSWESTERN_CAPACITY, "OAC_TW_06-22-2026_Timely.csv", transformed(RAW))
    values = lambda body: list(csv.reader(io.StringIO(body.decode())))  # noqa: E731
    assert values(found.body) == values(RAW)
    assert found.retrieved_at == datetime.fromtimestamp(1782100000.5, UTC)


def test_a_column_that_the_old_pipeline_lost_is_named():
    with pytest.raises(Rejected, match="the columns qty_reason are missing; take the raw file"):
        identify(TRANSWESTERN_CAPACITY, "OAC_TW_06-22-2026_Timely.csv", transformed(RAW, without="qty_reason"))


def test_an_answer_of_one_date():
    found = identify(MARKET_INDEX, "market-index-2024-10-27.json", b"[]")
    assert (found.window.label, found.window.part, found.body) == (date(2024, 10, 27), "", b"[]")
