"""The JSON API: what it says of a warehouse with loads, refused rows, gaps and meter files."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from energy_ingest import windows
from energy_ingest.catalog import MARKET_INDEX, NATIONAL_GAS_QUALITY, SYSTEM_PRICES
from energy_ingest.loading.database import connect
from tests.postgres.world import AUTUMN, DAY, Feed, days, fails, load, loader, one

MPAN = "1200012345674"
NEXT = DAY + timedelta(days=1)


@pytest.fixture
def loaded(warehouse_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two complete days of system prices, the one of the clock change, and a day that failed."""
    monkeypatch.setenv("ENERGY_START", f"{DAY}")
    monkeypatch.setenv("ENERGY_ARCHIVE_URL", (tmp_path / "archive").as_uri())
    from energy_ingest.hooks.loader import archive_root

    load(warehouse_url, Feed(), archive_root(), [*days(DAY, 2), *days(AUTUMN)])
    broken = Feed()
    broken.faults.append(fails(ValueError("the source is upset")))
    assert loader(warehouse_url, broken, archive_root()).load(days(DAY + timedelta(days=2))).failed
    return warehouse_url


def meter_job(url: str, status: str = "failed", name: str = f"{MPAN}.csv", **more: Any) -> tuple[int, str]:
    """A job of a meter file, with a refused row; its number and batch id."""
    values = {
        **{"status": status, "file_name": name, "at": windows.utc_now(), "last_error": f"bad meter {MPAN}"},
        **{"sha": uuid4().hex, "metadata": Jsonb({"errors": [{"at": "2024-03-05T10:00:00+00:00", "error": MPAN}]})},
        **more,
    }
    query = """
        INSERT INTO ledger.import_job (dataset, import_type, scope, status, file_name, file_sha256, file_bytes,
          bytes_done, queued_at, started_at, completed_at, last_error, metadata, dag_id, run_id, code_version,
          quarantined_rows, processed_rows, total_rows)
        VALUES ('meter_files', 'hh', 'file', %(status)s, %(file_name)s, %(sha)s, 100, 50, %(at)s - interval '9 s',
          %(at)s - interval '5 s', %(at)s, %(last_error)s, %(metadata)s, 'meter_files', 'scheduled__1', '1', 1, 2, 1)
        RETURNING job_id, batch_id::text"""
    refused = """
        INSERT INTO ledger.quarantine (job_id, dataset, scope, row_number, column_name, value, reason, raw)
        VALUES (%s, 'meter_files', 'file', 7, 'kwh', 'x', 'not a number', %s)"""
    with connect(url) as connection:
        job_id, batch_id = connection.execute(query, values).fetchone()
        connection.execute(refused, [job_id, f"{MPAN},x"])
    return job_id, batch_id


def test_a_year_by_day_the_worst_state_wins(viewer, loaded):
    answer = viewer.get("/coverage?dataset=elexon_system_prices&year=2024").json()
    (found,) = answer["datasets"]
    shown = {label: found["days"][label]["state"] for label in (f"{DAY}", f"{AUTUMN}", "2024-03-07", "2024-12-31")}
    assert list(shown.values()) == ["complete", "complete", "failed", "missing"]
    assert (found["complete"], found["gaps"]) == (3, found["expected"] - 3)
    assert "2024-03-04" not in found["days"]
    assert answer["states"][0] == "failed"
    assert len(viewer.get("/coverage?from=2024-01-01&to=2024-12-31").json()["datasets"]) == 9


def test_a_day_shows_windows_half_hours_attempts_and_the_answer_itself(viewer, loaded):
    day = viewer.get(f"/coverage/{SYSTEM_PRICES.name}/{AUTUMN}").json()
    (window,) = day["windows"]
    assert (window["state"], window["expected"], window["rows"], window["attempts"]) == ("complete", 50, 50, 1)
    assert [item["rows"] for item in day["items"]] == [1] * 50
    (job,) = day["jobs"]
    assert window["response_sha256"] == job["response_sha256"]
    body = viewer.get(f"/jobs/{job['batch_id']}/raw")
    assert body.headers["content-type"] == "text/plain; charset=utf-8"
    assert body.headers["x-content-type-options"] == "nosniff"
    assert (body.text[:1], body.headers["x-truncated"]) == ("[", "false")
    short = viewer.get(f"/jobs/{job['batch_id']}/raw?bytes=10")
    assert (short.text, short.headers["x-truncated"]) == (body.text[:10], "true")


