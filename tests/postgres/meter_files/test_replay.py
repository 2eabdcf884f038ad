"""Refused rows, loaded again: as they are once the reason is gone, or corrected; and the command line around it all."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from energy_ingest.cli import app
from tests.postgres.meter_files.files import DAY, METERS, Box, audit, days, long, readings, wide
from tests.postgres.world import ask, one

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(box: Box) -> Run:
    """Run a command with this test's warehouse and inbox; its exit code and output."""

    def command(*arguments: str, **env: str) -> tuple[int, str]:
        variables = {"WAREHOUSE_URL": box.url, "ENERGY_INBOX_URL": box.folder.as_uri(), **env}
        result = CliRunner().invoke(app, list(arguments), env=variables)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    return command


def bad_file() -> str:
    """One bad cell, one bad date."""
    rows = [(METERS[0], DAY, ["1", "abc", *["2"] * 46]), (METERS[1], DAY, ["3"] * 48)]
    return wide(rows).replace(f"{METERS[1]},{DAY:%d/%m/%Y}", f"{METERS[1]},31/06/2024")


def test_a_corrected_cell_is_loaded(box: Box, run: Run):
    box.load("bad.csv", bad_file())
    code, out = run("quarantine", "list")
    assert code == 1 and "HH02" in out
    code, out = run("quarantine", "show", "1", "--json")
    entries = {entry["column_name"]: entry["quarantine_id"] for entry in json.loads(out)}
    code, out = run("quarantine", "replay", "1", "--set", f"{entries['HH02']}:HH02=1.5")
    assert (code, "1 inserted" in out) == (0, True)
    assert readings(box.url, "quantity_kwh")[1] == (Decimal("1.5"),)
    assert ask(box.url, "SELECT resolution FROM ledger.quarantine ORDER BY column_name") == [
        (None,),
        ("replayed by job 2",),
    ]
    code, out = run("quarantine", "replay", "1", "--set", f"{entries['Date']}:Date=30/06/2024")
    assert code == 0 and "48 inserted" in out
    assert run("quarantine", "list")[0] == 0
    assert len(readings(box.url)) == 96
    audit(box.url)


def test_what_is_wrong_in_its_correction_may_be_corrected_again(box: Box, run: Run):
    box.load("bad.csv", bad_file().replace("31/06/2024", "03/06/2024"))
    for job, value, code in ((1, "x", 2), (2, "y", 2), (3, "1.5", 0)):
        (number,) = ask(box.url, "SELECT quarantine_id FROM ledger.quarantine WHERE resolved_at IS NULL")[0]
        assert run("quarantine", "replay", f"{job}", "--set", f"{number}:HH02={value}")[0] == code
    assert readings(box.url, "quantity_kwh")[1] == (Decimal("1.5"),)
    assert run("quarantine", "list")[0] == 0
    audit(box.url)


def test_what_was_blank_or_broke_off_is_completed(box: Box, run: Run):
    half = f"{METERS[1]},{DAY:%d/%m/%Y},1,2"
    box.load("bad.csv", wide([("", DAY, ["1"] * 48)]) + half)
    sites = box.put("sites/sites.csv", "name,address\n,1 High Street\nB,2 High Street\n")
    box.run()
    assert not sites.exists()
    by_column = dict(ask(box.url, "SELECT column_name, quarantine_id FROM ledger.quarantine"))
    rest = [f"HH{n:02}={n}" for n in range(3, 47)]
    for job, entry, fixes in (
        ("1", by_column["MPAN"], [f"MPAN={METERS[0]}"]),
        ("1", by_column["(row)"], ["(row)=", *rest]),
        ("2", by_column["name"], ["name=A"]),
    ):
        arguments = [part for fix in fixes for part in ("--set", f"{entry}:{fix}")]
        code, out = run("quarantine", "replay", job, *arguments)
        assert code == 0, out
    assert ask(box.url, "SELECT mpan, count(*) FROM energy.meter_reading GROUP BY 1 ORDER BY 1") == [
        (METERS[0], 48),
        (METERS[1], 46),
    ]
    assert ask(box.url, "SELECT name, address FROM energy.site ORDER BY 1") == [
        ("A", "1 High Street"),
        ("B", "2 High Street"),
    ]
    assert run("quarantine", "list")[0] == 0
    audit(box.url)


def test_what_is_still_wrong_is_refused_again_under_its_own_row_number(box: Box, run: Run):
    box.load("bad.csv", bad_file())
    code, _ = run("quarantine", "replay", "1")
    assert code == 2
    open_entries = ask(box.url, "SELECT job_id, row_number FROM ledger.quarantine WHERE resolved_at IS NULL ORDER BY 2")
    assert open_entries == [(2, 2), (2, 3)]
    audit(box.url)


