"""The pages in a real browser, on the real stack: what a person finds, does and may not do; the API behind them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from energy_ingest.catalog import MARKET_INDEX
from energy_ingest.web.gate import PAGES
from include.twin.client import Twin
from tests.e2e.driver import DEADLINE, Airflow, Warehouse, dates, held
from tools.browser import Unavailable, chromium, log_in
from tools.stack import BIN, EDITOR, VIEWER, Stack

NAME = MARKET_INDEX.name
GAP = date(2024, 5, 10)
BACKFILLED = dates(date(2024, 5, 13), date(2024, 5, 15))

HEADER = ",".join(["MPAN", "Date", *(f"HH{n:02}" for n in range(1, 49))])
READINGS = [f"1000000000012,{day:02}/06/2024" + ",1" * 48 for day in (3, 4)]
FILES = {
    "june.csv": [HEADER, *READINGS, "1000000000012,05/06/2024,x" + ",1" * 47],
    "letter.csv": ["Dear Sir or Madam,", "please find our readings attached.", "Yours"],
}
"""One that is loaded but for a value, one that is given up at once."""

ACTIONS = re.compile("load .*again|retry|cancel|roll back|acknowledge", re.IGNORECASE)

Visit = Callable[..., Page]

pytestmark = pytest.mark.usefixtures("caught_up")  # the DAGs are switched on


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium. Where none can be had, these tests are left out and say so; in CI they fail."""
    with ExitStack() as closing:
        try:
            found = closing.enter_context(chromium())
        except Unavailable as error:
            if os.environ.get("CI", "").lower() in ("true", "1"):
                raise
            pytest.skip(f"NOT TESTED IN A BROWSER: {error}")
        yield found


@pytest.fixture
def visit(browser: Browser, stack: Stack) -> Iterator[Visit]:
    """Opens a page as a user. Afterwards: no other host was asked for anything, the browser complained of nothing."""
    elsewhere: list[str] = []
    complaints: list[str] = []

    def complain(message: Any) -> None:
        if message.type == "error" and "status of 304" not in message.text:
            complaints.append(message.text)

    with ExitStack() as closing:

        def opened(path: str, user: str = EDITOR, dark: bool = False) -> Page:
            context = closing.enter_context(log_in(browser, stack, user, dark))
            context.set_default_timeout(1000 * DEADLINE)
            context.on("request", lambda request: elsewhere.append(request.url))
            context.on("console", complain)
            context.on("weberror", lambda error: complaints.append(str(error.error)))
            page = context.new_page()
            page.goto(f"{stack.url}{path}" if path.startswith("/") else f"{stack.url}/energy/pages/{path}")
            return page

        expect.set_options(timeout=1000 * DEADLINE)
        yield opened
    assert [url for url in elsewhere if not url.startswith((stack.url, "data:", "blob:"))] == []
    assert complaints == []


@pytest.fixture(scope="module")
def gap(airflow: Airflow, stack: Stack) -> dict[str, Any]:
    """A date of which the source left out two half hours, on purpose; the run that found out."""
    twin = Twin(stack.twin_url)
    twin.add_fault("short_day=43-44", dataset="MID", date=f"{GAP}")
    run_id = airflow.trigger(NAME, window_from=f"{GAP}", window_to=f"{GAP}")
    assert airflow.finish(NAME, run_id) == "success"
    twin.clear_faults()
    return {"run_id": run_id}


@pytest.fixture(scope="module")
def files(stack: Stack) -> None:
    """Meter files that arrived an hour ago are worked off."""
    inbox = Path(stack.env()["AIRFLOW_HOME"]) / "inbox"
    inbox.mkdir(exist_ok=True)
    for name, lines in FILES.items():
        (inbox / name).write_text("\n".join([*lines, ""]))
        os.utime(inbox / name, ((inbox / name).stat().st_mtime - 3600,) * 2)
    command = [str(BIN / "energy-ingest"), "jobs", "run"]
    done = subprocess.run(command, env=stack.environment(), capture_output=True, text=True, timeout=DEADLINE)
    assert "june.csv" in done.stdout + done.stderr


