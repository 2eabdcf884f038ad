"""How often each rule of data quality is right and wrong on data that was recorded from the real sources.

    python -m tools.rule_counts FOLDER [--write]

FOLDER holds files that are not ours to copy: of Elexon's portal `sspsbp_*.csv` (system prices) and `MID_*.csv` (market
index), of Transwestern `tw_operational_capacity_<gas day>_cycle<n>.csv`. Real meters are among the tests' files. What a
rule raises on them as they were recorded is a false alarm, unless the rule only states what is there (`FACTS`). Then
one fault at a time is put in, on days far apart, and it is counted how many the rule finds. `--write` puts the table
into docs/quality.md.
"""

from __future__ import annotations

import argparse
import gzip
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Final

import polars as pl
import psycopg
from psycopg import sql

from energy_ingest import catalog, clock
from energy_ingest.loading import aggregates, database, quality, schema
from energy_ingest.quality import INDEX, METERS, PRICES, RULES, SERIES, Rule
from energy_ingest.sources import source_of
from energy_ingest.sources.meter_files import Options, decide, parse
from tools import postgres
from tools.bootstrap import ROOT
from tools.configuration import table

PAGE: Final = ROOT / "docs" / "quality.md"
GOLDEN: Final = ROOT / "tests" / "unit" / "golden" / "meter_files"
METER_FILES: Final = {  # those that are read; the feed says what the file does not
    "low-carbon-london-MAC000002.csv.gz": "utc-end-labelled",
    "banes-example-file.csv": None,
    "example-bad-sheffield-proper-file.csv": None,
    "example-highlands-file.csv": None,
    "n3rgy_get_consumption_data.json": None,
    "row-per-day.some-missing-readings.csv": "gdst-electricity2",
    "row-per-reading.some-missing-readings.csv": None,
    "row-per-reading.valid.csv": None,
    "with-carriage-return-line-endings.csv": None,
    "with-mixed-line-endings.csv": None,
}
FACTS: Final = {"missing", "missing_day", "negative", "negative_total", "one_price", "niv_sign", "cv_band", "oac"}
"""Rules that say what is there or not there: what they raise on real data is so."""
MOST_FAULTS: Final = 100
NOT_RECORDED: Final = "not measured"

Half = tuple[Any, int, Decimal | None]
"""Instant, item and value of a series."""
Change = Mapping[Any, Decimal | None]
"""By instant, the value that replaces what is there; None: the row is not there."""


@dataclass(frozen=True)
class Place:
    """Where the values of a series stand: to put a fault in."""

    table: str
    value: str
    subject: str


PLACES: Final = {
    PRICES: Place("elexon_system_prices", "system_sell_price_gbp_per_mwh", "'market'"),
    INDEX: Place("elexon_market_index", "price_gbp_per_mwh", "data_provider"),
    METERS: Place("meter_reading", "quantity_kwh", "mpan || '/' || register"),
}


@dataclass(frozen=True)
class Counts:
    """What a rule does: days it judged (of each subject), days it raised, faults put in and found."""

    judged: int
    raised: int
    put_in: int
    found: int


def main() -> None:
    """Measure every rule, print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description="Count hits and false alarms of the rules on recorded data.")
    parser.add_argument("folder", type=Path, help="folder with the recorded files, looked for in all folders below it")
    parser.add_argument("--write", action="store_true", help="put the table into docs/quality.md")
    arguments = parser.parse_args()
    with postgres.temporary() as server:
        schema.migrate(server.dsn)
        with closing(database.connect(server.dsn)) as connection:
            load(connection, arguments.folder)
            aggregates.aggregate(lambda: database.connect(server.dsn), None)
            connection.execute("ANALYZE")
            rows = [row(rule, measure(connection, rule)) for rule in RULES]
    text = table(HEAD, rows)
    if arguments.write:
        PAGE.write_text(re.sub(r"(?s)(<!-- counts: [^\n]*\n).*?(<!-- /counts)", rf"\1{text}\2", PAGE.read_text()))
    sys.stdout.write(text)


# --- the recorded data ---


def load(connection: psycopg.Connection, folder: Path) -> None:
    """Put everything recorded into an empty warehouse."""
    for pattern, read in (("sspsbp_*.csv", prices), ("MID_*.csv", market_index), ("tw_operational_*.csv", capacity)):
        files = sorted(folder.rglob(pattern))
        if not files:
            raise SystemExit(f"{folder} has no {pattern}: see the head of tools/rule_counts.py")
        for path in files:
            copy(connection, *read(path))
    for name, feed in METER_FILES.items():
        readings = pl.concat(list(meter_readings(GOLDEN / name, feed)))
        columns = ("period_start", "mpan", "register", "quantity_kwh", "reading_type", "is_ambiguous")
        unique = readings.select(columns).unique(["period_start", "mpan", "register"], keep="last")
        copy(connection, "meter_reading", unique)


def copy(connection: psycopg.Connection, table: str, rows: pl.DataFrame) -> None:
    """Add rows, as if one job had loaded them."""
    known = rows.with_columns(recorded_from=pl.lit("2026-01-01T00:00:00Z"), job_id=pl.lit(1))
    names = sql.SQL(", ").join(map(sql.Identifier, known.columns))
    query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(sql.Identifier("energy", table), names)
    with connection.cursor().copy(query) as stream:
        stream.write(known.write_csv(include_header=False))


def prices(path: Path) -> tuple[str, pl.DataFrame]:
    """Elexon's portal: sell and buy price and imbalance volume."""
    rows = _portal(path, "%d/%m/%Y", ["system_sell_price_gbp_per_mwh", "system_buy_price_gbp_per_mwh"])
    rows = rows.rename({rows.columns[4]: "net_imbalance_volume_mwh"})
    return "elexon_system_prices", rows.with_columns(created_at=pl.col("period_start"), bsad_defaulted=pl.lit(False))


