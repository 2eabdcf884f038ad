"""`energy-ingest parse`: what a file holds, as whole documents; every flaw with its row, column, value and fix."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from energy_ingest import clock
from energy_ingest.catalog import NATIONAL_GAS_QUALITY, TRANSWESTERN_CAPACITY
from energy_ingest.cli import app
from energy_ingest.cli.parse import examine
from energy_ingest.errors import Misconfigured
from energy_ingest.sources import Scope

Row = dict[str, Any]
Parse = Callable[..., tuple[int, dict[str, Any]]]
DAY = date(2024, 10, 27)
NOTHING = {"unknown": [], "missing": []}


def market_index(day: date = DAY) -> list[Row]:
    """A complete settlement date of market index rows."""
    return [
        {
            "startTime": f"{clock.period_start(day, period):%Y-%m-%dT%H:%M:%SZ}",
            "dataProvider": provider,
            "settlementDate": f"{day}",
            "settlementPeriod": period,
            "price": 60.5,
            "volume": 100.25,
        }
        for period in range(1, clock.settlement_periods(day) + 1)
        for provider in ("APXMIDP", "N2EXMIDP")
    ]


@pytest.fixture
def parse(tmp_path: Path) -> Parse:
    """Write a body to a file and parse it: exit code and JSON, less the file's name."""

    def run(body: Any, *options: str, dataset: str = "elexon_market_index") -> tuple[int, dict[str, Any]]:
        file = tmp_path / "answer.json"
        file.write_bytes(body if isinstance(body, bytes) else json.dumps(body).encode())
        result = CliRunner().invoke(app, ["parse", str(file), "--dataset", dataset, "--json", *options])
        assert result.stderr == ""
        found = json.loads(result.stdout)
        assert found.pop("file") == str(file)
        return result.exit_code, found

    return run


def clean(**differences: Any) -> dict[str, Any]:
    return {
        "dataset": "elexon_market_index",
        "rows": 100,
        "quarantined": 0,
        "duplicates": 0,
        "drift": NOTHING,
        "windows": [{"label": "2024-10-27", "expected": 100, "actual": 100}],
        "problems": [],
        "rejected": None,
        **differences,
    }


@pytest.mark.parametrize("envelope", [lambda rows: rows, lambda rows: {"data": rows}], ids=["bare", "data"])
def test_a_clean_answer(parse: Parse, envelope: Callable[[list[Row]], Any]) -> None:
    assert parse(envelope(market_index())) == (0, clean())


def test_gzipped_as_in_the_archive(parse: Parse) -> None:
    assert parse(gzip.compress(json.dumps(market_index()).encode())) == (0, clean())


def test_the_windows_are_those_of_the_file(parse: Parse) -> None:
    code, found = parse(market_index() + market_index(date(2024, 12, 1)))
    windows = [
        {"label": "2024-10-27", "expected": 100, "actual": 100},
        {"label": "2024-12-01", "expected": 96, "actual": 96},
    ]
    assert (code, found) == (0, clean(rows=196, windows=windows))


def test_or_those_asked_for(parse: Parse) -> None:
    """A row of another day is out of place; a day without rows has none."""
    code, found = parse(market_index()[:2], "--from", "2024-10-28", "--to", "2024-10-28")
    problem = {
        "column": "settlement_period",
        "value": "1",
        "reason": "is not a half hour of the requested window",
        "fix": "ask for the window that holds it (--from, --to); a settlement date has 46, 48 or 50 periods",
    }
    windows = [{"label": "2024-10-28", "expected": 96, "actual": 0}]
    problems = [{"row": 1, **problem}, {"row": 2, **problem}]
    assert (code, found) == (1, clean(rows=0, quarantined=2, windows=windows, problems=problems))


