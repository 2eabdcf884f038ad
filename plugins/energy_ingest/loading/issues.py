"""Issues of data quality as people look at them: lists, counts, how many there were; and saying that somebody knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from energy_ingest.errors import Misconfigured
from energy_ingest.loading.meter_files.privacy import masked_text
from energy_ingest.quality import RULES
from energy_ingest.sql import statement

Row = dict[str, Any]

STATES: Final = {
    "open": "resolved_at IS NULL AND acknowledged_at IS NULL",
    "acknowledged": "resolved_at IS NULL AND acknowledged_at IS NOT NULL",
    "unresolved": "resolved_at IS NULL",
    "resolved": "resolved_at IS NOT NULL",
}
SEVERITIES: Final = ("red", "amber")
_DOCS: Final = {(rule.dataset, rule.name): rule.doc for rule in RULES}


@dataclass(frozen=True)
class Search:
    """Which issues: all that is given must hold."""

    datasets: Sequence[str]
    state: str = "unresolved"
    severity: str | None = None
    day: date | None = None
    mpan: str | None = None

    def check(self) -> Search:
        """This search.

        Raises:
            Misconfigured: a value that no issue can have.
        """
        for name, value, known in (("state", self.state, STATES), ("severity", self.severity, SEVERITIES)):
            if value is not None and value not in known:
                raise Misconfigured(f"{value[:80]!r} is no {name}: use one of {', '.join(known)}")
        return self


def listed(connection: psycopg.Connection, search: Search, limit: int, after: Sequence[Any] | None = None) -> list[Row]:
    """Issues, red ones first, then the newest day, behind the one with the key `after`."""
    severity, day, issue_id = after or (None, None, None)
    cursor = {
        "after_severity": severity,
        "after_day": f"{day}" if after else None,
        "after_id": issue_id,
        "limit": limit,
    }
    query = sql.SQL(statement("quality/issues")).format(state=sql.SQL(STATES[search.check().state]))
    return _cursor(connection).execute(query, {**vars(search), "datasets": list(search.datasets), **cursor}).fetchall()


def key_of(row: Row) -> list[str | int]:
    """The issue's key as it stands in a cursor."""
    return [row["severity"], f"{row['day']}", row["issue_id"]]


def find(connection: psycopg.Connection, issue_id: int) -> Row:
    """One issue.

    Raises:
        Misconfigured: there is none.
    """
    query = "SELECT * FROM ledger.quality_issue WHERE issue_id = %s"
    row = _cursor(connection).execute(query, [issue_id]).fetchone()
    if row is None:
        raise Misconfigured(f"no issue {issue_id}: energy-ingest quality report shows those there are")
    return row


def shown(row: Row, *, reveal: bool = False) -> Row:
    """An issue with what its rule says; MPANs are masked, unless they may be shown."""
    detail = row.get("detail") or {}
    seen = {name: value if reveal else masked_text(value) for name, value in row.items() if name != "detail"}
    state = "resolved" if row["resolved_at"] else "acknowledged" if row["acknowledged_at"] else "open"
    rule = _DOCS.get((row["dataset"], row["rule"]), "")
    return {**seen, "state": state, "rule_doc": rule, "items": detail.get("items", [])}


def counts(connection: psycopg.Connection, datasets: Sequence[str]) -> list[Row]:
    """How many issues hold now, by dataset and severity: open, acknowledged, and the values at fault."""
    return _cursor(connection).execute(statement("quality/counts"), {"datasets": list(datasets)}).fetchall()


def trend(connection: psycopg.Connection, datasets: Sequence[str], last: date, days: int) -> list[Row]:
    """By UTC day, so many up to `last`: issues that came up, that came right, and that were there when it ended."""
    values = {"datasets": list(datasets), "first": last - timedelta(days=days - 1), "last": last}
    return _cursor(connection).execute(statement("quality/trend"), values).fetchall()


def day_scores(
    connection: psycopg.Connection, datasets: Sequence[str], day: date | None, limit: int = 100
) -> list[Row]:
    """How right days are, the newest first: of one date, or of the newest."""
    query = (
        "SELECT * FROM ledger.quality_day_score WHERE dataset = ANY(%s) AND (%s::date IS NULL OR day = %s)"
        " ORDER BY day DESC, dataset LIMIT %s"
    )
    return _cursor(connection).execute(query, [list(datasets), day, day, limit]).fetchall()


def file_scores(
    connection: psycopg.Connection, datasets: Sequence[str], day: date | None, limit: int = 50
) -> list[Row]:
    """How right files and answers are, by their values in force, the newest first: those with a date, or the newest."""
    query = (
        "SELECT * FROM ledger.quality_file_score WHERE dataset = ANY(%s) AND (%s::date IS NULL OR job_id IN"
        " (SELECT job_id FROM ledger.quality_count WHERE dataset = ANY(%s) AND day = %s)) ORDER BY job_id DESC LIMIT %s"
    )
    rows = _cursor(connection).execute(query, [list(datasets), day, list(datasets), day, limit]).fetchall()
    return [{name: masked_text(value) for name, value in row.items()} for row in rows]


def acknowledge(connection: psycopg.Connection, issue_id: int, by: str, note: str, now: datetime) -> bool:
    """Note that somebody knows of an unresolved issue; False if there is none of this number."""
    query = (
        "UPDATE ledger.quality_issue SET acknowledged_at = %s, acknowledged_by = %s, note = %s"
        " WHERE issue_id = %s AND resolved_at IS NULL"
    )
    return connection.execute(query, [now, by, note, issue_id]).rowcount > 0


def _cursor(connection: psycopg.Connection) -> psycopg.Cursor[Row]:
    return connection.cursor(row_factory=dict_row)
