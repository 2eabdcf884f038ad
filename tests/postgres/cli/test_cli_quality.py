"""`energy-ingest quality`: what is checked, the report in its three forms, and who knows of what."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

from tests.postgres.cli.conftest import FIRST, EnergyIngest, Source, rows, windows
from tests.postgres.test_aggregates import AUTUMN, ONE_DAY, A, read, redo
from tests.postgres.world import ask, one


class Page(HTMLParser):
    """The text of a page, and the tags it is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_report_says_what_is_missing_and_how_right_days_and_files_are(energy_ingest: EnergyIngest, source: Source):
    whole = rows(FIRST)
    source.days[FIRST] = [row for row in whole if row["settlementPeriod"] not in (3, 14, 15, 16)]
    source.load(windows(2))
    assert energy_ingest("quality", "run").code == 1
    found = energy_ingest("quality", "report", "--dataset", "elexon_market_index", "--json")
    assert found.code == 1
    report = found.json
    missing = [issue for issue in report["issues"] if issue["rule"] == "missing"]
    assert {(issue["day"], issue["value_count"], issue["where"]) for issue in missing} == {
        (f"{FIRST}", 4, "3, 14 to 16")
    }
    assert [item["item"] for item in missing[0]["items"]] == ["3", "14", "15", "16"]
    days = {day["day"]: day for day in report["days"]}
    assert days[f"{FIRST}"]["missing_count"] == 8  # of two providers
    assert days[f"{FIRST + ONE_DAY}"]["missing_count"] == 0
    assert 0 < days[f"{FIRST}"]["score"] < days[f"{FIRST + ONE_DAY}"]["score"] <= 1
    assert [file["first_day"] for file in report["files"]] == [f"{FIRST + ONE_DAY}", f"{FIRST}"]
    of_a_day = energy_ingest("quality", "report", "--date", f"{FIRST}", "--json").json
    assert [file["first_day"] for file in of_a_day["files"]] == [f"{FIRST}"]
    assert [day["day"] for day in of_a_day["days"]] == [f"{FIRST}"]
    plain = energy_ingest("quality", "report")
    assert "3, 14 to 16" in plain.out and "Scores of days:" in plain.out
    page = Page(energy_ingest("quality", "report", "--html").out)
    assert {"Open issues", "Scores of days", "Scores of files", "3, 14 to 16"} <= set(page.words)
    assert [attrs for _, attrs in page.tags if dict(attrs).keys() & {"src", "href"}] == []


def test_a_meter_is_masked_and_missing_days_are_dates(energy_ingest: EnergyIngest, warehouse_url: str):
    for day in (AUTUMN, AUTUMN + 4 * ONE_DAY):
        read(warehouse_url, day, kwh=lambda n: n if n < 50 else 50 / 3)
    redo(warehouse_url)
    energy_ingest("quality", "run")
    found = energy_ingest("quality", "report", "--meter", A, "--json")
    (issue,) = [one for one in found.json["issues"] if one["rule"] == "missing_day"]
    assert issue["where"] == "2024-10-28 to 2024-10-30"
    assert A not in found.out
    assert (found.json["days"], found.json["files"]) == ([], [])
    assert energy_ingest("quality", "report", "--meter", "9000000000025", "--json").json["issues"] == []
    said = energy_ingest("quality", "acknowledge", f"{issue['issue_id']}", "--note", "<b>no</b> access")
    assert (said.code, said.out) == (0, f"{issue['issue_id']} is acknowledged\n")
    assert "&lt;b&gt;no&lt;/b&gt; access" in energy_ingest("quality", "report", "--html").out
    assert one(warehouse_url, "SELECT count(*) FROM ledger.quality_issue WHERE note = '<b>no</b> access'") == 1


def test_codes_and_mistakes(energy_ingest: EnergyIngest, warehouse_url: str):
    assert energy_ingest("quality", "report").out == "Open issues: none\nScores of days: none\nScores of files: none\n"
    read(warehouse_url, AUTUMN, kwh=lambda n: -1.0 if n == 3 else n)
    redo(warehouse_url)
    assert energy_ingest("quality", "run").code == 2
    assert energy_ingest("quality", "report").code == 2
    ((issue_id,),) = ask(warehouse_url, "SELECT issue_id FROM ledger.quality_issue WHERE severity = 'red'")
    assert energy_ingest("quality", "acknowledge", f"{issue_id}").code == 0
    assert energy_ingest("quality", "report").code == 0
    for arguments, said in (
        (["report", "--json", "--html"], "one at a time"),
        (["report", "--date", "yesterday"], "YYYY-MM-DD"),
        (["report", "--dataset", "x"], "no rules for 'x'"),
        (["acknowledge", "999"], "no open issue 999"),
    ):
        found = energy_ingest("quality", *arguments)
        assert (found.code, said in found.err) == (3, True), found


def test_the_register_of_bm_units_from_a_file_and_from_elexon(energy_ingest: EnergyIngest, tmp_path: Path):
    body = b'[{"elexonBmUnit": "T_SUN-1", "fuelType": "SOLAR", "generationCapacity": "50.000"}]'
    file = tmp_path / "units.json"
    file.write_bytes(body)
    assert energy_ingest("quality", "units", f"{file}").out == "1 BM units, 1 of them new or changed\n"

    class Elexon(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    asked: list[str] = []
    with HTTPServer(("127.0.0.1", 0), Elexon) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = json.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{server.server_port}"})
        found = energy_ingest("quality", "units", AIRFLOW_CONN_ELEXON_DEFAULT=address)
        server.shutdown()
    assert (found.code, found.out) == (0, "1 BM units, 0 of them new or changed\n")
    assert asked == ["/bmrs/api/v1/reference/bmunits/all"]
