"""The inbox: what is taken, what is left alone, what is refused with its reason, and what a killed process left."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import fsspec
import pytest

from energy_ingest.errors import Misconfigured
from energy_ingest.loading.database import connect
from energy_ingest.loading.meter_files.inbox import Found, Inbox
from energy_ingest.loading.meter_files.jobs import File, Order, Worker
from energy_ingest.loading.meter_files.work import Importer, Summary
from tests.postgres.meter_files.files import METERS, Box, days, long, readings, wide
from tests.postgres.world import ask, one


@pytest.mark.parametrize(
    "name", [".june.csv", "june.csv.part", "june.csv.tmp", "june.csv.filepart", "june.csv~", "x/june.csv"]
)
def test_what_is_being_written_or_is_nowhere_is_left_alone(box: Box, name: str):
    path = box.put(name, wide(days(1)))
    assert box.run().taken == []
    assert path.exists()


def test_a_file_is_taken_once_nobody_has_written_to_it_for_a_while(box: Box):
    path = box.put("june.csv", wide(days(1)), age=5)
    assert box.run().taken == []
    with pytest.raises(Misconfigured, match="is being written: wait until nobody has written to it for 30 s"):
        box.create("june.csv")
    path.unlink()
    box.put("june.csv", wide(days(1)), age=31)
    assert box.run().taken == [1]


def test_a_file_that_grows_while_it_is_looked_at_is_left_alone(box: Box, monkeypatch: pytest.MonkeyPatch):
    path = box.put("june.csv", wide(days(1)))
    importer = box.importer()
    (found, order) = next(importer.inbox.settled())
    path.write_bytes(path.read_bytes() + b"more")
    with connect(box.url) as connection:
        assert importer.inbox.take(connection, found, order, Worker()) is None
    assert box.files() == {".": ["june.csv"]}
    assert ask(box.url, "SELECT * FROM ledger.import_job") == []


def test_a_file_that_cannot_be_read_does_not_stop_the_others(
    box: Box, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    examine = Inbox._examine

    def refusing(self: Inbox, file: Found) -> File | None:
        if file.name == "secret.csv":
            raise PermissionError("Permission denied")
        return examine(self, file)

    monkeypatch.setattr(Inbox, "_examine", refusing)
    box.put("secret.csv", wide(days(2)), age=9000)
    box.put("june.csv", wide(days(1)))
    assert [job.file_name for job in box.run().ended] == ["june.csv"]
    assert "secret.csv stays in the inbox: Permission denied; check its rights" in caplog.text
    assert (box.folder / "secret.csv").exists()


def test_folders_say_type_and_feed(box: Box):
    box.put("daily/d.csv", "MPAN,Date,Reading\n" + "".join(f"{m},03/06/2024,1\n" for m in METERS), age=9000)
    box.put("sites/s.csv", "name,site_type\nDepot,office\n", age=8000)
    box.put("hh/start-labelled/h.csv", long((METERS[0], "2024-06-03 00:00", 1, "A")), age=7000)
    found = [(job.import_type, job.feed, job.status) for job in box.run().ended]
    assert found == [("daily", None, "completed"), ("sites", None, "completed"), ("hh", "start-labelled", "completed")]


def test_an_unknown_feed_folder_is_said(box: Box):
    job = box.load("hh/nobody/h.csv", wide(days(1)))
    assert (job.status, job.file_sha256) == ("failed", None)
    assert job.last_error and job.last_error.startswith("'nobody' is no feed: use one of ")


def _zip(*names: str) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return body.getvalue()


def _tar() -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("june.csv"))
    return body.getvalue()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (gzip.compress(b"x", mtime=0), "gzip"),
        (_zip("june.csv"), "zip"),
        (b"PK\x03\x04 broken", "zip"),
        (_tar(), "tar"),
        (b"7z\xbc\xaf'\x1c...", "7z"),
        (b"BZh9...", "bzip2"),
    ],
)
def test_archives_are_refused(box: Box, body: bytes, kind: str):
    job = box.load("june.csv", body)
    assert (job.status, job.last_error) == (
        "failed",
        f"june.csv is a {kind} archive: unpack it, and put the files into the inbox",
    )
    assert box.files() == {"failed": ["1_june.csv"]}
    assert "unpack it" in box.report(job)


def test_a_workbook_is_no_archive_unless_it_unpacks_to_too_much(box: Box, monkeypatch: pytest.MonkeyPatch):
    book = _zip("[Content_Types].xml", "xl/workbook.xml")
    assert "archive" not in (box.load("june.xlsx", book).last_error or "")
    monkeypatch.setenv("ENERGY_INBOX_MAX_BYTES", "1000")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "0" * 100_000)
    assert len(bomb.getvalue()) < 1000
    assert "is a zip archive" in (box.load("bomb.xlsx", bomb.getvalue()).last_error or "")


def test_a_file_over_the_limit_is_refused(box: Box, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENERGY_INBOX_MAX_BYTES", "1000")
    job = box.load("june.csv", wide(days(10)))
    assert job.last_error and job.last_error.endswith(
        "bytes, more than 1,000: split it, or raise ENERGY_INBOX_MAX_BYTES"
    )


def test_links_are_refused_unread(box: Box, tmp_path: Path):
    secret = tmp_path / "secret.csv"
    secret.write_text(wide(days(1)))
    (box.folder / "june.csv").symlink_to(secret)
    (job,) = box.run().ended
    assert (job.status, job.last_error) == ("failed", "june.csv is a link: put the file itself into the inbox")
    assert (readings(box.url), secret.exists()) == ([], True)


def test_a_folder_that_is_a_link_is_not_read(box: Box, tmp_path: Path):
    elsewhere = Box(tmp_path / "elsewhere", box.url)
    elsewhere.put("june.csv", wide(days(1)))
    (box.folder / "daily").symlink_to(elsewhere.folder)
    (job,) = box.run().ended
    assert job.last_error == "daily is a link: put the file itself into the inbox"
    assert readings(box.url) == []
    assert (elsewhere.folder / "june.csv").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../june.csv",
        "/etc/passwd",
        "hh/../../june.csv",
        "hh/./x",
        "",
        "a\x00b",
        "accepted/1_june.csv",
        "a/b/c/d.csv",
        "none.csv",
    ],
)
def test_names_that_lead_elsewhere_are_refused(box: Box, name: str):
    (box.folder.parent / "june.csv").write_text(wide(days(1)))
    with pytest.raises(Misconfigured):
        box.create(name)
    assert ask(box.url, "SELECT * FROM ledger.import_job") == []


def test_a_held_file_waits_until_it_is_named(box: Box):
    box.put("held/june.csv", wide(days(1)))
    assert box.run().ended == []
    job_id = box.create("held/june.csv", dry_run=True)
    assert [job.job_id for job in box.run().ended] == [job_id]
    assert readings(box.url) == [] and box.files() == {"checked": [f"{job_id}_june.csv"]}


def test_a_named_file_that_another_run_took_first(box: Box):
    box.load("june.csv", wide(days(1)))
    with pytest.raises(Misconfigured, match=r"no file 'june.csv' in the inbox.*job 1 took the last one \(completed\)"):
        box.create("june.csv")


def test_a_file_that_was_changed_after_it_was_accepted_is_not_loaded(box: Box):
    box.put("june.csv", wide(days(1)))
    box.create("june.csv")
    (box.folder / "accepted" / "1_june.csv").write_text(wide(days(2)))
    (job,) = box.run().ended
    assert job.status == "failed" and job.last_error and "its SHA-256 differs" in job.last_error


def test_a_file_that_is_gone_is_waited_for(box: Box):
    box.put("june.csv", wide(days(1)))
    box.create("june.csv")
    (box.folder / "accepted" / "1_june.csv").unlink()
    (job,) = box.run().ended
    assert job.status == "queued" and job.last_error and "put it back as 1_june.csv" in job.last_error


def test_a_local_file_is_copied(box: Box, tmp_path: Path):
    path = tmp_path / "june.csv"
    path.write_text(wide(days(1)))
    importer = box.importer()
    with connect(box.url) as connection:
        assert importer.inbox.add(connection, path, Order(), Worker()) == 1
        with pytest.raises(Misconfigured, match=r"june\.csv is job 1 already"):
            importer.inbox.add(connection, path, Order(), Worker())
    assert [job.status for job in box.run().ended] == ["completed"]
    assert path.exists()


# --- what a killed process left ---


def test_a_file_that_was_moved_but_never_became_a_job_is_taken_again(box: Box):
    box.put("accepted/77_june.csv", wide(days(1)))
    box.run()
    assert box.files() == {".": ["june.csv"]}
    assert [job.status for job in box.run().ended] == ["completed"]


def test_a_job_that_ended_but_kept_its_file_is_put_away(box: Box):
    job = box.load("june.csv", wide(days(1)))
    (box.folder / "processed" / "1_june.csv").rename(box.folder / "accepted" / "1_june.csv")
    (box.folder / "processed" / "1_june.csv.report.txt").unlink()
    box.run()
    assert box.files() == {"processed": ["1_june.csv"]}
    assert "144 inserted" in box.report(job)
    assert one(box.url, "SELECT file_uri FROM ledger.import_job") == str(box.folder / "processed" / "1_june.csv")


def test_a_store_from_afar_serves_as_well(warehouse_url: str):
    """What holds for s3 and gs: no links, no times of writing, files that are copied here to be read."""
    store, summary = fsspec.filesystem("memory"), Summary()
    store.pipe("/far/inbox/june.csv", wide(days(1)).encode())
    store.pipe("/far/inbox/copy.csv", wide(days(1)).encode())
    store.pipe("/far/inbox/daily/bad.csv", gzip.compress(b"x", mtime=0))
    importer = Importer(lambda: connect(warehouse_url), Inbox(store, "/far/inbox"))
    importer.take_all(summary)
    importer.work(summary)
    assert sorted((job.import_type, job.status) for job in summary.ended) == [("daily", "failed"), ("hh", "completed")]
    names = sorted(path.removeprefix("/far/inbox/") for path in store.find("/far/inbox"))
    places = {name.partition("/")[0]: name for name in names if not name.endswith(".report.txt")}
    assert set(places) == {"processed", "failed", "duplicates"} and len(names) == 5
    assert len(readings(warehouse_url)) == 144
    store.rm("/far", recursive=True)