def test_a_gap_is_found_loaded_again_and_turns(gap: dict[str, Any], records: Warehouse, visit: Visit) -> None:
    page = visit(f"coverage.html?dataset={NAME}&year={GAP.year}")
    cell = page.locator(f'td[data-date="{GAP}"]')
    expect(cell).to_have_attribute("aria-label", "Fri, 10 May 2024: partial")
    listed = page.get_by_role("table", name=f"Gaps in {GAP.year}").get_by_role("row")
    expect(listed.filter(has_text="Fri, 10 May 2024")).to_contain_text("92 of 96 items after the deadline")
    cell.click()
    [tried] = records.jobs(NAME, [GAP])
    day = page.get_by_role("dialog")
    for said in ("48 half hours: 2 not whole", "96 expected, 92 there", tried["response_sha256"], "92 new"):
        expect(day).to_contain_text(said)
    expect(day.get_by_title("period 43")).to_have_attribute("title", re.compile("0 of 2 rows"))
    run = day.get_by_role("link", name=gap["run_id"])
    assert unquote(str(run.get_attribute("href"))).endswith(f"/dags/{NAME}/runs/{gap['run_id']}")
    day.get_by_role("button", name="Raw").click()
    expect(day.get_by_role("group", name="Raw answer")).to_contain_text('"dataProvider":"APXMIDP"')

    day.get_by_role("button", name="Load this window again").click()
    page.get_by_role("button", name="Load again", exact=True).last.click()
    expect(page.locator("#toast")).to_contain_text("Started: reload__")
    expect(day).to_contain_text("48 half hours: all whole")
    page.keyboard.press("Escape")
    expect(cell).to_have_attribute("aria-label", "Fri, 10 May 2024: complete")
    expect(listed.filter(has_text="Fri, 10 May 2024")).to_have_count(0)
    assert records.states(NAME, [GAP]) == {GAP: "complete"}


def test_a_running_backfill_shows_how_far_it_is_and_the_time_left(
    airflow: Airflow, records: Warehouse, visit: Visit
) -> None:
    with held(records, MARKET_INDEX, BACKFILLED[1]):
        airflow.backfill(NAME, BACKFILLED[0], BACKFILLED[-1], "none")
        page = visit(f"coverage.html?dataset={NAME}")
        row = page.get_by_role("table", name="Work under way").get_by_role("row").filter(has_text=NAME)
        expect(row).to_contain_text(
            re.compile(r"2024-05-13 to 2024-05-1\d: 2 of 3 runs, about \d+(\.\d)? (s|min) left")
        )
        expect(row.get_by_role("progressbar").last).to_have_attribute("value", "2")
        expect(page.get_by_role("list", name="Newest data of each dataset")).to_contain_text("1 window running")
    assert set(airflow.finish_all(NAME, "backfill", BACKFILLED).values()) == {"success"}


@pytest.mark.usefixtures("files")
def test_jobs_are_filtered_and_one_tells_its_story(visit: Visit) -> None:
    page = visit("jobs.html")
    rows = page.get_by_role("table", name="Jobs, newest first").locator("tbody tr")
    page.get_by_label("Type").select_option("hh")
    expect(rows).to_have_count(2)
    page.get_by_label("Status").select_option("failed")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("letter.csv")
    page.get_by_label("Priority").select_option("high")
    expect(page.get_by_text("No job matches these filters.")).to_be_visible()
    page.get_by_label("Priority").select_option("")
    page.get_by_label("Status").select_option("")
    page.get_by_role("searchbox").fill("june")
    expect(page).to_have_url(re.compile("q=june"))  # there was one row before, too
    expect(rows).to_contain_text(["june.csv"])
    rows.get_by_role("button", name="june.csv").click()
    job = page.get_by_role("dialog")
    expect(job.get_by_role("list", name="Rows")).to_contain_text("143new")
    for step in ("queued", "started", "completed"):
        expect(job.locator("ol.timeline")).to_contain_text(step)
    expect(job.get_by_role("table", name="Errors by row")).to_contain_text("HH01")
    with page.expect_download() as download:
        job.get_by_role("link", name="Report").click()
    assert "june.csv" in Path(download.value.path()).read_text()


