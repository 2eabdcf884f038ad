"""Death at every step, of the process and of its connection: the next attempt leaves what an undisturbed one leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from energy_ingest.loading.meter_files.work import Summary
from tests.postgres.meter_files.files import DAY, METERS, Box, Values, audit, days, left_by, wide
from tests.postgres.processes import process_at
from tests.postgres.world import TERMINATE_OTHERS, ask, kill, one

PIECE = 1500
"""Bytes of text in a piece: the file under test has several."""
STEPS = (
    *("claim", "copy", "inside copy", "lock", "meters", "merge", "count revised", "quarantine", "inside quarantine"),
    *("progress", "end", "commit", "committed"),
)
"""Every step of an import, in order; each is met in the first piece that has it, `end` in the last."""


def first() -> str:
    """What is loaded before."""
    return wide(days(2))


def second() -> str:
    """The file under test: revised, new, refused and repeated rows, and a new meter."""
    rows: dict[tuple[str, Any], Values] = days(4, (*METERS, "1000000000056"), add=1)
    for key in list(rows)[::3]:
        rows[key] = ["abc", *rows[key][1:]]
    repeated = [(METERS[0], DAY, rows[METERS[0], DAY])]
    return wide([*((*key, values) for key, values in rows.items()), *repeated])


@pytest.fixture(scope="module")
def undisturbed(new_warehouse: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """What the two imports leave if nobody dies."""
    with new_warehouse() as urls:
        box = Box(tmp_path_factory.mktemp("inbox"), urls["energy_loader"])
        box.load("first.csv", first())
        assert box.load("second.csv", second(), piece_bytes=PIECE).status == "completed"
        return left_by(box.url), box.files()


@pytest.fixture
def loaded_once(box: Box) -> Box:
    box.load("first.csv", first())
    box.put("second.csv", second())
    return box


def work_off(tap: Callable[[str], None], url: str, folder: Path) -> None:
    Box(folder, url).importer(tap, piece_bytes=PIECE).work(Summary())


def take(tap: Callable[[str], None], url: str, folder: Path) -> None:
    Box(folder, url).importer(tap).take_all(Summary())


def again(box: Box, expected: tuple[object, ...]) -> None:
    """What the next run does, in which the job may run."""
    retry = "UPDATE ledger.import_job SET retry_at = NULL WHERE status = 'queued' RETURNING 1"
    ask(box.url, retry)
    box.run(piece_bytes=PIECE)
    assert (left_by(box.url), box.files()) == expected
    audit(box.url)


@pytest.mark.parametrize("step", STEPS)
def test_the_process_is_killed(loaded_once: Box, undisturbed: tuple[object, ...], step: str):
    box = loaded_once
    box.create("second.csv")
    with process_at(step, work_off, box.url, box.folder) as pid:
        kill(box.url, pid)
    audit(box.url)
    again(box, undisturbed)


@pytest.mark.parametrize("step", STEPS)
def test_the_connection_is_terminated(loaded_once: Box, undisturbed: tuple[object, ...], step: str):
    strikes, box = [step], loaded_once

    def tap(now: str) -> None:
        if strikes and now == strikes[0]:
            strikes.clear()
            ask(box.url, TERMINATE_OTHERS)

    box.create("second.csv")
    try:
        box.importer(tap, piece_bytes=PIECE).work(Summary())
    except Exception as error:
        assert type(error).__name__ == "Retryable", "the run ends, and Airflow repeats it"
    assert strikes == []
    audit(box.url)
    again(box, undisturbed)


def test_an_import_goes_on_behind_what_it_has_loaded(loaded_once: Box, undisturbed: tuple[object, ...]):
    """Not from the beginning: the rows that are there keep their time."""
    box, merges = loaded_once, []

    def tap(step: str) -> None:
        merges.extend([step] if step == "merge" else [])
        if len(merges) == 4:
            merges.append("")
            ask(box.url, TERMINATE_OTHERS)

    box.create("second.csv")
    box.importer(tap, piece_bytes=PIECE).work(Summary())
    job, loaded = box.job(2), one(box.url, "SELECT max(recorded_from) FROM energy.meter_reading")
    assert (job.status, job.retry_count) == ("queued", 1)
    assert job.resume_row > 4 and 0 < job.progress < 1
    before = (
        "SELECT mpan, period_start, recorded_from FROM energy.meter_reading WHERE job_id = 2 AND recorded_from <= %s"
    )
    rows = ask(box.url, f"{before} ORDER BY 1, 2", loaded)
    again(box, undisturbed)
    assert ask(box.url, f"{before} ORDER BY 1, 2", loaded) == rows


def test_killed_between_making_the_job_and_moving_the_file(box: Box):
    box.put("june.csv", wide(days(1)))
    with process_at("commit", take, box.url, box.folder) as pid:
        kill(box.url, pid)
    assert box.files() == {"accepted": ["1_june.csv"]}
    box.run()
    (job,) = box.run().ended
    assert (job.status, job.inserted_rows, box.files()) == ("completed", 144, {"processed": ["2_june.csv"]})
