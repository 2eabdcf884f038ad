"""Pictures of the pages for docs/: a stack of its own, a year with what may happen to it, and a real browser.

    python -m tools.screenshots

Writes docs/images/*.png. The stack lives in a temporary folder, and is gone afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, expect

from tools.browser import Unavailable, chromium, log_in
from tools.postgres import free_port
from tools.stack import BIN, PREFERRED_PORTS, ROOT, Stack

sys.path.insert(0, str(ROOT / "include"))
from twin.client import Twin

FOLDER: Final = ROOT / "docs" / "images"
SETTINGS: Final = {
    "ENERGY_START": "2024-04-01",
    "ENERGY_UNTIL": "2024-10-31",
    "ENERGY_NATIONAL_GAS_START": "2024-10-25",
    "ENERGY_CAPACITY_START": "2024-10-25",
}
LOADS: Final = (
    ("elexon_system_prices", "2024-04-01", "2024-10-31"),
    ("elexon_market_index", "2024-04-01", "2024-08-11"),
    ("elexon_market_index", "2024-08-14", "2024-10-31"),  # nobody asked for two days
    ("elexon_b1610", "2024-04-01", "2024-10-31"),
    ("national_gas_quality", "2024-10-25", "2024-10-31"),
)
FAULTS: Final = (
    ("short_day=43-44", {"dataset": "MID", "date": "2024-10-16"}),
    ("short_day=12-20", {"dataset": "DISEBSP", "date": "2024-09-05"}),
    ("charset=utf-16", {"dataset": "DISEBSP", "date": "2024-06-20"}),
    ("conflicting_rows=6", {"dataset": "DISEBSP", "date": "2024-10-27"}),
)
RESTATED: Final = ("2024-10-24", "2024-10-27")

BACKFILLED: Final = "elexon_b1610"
HEADER: Final = ",".join(["MPAN", "Date", *(f"HH{n:02}" for n in range(1, 49))])
MPAN: Final = "1000000000012"


@dataclass(frozen=True)
class Picture:
    """A picture: the page's address, and what is pressed before it is taken, by its name."""

    name: str
    address: str
    press: Sequence[str] = ()
    dark: bool = False
    height: int = 900


PICTURES: Final = (
    Picture("coverage", "/energy/pages/coverage.html?year=2024", height=1000),
    Picture("coverage-dark", "/energy/pages/coverage.html?year=2024", dark=True, height=1000),
    Picture("coverage-day", "/energy/pages/coverage.html?dataset=elexon_market_index&year=2024&day=2024-10-16"),
    Picture("jobs", "/energy/pages/jobs.html?type=hh", height=500),
    Picture("job", "/energy/pages/jobs.html?type=hh", ["june-second-half.csv"]),
    Picture("quality", "/energy/pages/quality.html"),
    Picture("restatements", "/energy/pages/restatements.html"),
    Picture("health", "/energy/pages/health.html", height=1100),
    Picture("dag-tab", "/dags/elexon_b1610/plugin/energy-dag-coverage", height=800),
)


def main() -> None:
    """Make them all."""
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder:
        stack = Stack(Path(folder) / "stack", settings=SETTINGS)
        stack.ports = {name: free_port() for name in PREFERRED_PORTS}
        try:
            with chromium() as browser:
                stack.start()
                _fill(stack)
                FOLDER.mkdir(exist_ok=True)
                for picture in PICTURES:
                    _take(browser, stack, picture)
        except Unavailable as error:
            sys.exit(str(error))
        finally:
            stack.clean()


# --- what there is to see ---


