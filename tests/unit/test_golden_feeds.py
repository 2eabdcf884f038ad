"""Answers of the gas feeds become exactly these rows: a recorded capacity file, and made-up gas quality."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from energy_ingest.catalog import NATIONAL_GAS_QUALITY, TRANSWESTERN_CAPACITY
from energy_ingest.sources import Scope
from tests.unit.answers import Read, read

GOLDEN = Path(__file__).parent / "golden"
RECORDED = Path(__file__).parents[2] / "include" / "twin" / "data" / "transwestern" / "oac_2026-06-22_timely.csv.gz"
GAS_DAY, NAME = date(2026, 6, 22), "OAC_TW_007933047_06-22-2026_Timely.csv"


def gas_quality(name: str, day: date, part: str = "") -> Read:
    return read(NATIONAL_GAS_QUALITY, (GOLDEN / "national_gas" / f"{name}.json").read_bytes(), day, part=part)


def capacity(body: bytes, name: str = NAME) -> Read:
    headers = {"content-type": "text/csv", "content-disposition": f'attachment; filename="{name}"'}
    return read(TRANSWESTERN_CAPACITY, body, GAS_DAY, scope=Scope("TW", ("TW",)), part="Timely", headers=headers)


# --- National Gas ---


def test_the_latest_publication_with_its_means_and_a_site_without_reading():
    found = gas_quality("made_up_latestdata", date(2026, 11, 2), "10:00")
    at, stamp = datetime(2026, 11, 2, 10, 24, tzinfo=UTC), "2026-11-02T10:24:00"
    assert found.rows[0] == {
        "published_at": at,
        "site_id": 1,
        "published_stamp": stamp,
        "site_name": "EXAMPLE TERMINAL A",
        "area_name": "Area A",
        "cv_mj_per_m3": "39.3987",
        "cv_24h_mj_per_m3": "39.4120",
        "relative_density": "0.5948",
        "relative_density_24h": "0.5950",
        "wobbe_index_mj_per_m3": "51.08",
        "co2_mol_percent": "1.21",
        "n2_mol_percent": "0.98",
        "other_metrics": None,
        "row_number": 1,
    }
    values = ("39.0871", "39.1050", "0.6010", "0.6012", "50.41", "1.75", "1.64")
    assert [tuple(row.values()) for row in found.rows[1:]] == [
        (at, 2, stamp, "EXAMPLE OFFTAKE B", "Area B", *values, None, 2),
        (at, 3, stamp, "EXAMPLE SITE C (no reading)", "Area B", *[None] * 7, None, 3),
    ]
    assert (found.rejects, found.unknown, found.received) == ([], set(), 3)


def test_the_latest_publication_is_no_answer_to_another_half_hour():
    found = gas_quality("made_up_latestdata", date(2026, 11, 2), "10:30")
    assert (found.rows, found.rejects, found.unknown, found.received) == ([], [], set(), 0)


def test_the_publications_of_a_date_without_means():
    found = gas_quality("made_up_historicdata", date(2026, 11, 1))
    first, second = (datetime(2026, 11, 1, 0, minute, tzinfo=UTC) for minute in (12, 24))
    site = ("EXAMPLE TERMINAL A", "Area A")
    values = (
        ("39.3987", None, "0.5948", None, "51.08", "1.21", "0.98"),
        ("39.4012", None, "0.5949", None, "51.09", "1.21", "0.97"),
    )
    assert [tuple(row.values()) for row in found.rows] == [
        (first, 1, "2026-11-01T00:12:00", *site, *values[0], None, 1),
        (second, 1, "2026-11-01T00:24:00", *site, *values[1], None, 2),
    ]
    assert (found.rejects, found.unknown, found.received) == ([], set(), 2)


# --- Energy Transfer ---

UNAVAILABLE = (
    "Total Scheduled Quantity unavailable;Operating Capacity unavailable;Operationally Available Capacity unavailable"
)


def test_capacity_of_both_directions_with_blanks_and_their_reasons():
    found = capacity((GOLDEN / "energy_transfer" / "oac_2026-06-22_timely_4_lines.csv").read_bytes())
    start = "2026-06-22T14:00:00+00:00"
    assert found.rows[0] == {
        "gas_day": GAS_DAY,
        "nomination_cycle": "Timely",
        "asset": "TW",
        "loc": "100800",
        "flow_ind": "D",
        "loc_zone": "WEST TEXAS",
        "loc_name": "ET Genco Fuel",
        "loc_purpose": "MQ",
        "loc_qti": "DPQ",
        "design_capacity_dth_per_day": "3880",
        "operating_capacity_dth_per_day": "3880",
        "total_scheduled_quantity_dth_per_day": "1000",
        "operationally_available_capacity_dth_per_day": "2880",
        "interruptible_ind": "N",
        "auth_overrun_ind": "N",
        "nom_cap_exceed_ind": "N",
        "all_qty_avail": "Y",
        "qty_reason": None,
        "gas_day_start": start,
        "row_number": 1,
    }
    mahoney = ("9256", "D", "PANHANDLE", "ENERGAS/TW  RONNIE MAHONEY", "MQ", "DPQ", None, "2", "0", "2")
    needles, quantities = ("W. THOREAU", "SOCAL NEEDLES"), ("850000", "850000", "709554", "140446")
    assert [tuple(row.values())[3:] for row in found.rows[1:]] == [
        (*mahoney, "N", "N", "N", "N", "Design Capacity unavailable", start, 2),
        ("10487", "R", *needles, "M2", "RPQ", "100000", *[None] * 3, "N", "N", "N", "N", UNAVAILABLE, start, 3),
        ("10487", "D", *needles, "MQ", "DPQ", *quantities, "Y", "Y", "N", "Y", None, start, 4),
    ]
    assert (found.rejects, found.unknown, found.received) == ([], set(), 4)


def test_every_value_of_the_recorded_file_comes_through():
    body = gzip.decompress(RECORDED.read_bytes())
    found = capacity(body)
    assert (found.rejects, found.unknown, found.received) == ([], set(), 299)
    columns = {column.source: column.name for column in TRANSWESTERN_CAPACITY.contract.columns}
    lines = csv.DictReader(body.decode().splitlines())
    assert [{name: row[name] for name in columns.values()} for row in found.rows] == [
        {columns[field]: value.strip() or None for field, value in line.items()} for line in lines
    ]
    assert len({(row["loc"], row["flow_ind"]) for row in found.rows}) == 299
    assert len({row["loc"] for row in found.rows}) == 284


def test_a_header_alone_has_no_rows():
    found = capacity((GOLDEN / "energy_transfer" / "not_posted.csv").read_bytes())
    assert (found.rows, found.rejects, found.unknown, found.received) == ([], [], set(), 0)


@pytest.mark.parametrize(("ours", "theirs"), [("06-22", "06-21"), ("Timely", "Evening")])
def test_a_file_named_for_another_day_or_cycle_is_quarantined_whole(ours, theirs):
    name = NAME.replace(ours, theirs)
    found = capacity(gzip.decompress(RECORDED.read_bytes()), name)
    assert (found.rows, found.received) == ([], 299)
    assert {row["reason"] for row in found.rejects} == {f"is in a file named '{name}', not {GAS_DAY} Timely"}