def test_gas_quality_has_48_windows_a_day_and_capacity_six(viewer, loaded):
    gas = viewer.get(f"/coverage/{NATIONAL_GAS_QUALITY.name}/2024-03-05").json()
    assert len(gas["windows"]) == 48
    assert gas["items"] == []
    capacity = viewer.get("/coverage/transwestern_capacity/2024-03-05").json()
    assert {w["part"] for w in capacity["windows"]} >= {"Timely", "Evening"}
    assert len(capacity["windows"]) == 6


def test_the_archive_is_read_only_where_it_is(viewer, loaded, monkeypatch, tmp_path):
    secret = tmp_path / "secret.gz"
    secret.write_bytes(b"")
    for path in (secret.as_uri(), f"{(tmp_path / 'archive').as_uri()}/../secret.gz"):
        with connect(loaded) as connection:
            connection.execute("UPDATE ledger.import_job SET archive_path = %s", [path])
        batch_id = one(loaded, "SELECT batch_id::text FROM ledger.import_job WHERE status = 'completed' LIMIT 1")
        assert viewer.get(f"/jobs/{batch_id}/raw").status_code == 404


def test_gaps_name_the_state_the_reason_and_the_command(viewer, editor, loaded):
    answer = viewer.get(f"/gaps?dataset=elexon_system_prices&from={DAY}&to=2024-03-10").json()
    assert [(g["first"], g["last"], g["state"], g["windows"]) for g in answer["gaps"]] == [
        ("2024-03-07", "2024-03-07", "failed", 1),
        ("2024-03-08", "2024-03-10", "missing", 3),
    ]
    assert "the source is upset" in answer["gaps"][0]["reason"]
    assert answer["gaps"][1]["command"].endswith("--from 2024-03-08 --to 2024-03-10")
    assert {gap["may_reload"] for gap in answer["gaps"]} == {False}
    assert editor.get("/gaps?dataset=elexon_system_prices&limit=1").json()["more"] is True


def test_rows_go_on_where_the_page_ended_and_as_of_a_time(viewer, loaded):
    path = f"/datasets/{SYSTEM_PRICES.name}/rows?from={DAY}&to={NEXT}"
    rows, cursor = [], ""
    while True:
        answer = viewer.get(f"{path}&limit=40&cursor={cursor}").json()
        rows += answer["rows"]
        if not (cursor := answer["next"] or ""):
            break
    keys = [(row["settlement_date"], row["settlement_period"]) for row in rows]
    assert keys == sorted(keys) and len(set(keys)) == 96
    assert rows[0]["system_sell_price_gbp_per_mwh"] == "80.25"
    assert viewer.get(f"{path}&as_of=2024-03-01T00:00:00Z").json()["rows"] == []
    assert len(viewer.get(f"{path}&as_of=2100-01-01T00:00:00Z&limit=200").json()["rows"]) == 96


def test_jobs_are_paged_filtered_and_found(viewer, loaded):
    for number in range(5):
        meter_job(loaded, status="cancelled", name=f"file-{number}.csv")
    first = viewer.get("/jobs?limit=4&type=hh").json()
    second = viewer.get(f"/jobs?limit=4&type=hh&cursor={first['next']}").json()
    assert [job["file_name"] for job in first["jobs"] + second["jobs"]] == [f"file-{n}.csv" for n in (4, 3, 2, 1, 0)]
    assert second["next"] is None
    assert {job["dataset"] for job in viewer.get("/jobs?status=completed").json()["jobs"]} == {SYSTEM_PRICES.name}
    assert [job["status"] for job in viewer.get("/jobs?q=is%20upset").json()["jobs"]] == ["failed"]
    assert viewer.get("/jobs?q=100%25").json()["jobs"] == []
    assert viewer.get(f"/jobs?dataset={MARKET_INDEX.name}").json()["jobs"] == []


def test_meter_ids_are_masked_unless_somebody_who_may_asks(viewer, editor, loaded):
    job_id, batch_id = meter_job(loaded)
    for path in (f"/jobs/{batch_id}", "/jobs?type=hh", f"/jobs/{batch_id}/rows", f"/jobs/{batch_id}/report"):
        assert MPAN not in editor.get(path).text, path
    assert viewer.get(f"/jobs?q={MPAN}").json()["jobs"] == []
    assert len(editor.get(f"/jobs?q={MPAN}").json()["jobs"]) == 1
    assert viewer.get(f"/jobs/{batch_id}/rows?reveal=true").status_code == 403
    (row,) = editor.get(f"/jobs/{batch_id}/rows?reveal=true").json()["rows"]
    assert row["raw"] == f"{MPAN},x"
    assert row["fix"] == f"energy-ingest quarantine replay {job_id} --set {row['entry']}:kwh=VALUE"