def market_index(path: Path) -> tuple[str, pl.DataFrame]:
    """Elexon's portal: index price and volume by provider."""
    rows = _portal(path, "%d %B %Y", ["data_provider", "volume_mwh", "price_gbp_per_mwh"])
    nothing = (pl.col("volume_mwh").cast(pl.Float64) == 0) & (pl.col("price_gbp_per_mwh").cast(pl.Float64) == 0)
    return "elexon_market_index", rows.with_columns(pl.col("data_provider").str.strip_chars(), is_placeholder=nothing)


def _portal(path: Path, dates: str, names: list[str]) -> pl.DataFrame:
    body = path.read_bytes().decode("latin-1").encode()
    rows = pl.read_csv(body, infer_schema=False)
    rows = rows.rename(dict(zip(rows.columns, ["settlement_date", "settlement_period", *names], strict=False)))
    rows = rows.with_columns(pl.col("settlement_date").str.to_date(dates))
    starts = [clock.period_start(day, int(n)) for day, n in rows.select(rows.columns[:2]).iter_rows()]
    return rows.with_columns(period_start=pl.Series(starts))


def capacity(path: Path) -> tuple[str, pl.DataFrame]:
    """A posting of Transwestern's, as its own source reads it."""
    _, day, cycle = re.split(r"_(\d{4}-\d\d-\d\d)_cycle(\d)", path.name)[:3]
    dataset, label = catalog.TRANSWESTERN_CAPACITY, date.fromisoformat(day)
    window = list(dataset.windows(label, label))[int(cycle)]
    pieces = source_of(dataset).parse(dataset, [path.read_bytes()], [window], dataset.scopes()[0])
    rows = pl.concat([piece.rows for piece in pieces])
    return dataset.table, rows.select([name for name in dataset.contract.loaded if name in rows.columns])


def meter_readings(path: Path, feed: str | None) -> Iterator[pl.DataFrame]:
    """The readings of a supplier's file."""
    body = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()

    def opened() -> BinaryIO:
        return io.BytesIO(body)

    options = Options("hh", today=date(2026, 11, 22), feed=feed)
    decision = decide(opened, path.name.removesuffix(".gz"), options)
    yield from (piece.rows for piece in parse(opened, decision, options, 0, 2**22))


# --- what rules make of it ---


def measure(connection: psycopg.Connection, rule: Rule) -> Counts | None:
    """Judge the data as they are, then with one fault at a time; None where nothing was recorded."""
    days = _days(connection, rule)
    if not days or rule.name == "niv_sign":  # the portal's file has no price derivation code
        return None
    span = min(day for _, day in days), max(day for _, day in days)
    raised = _raised(connection, rule, *span)
    put_in = found = 0
    for subject, day in _apart([place for place in days if place not in raised]):
        with connection.transaction(force_rollback=True):
            if put_fault(connection, rule, subject, day):
                put_in += 1
                found += (subject, day) in _raised(connection, rule, day, day)
    return Counts(len(days), len(raised), put_in, found)


def _days(connection: psycopg.Connection, rule: Rule) -> list[tuple[str, date]]:
    series = sql.SQL("({}) AS series").format(_series(rule))
    query = sql.SQL("SELECT DISTINCT subject, day FROM {} WHERE value IS NOT NULL ORDER BY 1, 2").format(series)
    return connection.execute(query).fetchall()


def _series(rule: Rule) -> sql.Composed:
    name = rule.series or SERIES[rule.dataset][0]
    return quality.series(name, date(1990, 1, 1), date(2100, 1, 1))


def _raised(connection: psycopg.Connection, rule: Rule, first: date, last: date) -> set[tuple[str, date]]:
    query = sql.SQL("SELECT DISTINCT subject, day FROM ({}) AS fault").format(quality.faults(rule, first, last))
    return set(connection.execute(query).fetchall())


