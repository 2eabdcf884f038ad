"""Rows as line protocol: the predecessor's points to the letter, few series by default, nothing lost in escaping."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_ingest import catalog, settings
from energy_ingest.catalog import B1610, MARKET_INDEX, SYSTEM_PRICES, Dataset
from energy_ingest.contracts import Kind
from energy_ingest.errors import Misconfigured
from energy_ingest.loading import line_protocol
from energy_ingest.projection import Points, Projection, Scaled
from include.influx_double.lines import Point, parse

START = 1_729_983_600_000_000  # 2024-10-26T23:00:00Z, settlement date 2024-10-27, period 1
SETTLEMENT = {"period_start in us": START, "settlement_date": "2024-10-27", "settlement_period": "1"}


def lines(points: Points, kinds: dict[str, Kind], *rows: dict[str, Any]) -> list[str | None]:
    columns = line_protocol.columns([points])
    schema = {column.name: pl.Int64 if column.is_time else pl.String for column in columns}
    filled = [{name: row.get(name) for name in schema} for row in rows]
    return line_protocol.lines(pl.DataFrame(filled, schema=schema), points, kinds).to_list()


def of(dataset: Dataset, choice: str, monkeypatch: pytest.MonkeyPatch, *rows: dict[str, Any]) -> list[str | None]:
    monkeypatch.setenv(settings.INFLUX_MAPPING.env, choice)
    (points,) = dataset.influx_points
    return lines(points, dataset.contract.loaded, *({**SETTLEMENT, **row} for row in rows))


# --- the mappings ---

GENERATION = {"bm_unit": "T_A-1", "national_grid_bm_unit": "A 1", "psr_type": "Generation", "quantity_mwh": "12.345"}
PRICES = {
    "system_sell_price_gbp_per_mwh": "-7.123456789012345678",
    "net_imbalance_volume_mwh": "100",
    "total_accepted_offer_volume_mwh": "1.5",
    "total_accepted_bid_volume_mwh": "-2.5",
    "total_adjustment_sell_volume_mwh": None,
    "total_adjustment_buy_volume_mwh": "0",
}


def test_compat_b1610_is_the_predecessors(monkeypatch):
    """All keys are string tags, the time is the end of the half hour, and the field's name is as wrong as it was."""
    assert of(
        B1610, "compat", monkeypatch, GENERATION, {**GENERATION, "psr_type": None}, {**GENERATION, "quantity_mwh": None}
    ) == [
        r"B1610,bmUnit=T_A-1,dataset=B1610,nationalGridBmUnitId=A\ 1,psrType=Generation,settlementDate=2024-10-27,"
        "settlementPeriod=1 Gen_MV_MW=12.345 1729985400000000",
        r"B1610,bmUnit=T_A-1,dataset=B1610,nationalGridBmUnitId=A\ 1,settlementDate=2024-10-27,"
        "settlementPeriod=1 Gen_MV_MW=12.345 1729985400000000",
        None,
    ]


def test_compat_disebsp_is_the_predecessors(monkeypatch):
    """A null is left out; every digit of the source is written, though InfluxDB keeps 64 bits."""
    assert of(SYSTEM_PRICES, "compat", monkeypatch, PRICES) == [
        "DISEBSP,settlementDate=2024-10-27 systemSellPrice=-7.123456789012345678,netImbalanceVolume=100,"
        "totalAcceptedOfferVolume=1.5,totalAcceptedBidVolume=-2.5,totalAdjustmentBuyVolume=0 1729983600000000"
    ]


def test_compat_midp_is_the_predecessors(monkeypatch):
    row = {"data_provider": "APXMIDP", "price_gbp_per_mwh": "85.5", "volume_mwh": "0"}
    assert of(MARKET_INDEX, "compat", monkeypatch, row) == [
        "MIDP,dataProvider=APXMIDP,settlementDate=2024-10-27 settlementPeriod=1i,price=85.5,volume=0 1729983600000000"
    ]


