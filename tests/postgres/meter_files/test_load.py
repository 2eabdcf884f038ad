"""From a file to rows: what is inserted, revised, left alone, refused, counted; daily totals and sites too."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from energy_ingest.loading.database import connect
from energy_ingest.loading.meter_files.load import SHOWN, TARGETS
from tests.postgres.meter_files.files import DAY, HEADER, METERS, Box, audit, days, long, readings, wide
from tests.postgres.world import ask, one

STARTS = "hh/start-labelled"
"""The folder of files whose stamps name the start of the half hour."""
FIRST = datetime(2024, 6, 2, 23, tzinfo=UTC)  # local midnight of DAY


def test_a_file_becomes_rows(box: Box):
    job = box.load("june.csv", wide(days(2)))
    assert (job.status, job.total_rows, job.inserted_rows, job.progress) == ("completed", 288, 288, 1)
    found = readings(box.url)
    assert found[0] == (METERS[0], FIRST, Decimal(0), "actual")
    assert len(found) == 288 and found[47][1:3] == (FIRST + timedelta(hours=23.5), Decimal("5.875"))
    assert ask(box.url, "SELECT mpan, registers, job_id FROM energy.meter ORDER BY 1") == [
        (mpan, ["import"], job.job_id) for mpan in METERS
    ]
    assert one(box.url, "SELECT count(*) FROM energy.meter_dirty") == 6
    assert box.files() == {"processed": ["1_june.csv"]}
    audit(box.url)


def test_what_is_unchanged_costs_nothing_and_what_changed_keeps_its_former_version(box: Box):
    box.load("first.csv", wide(days(2)))
    ask(box.url, "DELETE FROM energy.meter_dirty RETURNING 1")
    changed = days(2)
    changed[METERS[0], DAY] = [9.75, *changed[METERS[0], DAY][1:]]
    job = box.load("again.csv", wide(changed))
    assert job.counts() == {"inserted": 0, "revised": 1, "unchanged": 287, "quarantined": 0, "duplicate": 0}
    versions = (
        "SELECT quantity_kwh, is_current FROM energy.meter_reading_versions WHERE mpan = %s AND period_start = %s"
    )
    assert ask(box.url, f"{versions} ORDER BY version_id", METERS[0], FIRST) == [(0, False), (Decimal("9.75"), True)]
    assert ask(box.url, "SELECT local_date, mpan FROM energy.meter_dirty") == [(DAY, METERS[0])]
    audit(box.url)


def test_an_unchanged_file_costs_the_same_log_however_many_readings(box: Box):
    """Bookkeeping only: neither rows nor dirty days nor versions of readings that are there."""
    written = []
    for count in (1, 60):
        for attempt in range(3):
            start = one(box.url, "SELECT pg_current_wal_insert_lsn()::text")
            job = box.load(f"{count}.{attempt}.csv", wide(days(count)) + attempt * "\n")
        assert job.counts()["unchanged"] == job.total_rows == count * len(METERS) * 48
        written.append(one(box.url, "SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", start))
    assert abs(written[1] - written[0]) < 10_000, written


def test_an_import_reads_its_own_readings_however_many_others_the_days_have(box: Box, owner_url: str):
    """One look into the index for each; left to itself, the planner joins with all that the days have."""
    others = """INSERT INTO energy.meter_reading
      (period_start, mpan, register, quantity_kwh, reading_type, is_ambiguous, recorded_from, job_id)
      SELECT start, mpan, 'import', 1, 'actual', false, now(), 0
      FROM generate_series(%s, %s, interval '30 minutes') AS start, generate_series(1, 40) AS mpan RETURNING 1"""
    ask(box.url, others, FIRST, FIRST + timedelta(days=20))
    box.load("first.csv", wide(days(20)))
    with connect(owner_url) as connection:
        connection.execute("VACUUM ANALYZE energy.meter_reading")
    before = _read(box.url, 2880)
    changed = days(20)
    changed[METERS[0], DAY] = [99] * 48
    job = box.load("again.csv", wide(changed))
    assert (job.revised_rows, job.total_rows) == (48, 2880)
    looked_up, read = (now - then for now, then in zip(_read(box.url, before[0] + 2880), before, strict=True))
    assert looked_up >= 2880 <= read < 2 * 2880
    audit(box.url)


def _read(url: str, lookups: int) -> tuple[int, int]:
    """How often the index of readings was looked into, and rows read; waits for the books of closed sessions."""
    query = "SELECT idx_scan, seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'meter_reading'"
    deadline = time.monotonic() + 60
    while (found := ask(url, query)[0])[0] < lookups and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def test_former_versions_are_joined_by_hash_whatever_an_import_forbids(box: Box):
    """In the triggers, which under the import's settings would compare each old row with each new one."""
    guarded = "SELECT proname FROM pg_proc WHERE proconfig @> '{enable_hashjoin=on}'"
    names = {name for (name,) in ask(box.url, guarded)}
    assert names == {f"{target.table}_keep_updated" for target in TARGETS.values()}


