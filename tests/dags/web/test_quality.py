"""What the API says of data quality and restatements, and who may acknowledge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from energy_ingest import windows
from energy_ingest.catalog import B1610, SYSTEM_PRICES
from energy_ingest.loading import quality
from energy_ingest.loading.database import connect
from tests.postgres.test_aggregates import AUTUMN, A, read, redo
from tests.postgres.test_history import month
from tests.postgres.test_history import run as settle
from tests.postgres.world import DAY, UNITS, Feed, answer, ask, days, load

ISSUES = "SELECT rule, acknowledged_by, note FROM ledger.quality_issue WHERE acknowledged_at IS NOT NULL"
SPREAD = """
INSERT INTO ledger.quality_issue (dataset, rule, subject, day, severity, value_count, detail, first_seen, last_seen,
                                  resolved_at)
SELECT dataset, 'missing', 'T-' || n, date '2024-01-01' + n %% 7, CASE WHEN n %% 5 = 0 THEN 'red' ELSE 'amber' END, n,
       '{}', %(now)s - interval '3 days', %(now)s, CASE WHEN n %% 4 = 0 THEN %(now)s - interval '1 day' END
FROM unnest(ARRAY['elexon_b1610', 'national_gas_quality']) AS dataset, generate_series(1, 10) AS n"""


@pytest.fixture
def wrong(warehouse_url: str) -> str:
    """A day of a meter with a negative half hour, and without its last one."""
    read(warehouse_url, AUTUMN, kwh=lambda n: -1.0 if n == 3 else n, count=49)
    redo(warehouse_url)
    with connect(warehouse_url) as connection:
        assert quality.check(connection, quality.DATASETS, None, windows.utc_now()) == {"red": 1, "amber": 1}
    return warehouse_url


def spread(url: str) -> None:
    """Issues of two datasets: ten of each, of which two are red, and two are resolved since yesterday."""
    with connect(url) as connection:
        connection.execute(SPREAD, {"now": datetime.now(UTC)})


def test_issues_say_what_is_wrong_red_ones_first(viewer, wrong):
    got = viewer.get("/quality/issues")
    assert got.status_code == 200, got.text
    answer = got.json()
    red, amber = answer["issues"]
    assert [(red["rule"], red["severity"]), (amber["rule"], amber["severity"])] == [
        ("negative", "red"),
        ("missing", "amber"),
    ]
    assert (red["state"], red["day"], red["value_count"]) == ("open", f"{AUTUMN}", 1)
    assert red["items"] == [{"item": "3", "value": -1, "expected": 0.0}]
    assert red["rule_doc"] == "a meter's register cannot run below zero"
    assert A not in got.text and red["subject"].endswith(f"{A[-2:]}/kWh")
    assert answer["counts"] == [
        {"dataset": "meter_files", "severity": "red", "open": 1, "acknowledged": 0, "values": 1},
        {"dataset": "meter_files", "severity": "amber", "open": 1, "acknowledged": 0, "values": 1},
    ]
    assert viewer.get("/quality/issues", headers={"If-None-Match": got.headers["ETag"]}).status_code == 304


def test_issues_are_filtered_and_paged(viewer, warehouse_url):
    spread(warehouse_url)
    found, cursor = [], ""
    while True:
        answer = viewer.get(f"/quality/issues?limit=3&cursor={cursor}").json()
        found += answer["issues"]
        if not (cursor := answer["next"] or ""):
            break
    places = [(issue["severity"], issue["day"], issue["issue_id"]) for issue in found]
    assert len(places) == 16 and places == sorted(places, reverse=True)

    def count(query: str) -> int:
        return len(viewer.get(f"/quality/issues?{query}").json()["issues"])

    assert count("dataset=elexon_b1610") == count("dataset=national_gas_quality") == 8
    assert count("dataset=meter_files") == 0
    assert (count("severity=red"), count("severity=amber")) == (4, 12)
    assert (count("state=resolved"), count("state=open"), count("state=acknowledged")) == (4, 16, 0)
    assert count("day=2024-01-02&dataset=elexon_b1610") == 1  # number 1; number 8 is resolved


def test_a_trend_is_what_there_was_at_the_end_of_each_day(viewer, warehouse_url):
    spread(warehouse_url)
    trend = viewer.get("/quality/trend?days=5&dataset=elexon_b1610").json()["days"]
    assert [(day["opened"], day["resolved"], day["open"], day["open_red"]) for day in trend] == [
        (0, 0, 0, 0),
        (10, 0, 10, 2),
        (0, 0, 10, 2),
        (0, 2, 8, 2),
        (0, 0, 8, 2),
    ]
    last = viewer.get("/quality/trend?days=1").json()["days"]
    assert [(day["day"], day["opened"], day["open"]) for day in last] == [(f"{windows.utc_now().date()}", 0, 16)]


def test_an_editor_acknowledges_and_a_viewer_does_not(viewer, editor, asking, wrong):
    issue = editor.get("/quality/issues?severity=red").json()["issues"][0]
    path = f"/quality/issues/{issue['issue_id']}/acknowledge"
    assert issue["may_acknowledge"] is True
    assert viewer.get("/quality/issues?severity=red").json()["issues"][0]["may_acknowledge"] is False
    assert viewer.post(path).status_code == 403
    assert asking("ed", cookie=True).post(path).status_code == 403  # as a form of another site would
    assert editor.post(path, {"note": "x" * 501}).status_code == 422
    assert ask(wrong, ISSUES) == []
    after = editor.post(path, {"note": "the meter was exchanged"})
    assert after.status_code == 200, after.text
    assert (after.json()["state"], after.json()["acknowledged_by"]) == ("acknowledged", "ed")
    assert A not in after.text
    assert ask(wrong, ISSUES) == [("negative", "ed", "the meter was exchanged")]
    assert editor.get("/quality/issues?state=open&severity=red").json()["issues"] == []
    assert editor.get("/quality/issues").json()["counts"][0]["acknowledged"] == 1
    for missing in ("0", f"{2**63}", "999999"):
        assert editor.post(f"/quality/issues/{missing}/acknowledge").status_code == 404


def test_what_is_resolved_cannot_be_acknowledged(editor, warehouse_url):
    spread(warehouse_url)
    issue = editor.get("/quality/issues?state=resolved").json()["issues"][0]
    assert issue["may_acknowledge"] is False
    assert editor.post(f"/quality/issues/{issue['issue_id']}/acknowledge").status_code == 409


def test_meter_ids_are_shown_to_who_may_load_meter_files(viewer, editor, wrong):
    assert viewer.get("/quality/issues?reveal=true").status_code == 403
    assert editor.get("/quality/issues?reveal=true").json()["issues"][0]["subject"] == f"{A}/kWh"


def test_how_values_moved_from_run_to_run(viewer, warehouse_url):
    assert viewer.get("/restatements?dataset=elexon_b1610").json()["rows"] == []
    feed = Feed(B1610, UNITS)
    settle(warehouse_url, feed, "II", 10.0, month(0))
    settle(warehouse_url, feed, "SF", 10.0, month(1))  # confirms every value
    feed[DAY] = [{**row, "quantity": row["quantity"] + n * 0.25 if n < 3 else row["quantity"]}
                 for n, row in enumerate(feed[DAY])]  # fmt: skip
    settle(warehouse_url, feed, "R1", 12.5, month(2))
    settle(warehouse_url, feed, "RF", -5.0, month(14))
    answer = viewer.get("/restatements?dataset=elexon_b1610").json()
    assert (answer["settlement_date"], answer["column"], answer["unit"]) == (f"{DAY}", "quantity_mwh", "MWh")
    assert [(move["run"], move["values"], move["net_change"], move["gross_change"]) for move in answer["moves"]] == [
        ("R1", 3, "3.25", "3.25"),
        ("RF", 1, "-17.5", "17.5"),
    ]
    first = answer["rows"][0]
    assert (first["settlement_period"], first["bm_unit"], first["moved"]) == (1, "T_A-1", "17.5")
    assert first["runs"] == {"II": "10.0", "SF": "10.0", "R1": "12.5", "R2": None, "R3": None, "RF": "-5.0", "DF": None}
    moved = [(step["run"], step["value"], step["change"]) for step in first["versions"]]
    assert moved == [("II", "10.0", None), ("R1", "12.5", "2.5"), ("RF", "-5.0", "-17.5")]
    assert first["versions"][-1]["known_to"] is None
    assert [row["moved"] for row in answer["rows"]] == ["17.5", "0.5", "0.25"]
    page = viewer.get("/restatements?dataset=elexon_b1610&limit=2").json()
    rest = viewer.get(f"/restatements?dataset=elexon_b1610&limit=2&cursor={page['next']}").json()
    assert page["rows"] + rest["rows"] == answer["rows"]
    assert rest["next"] is None


def test_how_prices_moved_and_which_dates_did(viewer, warehouse_url):
    feed, later = Feed(SYSTEM_PRICES), DAY + timedelta(days=4)
    for number, price in enumerate((80.25, 100.25)):
        for day in (DAY, later):
            feed.restate(day, "systemSellPrice", price)
            answer_of(warehouse_url, feed, day, number)
    query = "/restatements?dataset=elexon_system_prices"
    got = viewer.get(query).json()
    assert (got["settlement_date"], got["date_before"], got["date_after"]) == (f"{later}", f"{DAY}", None)
    assert got["columns"] == ["system_sell_price_gbp_per_mwh", "net_imbalance_volume_mwh"]
    assert [(row["settlement_period"], row["moved"]) for row in got["rows"]] == [(1, "20.00")]
    assert viewer.get(f"{query}&settlement_date={DAY}").json()["date_after"] == f"{later}"
    assert viewer.get(f"{query}&column=net_imbalance_volume_mwh").json()["rows"] == []


def answer_of(url: str, feed: Feed, day, number: int) -> None:
    answer(url, feed, days(day), month(number))


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/quality/issues?dataset=pg_class", 404, "use one of"),
        ("/quality/issues?severity=blue", 400, "red"),
        ("/quality/issues?state=x", 400, "acknowledged"),
        ("/quality/issues?cursor=WyJ4IiwgMSwgIngiXQ", 400, "cursor"),
        ("/quality/trend?days=0", 422, "days"),
        ("/restatements", 422, "dataset"),
        ("/restatements?dataset=elexon_bod", 404, "elexon_b1610"),
        ("/restatements?dataset=elexon_b1610&column=job_id", 404, "quantity_mwh"),
    ],
)
def test_errors_name_the_fix(viewer, warehouse_url, path, status, says):
    got = viewer.get(path)
    assert (got.status_code, got.headers["content-type"]) == (status, "application/problem+json"), got.text
    assert says in got.json()["detail"]


def test_a_made_up_cursor_of_restatements_is_refused(viewer, warehouse_url, tmp_path):
    feed = Feed(SYSTEM_PRICES)
    load(warehouse_url, feed, tmp_path, days(DAY))
    feed.restate(DAY, "systemSellPrice", 1.5)
    load(warehouse_url, feed, tmp_path, days(DAY))
    for cursor in ("WyJ4IiwieSJd", "WzEsICJ4Il0", "WzFd"):
        got = viewer.get(f"/restatements?dataset=elexon_system_prices&cursor={cursor}")
        assert (got.status_code, "cursor" in got.text) == (400, True), got.text
