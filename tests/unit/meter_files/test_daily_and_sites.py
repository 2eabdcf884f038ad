"""Totals of days, and sites."""

from __future__ import annotations

from datetime import date

import pytest

from energy_ingest.errors import Rejected
from tests.unit.meter_files import made_up
from tests.unit.meter_files.made_up import read

ONE = made_up.mpan(1)


def test_daily_totals():
    rows = ["31/03/2024,23.5,kWh,A", "01/04/2024,24000,Wh,E", "2/4/2024,,kWh,", "3/4,1,kWh,"]
    content = "MPAN,Date,Consumption,Unit,Status\n" + "\n".join(f"{ONE},{row}" for row in rows)
    found = read(content, import_type="daily")
    assert found.rows.select("mpan", "local_date", "quantity_kwh", "reading_type", "register").rows() == [
        (ONE, date(2024, 3, 31), 23.5, "actual", "import"),
        (ONE, date(2024, 4, 1), 24.0, "estimated", "import"),
    ]
    assert found.skipped == {"blank cell": 1}
    assert found.reasons == [(5, "Date", "3/4")]


def test_half_hours_are_no_daily_totals():
    header = ",".join(f"HH{n}" for n in range(1, 49))
    with pytest.raises(Rejected, match="Import it as hh"):
        read(f"MPAN,Date,{header}\n{ONE},01/02/2024," + ",".join(["1"] * 48), import_type="daily")


SITES = """Site Name,Company ID,Region,Street Address,Post Code,Type,Floor Area,Lat,Long,Status,Created
"Mill, the old one",1,2,"1 Mill Lane
Upper Floor",AB1 2CD,Warehouse,"1,250.5",51.5,-0.1,active,05/06/2024
,1,,,,,,,,,
Depot,,,,,hangar,,,,,
Yard,x,,,,,,,,,
Shop,,,,,,,95,,,
Barn,,,,,,,,,closed,06/2024
Hut,,,,,,,,,,
"""


def test_sites():
    found = read(SITES, import_type="sites")
    assert found.rows.rows(named=True) == [
        {
            "row_number": 2, "name": "Mill, the old one", "company_id": 1, "region_id": 2,
            "address": "1 Mill Lane\nUpper Floor", "postcode": "AB1 2CD", "site_type": "warehouse",
            "floor_area_m2": 1250.5, "latitude": 51.5, "longitude": -0.1, "is_active": True,
            "created_on": date(2024, 6, 5),
        },
        {
            "row_number": 8, "name": "Hut", "company_id": None, "region_id": None, "address": None, "postcode": None,
            "site_type": "office", "floor_area_m2": None, "latitude": None, "longitude": None, "is_active": True,
            "created_on": None,
        },
    ]  # fmt: skip
    wrong = [(3, "Site Name", ""), (4, "Type", "hangar"), (5, "Company ID", "x"), (6, "Lat", "95")]
    assert found.reasons == [*wrong, (7, "Created", "06/2024")]


def test_sites_need_a_name():
    with pytest.raises(Rejected, match="no header with a column for the site's name"):
        read("address,postcode\nx,y", import_type="sites")
