"""What the documentation names is there: commands, settings, files and pages that it links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from energy_ingest import catalog
from energy_ingest.cli.app import app

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("include/**/*.md")])
TEXTS = {f"{page.relative_to(ROOT)}": page.read_text() for page in PAGES}


def commands(group=None, prefix: str = "") -> set[str]:
    """Every command and group, such as `jobs` and `jobs list`."""
    group = group or typer.main.get_command(app)
    found = set()
    for name, command in group.commands.items():
        found.add(f"{prefix}{name}")
        if hasattr(command, "commands"):
            found |= commands(command, f"{prefix}{name} ")
    return found


COMMANDS = commands()
GROUPS = {name.split()[0] for name in COMMANDS if " " in name}


@pytest.mark.parametrize("page", TEXTS)
def test_commands_exist(page):
    named = re.findall(r"energy-ingest ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", TEXTS[page])
    wanted = {f"{first} {second}" if first in GROUPS and second else first for first, second in named}
    assert wanted <= COMMANDS


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", TEXTS[page])
    missing = [
        link for link in links if "://" not in link and not (ROOT / page).parent.joinpath(link).resolve().exists()
    ]
    assert missing == []


@pytest.mark.parametrize("page", TEXTS)
def test_dags_exist(page):
    dags = {path.stem for path in (ROOT / "dags").glob("*.py")}
    named = set(re.findall(r"\bDAGs? `([a-z0-9_]+)`", TEXTS[page]))
    assert named <= dags | set(catalog.DATASETS)


def test_targets_of_make_exist():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {(page, name) for page, text in TEXTS.items() for name in re.findall(r"`make ([a-z0-9-]+)", text)}
    assert {(page, name) for page, name in named if name not in targets} == set()