@pytest.mark.parametrize(
    ("loaded", "comes", "stays", "counted"),
    [
        ("E", "A", (2, "actual"), "revised"),
        ("A", "E", (1, "actual"), "unchanged"),
        ("A", "A", (2, "actual"), "revised"),
        ("E", "E", (2, "estimated"), "revised"),
    ],
)
def test_an_estimate_never_replaces_an_actual_reading(
    box: Box, loaded: str, comes: str, stays: tuple[float, str], counted: str
):
    box.load(f"{STARTS}/first.csv", long((METERS[0], "2024-06-03 00:00", 1, loaded)))
    job = box.load(f"{STARTS}/second.csv", long((METERS[0], "2024-06-03 00:00", 2, comes)))
    assert readings(box.url, "quantity_kwh, reading_type") == [stays]
    assert job.counts()[counted] == 1
    kept_out = {"estimate kept out by an actual reading": 1} if (loaded, comes) == ("A", "E") else {}
    assert job.report and job.report["warnings"].items() >= kept_out.items()
    audit(box.url)


def test_an_estimate_overwrites_where_that_is_configured(box: Box, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENERGY_METER_ESTIMATES", "overwrite")
    box.load(f"{STARTS}/first.csv", long((METERS[0], "2024-06-03 00:00", 1, "A")))
    box.load(f"{STARTS}/second.csv", long((METERS[0], "2024-06-03 00:00", 2, "E")))
    assert readings(box.url, "quantity_kwh, reading_type") == [(2, "estimated")]


@pytest.mark.parametrize(
    ("rows", "stays", "conflicts"),
    [
        ([(1, "A"), (1, "A")], (1, "actual"), 0),
        ([(1, "A"), (2, "A")], (2, "actual"), 1),
        ([(1, "A"), (2, "E")], (1, "actual"), 1),
        ([(1, "E"), (2, "A"), (3, "E")], (2, "actual"), 2),
    ],
)
def test_a_key_twice_in_a_file(box: Box, rows: list[tuple[float, str]], stays: tuple[float, str], conflicts: int):
    job = box.load(f"{STARTS}/twice.csv", long(*((METERS[0], "2024-06-03 00:00", value, kind) for value, kind in rows)))
    assert readings(box.url, "quantity_kwh, reading_type") == [stays]
    assert (job.total_rows, job.inserted_rows, job.duplicate_rows) == (len(rows), 1, len(rows) - 1)
    assert job.report and len(job.report["problems"]) == conflicts
    audit(box.url)


def test_a_refused_cell_is_in_quarantine_and_in_the_report_with_its_fix(box: Box):
    values = days(1, METERS[:1])
    values[METERS[0], DAY] = ["1", "abc", *["2"] * 46]
    job = box.load("bad.csv", wide(values))
    assert (job.status, job.inserted_rows, job.quarantined_rows) == ("completed", 47, 1)
    ((row, column, value, reason),) = ask(
        box.url, "SELECT row_number, column_name, value, reason FROM ledger.quarantine"
    )
    assert (row, column, value) == (2, "HH02", "abc")
    assert f"row 2, column HH02: 'abc' {reason}" in box.report(job)
    audit(box.url)


def test_a_file_of_which_everything_is_refused_has_failed_and_is_kept(box: Box):
    job = box.load("bad.csv", wide([(METERS[0], DAY, ["x"] * 48)]))
    assert (job.status, job.quarantined_rows) == ("failed", 48)
    assert job.last_error and job.last_error.startswith("all 48 items were refused; first: row 2, column HH01: 'x'")
    assert box.files() == {"failed": ["1_bad.csv"]}
    assert "energy-ingest jobs retry 1" in box.report(job)
    assert one(box.url, "SELECT count(*) FROM ledger.quarantine") == 48


def test_pieces_of_a_file_are_loaded_one_by_one(box: Box):
    whole = box.load("whole.csv", wide(days(4)))
    parts = box.load("parts.csv", wide(days(4, add=1)), piece_bytes=1000)
    assert parts.counts() == {**whole.counts(), "inserted": 0, "revised": whole.inserted_rows}
    committed = "SELECT count(DISTINCT recorded_from) FROM energy.meter_reading"
    assert one(box.url, committed) > 2
    audit(box.url)


def test_unknown_meters_wait_in_quarantine_where_that_is_configured(box: Box, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENERGY_METER_UNKNOWN", "quarantine")
    ask(box.url, "INSERT INTO energy.meter (mpan) VALUES (%s) RETURNING 1", METERS[0])
    job = box.load("june.csv", wide(days(1)))
    assert (job.inserted_rows, job.quarantined_rows) == (48, 96)
    assert {mpan for mpan, *_ in readings(box.url)} == {METERS[0]}
    assert job.report and "replay with --create-meters" in job.report["problems"][0]["reason"]
    audit(box.url)


def test_new_meters_come_under_the_default_site(box: Box):
    box.load("sites/sites.csv", "name,company_id,site_type\nDepot,7,warehouse\n")
    site = one(box.url, "SELECT site_id FROM energy.site WHERE name = 'Depot'")
    box.put("june.csv", wide(days(1)))
    box.create("june.csv", default_site="Depot")
    box.run()
    assert ask(box.url, "SELECT DISTINCT site_id FROM energy.meter") == [(site,)]


def test_sites_are_revised_and_keep_their_number(box: Box):
    first = "name,company_id,site_type,postcode\nDepot,7,warehouse,AB1 2CD\nOffice,,office,\n"
    box.load("sites/first.csv", first)
    numbers = ask(box.url, "SELECT name, site_id, company_id FROM energy.site ORDER BY name")
    assert [(name, company) for name, _, company in numbers] == [("Depot", 7), ("Office", 0)]
    job = box.load("sites/second.csv", first.replace("AB1 2CD", "AB1 2CE"))
    assert (job.revised_rows, job.unchanged_rows) == (1, 1)
    assert ask(box.url, "SELECT name, site_id, company_id FROM energy.site ORDER BY name") == numbers


def test_daily_totals_have_a_table_of_their_own(box: Box):
    box.load("june.csv", wide(days(1)))
    daily = "MPAN,Date,Reading\n" + "".join(f"{mpan},03/06/2024,100.5\n" for mpan in METERS)
    job = box.load("daily/june.csv", daily)
    again = box.load("daily/again.csv", daily + "\n")
    assert (job.inserted_rows, again.unchanged_rows) == (3, 3)
    assert ask(box.url, "SELECT count(*), sum(quantity_kwh) FROM energy.meter_daily_reading") == [(3, Decimal("301.5"))]
    assert len(readings(box.url)) == 144


def test_a_dry_run_reports_everything_and_writes_nothing(box: Box):
    box.load("first.csv", wide(days(1)))
    before = readings(box.url), ask(box.url, "SELECT * FROM energy.meter_dirty")
    changed = days(2, (*METERS, "1000000000056"))
    changed[METERS[0], DAY] = ["abc", *changed[METERS[0], DAY][1:]]
    box.put("second.csv", wide(changed))
    job_id = box.create("second.csv", dry_run=True)
    box.run()
    job = box.job(job_id)
    assert job.counts() == {"inserted": 240, "revised": 0, "unchanged": 143, "quarantined": 1, "duplicate": 0}
    assert (readings(box.url), ask(box.url, "SELECT * FROM energy.meter_dirty")) == before
    assert one(box.url, "SELECT count(*) FROM ledger.quarantine") == 0
    assert one(box.url, "SELECT count(*) FROM energy.meter") == 3
    assert box.files() == {"checked": [f"{job_id}_second.csv"], "processed": ["1_first.csv"]}
    assert "dry run: nothing was written" in box.report(job) and "'abc'" in box.report(job)

    real = box.create(f"checked/{job_id}_second.csv")
    box.run()
    assert box.job(real).counts() == job.counts()
    audit(box.url)


def test_reports_and_logs_mask_meters(box: Box, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    job = box.load(f"{STARTS}/{METERS[0]}.csv", long((METERS[0], "2024-06-03 00:00", 1, "A"), (METERS[0], "x", 2, "A")))
    assert job.quarantined_rows == 1
    for text in (box.report(job), caplog.text):
        assert METERS[0] not in text and "10*********12" in text


def test_a_file_without_rows_says_so(box: Box):
    job = box.load("empty.csv", f"{HEADER}\n")
    assert (job.status, job.total_rows) == ("completed", 0)
    assert "row 1 is the header" in box.report(job) and "no row follows the header" in box.report(job)


def test_a_report_is_bounded(box: Box):
    job = box.load("bad.csv", wide([(METERS[0], DAY + timedelta(days=n), ["x"] * 48) for n in range(25)]))
    assert job.report and len(job.report["problems"]) == SHOWN < job.quarantined_rows == 1200
    assert "all 1,200: energy-ingest quarantine show 1" in box.report(job)