def test_readings_of_meters_that_are_known_by_now_are_loaded(box: Box, run: Run):
    quarantine = {"ENERGY_METER_UNKNOWN": "quarantine"}
    box.put("june.csv", wide(days(1)))
    code, out = run("jobs", "create", "june.csv", "--wait", **quarantine)
    assert code == 2 and "all 144 items were refused" in out
    code, out = run("quarantine", "replay", "1", "--create-meters", **quarantine)
    assert code == 0 and "144 inserted" in out
    box.load("same.csv", wide(days(1)) + "\n")
    assert one(box.url, "SELECT sum(unchanged_rows) FROM ledger.import_job") == 144
    audit(box.url)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("1", "--set", "HH02=1"), "use ENTRY:COLUMN=VALUE"),
        (("1", "--set", "99:HH02=1"), "entry 99 is no open one of job 1"),
        (("1", "--set", "1:Colour=1"), "has no column 'Colour'"),
        (("2",), "there is no job 2"),
    ],
)
def test_a_correction_that_cannot_be_done_is_refused(box: Box, run: Run, arguments: tuple[str, ...], said: str):
    box.load("bad.csv", bad_file())
    code, out = run("quarantine", "replay", *arguments)
    assert code == 3 and said in " ".join(out.split())


def test_the_life_of_a_job_on_the_command_line(box: Box, run: Run, tmp_path: Path):
    path = tmp_path / "june.csv"
    path.write_text(wide(days(1)))
    options = ("--priority", "high", "--tags", "supplier-x", "--notes", "from the portal", "--max-retries", "1")
    code, out = run("jobs", "create", str(path), *options, "--metadata", "source=portal", "--json")
    job = json.loads(out)
    assert (code, job["status"], job["priority"], job["tags"]) == (0, "queued", "high", ["supplier-x"])
    assert (job["notes"], job["max_retries"], job["progress_percent"]) == ("from the portal", 1, 0)
    assert job["metadata"] == {"source": "portal"}
    assert run("jobs", "run") == (0, run_output(box))
    code, out = run("jobs", "show", job["batch_id"], "--json")
    assert json.loads(out)["progress_percent"] == 100
    assert "completed" in run("jobs", "list")[1]
    assert run("jobs", "list", "--status", "failed", "--json") == (0, "[]\n")
    code, out = run("jobs", "cancel", "1")
    assert code == 3 and "job 1 is completed already" in out
    code, out = run("jobs", "rollback", "1")
    assert code == 0 and out.startswith("rows: 144 removed, 0 restored to what they were, 0 kept")
    assert "rolled back" in run("jobs", "list")[1]


def run_output(box: Box) -> str:
    """What `jobs run` says of the only job."""
    return (
        "job 1 (june.csv, hh): completed: 144 inserted\n"
        "0 files, 1 completed, 0 failed, 144 inserted, 0 revised, 0 unchanged, 0 quarantined, 0 duplicate\n"
    )


def test_a_dry_run_and_then_the_real_one(box: Box, run: Run):
    box.put("june.csv", bad_file())
    code, out = run("jobs", "create", "june.csv", "--dry-run", "--wait")
    assert code == 1 and "dry run: nothing was written" in out and readings(box.url) == []
    code, out = run("jobs", "create", "checked/1_june.csv", "--wait")
    assert code == 1 and "47 inserted, 2 quarantined" in out


def test_retry_with_the_feed_that_the_message_asks_for(box: Box, run: Run):
    box.put("ends.csv", "MPAN,ReadDateTime,ReadValue\n" + "".join(f"{m},2024-06-03 00:00,1\n" for m in METERS))
    code, out = run("jobs", "create", "ends.csv", "--wait")
    assert code == 2 and "start-labelled" in out
    code, out = run("jobs", "retry", "1", "--feed", "start-labelled", "--wait")
    assert (code, len(readings(box.url))) == (0, 3)


def test_mpans_are_masked_until_they_are_asked_for(box: Box, run: Run):
    box.load("hh/start-labelled/bad.csv", long((METERS[0], "x", 1, "A")))
    box.load(f"{METERS[0]}.csv", wide(days(1)))
    shown = (("jobs", "show", "1"), ("jobs", "show", "2"), ("jobs", "list"), ("quarantine", "show", "1"))
    for arguments in (*shown, ("quarantine", "list")):
        assert METERS[0] not in run(*arguments)[1]
        assert METERS[0] not in run(*arguments, "--json")[1]
    assert METERS[0] in run("quarantine", "show", "1", "--reveal")[1]


def test_options_that_cannot_be_are_refused(box: Box, run: Run):
    for arguments, said in (
        (("create", "none.csv"), "there is no file 'none.csv' in the inbox"),
        (("create", "june.csv", "--type", "weekly"), "'weekly' is no import type"),
        (("create", "june.csv", "--metadata", "replays=1"), "the metadata 'replays' is ours"),
        (("create", "june.csv", "--metadata", "portal"), "'portal' is no NAME=VALUE"),
        (("show", "7"), "there is no job 7"),
        (("create", "./none.csv"), "there is no file none.csv"),
    ):
        code, out = run("jobs", *arguments)
        assert code == 3 and said in " ".join(out.split()), arguments


def test_as_json_is_json(box: Box, run: Run):
    box.load("bad.csv", bad_file())
    found: list[Any] = [json.loads(run(*a, "--json")[1]) for a in (("jobs", "list"), ("quarantine", "list"))]
    assert [found[0][0]["job_id"], found[1][0]["job"]] == [1, 1]