def test_a_job_tells_its_story_and_what_can_be_done(viewer, editor, loaded):
    _, batch_id = meter_job(loaded)
    job = editor.get(f"/jobs/{batch_id}").json()
    assert [event["what"] for event in job["timeline"]] == ["error", "queued", "started", "failed"]
    assert (job["progress_percent"], job["counts"]["quarantined"]) == (50.0, 1)
    assert job["actions"] == ["retry", "rollback"]
    assert viewer.get(f"/jobs/{batch_id}").json()["actions"] == []
    report = viewer.get(f"/jobs/{batch_id}/report")
    assert "attachment" in report.headers["content-disposition"] and "failed" in report.text


def test_an_editor_retries_cancels_and_rolls_back_and_a_viewer_does_not(viewer, editor, loaded):
    _, batch_id = meter_job(loaded)
    for action in ("retry", "cancel", "rollback"):
        assert viewer.post(f"/jobs/{batch_id}/{action}").status_code == 403
    assert one(loaded, "SELECT status FROM ledger.import_job WHERE batch_id = %s", batch_id) == "failed"
    assert editor.post(f"/jobs/{batch_id}/retry").json()["status"] == "queued"
    again = editor.post(f"/jobs/{batch_id}/retry")
    assert again.status_code == 409 and "only what failed" in again.json()["detail"]
    assert editor.post(f"/jobs/{batch_id}/cancel").json()["status"] == "cancelled"
    undone = editor.post(f"/jobs/{batch_id}/rollback").json()
    assert undone["rolled_back_at"] and undone["undone"]["removed"] == 0
    window = one(loaded, "SELECT batch_id::text FROM ledger.import_job WHERE status = 'completed' LIMIT 1")
    assert editor.post(f"/jobs/{window}/retry").status_code == 409
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    with create_session() as session:
        seen = session.query(Log).filter(Log.event.like("energy.job_%"), Log.extra == f"batch {batch_id}").all()
        assert (seen[0].event, seen[0].owner) == ("energy.job_retry", "ed")


def test_reload_starts_a_run_of_the_datasets_own_dag(viewer, editor, loaded):
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    body = {"dataset": "elexon_system_prices", "first": "2024-03-07", "last": "2024-03-08"}
    assert viewer.post("/windows/reload", body).status_code == 403
    answer = editor.post("/windows/reload", body)
    assert answer.status_code == 202, answer.text
    with create_session() as session:
        run = session.query(DagRun).filter_by(run_id=answer.json()["run_id"]).one()
        assert (run.dag_id, run.run_type, run.state) == ("elexon_system_prices", "manual", "queued")
        assert run.conf == {"window_from": "2024-03-07", "window_to": "2024-03-08"}
        assert run.triggering_user_name == "ed"
    assert editor.get("/progress").json()["datasets"][0]["dataset"]
    assert editor.post("/windows/reload", {**body, "last": "2024-06-07"}).status_code == 400
    assert editor.post("/windows/reload", {**body, "first": "2024-06-07"}).status_code == 400
    assert editor.post("/windows/reload", {**body, "dataset": "pg_catalog"}).status_code == 404