@pytest.mark.usefixtures("files")
def test_a_job_is_retried_cancelled_and_rolled_back_after_a_question(records: Warehouse, visit: Visit) -> None:
    def act(name: str) -> None:
        page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()
        question = page.get_by_role("dialog", name=f"{name}?")
        question.get_by_role("button", name=name, exact=True).click()
        expect(question).to_have_count(0)

    states = (
        "SELECT file_name, status, rolled_back_at IS NOT NULL AS undone FROM ledger.import_job WHERE import_type = 'hh'"
    )
    page = visit("jobs.html?type=hh&q=letter")
    page.get_by_role("button", name="letter.csv").click()
    job = page.get_by_role("dialog")
    job.get_by_role("button", name="Retry", exact=True).click()
    page.get_by_role("dialog", name="Retry?").get_by_role("button", name="Cancel", exact=True).click()
    assert {row["status"] for row in records.rows(states)} == {"completed", "failed"}, "a question is no deed"
    act("Retry")
    expect(job).to_contain_text("queued")
    act("Cancel the job")
    expect(job.locator(".badge").first).to_have_text("cancelled")

    page = visit("jobs.html?type=hh&q=june")
    page.get_by_role("button", name="june.csv").click()
    act("Roll back")
    expect(page.locator("#toast")).to_contain_text("143 rows removed")
    expect(page.get_by_role("dialog")).to_contain_text("rolled back")
    after = {row["file_name"]: (row["status"], row["undone"]) for row in records.rows(states)}
    assert after == {"letter.csv": ("cancelled", False), "june.csv": ("completed", True)}
    assert records.rows("SELECT count(*) AS n FROM energy.meter_reading") == [{"n": 0}]


@pytest.mark.usefixtures("files")
def test_who_may_only_look_has_no_button_and_is_refused(stack: Stack, records: Warehouse, visit: Visit) -> None:
    for path in (*(f"{page}.html" for page in PAGES), f"coverage.html?dataset={NAME}&day={GAP}"):
        page = visit(path, VIEWER)
        page.wait_for_load_state("networkidle")
        assert page.get_by_role("button", name=ACTIONS).all() == [], path
    page.goto(f"{stack.url}/energy/pages/jobs.html?type=hh")
    page.get_by_role("button", name="june.csv").click()
    expect(page.get_by_role("dialog")).to_contain_text("Timeline")
    assert page.get_by_role("button", name=ACTIONS).all() == []

    last = records.last_job()
    [job] = records.rows("SELECT batch_id::text FROM ledger.import_job WHERE file_name = 'letter.csv'")
    deeds: dict[str, object] = {
        f"/energy/jobs/{job['batch_id']}/{deed}": {} for deed in ("retry", "cancel", "rollback")
    }
    deeds["/energy/windows/reload"] = {"dataset": NAME, "first": f"{GAP}", "last": f"{GAP}"}
    for path, body in deeds.items():
        assert asked(stack, path, stack.token(VIEWER), body) == 403
    assert records.last_job() == last


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.usefixtures("files")
def test_nothing_serious_stands_in_the_way_of_anybody(dark: bool, visit: Visit) -> None:
    """As axe-core sees it, on each page and with a dialog open. In the dark, only colours are different."""
    found, options = {}, {"resultTypes": ["violations"], **({"runOnly": ["color-contrast"]} if dark else {})}
    for name in (*PAGES, "the day", "the job"):
        dialogs = {"the day": f"coverage.html?dataset={NAME}&day={GAP}", "the job": "jobs.html?q=june"}
        page = visit(dialogs.get(name, f"{name}.html"), dark=dark)
        if name == "the job":
            page.get_by_role("button", name="june.csv").click()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.classList.contains('dark')") is dark
        faults = Axe().run(page, options=options).response["violations"]
        found[name] = [(fault["id"], fault["nodes"][0]["html"]) for fault in faults if fault["impact"] in BAD]
    assert found == {name: [] for name in found}


