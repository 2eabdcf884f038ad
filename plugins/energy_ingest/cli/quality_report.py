"""The report on data quality: issues with what is missing or wrong, scores of days and of files; text and HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from html import escape
from itertools import groupby
from typing import Any, Final

Row = Mapping[str, Any]

ISSUES: Final = ("issue_id", "severity", "dataset", "rule", "subject", "day", "value_count", "where", "state", "note")
DAYS: Final = ("dataset", "day", "value_count", "missing_count", "red_count", "amber_count", "score")
FILES: Final = (
    *("job_id", "dataset", "file_name", "first_day", "last_day", "value_count", "quarantined_rows"),
    *("red_count", "amber_count", "score"),
)
SECTIONS: Final = {
    "issues": ("Open issues", ISSUES),
    "days": ("Scores of days", DAYS),
    "files": ("Scores of files", FILES),
}

SHOWN: Final = 12
"""Stretches of values that are named in a line; JSON has them all."""

STYLE: Final = """
:root { color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif } body { margin: 2rem }
table { border-collapse: collapse; margin: 1rem 0 } caption { text-align: left; font-weight: 600; padding: .5rem 0 }
th, td { text-align: left; padding: .25rem .75rem; border-bottom: 1px solid #8886; vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums } .red { color: #d22; font-weight: 600 }
"""


def where(issue: Row) -> str:
    """The values at fault, in words: stretches of half hours, times of gas quality, missing dates."""
    places = [int(item["item"]) for item in issue["items"]]
    if issue["rule"] == "missing_day":
        days = [date(n // 10_000, n // 100 % 100, n % 100) for n in places]
        return _stretches([(day.toordinal(), f"{day}") for day in days])
    if issue["dataset"] == "national_gas_quality":
        return _stretches([(n, f"{n // 60:02}:{n % 60:02}Z") for n in places])
    return _stretches([(n, f"{n}" if n else "the day's total") for n in places])


def _stretches(places: Iterable[tuple[int, str]]) -> str:
    """Adjoining ones together: 3, 14 to 16."""
    stretches = []
    for _, group in groupby(enumerate(places), lambda numbered: numbered[1][0] - numbered[0]):
        names = [name for _, (_, name) in group]
        stretches.append(names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}")
    return ", ".join(stretches[:SHOWN]) + (", …" if len(stretches) > SHOWN else "")


def tables(report: Mapping[str, Sequence[Row]]) -> Iterable[tuple[str, list[str], list[list[Any]]]]:
    """Title, header and cells of each part of the report."""
    for name, (title, columns) in SECTIONS.items():
        header = [column.replace("_", " ") for column in columns]
        yield title, header, [[_plain(row[column]) for column in columns] for row in report[name]]


def as_html(report: Mapping[str, Sequence[Row]], now: datetime) -> str:
    """A page of its own, which asks nothing of any host."""
    body = "".join(_html_table(*table) for table in tables(report))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Data quality</title><style>{STYLE}</style>'
        f"</head><body><h1>Data quality</h1><p>{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC</p>{body}</body></html>"
    )


def _html_table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    if not rows:
        return f"<p>{escape(title)}: none.</p>"
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    lines = "".join(f"<tr>{''.join(_html_cell(value) for value in row)}</tr>" for row in rows)
    return f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _html_cell(value: Any) -> str:
    if isinstance(value, int | float):
        return f'<td class="number">{value:,}</td>'
    kind = ' class="red"' if value == "red" else ""
    return f"<td{kind}>{'' if value is None else escape(f'{value}')}</td>"


def as_json(value: Any) -> Any:
    """The report of plain values."""
    if isinstance(value, Mapping):
        return {name: as_json(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, date) else _plain(value)


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value