def test_every_flaw_names_row_column_value_and_fix(parse: Parse) -> None:
    rows = market_index()
    rows[3]["price"] = "n/a"
    rows[10]["volume"] = None
    rows[11]["volume"] = -1
    rows[20]["startTime"] = "2024-10-27T00:00:00Z"
    code, found = parse(rows)
    assert code == 1
    assert (found["rows"], found["quarantined"]) == (96, 4)
    assert found["windows"] == [{"label": "2024-10-27", "expected": 100, "actual": 96}]
    assert sorted(found["problems"], key=lambda problem: problem["row"]) == [
        {
            "row": 4,
            "column": "price_gbp_per_mwh",
            "value": "n/a",
            "reason": "is not a number",
            "fix": "if the source's new form is right, change `kind` of price_gbp_per_mwh in catalog/; "
            "else tell the source",
        },
        {
            "row": 11,
            "column": "volume_mwh",
            "value": None,
            "reason": "is missing",
            "fix": "if the source may leave it out, set `nullable=True` for volume_mwh in catalog/",
        },
        {
            "row": 12,
            "column": "volume_mwh",
            "value": "-1",
            "reason": "is outside 0 to 1e+06",
            "fix": "if the value is right, widen `low` and `high` of volume_mwh in catalog/",
        },
        {
            "row": 21,
            "column": "stamp",
            "value": "2024-10-27T00:00:00Z",
            "reason": "contradicts settlement date and period",
            "fix": "compare it with the UTC start of the half hour; the source shifted its stamps or its periods",
        },
    ]


def test_a_repeated_key_is_a_duplicate(parse: Parse) -> None:
    rows = market_index()
    assert parse([*rows, rows[0], rows[0]]) == (1, clean(rows=102, duplicates=2))


def test_a_new_field_is_drift_and_a_missing_one_rejects(parse: Parse) -> None:
    rows = [{**row, "region": "GB"} for row in market_index()]
    assert parse(rows) == (1, clean(drift={"unknown": ["region"], "missing": []}))
    renamed = [{("cost" if name == "price" else name): value for name, value in row.items()} for row in rows]
    code, found = parse(renamed)
    assert code == 2
    assert found.pop("rejected").startswith("the answer has no field price. New fields in the answer: ")
    drift = {"unknown": ["cost", "region"], "missing": ["price"]}
    assert found == {key: value for key, value in clean(rows=0, windows=[], drift=drift).items() if key != "rejected"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the answer is empty (no byte)"),
        (b"<html>Service unavailable</html>", "the answer is an HTML page, not JSON"),
        (json.dumps(market_index()).encode()[:-100], "the answer breaks off"),
        (json.dumps(market_index()).encode("utf-16"), "the answer is UTF-16"),
        (b"settlementDate,price", "the answer is not JSON"),
        (b'{"error": "no"}', "the answer is an object without"),
    ],
)
def test_what_would_be_rejected_whole_is_critical(parse: Parse, body: bytes, reason: str) -> None:
    code, found = parse(body, "--from", "2024-10-27", "--to", "2024-10-27")
    assert code == 2
    assert found.pop("rejected").startswith(reason)
    assert (found["rows"], found["quarantined"], found["windows"], found["problems"]) == (0, 0, [], [])


def test_no_row_at_all_is_odd(parse: Parse) -> None:
    assert parse([]) == (1, clean(rows=0, windows=[]))


def test_units_that_were_not_asked_for(parse: Parse) -> None:
    row = {
        "dataset": "B1610",
        "psrType": "Generation",
        "bmUnit": "T_B-1",
        "nationalGridBmUnitId": "B-1",
        "settlementDate": "2024-10-27",
        "settlementPeriod": 1,
        "halfHourEndTime": "2024-10-26T23:30:00",
        "quantity": 1.5,
    }
    anyone = [{"label": "2024-10-27", "expected": 50, "actual": 1}]
    expected = clean(dataset="elexon_b1610", rows=1, windows=anyone)
    assert parse([row], dataset="elexon_b1610") == (0, expected)
    problem = {
        "row": 1,
        "column": "bm_unit",
        "value": "T_B-1",
        "reason": "was not asked for",
        "fix": "add it to ENERGY_ELEXON_BM_UNITS or --units, or use `all`",
    }
    nobody = [{"label": "2024-10-27", "expected": 50, "actual": 0}]
    expected = {**expected, "rows": 0, "quarantined": 1, "windows": nobody, "problems": [problem]}
    assert parse([row], "--units", "T_A-1", dataset="elexon_b1610") == (1, expected)