def test_lean_b1610(monkeypatch):
    row = {**GENERATION, "quantity_mwh * 2": "24.690"}
    assert of(B1610, "lean", monkeypatch, row) == [
        r"elexon_b1610,bm_unit=T_A-1,national_grid_bm_unit=A\ 1,psr_type=Generation "
        'settlement_date="2024-10-27",settlement_period=1i,quantity_mwh=12.345,average_mw=24.690 1729983600000000'
    ]


def test_lean_market_index(monkeypatch):
    row = {"data_provider": "N2EXMIDP", "price_gbp_per_mwh": "0", "volume_mwh": "0", "is_placeholder": "true"}
    assert of(MARKET_INDEX, "lean", monkeypatch, row) == [
        "elexon_market_index,data_provider=N2EXMIDP "
        'settlement_date="2024-10-27",settlement_period=1i,price_gbp_per_mwh=0,volume_mwh=0,is_placeholder=true '
        "1729983600000000"
    ]


def test_a_former_gas_quality_dashboard_finds_its_points():
    """The site's number was an integer field there, its names were tags."""
    points = Points(
        "GasQual",
        time="published_at",
        tags={"siteName": "site_name", "areaName": "area_name"},
        fields={"siteId": "site_id", "cv24": "cv24_mj_per_m3"},
    )
    kinds: dict[str, Kind] = {"site_name": "text", "area_name": "text", "site_id": "integer", "cv24_mj_per_m3": "exact"}
    row = {"published_at in us": START, "site_name": "St Fergus, NSMP", "area_name": "", "site_id": "7"}
    assert lines(points, kinds, {**row, "cv24_mj_per_m3": "39.1"}, row) == [
        r"GasQual,siteName=St\ Fergus\,\ NSMP siteId=7i,cv24=39.1 1729983600000000",
        r"GasQual,siteName=St\ Fergus\,\ NSMP siteId=7i 1729983600000000",
    ]


def test_rows_of_one_series_and_instant_are_kept_apart_without_a_tag():
    points = Points("m", {}, {"n": "number"}, time="at", spread="number")
    row = {"at in us + number": 5_000_000 + 17}
    assert lines(points, {"number": "integer"}, row | {"number": "17"}) == ["m n=17i 5000017"]
    assert points.slack == timedelta(microseconds=999_999)


def test_two_points_per_row_and_a_zero():
    """As the former bid-offer mapping had them: the value where it begins to hold, zero where it ends."""
    fields = {"bidPrice_GBPMWh": Scaled("bid", 0)}
    points = Points("BOD", time="time_to", tags={"bmUnit": "bm_unit"}, fields=fields, shift=timedelta(minutes=1))
    assert lines(
        points, {"bm_unit": "text", "bid": "number"}, {"time_to in us": 0, "bm_unit": "X", "bid * 0": "0"}
    ) == ["BOD,bmUnit=X bidPrice_GBPMWh=0 60000000"]


@pytest.mark.parametrize("dataset", catalog.DATASETS.values(), ids=lambda dataset: dataset.name)
def test_every_mapping_names_columns_that_exist(dataset: Dataset):
    kinds = dataset.contract.loaded
    for choice in ("lean", "compat", "both") if dataset.influx else ():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(settings.INFLUX_MAPPING.env, choice)
            for points in dataset.influx_points:
                assert kinds[points.time] == "instant"
                assert {column.column for column in line_protocol.columns([points])} <= set(kinds)
                scaled = [source.column for source in points.fields.values() if isinstance(source, Scaled)]
                assert {kinds[name] for name in scaled} <= {"integer", "number", "exact"}


@pytest.mark.parametrize("dataset", catalog.DATASETS.values(), ids=lambda dataset: dataset.name)
def test_lean_series_do_not_grow_with_time(dataset: Dataset):
    """No tag of the default mapping is a date, an instant, a period or a quantity."""
    if dataset.influx:
        (lean,) = dataset.influx_points
        assert lean.measurement == dataset.name
        assert {dataset.contract.loaded[tag] for tag in lean.tags.values()} <= {"text", "integer"}
        assert not {tag for tag in lean.tags.values() if "period" in tag or "date" in tag or "number" in tag}


