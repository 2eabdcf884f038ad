"""What the files at the root of the repository promise."""

from __future__ import annotations

import re
import subprocess

import pytest

from energy_ingest.quality import RULES
from energy_ingest.settings import SETTINGS
from tools import docs, rule_counts
from tools.bootstrap import ROOT


def test_every_target_is_explained():
    targets = set(re.findall(r"^([a-z0-9-]+):(?! export)", (ROOT / "Makefile").read_text(), re.M))
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make (\S+) +\S", shown, re.M)) == targets


@pytest.mark.parametrize("line", re.findall(r"^#?(ENERGY_.*)$", (ROOT / ".env.example").read_text(), re.M))
def test_env_example_shows_real_settings_with_their_defaults(line):
    assert line in {f"{setting.env}={setting.default}" for setting in SETTINGS}


@pytest.mark.parametrize("path", docs.pages(), ids=lambda path: path.name)
def test_generated_docs_are_up_to_date(path):
    assert path.read_text() == docs.pages()[path], "run `make docs`"


def test_ignored_folders_are_regular_expressions_too():
    for path in (ROOT / ".airflowignore", ROOT / "plugins" / ".airflowignore"):
        lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
        assert lines
        assert all(re.fullmatch(r"[a-z_]+/", line) for line in lines)


def test_every_rule_of_data_quality_has_its_counts_with_its_limits():
    table = (docs.DOCS / "quality.md").read_text().partition("<!-- counts: ")[2].partition("<!-- /counts")[0]
    counted = {tuple(cell.strip() for cell in line.split("|")[1:4]) for line in table.splitlines()}
    assert {rule_counts.heading(rule) for rule in RULES} <= counted, "run `make rule-counts DATA=...`"
