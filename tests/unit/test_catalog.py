"""What the catalogue declares is consistent, and what settings make of it is what was meant."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_ingest import catalog, settings
from energy_ingest.catalog import B1610, DATASETS, NATIONAL_GAS_QUALITY, SYSTEM_PRICES, TRANSWESTERN_CAPACITY
from energy_ingest.catalog.elexon import units_scope
from energy_ingest.contracts import SQL_TYPES, Column, Contract
from energy_ingest.errors import Misconfigured
from energy_ingest.loading.ingest import split
from energy_ingest.reading import Checked
from energy_ingest.sources import Scope, elexon
from tests.unit.answers import b1610, body, market_index

UNITS = ("_gbp_per_mwh", "_mwh", "_mw", "_mj_per_m3", "_mol_percent", "_dth_per_day", "_density", "_density_24h")
EACH = pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)


@EACH
def test_names_of_columns_and_fields_are_unique_and_the_key_is_never_null(dataset):
    contract = dataset.contract
    names = [*(c.name for c in contract.columns), *contract.derived]
    fields = [*(c.source for c in contract.columns), *contract.ignored]
    assert len(set(names)) == len(names) and len(set(fields)) == len(fields)
    by_name = {c.name: c for c in contract.columns}
    assert all(not by_name[name].nullable and not by_name[name].optional for name in contract.key if name in by_name)
    assert set(contract.key) <= set(names)


@EACH
def test_the_key_comes_first_and_time_first_of_all(dataset):
    loaded = list(dataset.contract.loaded)
    assert tuple(loaded[: len(dataset.contract.key)]) == dataset.contract.key
    assert dataset.time_column == loaded[0]
    assert dataset.contract.loaded[dataset.time_column] in ("date", "instant")
    assert set(dataset.contract.loaded.values()) <= SQL_TYPES.keys()


@EACH
def test_a_revision_is_a_change_of_a_loaded_column_outside_the_key(dataset):
    compared = set(dataset.contract.compared)
    assert compared < set(dataset.contract.loaded) and not compared & set(dataset.contract.key)
    assert not compared & {c.name for c in dataset.contract.columns if not c.compared or not c.loaded}


@EACH
def test_numbers_have_bounds_and_a_unit_in_their_name(dataset):
    for column in dataset.contract.columns:
        if column.kind in ("number", "exact"):
            assert column.low is not None and column.high is not None and column.low < column.high
            assert column.name.endswith(UNITS), column.name


@EACH
def test_restatements_come_in_order_and_every_dataset_says_whose_data_it_is(dataset):
    assert list(dataset.restated_after) == sorted(set(dataset.restated_after))
    assert len(dataset.source.attribution) > 20 and dataset.source.host.startswith("https://")
    assert dataset.contract.key and dataset.grain and dataset.title


def test_names_and_tables_are_unique_and_the_registry_is_by_name():
    assert {name: d.name for name, d in DATASETS.items()} == {name: name for name in DATASETS}
    assert len({d.table for d in DATASETS.values()}) == len(DATASETS)
    assert catalog.get("elexon_b1610") is B1610


def test_an_unknown_dataset_is_refused_with_those_that_exist():
    with pytest.raises(Misconfigured) as refusal:
        catalog.get("elexon_b1601")
    assert str(refusal.value) == f"no dataset 'elexon_b1601': use one of {', '.join(DATASETS)}"


def test_a_contract_equals_only_itself():
    one, other = (Contract(("a",), (Column("a", "date", "A", "a date"),)) for _ in range(2))
    assert one != other and len({one, other, one}) == 2


# --- lists of BM units ---


def test_a_unit_named_twice_is_expected_once():
    scope = units_scope(("T_B-1", "T_A-1", "T_B-1"))
    assert scope == Scope("units:T_A-1,T_B-1", ("T_B-1", "T_A-1"))
    window = next(iter(B1610.windows(date(2024, 10, 27), date(2024, 10, 27))))
    assert B1610.expected_items(window, scope) == 100


@given(st.lists(st.text("ABC_-1", min_size=1, max_size=4), min_size=1, max_size=30, unique=True), st.randoms())
def test_the_name_of_a_list_does_not_depend_on_its_order_and_stays_short(units, random):
    shuffled = random.sample(units, len(units))
    assert units_scope(tuple(units)).name == units_scope(tuple(shuffled)).name
    assert len(units_scope(tuple(units)).name) < 80
    assert units_scope(tuple(units)).name != units_scope((*units, "another")).name


def test_all_is_the_whole_market_and_nothing_is_not():
    assert units_scope(("all",)) == Scope("all")
    with pytest.raises(Misconfigured, match="no BM unit is named: list some in ENERGY_ELEXON_BM_UNITS, or `all`"):
        units_scope(())
    with pytest.raises(Misconfigured, match="names both `all` and single BM units"):
        units_scope(("all", "T_A-1"))


def test_the_whole_market_is_asked_for_day_by_day():
    assert B1610.span(Scope("all")) == timedelta(days=1)
    assert B1610.span(Scope("units:a", ("a",))) == timedelta(days=31)
    assert SYSTEM_PRICES.span(Scope("all")) == SYSTEM_PRICES.max_span


# --- settings ---


def scheduled(dataset, now):
    """Labels of the windows that schedules must have loaded by that instant."""
    return [str(window) for window in dataset.scheduled_windows(datetime.fromisoformat(now))]


@pytest.fixture
def _from_the_25th(monkeypatch):
    monkeypatch.setenv("ENERGY_START", "2024-10-25")
    monkeypatch.delenv("ENERGY_UNTIL", raising=False)


@pytest.mark.usefixtures("_from_the_25th")
def test_a_settlement_date_is_expected_once_its_run_has_started_at_two_in_london():
    """The 25th ends in summer time, the 26th on the morning that has 02:00 once, in winter time."""
    assert scheduled(SYSTEM_PRICES, "2024-10-26T00:59:59Z") == []
    assert scheduled(SYSTEM_PRICES, "2024-10-26T01:00:00Z") == ["2024-10-25"]
    assert scheduled(SYSTEM_PRICES, "2024-10-27T01:59:59Z") == ["2024-10-25"]
    assert scheduled(SYSTEM_PRICES, "2024-10-27T02:00:00Z") == ["2024-10-25", "2024-10-26"]


@pytest.mark.usefixtures("_from_the_25th")
def test_half_hours_and_postings_are_expected_at_their_end():
    assert scheduled(NATIONAL_GAS_QUALITY, "2024-10-25T00:59:59Z") == ["2024-10-25 00:00"]
    assert scheduled(NATIONAL_GAS_QUALITY, "2024-10-25T01:00:00Z") == ["2024-10-25 00:00", "2024-10-25 00:30"]
    assert scheduled(TRANSWESTERN_CAPACITY, "2024-10-24T21:59:59Z") == []
    assert scheduled(TRANSWESTERN_CAPACITY, "2024-10-24T22:00:00Z") == ["2024-10-25 Timely"]


@pytest.mark.usefixtures("_from_the_25th")
def test_after_the_last_date_nothing_is_expected(monkeypatch):
    monkeypatch.setenv("ENERGY_UNTIL", "2024-10-26")
    assert scheduled(SYSTEM_PRICES, "2024-11-02T00:00:00Z") == ["2024-10-25", "2024-10-26"]


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "two", "1e3", " "])
def test_a_number_that_is_none_is_refused_with_an_example(monkeypatch, value):
    monkeypatch.setenv("ENERGY_DUE_LIMIT", value)
    if not value.strip():
        assert settings.DUE_LIMIT.get_int() == 60, "empty means the default"
        return
    with pytest.raises(Misconfigured) as refusal:
        settings.DUE_LIMIT.get_int()
    assert str(refusal.value) == f"ENERGY_DUE_LIMIT={value!r} is not a positive whole number: use, say, 60"


def test_a_date_that_is_none_is_refused_with_an_example(monkeypatch):
    monkeypatch.setenv("ENERGY_START", "1.1.2024")
    with pytest.raises(Misconfigured) as refusal:
        settings.START.get_date()
    assert str(refusal.value) == "ENERGY_START='1.1.2024' is not a date: use YYYY-MM-DD, such as 2024-01-01"


def test_lists_drop_blanks(monkeypatch):
    monkeypatch.setenv("ENERGY_ELEXON_BM_UNITS", " T_A-1, ,T_B-1,, ")
    assert settings.BM_UNITS.get_list() == ("T_A-1", "T_B-1")


def test_the_archive_is_a_folder_of_airflow_by_default(monkeypatch):
    monkeypatch.delenv("ENERGY_ARCHIVE_URL", raising=False)
    monkeypatch.setenv("AIRFLOW_HOME", "/opt/airflow")
    assert settings.archive_url() == "file:///opt/airflow/archive"
    monkeypatch.setenv("ENERGY_ARCHIVE_URL", "s3://bucket/raw")
    assert settings.archive_url() == "s3://bucket/raw"


def test_every_setting_is_documented_once_and_has_our_prefix():
    names = [setting.env for setting in settings.SETTINGS]
    assert len(set(names)) == len(names) and all(name.startswith("ENERGY_") for name in names)
    assert all(setting.doc.endswith(".") for setting in settings.SETTINGS)


# --- one answer to several windows ---


def parts(dataset, rows, first: date, last: date) -> tuple[list[list[Checked]], int]:
    windows = list(dataset.windows(first, last))
    pieces = list(elexon.parse(dataset, [body(rows)], windows, Scope("all")))
    return split(dataset, pieces, windows), sum(piece.received for piece in pieces)


def test_rows_and_rejects_go_to_the_window_they_name_and_what_names_none_to_the_first():
    first, last = date(2024, 10, 26), date(2024, 10, 28)
    rows = [
        market_index(first, 48),
        market_index(date(2024, 10, 27), 50),
        market_index(date(2024, 10, 27), 49, price="?"),
        market_index(last, 49),
        market_index(last, 1),
        market_index(date(2024, 11, 1), 1),
        market_index(first, 1, settlementDate="?"),
    ]
    found, received = parts(catalog.MARKET_INDEX, rows, first, last)
    numbers = [[(p.rows["row_number"].to_list(), p.rejects["row_number"].to_list()) for p in part] for part in found]
    assert numbers == [[([1], [6, 7])], [([2], [3])], [([5], [4])]]
    assert received == len(rows) == sum(piece.received for part in found for piece in part)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 50), st.booleans()), max_size=12))
def test_a_split_answer_loses_no_row_and_doubles_none(picks):
    first = date(2024, 10, 26)
    rows = [
        b1610(first + timedelta(days=n), 1, settlementPeriod=period, **({"quantity": '"?"'} if bad else {}))
        for n, period, bad in picks
    ]
    found, received = parts(B1610, rows, first, first + timedelta(days=2))
    numbers = [n for part in found for p in part for n in [*p.rows["row_number"], *p.rejects["row_number"]]]
    assert sorted(numbers) == list(range(1, len(rows) + 1)) and received == len(rows)
