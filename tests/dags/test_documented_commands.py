"""Airflow commands that the documentation names are commands of the Airflow that is installed."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.dags.harness import AIRFLOW_3, ROOT

COMMANDS = sorted(
    {
        command
        for page in (ROOT / "docs").glob("*.md")
        for command in re.findall(r"`(airflow (?:db|pools|backfill) [^`]+)`", page.read_text())
        if " " in command
    }
)


def arguments(command: str) -> list[str]:
    """As the shell gives them; what only Airflow 3 knows is left out on 2.11, as the page says."""
    words = shlex.split(command.replace("$(date -d '90 days ago' +%F)", "2020-01-01"))[1:]
    return [word for word in words if AIRFLOW_3 or word != "--error-on-cleanup-failure"]


def test_there_are_some():
    assert any("db clean" in command for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one(command: str):
    from airflow.cli.cli_parser import get_parser

    if "backfill" in command and not AIRFLOW_3:
        pytest.skip("a command of Airflow 3")
    parsed = get_parser().parse_args(arguments(command))
    assert parsed.func


@pytest.mark.usefixtures("metadata")
def test_airflows_own_books_are_cleaned_by_it():
    from airflow.cli.cli_parser import get_parser

    (command,) = (command for command in COMMANDS if "db clean" in command)
    parsed = get_parser().parse_args(arguments(command))
    parsed.func(parsed)  # raises where a table cannot be cleaned
