"""The archive: what came is kept byte for byte, once, and is enough to fill an empty warehouse."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from energy_ingest.catalog import B1610, MARKET_INDEX, SYSTEM_PRICES, Dataset
from energy_ingest.errors import Rejected
from energy_ingest.loading import archive
from energy_ingest.loading.archive import Kept, Meta
from energy_ingest.loading.ledger import Run
from energy_ingest.sources import Answer, Scope
from tests.postgres.processes import process_at
from tests.postgres.world import (
    DAY,
    UNITS,
    Feed,
    answer,
    ask,
    audit,
    content,
    days,
    kill,
    load,
    loader,
    one,
    states,
)


def kept(root: Any, dataset: Dataset = SYSTEM_PRICES) -> list[tuple[Any, Meta]]:
    return list(archive.kept_answers(root, dataset.name))


def replay(url: str, root: Any, feed: Feed) -> None:
    """Load everything in the archive, and nothing else: the source must not be asked."""
    answers = loader(url, feed, root, run=Run("replay"), fetch=None)
    for path, meta in kept(root, feed.dataset):
        windows = list(
            feed.dataset.windows(datetime.fromisoformat(meta.first).date(), datetime.fromisoformat(meta.last).date())
        )
        chunks = archive.read(path, meta)
        retrieved_at = datetime.fromisoformat(meta.retrieved_at)
        assert not answers.load_answer(windows, chunks, Kept(str(path), meta), retrieved_at).failed


# --- Writing ---


def test_bytes_come_back_as_they_were(warehouse_url: str, tmp_path: Path):
    feed = Feed(chunk=999)
    feed.tamper = lambda body: b"\xef\xbb\xbf\n" + body.replace(b", ", b",\r\n ") + b"\n\n"
    load(warehouse_url, feed, tmp_path, days(DAY))
    ((path, meta),) = kept(tmp_path)
    body = feed.body([DAY])
    assert b"".join(archive.read(path, meta, chunk=100)) == body
    assert gzip.decompress(path.read_bytes()) == body
    job = ask(
        warehouse_url, "SELECT archive_path, response_sha256, response_bytes, retrieved_at FROM ledger.import_job"
    )
    assert job == [(str(path), meta.sha256, len(body), datetime.fromisoformat(meta.retrieved_at))]
    assert (meta.dataset, meta.scope, meta.members, meta.first, meta.last) == (
        "elexon_system_prices",
        "all",
        (),
        f"{DAY}",
        f"{DAY}",
    )
    assert meta.request == f"GET /bmrs/api/v1/balancing/settlement/system-prices/{DAY}"


def test_the_same_bytes_are_stored_once(warehouse_url: str, tmp_path: Path):
    feed = Feed()
    for _ in range(3):
        load(warehouse_url, feed, tmp_path, days(DAY, 2))
    assert len(list(tmp_path.rglob("*.gz"))) == 2
    answers = kept(tmp_path)
    assert len(answers) == 6, "every retrieval is remembered"
    assert len({meta.retrieved_at for _, meta in answers}) == 6
    assert [meta.retrieved_at for _, meta in answers] == sorted(meta.retrieved_at for _, meta in answers)
    assert one(warehouse_url, "SELECT count(DISTINCT archive_path) FROM ledger.import_job") == 2


def test_scopes_and_datasets_have_folders_of_their_own(warehouse_url: str, tmp_path: Path):
    load(warehouse_url, Feed(B1610, UNITS), tmp_path, days(DAY))
    load(warehouse_url, Feed(B1610), tmp_path, days(DAY))
    load(warehouse_url, Feed(MARKET_INDEX), tmp_path, days(DAY, 2))
    folders = {str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("*.gz")}
    assert folders == {
        "elexon_b1610/all/2024/03",
        "elexon_b1610/units_T_A-1_T_B-1/2024/03",
        "elexon_market_index/all/2024/03",
    }
    assert {meta.members for _, meta in kept(tmp_path, B1610)} == {(), ("T_A-1", "T_B-1")}


@pytest.mark.parametrize(
    "name", ["../../etc", "/etc/passwd", "a" * 300, "ä/ö", ""], ids=["up", "root", "long", "umlauts", "none"]
)
def test_no_scope_leads_out_of_the_archive(tmp_path: Path, name: str):
    tape = archive.Tape(tmp_path)
    list(tape.play(Answer([b"[]"])))
    path = Path(tape.keep("some_dataset", Scope(name), days(DAY), "GET /", datetime(2024, 4, 1, tzinfo=UTC)).path)
    assert path.resolve().is_relative_to(tmp_path / "some_dataset")
    assert path.exists()


def keep_slowly(tap: Callable[[str], None], url: str, root: Path, at: str) -> None:
    """Be held up where an answer, or its description, is written."""
    copy = archive.shutil.copyfileobj
    turns = iter(["answer", "description"])

    def slow_copy(source: Any, target: Any) -> None:
        target.write(source.read(50))
        target.flush()
        tap(next(turns))
        copy(source, target)

    archive.shutil.copyfileobj = slow_copy  # in a process of its own
    load(url, Feed(), root, days(DAY))


@pytest.mark.parametrize("at", ["answer", "description"])
def test_killed_while_writing(warehouse_url: str, tmp_path: Path, at: str):
    """Nothing under a final name is half there, and the next attempt puts it right."""
    with process_at(at, keep_slowly, warehouse_url, tmp_path, at) as pid:
        kill(warehouse_url, pid)
    assert kept(tmp_path) == []
    half = [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert [gzip.decompress(path.read_bytes()) for path in half] == ([] if at == "answer" else [Feed().body([DAY])])
    load(warehouse_url, Feed(), tmp_path, days(DAY))
    ((path, meta),) = kept(tmp_path)
    assert b"".join(archive.read(path, meta)) == Feed().body([DAY])
    audit(warehouse_url, expected=days(DAY))


# --- Damage ---


def flip(data: bytes) -> bytes:
    return gzip.compress(gzip.decompress(data).replace(b"80.25", b"90.25"))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (flip, "SHA-256"),
        (lambda data: data[:-20], "damaged"),
        (lambda data: data[: len(data) // 2], "damaged"),
        (lambda data: b"", "damaged"),
        (lambda data: b"not gzip at all", "damaged"),
        (lambda data: data[:100] + bytes([data[100] ^ 255]) + data[101:], "damaged"),
        (lambda data: gzip.compress(gzip.decompress(data)[:-1000]), "SHA-256"),
    ],
    ids=["other values", "end cut off", "half", "empty", "not gzip", "a bit", "shorter"],
)
def test_a_damaged_answer_is_refused(warehouse_url: str, tmp_path: Path, damage: Callable[[bytes], bytes], says: str):
    load(warehouse_url, Feed(), tmp_path, days(DAY))
    ((path, meta),) = kept(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Rejected, match=f"{says}.*restore it"):
        list(archive.read(path, meta))
    before = content(warehouse_url, SYSTEM_PRICES, with_times=True)
    answers = loader(warehouse_url, Feed(), tmp_path)
    when = datetime.now(UTC) + timedelta(days=1)
    summary = answers.load_answer(days(DAY), archive.read(path, meta), Kept(str(path), meta), when)
    assert len(summary.failed) == 1
    assert content(warehouse_url, SYSTEM_PRICES, with_times=True) == before
    assert states(warehouse_url) == {DAY: "complete"}
    audit(warehouse_url, expected=days(DAY))


# --- Replay ---


def history(url: str, dataset: Dataset) -> list[tuple[Any, ...]]:
    """Every version of every row with its times, without job numbers."""
    columns = ", ".join([*dataset.contract.loaded, "version_id", "is_current", "valid_from", "valid_to"])
    return ask(url, f"SELECT {columns} FROM energy.{dataset.table}_versions ORDER BY {columns}")  # noqa: S608


@pytest.mark.parametrize(
    ("feed", "field"),
    [(Feed(), "systemSellPrice"), (Feed(MARKET_INDEX), "volume"), (Feed(B1610, UNITS), "quantity")],
    ids=["prices", "index", "b1610"],
)
def test_an_empty_warehouse_is_filled_from_the_archive_alone(
    new_warehouse: Any, warehouse_url: str, tmp_path: Path, feed: Feed, field: str
):
    """Rows, former versions and their times come back; so do quarantine and what each window is."""
    dataset = feed.dataset
    windows = days(DAY, 3)
    load(warehouse_url, feed, tmp_path, windows)
    feed.restate(DAY, field, 12.5, count=3)
    load(warehouse_url, feed, tmp_path, windows[:1])
    feed.restate(DAY, field, "n/a")
    feed[windows[1].label] = feed[windows[1].label][:-4]
    load(warehouse_url, feed, tmp_path, windows)
    del feed.days[DAY]
    load(warehouse_url, feed, tmp_path, windows)  # as it was at first
    said = """SELECT label, state, expected, actual, source_version, response_sha256, last_published_at
        FROM ledger.window ORDER BY 1"""
    refused = (
        "SELECT window_start, row_number, value, resolved_at IS NULL FROM ledger.quarantine ORDER BY quarantine_id"
    )
    with new_warehouse() as urls:
        empty = urls["energy_loader"]
        replay(empty, tmp_path, feed)
        assert history(empty, dataset) == history(warehouse_url, dataset)
        assert ask(empty, said) == ask(warehouse_url, said)
        assert ask(empty, refused) == ask(warehouse_url, refused)
        audit(empty, expected=windows)
        again = history(empty, dataset)
        replay(empty, tmp_path, feed)
        assert history(empty, dataset) == again, "a second replay changes nothing"
        audit(empty, expected=windows)


def test_two_empty_answers_are_two_answers(new_warehouse: Any, warehouse_url: str, tmp_path: Path):
    """The same bytes twice: that they came twice is what confirms that the source has nothing."""
    with new_warehouse() as urls:
        feed = Feed()
        feed[DAY] = []
        for hours in (0, 7):
            tape = archive.Tape(tmp_path)
            list(tape.play(Answer([b"[]"])))
            when = datetime(2024, 4, 1, tzinfo=UTC) + timedelta(hours=hours)
            tape.keep(feed.dataset.name, feed.scope, days(DAY), "GET /", when)
            answer(warehouse_url, feed, days(DAY), when)
        replay(urls["energy_loader"], tmp_path, feed)
        assert states(urls["energy_loader"]) == states(warehouse_url) == {DAY: "empty_confirmed"}


# --- Anywhere ---


@pytest.fixture(params=["local", "object store"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Airflow's own paths: a folder, and a store that has objects but no folders and no renaming."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    if request.param == "local":
        return ObjectStoragePath(tmp_path.as_uri())
    from airflow.sdk.io import attach
    from fsspec.implementations.memory import MemoryFileSystem

    bucket = f"bucket-{uuid4().hex}"
    attach("memory", fs=MemoryFileSystem())
    return ObjectStoragePath(f"memory://{bucket}/archive")


def test_any_object_storage_path(warehouse_url: str, new_warehouse: Any, root: Any):
    feed = Feed(MARKET_INDEX)
    load(warehouse_url, feed, root, days(DAY, 7))
    load(warehouse_url, feed, root, days(DAY, 7))
    feed.restate(DAY, "volume", 5.5)
    load(warehouse_url, feed, root, days(DAY, 7))
    answers = kept(root, MARKET_INDEX)
    assert len(answers) == 3
    assert len({str(path) for path, _ in answers}) == 2
    assert json.loads(b"".join(archive.read(*answers[0])))[0]["dataProvider"] == "APXMIDP"
    with new_warehouse() as urls:
        replay(urls["energy_loader"], root, feed)
        assert history(urls["energy_loader"], MARKET_INDEX) == history(warehouse_url, MARKET_INDEX)
        audit(urls["energy_loader"], expected=days(DAY, 7))