BAD = ("serious", "critical")


def test_everything_can_be_done_from_the_keyboard(visit: Visit) -> None:
    page = visit(f"coverage.html?dataset={NAME}&year={GAP.year}")
    expect(page.locator("td[data-date]").first).to_be_visible()
    focused = lambda: page.evaluate("document.activeElement.dataset.date ?? ''")  # noqa: E731
    for _ in range(40):
        page.keyboard.press("Tab")
        if focused():
            break
    start = date.fromisoformat(focused())
    page.keyboard.press("ArrowUp")
    assert focused() == f"{start - timedelta(days=1)}"
    page.keyboard.press("ArrowLeft")
    assert focused() == f"{start - timedelta(days=8)}"
    page.keyboard.press("Home")
    assert focused() == f"{GAP.year}-01-01"
    for _ in range((GAP - date(GAP.year, 1, 1)).days):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    day = page.get_by_role("dialog")
    expect(day).to_contain_text("Attempts, newest first")
    page.keyboard.press("Escape")
    expect(day).to_have_count(0)
    assert focused() == f"{GAP}"


def test_airflow_shows_the_pages_as_its_own(stack: Stack, visit: Visit) -> None:
    """A place in the navigation, and a tab of our DAGs that shows the DAG's own dataset, in the colours of Airflow."""
    page = visit(f"/dags/{NAME}")
    page.get_by_role("link", name="Coverage", exact=True).click()
    tab = page.frame_locator("iframe")
    expect(tab.get_by_role("article", name=MARKET_INDEX.title)).to_have_count(1)
    expect(tab.get_by_role("article")).to_have_count(1)
    page.get_by_role("link", name="Energy", exact=True).click()
    page.wait_for_url("**/plugin/energy-coverage")
    whole = page.frame_locator("iframe")
    expect(whole.get_by_role("article", name=MARKET_INDEX.title)).to_be_visible()
    whole.get_by_role("link", name=PAGES["jobs"]).click()
    expect(whole.get_by_role("table", name="Jobs, newest first")).to_be_visible()


def test_the_api_knows_who_asks_and_describes_itself(stack: Stack, records: Warehouse) -> None:
    viewer, editor = stack.token(VIEWER), stack.token(EDITOR)
    described = json.loads(answer(stack, "/energy/openapi.json", viewer).read())
    [job, *_] = records.jobs(NAME, [date(2024, 10, 27)])
    known = {"batch_id": job["batch_id"], "name": NAME, "day": "2024-10-27", "issue_id": 1}
    queries = {"/datasets/{name}/rows": "?from=2024-10-27&to=2024-10-27", "/restatements": "?dataset=elexon_b1610"}
    for path, methods in described["paths"].items():
        asked_for = f"/energy{path.format_map(known)}{queries.get(path, '')}"
        body = {} if "post" in methods else None
        for token in ("", "e30.e30.e30", viewer[:-4] + "AAAA"):
            assert asked(stack, asked_for, token, body) in (401, 403), path
        if "get" in methods:
            assert asked(stack, asked_for, viewer) == 200, path
            assert asked(stack, asked_for, editor) == 200, path
    assert asked(stack, f"/energy/jobs/{job['batch_id']}/retry", editor, {}) == 409


def answer(stack: Stack, path: str, token: str, body: object = None) -> Any:
    """What the API server answers; raises urllib.error.HTTPError where it refuses."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(stack.url + path, data, headers)  # noqa: S310 - loopback
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60)


def asked(stack: Stack, path: str, token: str, body: object = None) -> int:
    """Status of an answer."""
    try:
        with answer(stack, path, token, body) as given:
            return int(given.status)
    except urllib.error.HTTPError as error:
        return error.code
