"""What every command shares: exit codes, one-line errors, and a start without Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from energy_ingest.catalog import DATASETS
from energy_ingest.cli import app
from energy_ingest.cli.output import show_table

ROOT = Path(__file__).parents[3]
ANSWER = ROOT / "include" / "twin" / "data" / "recorded" / "b1610_stream.json"
LIST_MODULES = """
import json, sys
from energy_ingest.cli import app
app(standalone_mode=False)
print(json.dumps(list(sys.modules)))
"""
NOWHERE = {"WAREHOUSE_URL": "", "AIRFLOW_CONN_ENERGY_WAREHOUSE": "", "ENERGY_START": "2024-10-20"}


def energy_ingest(*arguments: str, env: Mapping[str, str] = NOWHERE) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments), env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["nonsense"],
        ["coverage", "--nonsense"],
        ["coverage", "nonsense"],
        ["plan"],
        ["load", "--dataset", "elexon_b1610", "--from", "2024-10-20"],
        ["parse", "--dataset", "elexon_b1610"],
    ],
)
def test_wrong_usage_could_not_run(arguments: list[str]) -> None:
    code, out, err = energy_ingest(*arguments)
    assert (code, out) == (3, "")
    assert "Usage: " in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["coverage", "--dataset", "elexon_b1601"],
            f"no dataset 'elexon_b1601': use one of {', '.join(DATASETS)}",
        ),
        (
            ["coverage", "--from", "2024-10-32", "--to", "2024-11-01"],
            "'2024-10-32' to '2024-11-01' is not a range of dates: use YYYY-MM-DD for both",
        ),
        (
            ["plan", "--from", "2024-10-27", "--to", "2024-10-26"],
            "the range starts on 2024-10-27, after its end 2024-10-26: swap the two dates",
        ),
        (
            ["gaps"],
            "no warehouse: set WAREHOUSE_URL=postgresql://user:***@host/database or "
            "AIRFLOW_CONN_ENERGY_WAREHOUSE; tasks also take the Airflow connection energy_warehouse",
        ),
        (
            [
                "load",
                "--dataset",
                "elexon_market_index",
                "--from",
                "2024-10-26",
                "--to",
                "2024-10-26",
                "--units",
                "T_X-1",
            ],
            "elexon_market_index has no BM units: leave --units out",
        ),
        (
            ["load", "--dataset", "elexon_b1610", "--from", "2024-10-26", "--to", "2024-10-26", "--units", " , "],
            "no BM unit is named: list some in ENERGY_ELEXON_BM_UNITS, or `all` for the whole market",
        ),
    ],
)
def test_an_error_is_one_line_that_names_the_fix(arguments: list[str], message: str) -> None:
    assert energy_ingest(*arguments) == (3, "", f"energy-ingest: {message}\n")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://energy_loader:hunter2@127.0.0.1:1/warehouse",
        "mysql://energy_loader:hunter2@127.0.0.1/warehouse",
        "postgresql://energy_loader:hunter2%zz@127.0.0.1/warehouse",
    ],
)
@pytest.mark.parametrize("variable", ["WAREHOUSE_URL", "AIRFLOW_CONN_ENERGY_WAREHOUSE"])
def test_a_warehouse_that_cannot_be_reached_keeps_its_password(variable: str, url: str) -> None:
    code, out, err = energy_ingest("coverage", env={**NOWHERE, variable: url})
    assert (code, out) == (3, "")
    assert err.startswith("energy-ingest: ")
    assert err.count("\n") == 1
    assert "hunter2" not in err


def test_version_and_help() -> None:
    assert energy_ingest("version", env={"ENERGY_CODE_VERSION": "abc1234"}) == (0, "energy-ingest abc1234\n", "")
    code, out, _ = energy_ingest("--help")
    assert code == 0
    for command in ("coverage", "gaps", "plan", "load", "replay", "parse", "migrate", "doctor", "version"):
        assert f" {command} " in out


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], {"airflow", "polars", "psycopg", "sqlalchemy"}),
        (["coverage"], {"airflow", "polars", "sqlalchemy"}),
        (["gaps"], {"airflow", "polars", "sqlalchemy"}),
        (["plan", "--from", "2024-10-20", "--to", "2024-10-21"], {"airflow", "polars", "sqlalchemy"}),
        (["parse", str(ANSWER), "--dataset", "elexon_b1610"], {"airflow", "psycopg", "sqlalchemy"}),
        (["replay", "--dataset", "elexon_b1610"], {"airflow", "sqlalchemy"}),
        (
            ["load", "--dataset", "elexon_b1610", "--from", "2024-10-20", "--to", "2024-10-20"],
            {"airflow", "sqlalchemy"},
        ),
    ],
)
def test_commands_start_fast_because_they_import_little(arguments: list[str], absent: set[str], tmp_path: Path) -> None:
    """Each runs until it finds no warehouse or no archive: all its imports are done by then."""
    unreachable = {
        "WAREHOUSE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "ENERGY_ARCHIVE_URL": tmp_path.as_uri(),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW_CONN_ELEXON_DEFAULT": json.dumps({"conn_type": "http", "host": "http://127.0.0.1:1"}),
    }
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODULES, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugins"), **unreachable},
        capture_output=True,
        text=True,
        check=True,
    )
    assert absent & set(json.loads(done.stdout.splitlines()[-1])) == set()


def test_a_command_ends_without_searching_for_garbage() -> None:
    """What is registered first happens last: Python's own end, with its search, comes after it."""
    script = (
        "import atexit, gc; atexit.register(lambda: print('frozen:', gc.get_freeze_count() > 0));"
        "from energy_ingest.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "version"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugins")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[1:] == ["frozen: True"]


def test_tables_align_numbers_right_and_show_nothing_as_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name", "rows", "MB"), [("a", 1234567, None), ("long name", 5, 0.25)])
    assert capsys.readouterr().out == (
        "name            rows   MB\na          1,234,567    -\nlong name          5  0.2\n"
    )
