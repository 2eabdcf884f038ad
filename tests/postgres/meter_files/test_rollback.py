"""Taking batches back, in whatever order: what stands is what the batches that are left would have loaded."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from energy_ingest.errors import Misconfigured
from energy_ingest.loading.cleanup import clean_up
from energy_ingest.loading.database import connect
from energy_ingest.loading.meter_files import jobs
from energy_ingest.loading.meter_files.rollback import Undone, rollback
from tests.postgres.meter_files.files import DAY, METERS, Box, days, readings, wide
from tests.postgres.world import ask, behind, one


def undo(box: Box, job_id: int) -> Undone:
    with connect(box.url) as connection:
        return rollback(connection, job_id)


def test_what_is_being_retried_is_not_taken_back(box: Box):
    """Else the retry would go on behind rows that are gone."""
    box.load("june.csv", wide(days(1)))
    ask(box.url, "UPDATE ledger.import_job SET status = 'failed' RETURNING 1")
    with connect(box.url) as rival, pytest.raises(Misconfigured, match="is queued: first"):
        behind(box.url, rival, lambda: jobs.retry(rival, 1), lambda: undo(box, 1))
    assert len(readings(box.url)) == 144


def test_what_a_batch_brought_goes_and_what_it_replaced_is_there_again(box: Box):
    box.load("first.csv", wide(days(2)))
    before = readings(box.url)
    job = box.load("second.csv", wide(days(3, (*METERS, "1000000000056"), add=1)))
    ask(box.url, "DELETE FROM energy.meter_dirty RETURNING 1")
    undone = undo(box, job.job_id)
    assert undone == Undone(removed=48 * 6, restored=48 * 6, changed_since=0, meters=1)
    assert readings(box.url) == before
    assert one(box.url, "SELECT count(*) FROM energy.meter_dirty") == 12, "aggregates must follow"
    versions = "SELECT count(*) FROM energy.meter_reading_versions WHERE NOT is_current AND job_id = %s"
    assert one(box.url, versions, job.job_id) == 48 * 12, "history keeps what was taken back"
    assert one(box.url, "SELECT count(*) FROM energy.meter") == 3


def test_a_file_may_be_imported_again_after_its_batch_was_taken_back(box: Box):
    job = box.load("june.csv", wide(days(1)))
    undo(box, job.job_id)
    assert readings(box.url) == []
    again = box.load("june.csv", wide(days(1)))
    assert (again.job_id, again.inserted_rows) == (2, 144)


def test_what_a_later_batch_changed_stays_and_is_told(box: Box):
    box.load("first.csv", wide(days(1)))
    box.load("second.csv", wide(days(1, METERS[:1], add=1)))
    assert undo(box, 1) == Undone(removed=96, restored=0, changed_since=48, meters=2)
    assert {mpan for mpan, *_ in readings(box.url)} == {METERS[0]}


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))), ids=str)
def test_in_every_order_what_stands_is_the_newest_of_what_is_left(box: Box, order: tuple[int, ...]):
    for n in (1, 2, 3):
        box.load(f"{n}.csv", wide({(METERS[0], DAY): [f"{n}"] * 48}))
    left = {1, 2, 3}
    for job_id in order:
        undo(box, job_id)
        left.remove(job_id)
        expected = [(Decimal(max(left)),)] * 48 if left else []
        assert readings(box.url, "quantity_kwh") == expected


def test_daily_totals_and_sites_are_taken_back_too(box: Box):
    daily = box.load("daily/d.csv", "MPAN,Date,Reading\n" + "".join(f"{mpan},03/06/2024,1\n" for mpan in METERS))
    sites = "name,company_id,site_type,postcode\nDepot,7,office,AB1 2CD\n"
    box.load("sites/s.csv", sites)
    second = box.load("sites/t.csv", sites.replace("2CD", "2CE") + "Shop,7,retail,AB1 2CF\n")
    assert undo(box, daily.job_id) == Undone(removed=3, restored=0, changed_since=0, meters=3)
    assert undo(box, second.job_id) == Undone(removed=1, restored=1, changed_since=0, meters=0)
    assert ask(box.url, "SELECT name, postcode FROM energy.site") == [("Depot", "AB1 2CD")]


def test_the_quarantine_of_a_batch_is_closed_with_it(box: Box):
    values = days(1)
    values[METERS[0], DAY] = ["abc", *values[METERS[0], DAY][1:]]
    undo(box, box.load("june.csv", wide(values)).job_id)
    assert ask(box.url, "SELECT resolution FROM ledger.quarantine") == [("rolled back",)]


def test_what_is_open_or_gone_is_refused(box: Box):
    box.put("june.csv", wide(days(1)))
    box.create("june.csv")
    with pytest.raises(Misconfigured, match="job 1 is queued: first `energy-ingest jobs cancel 1`"):
        undo(box, 1)
    box.run()
    undo(box, 1)
    with pytest.raises(Misconfigured, match="job 1 was taken back already"):
        undo(box, 1)


def test_what_is_no_longer_kept_cannot_be_restored(
    box: Box, owner_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Without its former value a row would be removed instead. What only added rows can be taken back for ever."""
    box.load("first.csv", wide(days(1)))
    box.load("second.csv", wide(days(1, METERS[:1], add=1)))
    undo(box, 2)
    box.load("third.csv", wide(days(1, METERS[:1], add=2)))
    monkeypatch.setenv("ENERGY_REVISION_DAYS", "30")

    def clean(now: datetime) -> int:
        with connect(owner_url) as owner:
            inbox = SimpleNamespace(fs=None, path=tmp_path)
            return clean_up(owner, tmp_path / "none", inbox, 10_000, now, dry_run=False).versions

    later = datetime.now(UTC) + timedelta(days=31)
    assert clean(later) == 48 + 48, "all but what the second replaced, which was taken back"
    with pytest.raises(Misconfigured, match="job 3 replaced values that are no longer kept"):
        undo(box, 3)
    box.load("fourth.csv", wide(days(1, METERS[1:2], add=3)))
    assert undo(box, 4).restored == 48
    assert undo(box, 1).changed_since == 48


def test_it_never_searches_former_versions_row_by_row(box: Box):
    """With a plan for the row or two that are expected of a new job, 190,000 of them took more than ten minutes."""
    query = """SELECT proname, 'enable_nestloop=off' = ANY (proconfig) FROM pg_proc
               WHERE proname LIKE '%rollback' AND pronamespace = 'energy'::regnamespace ORDER BY 1"""
    functions = ("meter_daily_reading_rollback", "meter_reading_rollback", "meter_rollback", "site_rollback")
    assert ask(box.url, query) == [(name, True) for name in functions]


def test_the_loader_itself_may_not_delete(box: Box):
    box.load("june.csv", wide(days(1)))
    from psycopg.errors import InsufficientPrivilege

    with pytest.raises(InsufficientPrivilege):
        ask(box.url, "DELETE FROM energy.meter_reading RETURNING 1")
