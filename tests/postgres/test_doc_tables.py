"""Every table, view and function that the documentation names is in the migrated schema."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

EVENTS = {("api.md", "energy.job_retry")}
"""Lines of Airflow's audit log, whose names look the same."""
PAGES = sorted((Path(__file__).parents[2] / "docs").rglob("*.md"))


def test_what_the_pages_name_is_there(reader_url: str):
    named = {
        (page.name, name)
        for page in PAGES
        for name in re.findall(r"`((?:energy|ledger)\.[a-z_0-9]+)(?:\(|`)", page.read_text())
    }
    query = """SELECT table_schema || '.' || table_name FROM information_schema.tables
               WHERE table_schema IN ('energy', 'ledger')
               UNION SELECT routine_schema || '.' || routine_name FROM information_schema.routines
               WHERE routine_schema IN ('energy', 'ledger')
               UNION SELECT nspname || '.' || typname FROM pg_type JOIN pg_namespace n ON n.oid = typnamespace
               WHERE nspname IN ('energy', 'ledger')"""
    with psycopg.connect(reader_url) as connection:
        there = {name for (name,) in connection.execute(query)}
    assert ("migration.md", "ledger.quality_issue") in named
    assert {(page, name) for page, name in named if name not in there} == EVENTS
