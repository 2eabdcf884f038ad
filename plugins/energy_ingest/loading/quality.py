"""Checks: the rules of `quality` on days that changed, or that somebody asks for; what is found becomes rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final

import psycopg
from psycopg import sql

from energy_ingest.alerts.finding import Finding
from energy_ingest.errors import Misconfigured, Rejected
from energy_ingest.loading import database
from energy_ingest.loading.executions import Caller, recorded
from energy_ingest.quality import DATASETS, RULES, SERIES, Rule
from energy_ingest.sql import statement

Span = tuple[date, date]
CHUNK: Final = 31
"""Most days of a transaction."""
RED: Final = "quality"
"""The rule of incidents about red issues."""


def known(names: Sequence[str] | None) -> list[str]:
    """The datasets named, or all that have rules.

    Raises:
        Misconfigured: a dataset has none.
    """
    for name in names or ():
        if name not in DATASETS:
            raise Misconfigured(f"no rules for {name!r}: use one of {', '.join(DATASETS)}")
    return list(names or DATASETS)


def check(
    connection: psycopg.Connection,
    datasets: Iterable[str],
    span: Span | None,
    now: datetime,
    caller: Caller = Caller(),  # noqa: B008 - it is frozen
) -> dict[str, int]:
    """Check these dates, or what is marked; returns how many issues are open by severity among them.

    Each stretch of days is a transaction of its own, with its marks. A dataset that cannot be checked stops no other.

    Raises:
        Rejected: some could not be checked; what was found in the others is kept.
        Retryable, Misconfigured: as `database.typed_errors`.
    """
    target = f"{span[0]} to {span[1]}" if span else "marked"
    found, broken = {"red": 0, "amber": 0}, []
    with database.typed_errors(), recorded(connection, "quality", target, caller) as execution:
        for dataset in datasets:
            rules = [rule for rule in RULES if rule.dataset == dataset]
            try:
                with database.typed_errors():
                    for first, last in _stretches(_days(connection, dataset, span)):
                        _check(connection, dataset, rules, first, last, now)
                        execution.processed += len(rules)
            except Rejected as error:
                broken.append(f"{dataset}: {error}")
        query = (
            "SELECT severity, count(*)::integer FROM ledger.quality_issue"
            " WHERE last_seen = %s AND resolved_at IS NULL AND acknowledged_at IS NULL GROUP BY 1"
        )
        found |= dict(connection.execute(query, [now]).fetchall())
        execution.warnings, execution.details = sum(found.values()), found
        if broken:
            raise Rejected(f"not checked: {'; '.join(broken)}")
    return found


def findings(connection: psycopg.Connection) -> list[Finding]:
    """What is red and nobody acknowledged, one for each dataset and rule; free of MPANs."""
    with database.typed_errors():
        rows = connection.execute(statement("quality/red")).fetchall()
    return [
        Finding(
            rule=RED,
            subject=f"{dataset} {rule}",
            severity="critical",
            title=f"{dataset}: {values:,} value(s) on {days:,} day(s) break the rule {rule}",
            extent=f"{first}" if first == last else f"{first} to {last}",
            cause=next((known.doc for known in RULES if (known.dataset, known.name) == (dataset, rule)), ""),
            since=since,
            command=f"energy-ingest quality report --dataset {dataset}",
            windows=days,
        )
        for dataset, rule, values, days, first, last, since in rows
    ]


def _days(connection: psycopg.Connection, dataset: str, span: Span | None) -> list[date]:
    """The days to check: those asked for, or those marked, and those whose issues a load of other days may cure."""
    if span:
        return [span[0] + timedelta(days=n) for n in range((span[1] - span[0]).days + 1)]
    query = (
        "SELECT day FROM ledger.quality_mark WHERE dataset = %s UNION SELECT day FROM ledger.quality_issue"
        " WHERE dataset = %s AND rule = ANY(%s) AND resolved_at IS NULL ORDER BY day"
    )
    back = [rule.name for rule in RULES if rule.looks_back]
    return [day for (day,) in connection.execute(query, [dataset, dataset, back])]


def _stretches(days: Sequence[date]) -> list[Span]:
    """Adjoining days, in stretches of at most CHUNK."""
    spans: list[Span] = []
    for day in days:
        if spans and day - spans[-1][1] == timedelta(days=1) and (day - spans[-1][0]).days < CHUNK:
            spans[-1] = (spans[-1][0], day)
        else:
            spans.append((day, day))
    return spans


def _check(
    connection: psycopg.Connection, dataset: str, rules: Sequence[Rule], first: date, last: date, now: datetime
) -> None:
    values = {"dataset": dataset, "first": first, "last": last, "now": now}
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('quality ' || %s, 0))", [dataset])
        query = "SELECT mark_id FROM ledger.quality_mark WHERE dataset = %s AND day BETWEEN %s AND %s"
        marks = [mark for (mark,) in connection.execute(query, [dataset, first, last])]  # before what they stand for
        connection.execute(statement("quality/begin"))
        for rule in rules:
            head = sql.SQL("INSERT INTO fault SELECT {}, {}, found.* FROM (\n").format(rule.name, rule.severity)
            connection.execute(head + faults(rule, first, last) + sql.SQL("\n) AS found"))
        connection.execute(statement("quality/upsert"), values)
        connection.execute(statement("quality/resolve"), values)
        query = "DELETE FROM ledger.quality_count WHERE dataset = %s AND day BETWEEN %s AND %s"
        connection.execute(query, [dataset, first, last])
        every = sql.SQL("\nUNION ALL\n").join(series(name, first, last) for name in SERIES[dataset])
        connection.execute(sql.SQL(statement("quality/count")).format(dataset=dataset, now=now, series=every))
        connection.execute("DELETE FROM ledger.quality_mark WHERE mark_id = ANY(%s)", [marks])


def series(name: str, since: date, until: date) -> sql.Composed:
    """The query for the values of a series on these days, both inclusive."""
    return sql.SQL(statement(f"quality/series/{name}")).format(since=since, until=until)


def faults(rule: Rule, first: date, last: date) -> sql.Composed:
    """The query for the values that break a rule: subject, day, item, value, what it should be, job."""
    around = timedelta(days=rule.back)
    read = series(rule.series or SERIES[rule.dataset][0], first - around, last + around)
    table = sql.Identifier("energy", rule.dataset)  # for rules that read more of a row than its series has
    query = sql.SQL(statement(f"quality/rules/{rule.sql}"))
    return query.format(series=read, table=table, first=first, last=last, **rule.limits)
