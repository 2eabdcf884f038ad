"""Consumption by day, week, month and year: what dirty marks lead to, whatever touched the readings."""

# ruff: noqa: S608 - the names put into statements here are this file's

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import sql

from energy_ingest import clock, settings
from energy_ingest.errors import Misconfigured, Retryable
from energy_ingest.loading import aggregates
from energy_ingest.loading.aggregates import PERIODS, aggregate, span_of
from energy_ingest.loading.database import connect
from energy_ingest.loading.executions import Caller, recorded
from tests.postgres.world import ask, one

A, B = "9000000000017", "9000000000025"
SPRING, AUTUMN = date(2024, 3, 31), date(2024, 10, 27)
ONE_DAY = timedelta(days=1)
READ = "INSERT INTO energy.meter_reading VALUES (%s, %s, %s, %s, %s, false, clock_timestamp(), 1)"
CHANGE = """ ON CONFLICT (period_start, mpan, register) DO UPDATE
  SET quantity_kwh = excluded.quantity_kwh, recorded_from = excluded.recorded_from"""
TOTAL = "INSERT INTO energy.meter_daily_reading VALUES (%s, %s, 'kWh', %s, %s, clock_timestamp(), 1)"

Kwh = Callable[[int], float]


def read(url: str, day: date, mpan: str = A, kwh: Kwh = lambda _: 1.0, kind: str = "actual", count: int = 50) -> None:
    """Half hours of a UK day: the first `count` of those that it has, number n of `kwh(n)`."""
    periods = range(1, min(count, clock.settlement_periods(day)) + 1)
    rows = [(clock.period_start(day, n), mpan, "kWh", kwh(n), kind) for n in periods]
    with connect(url) as connection, connection.transaction():
        connection.cursor().executemany(READ + CHANGE, rows)


def daily_total(url: str, day: date, kwh: float, mpan: str = A, kind: str = "actual") -> None:
    with connect(url) as connection:
        connection.execute(TOTAL, [day, mpan, kwh, kind])


def redo(url: str, span: tuple[date, date] | None = None) -> dict[str, int]:
    return aggregate(lambda: connect(url), span).counts()


def day_of(url: str, day: date, columns: str = "*", mpan: str = A) -> Any:
    found = ask(url, f"SELECT {columns} FROM energy.meter_daily WHERE local_date = %s AND mpan = %s", day, mpan)
    return found[0] if found else None


def dirty(url: str) -> int:
    return int(one(url, "SELECT count(*) FROM energy.meter_dirty"))