def test_rows_whose_date_is_none(parse: Parse) -> None:
    """No window can be made of it; the rows are refused one by one, none is lost."""
    rows = [{**row, "settlementDate": "9999-12-31"} for row in market_index()[:2]]
    code, found = parse(rows)
    assert (code, found["rows"], found["quarantined"], found["rejected"]) == (1, 0, 2, None)


def test_at_most_ten_problems_are_told(parse: Parse) -> None:
    rows = [{**row, "price": "x"} for row in market_index()]
    code, found = parse(rows)
    assert (code, found["quarantined"], len(found["problems"])) == (1, 100, 10)
    assert [problem["row"] for problem in found["problems"]] == list(range(1, 11))


def test_the_same_as_text(tmp_path: Path) -> None:
    rows = market_index()
    rows[3]["price"] = "n/a"
    file = tmp_path / "answer.json"
    file.write_text(json.dumps(rows))
    result = CliRunner().invoke(app, ["parse", str(file), "--dataset", "elexon_market_index"])
    assert result.exit_code == 1
    assert result.stdout == (
        "99 rows, 1 quarantined, 0 repeat a key\n"
        "window      expected  actual\n"
        "2024-10-27       100      99\n"
        "row 4, price_gbp_per_mwh: 'n/a' is not a number\n"
        "    fix: if the source's new form is right, change `kind` of price_gbp_per_mwh in catalog/; "
        "else tell the source\n"
    )


@pytest.mark.parametrize("body", [None, b"\x1f\x8b\x08broken"])
def test_a_file_that_cannot_be_read_could_not_run(tmp_path: Path, body: bytes | None) -> None:
    file = tmp_path / "answer.json"
    if body:
        file.write_bytes(body)
    result = CliRunner().invoke(app, ["parse", str(file), "--dataset", "elexon_market_index"])
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(f"energy-ingest: {file} cannot be read (")
    assert result.stderr.endswith("): name a file with an answer, plain or gzip'd\n")


def test_a_posted_file_is_of_the_gas_day_and_cycle_in_its_name(tmp_path: Path) -> None:
    recorded = Path(__file__).parents[3] / "include/twin/data/transwestern/oac_2026-06-22_timely.csv.gz"
    file = tmp_path / "OAC_TW_007933047_06-22-2026_Timely.csv.gz"
    file.write_bytes(recorded.read_bytes())
    found = examine(file, TRANSWESTERN_CAPACITY, None, Scope("TW", ("TW",)))
    assert (found.rows, found.quarantined, found.duplicates, found.exit_code) == (299, 0, 0, 0)
    assert found.windows == [{"label": "2026-06-22 Timely", "expected": 1, "actual": 1}]
    with pytest.raises(Misconfigured, match="tells no gas day and cycle: name the file such as"):
        examine(recorded, TRANSWESTERN_CAPACITY, None, Scope("TW", ("TW",)))


def test_gas_quality_is_of_the_half_hours_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "historic.json"
    detail = [{"publishedTime": f"2026-11-01T00:{minute}:00", "cv": 39.4, "h2": 1} for minute in (12, 24, 36)]
    file.write_text(json.dumps([{"siteId": 1, "siteName": "A", "siteGasQualityDetail": detail}]))
    found = examine(file, NATIONAL_GAS_QUALITY, None, Scope("all"))
    assert (found.rows, found.quarantined, found.drift) == (3, 0, {"unknown": ["h2"], "missing": []})
    assert [window["actual"] for window in found.windows[:3]] == [2, 1, 0]