def test_freshness_progress_health_and_key_figures(viewer, loaded):
    now = windows.utc_now()
    with connect(loaded) as connection:
        for hours in (0, 3, 30):
            connection.execute(
                "INSERT INTO ledger.kpi VALUES (%s, 'success_rate', %s, 0.95, true)",
                [now - timedelta(hours=hours), 0.99],
            )
    fresh = {row["dataset"]: row for row in viewer.get("/freshness").json()["datasets"]}
    assert fresh["elexon_system_prices"]["last_label"] == f"{AUTUMN}"
    assert fresh["elexon_system_prices"]["failed"] == 1
    progress = {row["dataset"]: row for row in viewer.get("/progress").json()["datasets"]}
    prices = progress["elexon_system_prices"]
    assert prices["done"] == 3 and prices["left"] == prices["total"] - 3 and prices["per_minute"] > 0
    health = viewer.get("/health").json()
    assert health["status"] == "degraded"
    assert {item["dataset"]: item["status"] for item in health["datasets"]}["elexon_system_prices"] == "unhealthy"
    (kpi,) = viewer.get("/kpis").json()["kpis"]
    assert (kpi["value"], kpi["target"], kpi["is_met"], len(kpi["history"])) == (0.99, 0.95, True, 3)
    assert viewer.get("/incidents").json() == {"incidents": []}


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/coverage?dataset=pg_class", 404, "use one of"),
        ("/coverage/nothing/2024-01-01", 404, "use one of"),
        ("/coverage/elexon_b1610/2024-13-01", 422, "day"),
        ("/coverage?from=2024-02-01&to=2024-01-01", 400, "swap"),
        ("/coverage?from=1990-01-01&to=2024-01-01", 400, "more than"),
        ("/jobs?status=x", 400, "completed"),
        ("/jobs?cursor=%27%3B--", 400, "cursor"),
        ("/jobs?limit=100000", 422, "limit"),
        ("/jobs/not-a-uuid", 422, "batch_id"),
        (f"/jobs/{uuid4()}".replace("-", "-", 1), 404, "no job"),
        ("/datasets/elexon_b1610/rows?from=2024-01-01&to=2024-01-02&cursor=WyJ4IiwgMSwgIngiXQ", 400, "cursor"),
    ],
    ids=lambda value: str(value).split("/")[1][:20] if str(value).startswith("/") else "",
)
def test_errors_are_problems_that_name_the_fix(viewer, path, status, says):
    answer = viewer.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert says in answer.json()["detail"]
    assert not {"SELECT", "Traceback", "psycopg"} & set(answer.text.split())


def test_a_warehouse_that_is_away_is_503_with_its_reason(viewer, monkeypatch):
    from energy_ingest.web import store

    monkeypatch.setenv("WAREHOUSE_READER_URL", "postgresql://nobody:secret-password@127.0.0.1:1/nothing")
    store._reader_address.cache_clear()
    answer = viewer.get("/jobs")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert "cannot be reached" in answer.json()["detail"] and "secret-password" not in answer.text


def test_the_reader_cannot_write_and_a_statement_has_an_end(asking):
    import psycopg

    from energy_ingest.errors import IngestError
    from energy_ingest.web import store

    with store.reading() as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("energy_reader",)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("10s",)
    with pytest.raises(IngestError), store.reading() as connection:
        connection.execute("DELETE FROM ledger.kpi")
    with pytest.raises((IngestError, psycopg.Error)), store.writing() as connection:
        connection.execute("DROP TABLE ledger.kpi")


def test_a_form_of_another_site_can_do_nothing_with_the_cookie(asking, loaded):
    _, batch_id = meter_job(loaded)
    path, editor = f"/jobs/{batch_id}/retry", asking("ed", cookie=True)
    ours = {"X-Energy-Request": "1"}
    assert editor.ask("POST", path, content="{}", headers={"Content-Type": "text/plain", **ours}).status_code == 415
    assert editor.ask("POST", path, data={"a": "b"}, headers=ours).status_code == 415
    assert editor.post(path).status_code == 403
    assert editor.post(path, headers={**ours, "Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert editor.post(path, headers={**ours, "Sec-Fetch-Site": "same-site"}).status_code == 403
    assert editor.post(path, headers={**ours, "Origin": "https://bad.example"}).status_code == 403
    assert one(loaded, "SELECT status FROM ledger.import_job WHERE batch_id = %s", batch_id) == "failed"
    assert editor.post(path, headers={**ours, "Origin": "http://testserver"}).status_code == 200


def test_machines_get_a_description_of_every_route(viewer):
    """With what each answers; the other tests here hold every answer against it."""
    described = viewer.get("/openapi.json").json()
    assert {"/jobs/{batch_id}/rollback", "/coverage", "/gaps", "/datasets/{name}/rows"} <= described["paths"].keys()
    assert described["servers"] == [{"url": "/energy"}]
    for path, methods in described["paths"].items():
        for method in methods.values():
            assert method["summary"] and method["description"], path
            (kind,) = (response for status, response in method["responses"].items() if status[:2] == "20")
            assert kind["content"].keys() == {"text/plain"} or kind["content"]["application/json"]["schema"], path
            assert method["responses"]["403"]["content"].keys() == {"application/problem+json"}