def _apart(days: list[tuple[str, date]]) -> Iterable[tuple[str, date]]:
    """At most so many of them, spread over all; not the first ones, as some rules look back."""
    return days[len(days) // 20 + 28 :: max(1, len(days) // MOST_FAULTS)] or days


# --- faults ---


def put_fault(connection: psycopg.Connection, rule: Rule, subject: str, day: date) -> bool:
    """Spoil a day as the rule's kind of fault would; False where the day has nothing to spoil."""
    if rule.name in WHOLE_ROWS:
        return connection.execute(WHOLE_ROWS[rule.name], {"subject": subject, "day": day}).rowcount > 0
    change = FAULTS[rule.name](_half_hours(connection, rule, subject, day), rule)
    place = PLACES[rule.dataset]
    for at, value in change.items():
        where = sql.SQL("WHERE period_start = %s AND {} = %s").format(sql.SQL(place.subject))
        table, column = sql.Identifier("energy", place.table), sql.Identifier(place.value)
        if value is None:
            connection.execute(sql.SQL("DELETE FROM {} {}").format(table, where), [at, subject])
        else:
            change_it = sql.SQL("UPDATE {} SET {} = %s {}").format(table, column, where)
            connection.execute(change_it, [value, at, subject])
    return bool(change)


def _half_hours(connection: psycopg.Connection, rule: Rule, subject: str, day: date) -> list[Half]:
    query = sql.SQL("SELECT at, item, value FROM ({}) AS series WHERE subject = %s AND value IS NOT NULL ORDER BY at")
    around = quality.series(rule.series or SERIES[rule.dataset][0], day, day)
    return connection.execute(query.format(around), [subject]).fetchall()


def _slip(day: list[Half], rule: Rule) -> Change:
    """The value in the middle of the day's with a digit too many; of a meter, Wh in place of kWh."""
    ranked = sorted((value, at) for at, _, value in day if value is not None and value > 0)
    factor = 1000 if rule.dataset == METERS else 10
    return {ranked[len(ranked) // 2][1]: ranked[len(ranked) // 2][0] * factor} if ranked else {}


def _stuck(day: list[Half], rule: Rule) -> Change:
    """One value for as long as the rule allows not."""
    length, zero = rule.limits["length"], rule.limits["zero"]
    held = Decimal(0) if zero else next((value for _, _, value in day if value), None)
    if len(day) < length or held is None:
        return {}
    return {at: held for at, _, _ in day[:length]}


def _lost(day: list[Half], _: Rule) -> Change:
    """One value is not there."""
    return {day[len(day) // 2][0]: None} if len(day) > 1 else {}


def _turned(day: list[Half], _: Rule) -> Change:
    """One value with the wrong sign."""
    return next(({at: -value} for at, _, value in day if value), {})


FAULTS: Final[Mapping[str, Callable[[list[Half], Rule], Change]]] = {
    "missing": _lost,
    "zero_run": _stuck,
    "frozen": _stuck,
    "outlier": _slip,
    "spike": _slip,
    "negative": _turned,
}
WHOLE_ROWS: Final = {
    "missing_day": "DELETE FROM energy.meter_daily WHERE mpan || '/' || register = %(subject)s"
    " AND local_date = %(day)s::date - 1",
    "one_price": "UPDATE energy.elexon_system_prices SET system_buy_price_gbp_per_mwh = 1 +"
    " system_sell_price_gbp_per_mwh WHERE settlement_date = %(day)s AND settlement_period = 7",
    "oac": "UPDATE energy.transwestern_capacity SET operationally_available_capacity_dth_per_day = 1 +"
    " operationally_available_capacity_dth_per_day WHERE gas_day = %(day)s"
    " AND asset || ' ' || loc || ' ' || flow_ind || ' ' || nomination_cycle = %(subject)s",
}

HEAD: Final = (
    *("dataset", "rule", "limits", "days judged", "raised as recorded"),
    *("false alarms", "one in", "faults put in", "found"),
)


def heading(rule: Rule) -> tuple[str, str, str]:
    """What a line is about; other limits need other counts."""
    limits = (f"{value}" for name, value in rule.limits.items() if name != "zero")
    return rule.dataset, f"`{rule.name}`", " to ".join(limits)


def row(rule: Rule, counts: Counts | None) -> tuple[str, ...]:
    """A rule's line in the table."""
    name = heading(rule)
    if counts is None:
        return (*name, NOT_RECORDED, *[""] * 5)
    false = 0 if rule.name in FACTS else counts.raised
    often = f"{counts.judged / false:,.0f} days" if false else ""
    numbers = (counts.judged, counts.raised, false)
    return (*name, *(f"{n:,}" for n in numbers), often, f"{counts.put_in}", f"{counts.found}")


if __name__ == "__main__":
    main()