# --- the choice ---


@pytest.mark.parametrize(
    ("setting", "measurements"),
    [
        ("", ["elexon_b1610"]),
        ("compat", ["B1610"]),
        ("both", ["elexon_b1610", "B1610"]),
        ("elexon_b1610=both", ["elexon_b1610", "B1610"]),
        ("compat, elexon_b1610=lean", ["elexon_b1610"]),
        ("both,elexon_market_index=lean", ["elexon_b1610", "B1610"]),
    ],
)
def test_the_setting_chooses(monkeypatch, setting: str, measurements: list[str]):
    monkeypatch.setenv(settings.INFLUX_MAPPING.env, setting)
    assert [points.measurement for points in B1610.influx_points] == measurements


def test_a_wrong_choice_names_the_right_ones(monkeypatch):
    monkeypatch.setenv(settings.INFLUX_MAPPING.env, "elexon_b1610=fat")
    with pytest.raises(Misconfigured, match="'fat' is no mapping; use one of lean, compat, both for all datasets"):
        _ = SYSTEM_PRICES.influx_points


def test_where_there_was_no_former_mapping_lean_stands_in(monkeypatch):
    monkeypatch.setenv(settings.INFLUX_MAPPING.env, "compat")
    assert [p.measurement for p in Projection(tags=("bm_unit",)).points("x", B1610.contract)] == ["x"]


# --- escaping ---

NASTY = st.text(
    st.sampled_from(list(", =\"\\\n\r\t'#é€𝄞\u2028aN0")) | st.characters(exclude_characters="\0", codec="utf-8")
)
TEXTS: dict[str, Kind] = {"tag": "text", "field": "text", "number": "integer"}


@given(tag=NASTY, text=NASTY, measurement=NASTY.filter(bool), key=NASTY.filter(bool))
def test_what_is_written_is_what_is_read(tag: str, text: str, measurement: str, key: str):
    names = [line_protocol.stored_tag(name) for name in (measurement, key)]
    if any(name.endswith((" ", "\\")) or name.startswith("#") for name in names) or key == "time":
        return  # names are the catalogue's own; these the protocol cannot say
    points = Points(measurement, tags={key: "tag"}, fields={"text": "field", "n": "number"}, time="at")
    row = {"at in us": 5, "tag": tag, "field": text, "number": "-3"}
    (line,) = lines(points, TEXTS, row)
    tags = ((names[1], line_protocol.stored_tag(tag)),) if tag else ()
    assert parse(f"{line}\n{line}", "us", 0) == ([Point(names[0], tags, {"text": text, "n": -3}, 5000)] * 2, [])


@pytest.mark.parametrize(
    ("value", "stored"),
    [("a\nb", r"a\nb"), ("a\t", r"a\t"), ("a\\", "a "), ("\\", " "), ("a\\,b", "a\\,b"), (" ", " ")],
)
def test_what_the_protocol_cannot_say_is_replaced(value: str, stored: str):
    assert line_protocol.stored_tag(value) == stored
    assert parse(f"m,t={line_protocol.escaped_tag(value)} f=1 1", "ns", 0)[0][0].tags == (("t", stored),)


def test_rows_differ_in_what_they_have():
    """Nulls in some rows of a batch do not change the others."""
    points = Points("m", tags={"tag": "tag"}, fields={"a": "field", "n": "number"}, time="at")
    rows = [
        {"at in us": 1, "tag": "x", "field": "f", "number": "1"},
        {"at in us": 2, "tag": "", "field": "", "number": None},
        {"at in us": 3, "tag": None, "field": None, "number": "3"},
        {"at in us": 4, "tag": "x", "field": None, "number": None},
    ]
    assert lines(points, TEXTS, *rows) == ['m,tag=x a="f",n=1i 1', 'm a="" 2', "m n=3i 3", None]