def _fill(stack: Stack) -> None:
    """Loads with faults, later versions, meter files, checks, and a look at it all by the monitor."""
    twin = Twin(stack.twin_url)
    for fault, where in FAULTS:
        twin.add_fault(fault, **where)
    for dataset, first, last in LOADS:
        _cli(stack, "load", "--dataset", dataset, "--from", first, "--to", last)
    twin.clear_faults()
    for share in (20, 5):
        twin.add_fault(f"restated={share}", dataset="B1610")
        twin.add_fault(f"restated={share}", dataset="DISEBSP")
        for dataset in ("elexon_b1610", "elexon_system_prices"):
            _cli(stack, "load", "--dataset", dataset, "--from", RESTATED[0], "--to", RESTATED[1])
        twin.clear_faults()
    _meter_files(stack)
    _cli(stack, "quality", "run", "--from", "2024-10-01", "--to", "2024-10-31")
    _unpause(stack, "platform_monitor")
    _await_figures(stack)
    backfill = {"dag_id": BACKFILLED, "from_date": "2024-10-01T00:00:00Z", "to_date": "2024-10-14T23:59:59Z"}
    stack.api("POST", "/api/v2/backfills", {**backfill, "max_active_runs": 2})
    _unpause(stack, BACKFILLED)
    while not stack.api("GET", f"/api/v2/dags/{BACKFILLED}/dagRuns?run_type=backfill&state=success")["total_entries"]:
        time.sleep(1)


def _meter_files(stack: Stack) -> None:
    """A good file, one with values that are none, one that is no such file, and one that waits for its turn."""
    days = {name: range(first, first + 14) for name, first in (("june-first-half", 1), ("june-second-half", 15))}
    good, bad = ([f"{MPAN},{day:02}/06/2024" + ",0.25" * 48 for day in span] for span in days.values())
    for place, value in ((2, "n/a"), (5, "-"), (9, "12,5 kWh")):
        bad[place] = bad[place].replace(",0.25", f',"{value}"', 1)
    _arrive(stack, "june-first-half.csv", [HEADER, *good])
    _arrive(stack, "june-second-half.csv", [HEADER, *bad])
    _arrive(stack, "letter.csv", ["Dear Sir or Madam,", "our readings will follow."])
    _cli(stack, "jobs", "run")
    _arrive(stack, "july.csv", [HEADER, *(row.replace("/06/", "/07/") for row in good)])
    _cli(stack, "jobs", "create", "july.csv", "--type", "hh", "--priority", "high", "--notes", "sent again on request")


def _arrive(stack: Stack, name: str, lines: Sequence[str]) -> None:
    inbox = stack.folder / "airflow" / "inbox"
    inbox.mkdir(exist_ok=True)
    (inbox / name).write_text("\n".join([*lines, ""]))
    os.utime(inbox / name, (time.time() - 3600,) * 2)


def _cli(stack: Stack, *arguments: str) -> None:
    """A command; what it complains of is what we want to show."""
    print("energy-ingest", *arguments, flush=True)
    subprocess.run([str(BIN / "energy-ingest"), *arguments], env=stack.environment(), capture_output=True, timeout=300)


def _unpause(stack: Stack, dag_id: str) -> None:
    while dag_id not in {dag["dag_id"] for dag in stack.api("GET", "/api/v2/dags")["dags"]}:
        time.sleep(1)
    stack.api("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})


def _await_figures(stack: Stack) -> None:
    """Until the monitor has looked twice, so that its figures have a history."""
    for _ in range(2):
        run = stack.api("POST", "/api/v2/dags/platform_monitor/dagRuns", {"logical_date": None})["dag_run_id"]
        while stack.api("GET", f"/api/v2/dags/platform_monitor/dagRuns/{run}")["state"] not in ("success", "failed"):
            time.sleep(1)


# --- the pictures ---


def _take(browser: Browser, stack: Stack, picture: Picture) -> None:
    print(picture.name, flush=True)
    with log_in(browser, stack, dark=picture.dark, width=1280) as context:
        page = context.new_page()
        page.set_viewport_size({"width": 1280, "height": picture.height})
        page.goto(stack.url + picture.address)
        for name in picture.press:
            page.get_by_role("button", name=name).first.click()
        _settle(page)
        page.screenshot(path=FOLDER / f"{picture.name}.png", animations="disabled")


def _settle(page: Page) -> None:
    """Until nothing is awaited any more, in the page or in the frame inside it."""
    page.wait_for_load_state("networkidle")
    if "/energy/" not in page.url:
        page.frame_locator("iframe").get_by_role("article").first.wait_for(timeout=60_000)
    for frame in page.frames:
        expect(frame.get_by_text("Loading …")).to_have_count(0, timeout=60_000)
    page.wait_for_timeout(500)


if __name__ == "__main__":
    main()