def content(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, without when it was written."""
    rows = {}
    for name, start in [("daily", "local_date"), *((name, f"{period.unit}_start") for name, period in PERIODS.items())]:
        query = f"SELECT to_jsonb(t) - 'aggregated_at' FROM energy.meter_{name} AS t ORDER BY {start}, mpan, register"
        rows[name] = ask(url, query)
    return rows


# --- days ---


@pytest.mark.parametrize(
    ("day", "periods", "off_peak"), [(date(2024, 3, 5), 48, 16), (SPRING, 46, 14), (AUTUMN, 50, 18)], ids=str
)
def test_a_day_has_the_half_hours_that_its_clock_has(warehouse_url: str, day: date, periods: int, off_peak: int):
    """32 half hours are peak on every day; the clock changes by night."""
    for neighbour in (day - ONE_DAY, day, day + ONE_DAY):
        read(warehouse_url, neighbour)
    redo(warehouse_url)
    found = day_of(warehouse_url, day, "total_kwh, peak_kwh, off_peak_kwh, reading_count, expected_count")
    assert found == (periods, 32, off_peak, periods, periods)


def test_the_half_hours_around_the_peak(warehouse_url: str, monkeypatch: pytest.MonkeyPatch):
    """07:00 belongs to it and 23:00 does not; in the old system both did."""
    day = date(2024, 7, 1)
    read(warehouse_url, day, kwh=lambda n: {14: 1, 15: 10, 46: 100, 47: 1000}.get(n, 0))
    redo(warehouse_url)
    assert day_of(warehouse_url, day, "peak_kwh, off_peak_kwh") == (110, 1001)
    monkeypatch.setenv(settings.METER_PEAK.env, "compat")
    assert redo(warehouse_url)["redone"] == 0, "nothing is dirty"
    assert redo(warehouse_url, (day, day)) == {"redone": 1, "daily": 1, "weekly": 1, "monthly": 1, "annual": 1}
    assert day_of(warehouse_url, day, "peak_kwh, off_peak_kwh") == (1110, 1)


def test_what_a_day_says(warehouse_url: str):
    day = date(2024, 3, 5)
    read(warehouse_url, day, kwh=lambda n: -0.5 if n == 3 else n / 8)
    read(warehouse_url, day, kwh=lambda n: 0.125, kind="estimated", count=1)
    with connect(warehouse_url) as connection:
        connection.execute("UPDATE energy.meter_reading SET reading_type = 'estimated' WHERE quantity_kwh = 6")
        connection.execute("UPDATE energy.meter_reading SET reading_type = 'manual' WHERE quantity_kwh = 5")
    redo(warehouse_url)
    columns = "total_kwh, min_kwh, max_kwh, actual_kwh, estimated_kwh, is_half_hourly"
    total = Decimal("147") - Decimal("0.375") - Decimal("0.5")
    assert day_of(warehouse_url, day, columns) == (total, Decimal("-0.5"), 6, total - 6, 6, True)


def test_registers_are_kept_apart(warehouse_url: str):
    day = date(2024, 3, 5)
    read(warehouse_url, day)
    with connect(warehouse_url) as connection:
        connection.execute(
            "INSERT INTO energy.meter_reading SELECT period_start, mpan, 'export', 2, 'actual', false, now(), 1"
            " FROM energy.meter_reading"
        )
    redo(warehouse_url)
    totals = "SELECT register, total_kwh FROM energy.meter_annual ORDER BY 1"
    assert ask(warehouse_url, totals) == [("export", 96), ("kWh", 48)]


def test_half_hours_win_over_a_daily_total(warehouse_url: str, monkeypatch: pytest.MonkeyPatch):
    """Of a day that has both, only the half hours count, even if some are missing, which their number tells."""
    first, second = date(2024, 3, 5), date(2024, 3, 6)
    daily_total(warehouse_url, first, 50)
    daily_total(warehouse_url, second, 50, kind="estimated")
    redo(warehouse_url)
    columns = "total_kwh, peak_kwh, reading_count, expected_count, estimated_kwh, is_half_hourly"
    assert day_of(warehouse_url, first, columns) == (50, None, 1, 1, 0, False)
    assert day_of(warehouse_url, second, columns) == (50, None, 1, 1, 50, False)
    read(warehouse_url, second, count=40)
    redo(warehouse_url)
    assert day_of(warehouse_url, second, columns) == (40, 26, 40, 48, 0, True)
    week = "SELECT total_kwh, peak_kwh, day_count, half_hourly_day_count, reading_count, expected_count"
    assert ask(warehouse_url, f"{week} FROM energy.meter_weekly") == [(90, 26, 2, 1, 41, 49)]
    monkeypatch.setenv(settings.METER_PEAK.env, "compat")
    redo(warehouse_url, (first, first))
    assert day_of(warehouse_url, first, "total_kwh, peak_kwh, off_peak_kwh") == (50, 50, 0)


# --- periods ---


def test_periods_over_the_turn_of_a_year(warehouse_url: str):
    """2024-12-30 to 2025-01-05 is one week of two months and two years."""
    days = [date(2024, 12, 29) + n * ONE_DAY for n in range(10)]
    for n, day in enumerate(days):
        read(warehouse_url, day, kwh=lambda _, n=n: n / 48)  # type: ignore[misc]
    counts = redo(warehouse_url)
    assert counts == {"redone": 10, "daily": 10, "weekly": 4, "monthly": 2, "annual": 2}, "the week with each month"
    query = "SELECT {0}_start, {0}_end, round(total_kwh, 6), day_count FROM energy.meter_{1} ORDER BY 1"
    weeks = ask(warehouse_url, query.format("week", "weekly"))
    assert weeks == [
        (date(2024, 12, 23), date(2024, 12, 29), 0, 1),
        (date(2024, 12, 30), date(2025, 1, 5), 28, 7),
        (date(2025, 1, 6), date(2025, 1, 12), 17, 2),
    ]
    months = ask(warehouse_url, query.format("month", "monthly"))
    assert months == [(date(2024, 12, 1), date(2024, 12, 31), 3, 3), (date(2025, 1, 1), date(2025, 1, 31), 42, 7)]
    years = ask(warehouse_url, query.format("year", "annual"))
    assert [(start, total, count) for start, _, total, count in years] == [
        (date(2024, 1, 1), 3, 3),
        (date(2025, 1, 1), 42, 7),
    ]
    extremes = "SELECT round(min_daily_kwh, 6), round(max_daily_kwh, 6) FROM energy.meter_annual ORDER BY year_start"
    assert ask(warehouse_url, extremes) == [(0, 2), (3, 9)]


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("daily", date(2024, 2, 28), date(2024, 2, 29)),
        ("weekly", date(2024, 2, 26), date(2024, 3, 3)),
        ("monthly", date(2024, 2, 1), date(2024, 2, 29)),
        ("annual", date(2024, 1, 1), date(2024, 12, 31)),
        ("all", date(2024, 1, 1), date(2024, 12, 31)),
    ],
)
def test_the_days_of_a_range(name: str, first: date, last: date):
    assert span_of(name, date(2024, 2, 28), date(2024, 2, 29)) == (first, last)


def test_all_ranges_of_a_day_at_the_edge_of_a_year():
    assert span_of("all", date(2025, 1, 1), date(2025, 1, 1)) == (date(2024, 12, 30), date(2025, 12, 31))
    with pytest.raises(Misconfigured, match="no range 'hourly': use one of all, daily, weekly, monthly, annual"):
        span_of("hourly", date(2025, 1, 1), date(2025, 1, 1))


# --- whatever changes readings ---


def test_late_revised_and_removed_readings_reach_every_range(warehouse_url: str, owner_url: str):
    old, new = date(2019, 5, 6), date(2024, 3, 5)
    read(warehouse_url, new)
    redo(warehouse_url)
    read(warehouse_url, old)  # years late
    read(warehouse_url, new, kwh=lambda _: 2)  # revised
    redo(warehouse_url)
    annual = "SELECT year_start, total_kwh FROM energy.meter_annual ORDER BY 1"
    assert ask(warehouse_url, annual) == [(date(2019, 1, 1), 48), (date(2024, 1, 1), 96)]
    with connect(owner_url) as owner:  # as a rollback does
        owner.execute("DELETE FROM energy.meter_reading WHERE period_start < '2020-01-01'")
    assert dirty(warehouse_url) == 1
    redo(warehouse_url)
    assert {name: len(rows) for name, rows in content(warehouse_url).items()} == {
        **{"daily": 1, "weekly": 1, "monthly": 1, "annual": 1}
    }
    assert dirty(warehouse_url) == 0


def test_the_same_again_writes_nothing(warehouse_url: str):
    read(warehouse_url, AUTUMN)
    redo(warehouse_url)
    before = ask(warehouse_url, "SELECT xmin::text, * FROM energy.meter_daily")
    nothing = {"daily": 0, "weekly": 0, "monthly": 0, "annual": 0}
    assert redo(warehouse_url, (AUTUMN, AUTUMN)) == {"redone": 1, **nothing}
    assert ask(warehouse_url, "SELECT xmin::text, * FROM energy.meter_daily") == before
    assert redo(warehouse_url) == {"redone": 0, **nothing}


def test_a_changed_period_stays_on_its_page(warehouse_url: str):
    """Also if all of its meters change at once, as each day they do: no index entry is written."""
    day, periods = date(2024, 3, 5), ("weekly", "monthly", "annual")
    totals = """INSERT INTO energy.meter_daily_reading
        SELECT %s, (9000000000000 + n)::text, 'kWh', n, 'actual', clock_timestamp(), 1
        FROM generate_series(1, 500) AS n"""

    def pages() -> list[list[tuple[Any, ...]]]:
        place = "SELECT mpan, split_part(ctid::text, ',', 1) FROM energy.meter_{} ORDER BY 1"
        return [ask(warehouse_url, place.format(name)) for name in periods]

    seen = []
    for changed in (day, day + ONE_DAY):
        with connect(warehouse_url) as connection:
            connection.execute(totals, [changed])
        assert redo(warehouse_url)["annual"] == 500
        seen.append(pages())
    assert seen[0] == seen[1]
    assert all(len({page for _, page in rows}) > 5 for rows in seen[0])


def test_looking_up_few_meters_gives_what_reading_all_gives(warehouse_url: str, monkeypatch: pytest.MonkeyPatch):
    for day in (SPRING, AUTUMN, date(2024, 10, 28)):
        read(warehouse_url, day, A, lambda n: n / 4)
        read(warehouse_url, day, B, lambda n: n / 8, "estimated", 30)
    for share in ("MANY", "MOST"):
        monkeypatch.setattr(aggregates, share, 0.0)
    redo(warehouse_url)
    whole = content(warehouse_url)
    assert len(whole["daily"]) == 6
    with connect(warehouse_url) as connection:
        for name in whole:
            connection.execute(f"DELETE FROM energy.meter_{name}")
    for share in ("MANY", "MOST"):
        monkeypatch.setattr(aggregates, share, 1e9)
    redo(warehouse_url, (SPRING, AUTUMN + ONE_DAY))
    assert content(warehouse_url) == whole


def test_the_share_of_dirty_meters_decides(warehouse_url: str, monkeypatch: pytest.MonkeyPatch):
    seen = []
    half_hours = aggregates._half_hours
    monkeypatch.setattr(aggregates, "_half_hours", lambda *given: seen.append(given[2]) or half_hours(*given))
    with connect(warehouse_url) as connection:
        connection.execute("INSERT INTO energy.meter SELECT (9000000000000 + n)::text FROM generate_series(1, 40) AS n")
    read(warehouse_url, SPRING)
    redo(warehouse_url)
    for number in range(4):
        read(warehouse_url, SPRING, f"{9000000000001 + number}")
    redo(warehouse_url)
    assert seen == [True, False]


def test_how_a_changed_day_is_read(warehouse_url: str, owner_url: str, monkeypatch: pytest.MonkeyPatch):
    """By pages, and no row is compared with each other row, whatever statistics say of other days."""
    read(warehouse_url, SPRING)
    with connect(owner_url) as owner:
        owner.execute("ANALYZE")
    read(warehouse_url, AUTUMN)
    plans: list[str] = []
    execute = psycopg.Connection.execute

    def explained(self: psycopg.Connection, query: Any, *given: Any) -> Any:
        if isinstance(query, sql.Composed) and "redone" in query.as_string(self):
            plans.append("\n".join(line for (line,) in execute(self, sql.SQL("EXPLAIN ") + query)))
        return execute(self, query, *given)

    monkeypatch.setattr(psycopg.Connection, "execute", explained)
    monkeypatch.setattr(aggregates, "MANY", 0.0)
    monkeypatch.setattr(aggregates, "MEMORY", f"{aggregates.MEMORY}; SET LOCAL enable_seqscan = off")
    redo(warehouse_url)
    assert len(plans) == 2 * 5, "the readings, days, weeks, months and years of each month"
    for readings in plans[::5]:
        assert "Bitmap Heap Scan on meter_reading" in readings
    assert not [plan for plan in plans if "Nested Loop" in plan]


# --- at the same time as loads and as others ---


def test_a_load_under_way_is_not_waited_for_and_its_mark_stays(warehouse_url: str):
    day, other = date(2024, 3, 5), date(2024, 3, 6)
    read(warehouse_url, day)
    read(warehouse_url, other)
    start = clock.period_start(day, 1)
    with connect(warehouse_url) as load, load.transaction():
        load.execute(READ + CHANGE, [start, A, "kWh", 5, "actual"])
        assert redo(warehouse_url)["redone"] == 2, "as it was before the load"
        assert ask(warehouse_url, "SELECT local_date FROM energy.meter_dirty") == [(day,)]
    assert day_of(warehouse_url, day, "total_kwh") == (48,)
    assert redo(warehouse_url)["redone"] == 1
    assert day_of(warehouse_url, day, "total_kwh") == (52,)


@pytest.mark.parametrize("step", ["redo", "daily", "unmark"])
def test_a_load_that_commits_at_any_step_is_redone(warehouse_url: str, monkeypatch: pytest.MonkeyPatch, step: str):
    """Whatever was computed before it is redone after it: its mark is another one by then."""
    day = date(2024, 3, 5)
    read(warehouse_url, day)
    statement = aggregates.statement

    def interrupted(name: str) -> str:
        if name == f"aggregates/{step}" and not interruptions:
            interruptions.append(name)
            read(warehouse_url, day, kwh=lambda _: 3)
        return statement(name)

    interruptions: list[str] = []
    monkeypatch.setattr(aggregates, "statement", interrupted)
    redo(warehouse_url)
    assert len(interruptions) == 1
    redo(warehouse_url)
    assert day_of(warehouse_url, day, "total_kwh") == (144,)
    assert dirty(warehouse_url) == 0


def test_one_at_a_time(warehouse_url: str):
    """Who computed from older readings must not write later: the second waits, here not for ten minutes."""
    read(warehouse_url, SPRING)

    def impatient() -> psycopg.Connection:
        connection = connect(warehouse_url)
        connection.execute("SET lock_timeout = '100ms'")
        return connection

    with connect(warehouse_url) as other, other.transaction():
        other.execute(aggregates.LOCK)
        with pytest.raises(Retryable, match="lock timeout"):
            aggregate(impatient)
    assert dirty(warehouse_url) == 1
    (row,) = ask(warehouse_url, "SELECT status, errors, message FROM ledger.execution")
    assert row[:2] == ("failed", 1) and "lock timeout" in row[2]


# --- telemetry ---


def test_an_execution_tells_what_was_done(warehouse_url: str):
    read(warehouse_url, SPRING)
    aggregate(lambda: connect(warehouse_url), None, Caller("meter_aggregates", "run_1", 2))
    query = """SELECT kind, target, status, processed, errors, details, dag_id, run_id, try_number, duration > '0'
        FROM ledger.execution"""
    details = {"daily": 1, "weekly": 1, "monthly": 1, "annual": 1}
    expected = ("aggregation", "dirty", "completed", 1, 0, details, "meter_aggregates", "run_1", 2, True)
    assert ask(warehouse_url, query) == [expected]


def test_an_error_is_never_a_success(warehouse_url: str):
    with connect(warehouse_url) as connection:
        with recorded(connection, "quality", "counted", Caller()) as execution:
            execution.errors = 1
        with pytest.raises(ZeroDivisionError), recorded(connection, "quality", "raised", Caller()):
            1 / 0  # noqa: B018
        with recorded(connection, "quality", "warned", Caller()) as execution:
            execution.warnings = 3
    found = ask(warehouse_url, "SELECT target, status, errors, message FROM ledger.execution ORDER BY started_at")
    assert found == [
        ("counted", "failed", 1, None),
        ("raised", "failed", 1, "division by zero"),
        ("warned", "completed", 0, None),
    ]
    forged = "UPDATE ledger.execution SET status = 'completed' WHERE target = 'counted'"
    with connect(warehouse_url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(forged)


def test_who_is_gone_has_failed(warehouse_url: str):
    killed = connect(warehouse_url)
    with recorded(killed, "aggregation", "killed", Caller()):
        ask(warehouse_url, "SELECT pg_terminate_backend(%s, 5000)", killed.info.backend_pid)
    redo(warehouse_url)
    found = ask(warehouse_url, "SELECT target, status, message FROM ledger.execution ORDER BY started_at")
    assert found == [("killed", "failed", "its process is gone"), ("dirty", "completed", None)]


# --- views ---


def test_comparisons(warehouse_url: str):
    day = date(2024, 3, 31)
    for former, kwh in ((day, 1.5), (day - ONE_DAY, 1.0), (date(2024, 2, 29), 3.0), (date(2023, 3, 31), 0.0)):
        daily_total(warehouse_url, former, kwh)
    redo(warehouse_url)
    query = """SELECT against, former_kwh, change_kwh, change_percent, trend, both_complete
        FROM energy.meter_daily_comparison WHERE local_date = %s ORDER BY against"""
    assert ask(warehouse_url, query, day) == [
        ("day", 1, Decimal("0.5"), 50, "increase", True),
        ("month", 3, Decimal("-1.5"), -50, "decrease", True),
        ("week", None, None, None, "no_comparison", None),
        ("year", 0, Decimal("1.5"), None, "increase", True),
    ]
    annual = "SELECT former_kwh, trend FROM energy.meter_annual_comparison WHERE year_start = '2024-01-01'"
    assert ask(warehouse_url, annual) == [(0, "increase")]


def test_baseload_is_the_day_at_the_tenth_percentile(warehouse_url: str):
    for n in range(1, 21):
        daily_total(warehouse_url, date(2024, 3, n), n)
    for n in range(1, 10):
        daily_total(warehouse_url, date(2024, 4, n), 10 + n)
    redo(warehouse_url)
    query = "SELECT day_count, baseload_kwh_per_day, baseload_percent FROM energy.meter_baseload ORDER BY month_start"
    assert ask(warehouse_url, query) == [(20, 2, Decimal("19.05")), (9, 11, Decimal("73.33"))]


@pytest.mark.parametrize("day", [date(2024, 3, 30), SPRING, AUTUMN, date(2024, 12, 31)], ids=str)
def test_the_database_counts_half_hours_as_the_clock_does(warehouse_url: str, day: date):
    assert one(warehouse_url, "SELECT energy.half_hours_of(%s)", day) == clock.settlement_periods(day)
