"""InfluxDB has exactly what PostgreSQL has: after loads, revisions, outages, deaths at any step, and rebuilds."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from energy_ingest import settings
from energy_ingest.catalog import B1610, MARKET_INDEX, SYSTEM_PRICES, Dataset
from energy_ingest.errors import Misconfigured, Retryable
from energy_ingest.loading import influx as projection
from energy_ingest.loading.database import connect
from energy_ingest.loading.influx import Projector, Summary
from energy_ingest.loading.influx_client import Influx, Target
from energy_ingest.projection import Points, Projection, Scaled
from include.influx_double.server import Answer, Fault, InfluxDouble, State
from include.influx_double.stores import Contents, Memory, count
from tests.postgres import world
from tests.postgres.processes import process_at
from tests.postgres.world import AUTUMN, DAY, SUMMER, UNITS, Feed, ask, days, one, run

NEXT = DAY + timedelta(days=1)
Load = Callable[..., Any]
Project = Callable[..., Summary]


@pytest.fixture
def load(warehouse_url: str, tmp_path: Path) -> Load:
    """Load a feed's days, one or several."""

    def loaded(feed: Feed, first: date = DAY, number: int = 1, **changes: Any) -> Any:
        return world.load(warehouse_url, feed, tmp_path, days(first, number), **changes)

    return loaded


@pytest.fixture
def project(warehouse_url: str, influx: Influx) -> Project:
    """Write what waits."""

    def projected(dataset: Dataset = SYSTEM_PRICES, **arguments: Any) -> Summary:
        return Projector(dataset, lambda: connect(warehouse_url), influx).project(**arguments)

    return projected


@pytest.fixture
def rebuild(warehouse_url: str, influx: Influx) -> Project:
    """Write dates anew."""

    def rebuilt(dataset: Dataset = SYSTEM_PRICES, first: date = DAY, last: date | None = None) -> Summary:
        return Projector(dataset, lambda: connect(warehouse_url), influx).rebuild(first, last or first)

    return rebuilt


@pytest.fixture
def agree(warehouse_url: str, state: State, bucket: str) -> Callable[..., None]:
    """Hold InfluxDB against PostgreSQL, read in another way than the projection does; nothing may wait."""

    def check(*datasets: Dataset) -> None:
        wanted: Contents = {}
        for dataset in datasets:
            for points in dataset.influx_points:
                _add(wanted, warehouse_url, dataset, points)
        assert state.store.contents(bucket) == wanted
        assert waiting(warehouse_url) == 0
        assert set(states(warehouse_url)) <= {"written"}

    return check


def _add(wanted: Contents, url: str, dataset: Dataset, points: Points) -> None:
    names = list(dataset.contract.loaded)
    for values in ask(url, f"SELECT {', '.join(names)} FROM energy.{dataset.table}"):  # noqa: S608 - the catalogue's
        row = dict(zip(names, values, strict=True))
        tags = {key: str(row[column]) for key, column in points.tags.items() if row[column] not in (None, "")}
        fields = {}
        for key, source in points.fields.items():
            column, factor = (source.column, source.factor) if isinstance(source, Scaled) else (source, 1)
            if row[column] is not None:
                fields[key] = _as_influx(row[column], dataset.contract.loaded[column], factor)
        if fields:
            at = row[points.time] + points.shift - datetime(1970, 1, 1, tzinfo=UTC)
            at += timedelta(microseconds=row[points.spread] if points.spread else 0)
            series = points.measurement, tuple(sorted((tags | dict(points.constants)).items()))
            wanted.setdefault(series, {})[at // timedelta(microseconds=1) * 1000] = fields


def _as_influx(value: Any, kind: str, factor: int) -> Any:
    if kind in ("number", "exact"):
        return float(value * factor)
    if kind == "instant":
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return value if kind in ("integer", "boolean") else str(value)


def waiting(url: str) -> int:
    return one(url, "SELECT count(*) FROM ledger.import_job WHERE influx_pending")


def states(url: str) -> list[str]:
    return [state for (state,) in ask(url, "SELECT influx_state FROM ledger.window ORDER BY dataset, window_start")]


def sent(state: State) -> list[str]:
    """Every line that was sent so far."""
    return [line for seen in state.writes() for line in gzip.decompress(seen.body).decode().splitlines()]


def feeds() -> list[Feed]:
    return [Feed(SYSTEM_PRICES), Feed(MARKET_INDEX), Feed(B1610, UNITS)]


# --- the same in both ---


@pytest.mark.parametrize("choice", ["lean", "compat", "both"])
def test_every_dataset_in_every_mapping(load, project, agree, monkeypatch, choice: str):
    monkeypatch.setenv(settings.INFLUX_MAPPING.env, choice)
    for feed in feeds():
        for day in (SUMMER, AUTUMN):
            load(feed, day)
        summary = project(feed.dataset)
        assert (summary.windows, summary.left, summary.refused) == (2, 0, 0)
    agree(SYSTEM_PRICES, MARKET_INDEX, B1610)


def test_nothing_waits_twice(load, project, agree, state: State):
    feed = Feed()
    load(feed)
    assert project().points == 48
    asked = len(state.requests)
    assert project().counts() == dict.fromkeys(Summary(0).counts(), 0)
    load(feed)  # unchanged
    assert project().points == 0
    assert len(state.requests) == asked
    agree(SYSTEM_PRICES)


def test_exactly_what_changed_is_written(load, project, agree, state: State):
    feed = Feed()
    load(feed, DAY, 3)
    project()
    feed.restate(NEXT, "systemSellPrice", 7.5, count=3)
    load(feed, DAY, 3)
    before = len(sent(state))
    summary = project()
    assert (summary.windows, summary.points) == (1, 3)
    assert len(sent(state)) == before + 3
    agree(SYSTEM_PRICES)


def test_the_batch_size_is_used(load, project, agree, state: State, monkeypatch):
    monkeypatch.setenv(settings.INFLUX_BATCH.env, "7")
    load(Feed())
    project()
    assert [len(gzip.decompress(seen.body).splitlines()) for seen in state.writes()] == [7] * 6 + [6]
    agree(SYSTEM_PRICES)


def test_rows_of_two_scopes_of_one_window(load, project, agree):
    """A list of units and the whole market are windows of their own over the same rows."""
    load(Feed(B1610, UNITS))
    load(Feed(B1610))
    assert project(B1610).windows == 1
    agree(B1610)


# --- revisions that leave nothing stale ---


def deletions(state: State) -> int:
    return sum(seen.path == "/api/v2/delete" for seen in state.requests)


@pytest.mark.parametrize("choice", ["lean", "compat", "both"])
@pytest.mark.parametrize(
    ("before", "after"), [("Generation", "Consumption"), (None, "Generation"), ("Generation", None)]
)
def test_changed_tags(load, project, agree, state: State, monkeypatch, choice: str, before, after):
    monkeypatch.setenv(settings.INFLUX_MAPPING.env, choice)
    feed = Feed(B1610, UNITS)
    feed[DAY] = [{**row, "psrType": before} for row in feed[DAY]]
    load(feed)
    project(B1610)
    feed.restate(DAY, "psrType", after, count=1)
    load(feed)
    lines = len(sent(state))
    project(B1610)
    assert len(sent(state)) == lines + (2 if choice == "both" else 1)
    assert deletions(state) == (2 if choice == "both" else 1)
    agree(B1610)


def test_changed_values_delete_nothing(load, project, agree, state: State):
    feed = Feed(B1610, UNITS)
    load(feed)
    project(B1610)
    feed.restate(DAY, "quantity", 99.5, count=40)
    load(feed)
    project(B1610)
    assert deletions(state) == 0
    agree(B1610)


@pytest.mark.parametrize("choice", ["lean", "compat"])
def test_a_value_that_became_null_goes(load, project, agree, monkeypatch, choice: str):
    """InfluxDB would merge the new point into the old one, and keep the value."""
    monkeypatch.setenv(settings.INFLUX_MAPPING.env, choice)
    feed = Feed(B1610, UNITS)
    load(feed)
    project(B1610)
    feed.restate(DAY, "quantity", None, count=5)
    load(feed)
    project(B1610)
    agree(B1610)


def test_a_whole_market_of_changed_tags_is_one_deletion(load, project, agree, state: State, monkeypatch):
    monkeypatch.setattr(projection, "SERIES", 1)
    feed = Feed(B1610, UNITS)
    load(feed, DAY, 2)
    project(B1610)
    feed[DAY] = [{**row, "psrType": "Consumption"} if 10 < n < 50 else row for n, row in enumerate(feed[DAY])]
    load(feed, DAY, 2)
    project(B1610)
    assert deletions(state) == 1
    agree(B1610)


def test_revised_twice_and_back_before_anything_was_written(load, project, agree):
    feed = Feed(B1610, UNITS)
    load(feed)
    project(B1610)
    for kind in ("Consumption", None, "Generation", "Consumption", "Generation"):
        feed.restate(DAY, "psrType", kind, count=2)
        load(feed)
    project(B1610)
    agree(B1610)


SHARED = replace(
    B1610,
    influx=Projection(
        compat=(
            Points("shared", tags={"ng": "national_grid_bm_unit", "psr": "psr_type"}, fields={"q": "quantity_mwh"}),
        )
    ),
)
"""A mapping without the unit: a point that lacks a tag cannot be told, in a deletion, from those that have it."""


def test_points_that_a_deletion_hits_besides_are_written_again(load, project, agree, monkeypatch):
    monkeypatch.setenv(settings.INFLUX_MAPPING.env, "compat")
    feed = Feed(B1610, UNITS)
    kinds = {"T_A-1": None, "T_B-1": "Generation"}
    feed[DAY] = [{**row, "nationalGridBmUnitId": "SAME", "psrType": kinds[row["bmUnit"]]} for row in feed[DAY]]
    load(feed)
    project(SHARED)
    agree(SHARED)
    feed[DAY] = [{**row, "psrType": "Consumption"} if row["bmUnit"] == "T_A-1" else row for row in feed[DAY]]
    load(feed)
    project(SHARED)
    agree(SHARED)


SPREAD = replace(B1610, influx=Projection(tags=("bm_unit", "psr_type"), spread="settlement_period"))
"""A mapping whose points lie microseconds behind their instant."""


def test_spread_points_are_revised_and_rebuilt(load, project, rebuild, agree):
    feed = Feed(B1610, UNITS)
    load(feed, DAY, 2)
    project(SPREAD)
    agree(SPREAD)
    feed.restate(DAY, "psrType", "Consumption", count=60)
    load(feed, DAY, 2)
    project(SPREAD)
    agree(SPREAD)
    rebuild(SPREAD, DAY)
    agree(SPREAD)


# --- InfluxDB is down, slow, or wrong ---


def test_an_outage_costs_only_lag(load, warehouse_url: str, state: State, connect_influx, agree):
    feed, down = Feed(), InfluxDouble(state)
    port = down.server_address[1]
    down.server_close()
    influx = connect_influx(down)

    def project() -> Summary:
        return Projector(SYSTEM_PRICES, lambda: connect(warehouse_url), influx).project()

    for number in range(3):
        load(feed, DAY + timedelta(days=number))
        with pytest.raises(Retryable, match=r"does not answer .*: is it down, or the network\?"):
            project()
    feed.restate(DAY, "systemSellPrice", 1.5, count=2)
    load(feed)
    assert waiting(warehouse_url) == 4
    assert states(warehouse_url) == ["pending"] * 3
    assert "is it down" in one(warehouse_url, "SELECT influx_error FROM ledger.window ORDER BY window_start LIMIT 1")
    with InfluxDouble(state, port):
        assert project().windows == 3
    times = [int(line.rpartition(" ")[2]) for line in sent(state)]
    assert times == sorted(times)
    agree(SYSTEM_PRICES)
    assert one(warehouse_url, "SELECT count(*) FROM ledger.window WHERE influx_error IS NOT NULL") == 0


def test_it_breaks_in_the_middle(load, project, agree, warehouse_url: str, state: State, monkeypatch):
    monkeypatch.setenv(settings.INFLUX_BATCH.env, "10")
    load(Feed())
    full = Answer("internal error", "unexpected error writing points to database: engine is closed")
    state.faults.extend([Fault(stored=True, answer=Answer("unavailable", "late")), *[Fault(full)] * 9])
    with pytest.raises(Retryable, match="engine is closed"):
        project()
    assert waiting(warehouse_url) == 1
    state.faults.clear()
    project()
    agree(SYSTEM_PRICES)


def test_a_wrong_token_leaves_everything_waiting(load, warehouse_url: str, double: InfluxDouble, connect_influx):
    load(Feed())
    wrong = connect_influx(double, token="guessed")
    with pytest.raises(Misconfigured, match="check the token"):
        Projector(SYSTEM_PRICES, lambda: connect(warehouse_url), wrong).project()
    assert (waiting(warehouse_url), states(warehouse_url)) == (1, ["pending"])
    assert "guessed" not in one(warehouse_url, "SELECT influx_error FROM ledger.window")


# --- lines that InfluxDB refuses ---


def conflict(influx: Influx, at: date = DAY) -> None:
    """Make a field's type another than ours, in the shard of that day."""
    from tests.influx.test_client import batch

    midnight = int(datetime(at.year, at.month, at.day, tzinfo=UTC).timestamp()) * 1_000_000
    assert influx.write(batch(f"elexon_system_prices,by=hand price_derivation_code=1i {midnight}")) == []


def quarantine(url: str) -> list[tuple[Any, ...]]:
    return ask(url, "SELECT line, reason, resolved_at IS NULL FROM ledger.influx_quarantine ORDER BY quarantine_id")


def test_refused_lines_are_kept_and_the_rest_is_written(
    load, project, rebuild, warehouse_url: str, influx, state, bucket
):
    feed = Feed()
    feed[DAY] = [{**row, "priceDerivationCode": None} if n > 4 else row for n, row in enumerate(feed[DAY])]
    conflict(influx)
    load(feed)
    summary = project()
    assert (summary.windows, summary.points, summary.refused) == (1, 43, 5)
    assert count(state.store.contents(bucket)) == 44
    assert (waiting(warehouse_url), states(warehouse_url)) == (0, ["written"])
    kept = quarantine(warehouse_url)
    assert [line.split(" ", 1)[0] for line, _, _ in kept] == ["elexon_system_prices"] * 5
    assert all("field type conflict" in reason and is_open for _, reason, is_open in kept)
    assert (
        one(
            warehouse_url,
            "SELECT count(DISTINCT job_id) FROM ledger.influx_quarantine JOIN ledger.import_job USING (job_id)",
        )
        == 1
    )
    assert rebuild().refused in (0, 5)  # the engine keeps the type of a field that has no points any more
    assert [is_open for _, _, is_open in quarantine(warehouse_url)][:5] == [False] * 5


def test_a_value_that_is_no_number_is_kept_by_name(load, project, owner_url: str, warehouse_url: str, state, bucket):
    load(Feed(B1610, UNITS))
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(
            "UPDATE energy.elexon_b1610 SET quantity_mwh = 'NaN' WHERE settlement_period = 7 AND bm_unit = 'T_A-1'"
        )
    summary = project(B1610)
    assert (summary.points, summary.refused) == (95, 1)
    ((line, reason, _),) = quarantine(warehouse_url)
    assert "bm_unit=T_A-1" in line and "quantity_mwh=NaN" in line and reason == "invalid number"
    assert count(state.store.contents(bucket)) == 95


def test_too_many_refused_lines_fail_the_window_and_not_the_others(
    load, project, warehouse_url: str, influx, state, monkeypatch
):
    monkeypatch.setattr(projection, "REFUSALS", 20)
    conflict(influx)
    load(Feed(), DAY)
    load(Feed(), DAY + timedelta(days=40))  # another shard, for the engine
    if isinstance(state.store, Memory):
        state.store._types.clear()
        state.store._types[state.buckets[0], "elexon_system_prices", "price_derivation_code"] = int
    summary = project()
    failed = {window.label: str(error) for window, error in summary.failed.items()}
    assert "more than 20 lines of 2024-03-05 are refused; first elexon_system_prices" in failed[DAY]
    assert (
        "energy-ingest influx rebuild --dataset elexon_system_prices --from 2024-03-05 --to 2024-03-05" in failed[DAY]
    )
    assert states(warehouse_url)[0] == "failed" and quarantine(warehouse_url) == []
    asked = len(state.requests)
    assert project().windows == 0  # a refusal waits for a person
    assert len(state.requests) == asked
    if not isinstance(state.store, Memory):
        assert states(warehouse_url) == ["failed", "written"]


@pytest.mark.parametrize("store", ["memory"], indirect=True)  # the engine forgets no type while the shard lives
def test_after_the_cause_is_gone_a_rebuild_writes_it(load, project, rebuild, warehouse_url, influx, state, monkeypatch):
    monkeypatch.setattr(projection, "REFUSALS", 20)
    conflict(influx)
    load(Feed())
    assert len(project().failed) == 1
    state.store._types.clear()
    assert rebuild().points == 48
    assert (waiting(warehouse_url), states(warehouse_url)) == (0, ["written"])


def test_what_is_older_than_the_bucket_keeps_is_counted(load, warehouse_url: str, connect_influx, bucket: str):
    load(Feed())
    state = State(Memory(), buckets=(bucket,), retention=86_400)
    with InfluxDouble(state) as server:
        summary = Projector(SYSTEM_PRICES, lambda: connect(warehouse_url), connect_influx(server)).project()
    assert (summary.points, summary.refused, summary.outside_retention) == (0, 0, 48)
    assert (waiting(warehouse_url), quarantine(warehouse_url)) == (0, [])


# --- rebuilding ---


def test_a_rebuild_gives_what_following_gave(load, project, rebuild, agree, state: State, bucket: str, monkeypatch):
    monkeypatch.setenv(settings.INFLUX_MAPPING.env, "both")
    feed = Feed(B1610, UNITS)
    for field, value in (("quantity", 5.5), ("psrType", "Consumption"), ("quantity", None)):
        load(feed, DAY, 2)
        project(B1610)
        feed.restate(DAY, field, value, count=9)
    load(feed, DAY, 2)
    project(B1610)
    followed = state.store.contents(bucket)
    agree(B1610)
    state.store.delete(bucket, None, {}, 0, 2**62)
    assert count(state.store.contents(bucket)) == 0
    assert rebuild(B1610, DAY, NEXT).windows == 2
    assert state.store.contents(bucket) == followed


def test_a_rebuild_takes_what_does_not_belong_and_spares_the_neighbours(load, project, rebuild, influx, state, bucket):
    from tests.influx.test_client import batch

    load(Feed(), DAY, 2)
    project()
    noon = int(datetime(2024, 3, 5, 12, tzinfo=UTC).timestamp()) * 1_000_000
    wrong = [f"elexon_system_prices,by=hand x=1 {noon}", f"elexon_system_prices settlement_period=99i {noon + 1}"]
    other = [f"somebody_elses x=1 {noon}", f"elexon_system_prices,by=hand x=1 {noon + 86_400_000_000}"]
    influx.write(batch(*wrong, *other))
    rebuild(SYSTEM_PRICES, DAY, DAY)
    assert count(state.store.contents(bucket)) == 96 + 2


def test_a_rebuild_leaves_dates_that_were_never_loaded(load, rebuild, influx, state, bucket):
    """Points of the loader before this one stay where we have nothing better."""
    from tests.influx.test_client import batch

    noon = int(datetime(2023, 3, 5, 12, tzinfo=UTC).timestamp()) * 1_000_000
    influx.write(batch(f"elexon_system_prices x=1 {noon}"))
    load(Feed())
    assert rebuild(SYSTEM_PRICES, date(2023, 1, 1), DAY).windows == 1
    assert count(state.store.contents(bucket)) == 49


ELSEWHERE = replace(SYSTEM_PRICES, influx=Projection(time="created_at"))
"""Points 45 minutes after the half hour's start: the last one of a day lies in the next day's window."""


def test_a_rebuild_of_points_outside_their_window_spares_the_neighbours(load, project, rebuild, agree):
    feed = Feed()
    load(feed, DAY, 2)
    project(ELSEWHERE)
    for day in (DAY, NEXT):
        rebuild(ELSEWHERE, day)
        agree(ELSEWHERE)


def test_a_rebuild_writes_what_waits(load, rebuild, agree):
    load(Feed())
    rebuild()
    agree(SYSTEM_PRICES)


# --- several at once, and death at any step ---


def test_two_at_once_write_everything(load, warehouse_url: str, connect_influx, double, agree):
    load(Feed(), DAY, 6)
    clients = [connect_influx(double) for _ in range(3)]
    threads = [
        threading.Thread(target=Projector(SYSTEM_PRICES, lambda: connect(warehouse_url), client).project)
        for client in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    agree(SYSTEM_PRICES)


def test_a_slow_writer_does_not_leave_the_older_value(load, project, agree, influx, warehouse_url, monkeypatch):
    """While the first value is on its way, a revision is loaded, and another process wants to write it."""
    feed, late = Feed(), []
    load(feed)
    write = influx.write

    def slow(batch: Any) -> Any:
        monkeypatch.setattr(influx, "write", write)
        feed.restate(DAY, "systemSellPrice", 1.5, count=48)
        load(feed)
        late.append(threading.Thread(target=lambda: project(run=run())))
        late[0].start()
        time.sleep(0.5)
        assert late[0].is_alive() or waiting(warehouse_url) == 2, "nobody may pass while a window is written"
        return write(batch)

    monkeypatch.setattr(influx, "write", slow)
    project()
    late[0].join()
    project()
    agree(SYSTEM_PRICES)


def test_a_load_that_ends_at_the_last_moment_is_not_forgotten(load, influx, warehouse_url: str, agree):
    feed = Feed()
    load(feed)

    def tap(step: str) -> None:
        if step.startswith("-- The window's rows of the ledger") and not feed.faults:
            feed.faults.append(lambda: None)
            feed.restate(DAY, "systemSellPrice", 1.5, count=48)
            load(feed)

    projector = Projector(SYSTEM_PRICES, lambda: world.tapped(warehouse_url, tap), influx)
    projector.project()
    assert (waiting(warehouse_url), states(warehouse_url)) == (1, ["pending"])
    projector.project()
    agree(SYSTEM_PRICES)


STEPS = {
    "what waits": "-- Windows with rows that InfluxDB lacks",
    "lock": 'SELECT "pg_try_advisory_xact_lock"',
    "which loads": "-- The loads of a window that wait",
    "what is stale": "count revised",
    "delete": "delete",
    "read": "COPY (SELECT",
    "reading": "inside COPY (SELECT",
    "write": "write",
    "written": "written",
    "answered": "-- Refused lines of earlier",
    "hold": "-- The window's rows of the ledger",
    "mark": "-- The rows of these loads are in InfluxDB",
    "committed": "committed",
    "commit": "commit",
}
"""Every step of writing a window with revised rows, and how its statement begins."""


def _project_and_tell(tap: Callable[[str], None], url: str, target: Target) -> None:
    """Write what waits, calling `tap` before every step, and after the acknowledged write."""

    def told(step: str) -> None:
        for name, beginning in STEPS.items():
            if step.startswith(beginning):
                return tap(name)
        return tap(step)

    class Told(Influx):
        def write(self, batch: Any) -> Any:
            tap("write")
            done = super().write(batch)
            tap("written")
            return done

        def delete(self, *arguments: Any) -> None:
            tap("delete")
            super().delete(*arguments)

    with closing(Told(target)) as influx:
        Projector(B1610, lambda: world.tapped(url, told), influx).project()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_killed_at_any_step_it_still_waits(load, project, agree, warehouse_url, double, bucket, step: str):
    feed = Feed(B1610, UNITS)
    load(feed)
    project(B1610)
    feed.restate(DAY, "psrType", "Consumption", count=3)
    load(feed)
    target = Target(double.url, "token", "org", bucket)
    with process_at(step, _project_and_tell, warehouse_url, target) as pid:
        world.kill(warehouse_url, pid)
    assert waiting(warehouse_url) == (0 if step == "committed" else 1)
    project(B1610)
    agree(B1610)


@pytest.mark.parametrize("step", ["lock", "read", "written", "mark"])
@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_a_lost_connection_to_the_warehouse_at_any_step(
    load, project, agree, warehouse_url, pg_server, influx, step: str
):
    load(Feed(B1610, UNITS))
    done = []

    def tap(now: str) -> None:
        if now.startswith(STEPS[step]) and not done:
            done.append(now)
            name = warehouse_url.rpartition("/")[2]
            with psycopg.connect(pg_server.dsn, autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

    if step == "written":
        write = influx.write
        influx.write = lambda batch: (write(batch), tap("written"))[0]  # type: ignore[method-assign]
    with pytest.raises(Retryable, match="the warehouse"):
        Projector(B1610, lambda: world.tapped(warehouse_url, tap), influx).project()
    assert waiting(warehouse_url) == 1
    project(B1610)
    agree(B1610)


# --- what a run takes up ---


def order(state: State) -> list[date]:
    """The dates of the lines sent, in their order, each once."""
    stamps = (int(line.rpartition(" ")[2]) for line in sent(state))
    return list(dict.fromkeys(datetime.fromtimestamp(at / 1e6, UTC).date() for at in stamps))


def test_a_run_takes_its_own_first_and_then_the_oldest(load, project, agree, state: State):
    for number in (4, 1, 3, 2):
        load(Feed(), DAY + timedelta(days=number), run=run(number))
    assert project(run=run(3), backlog=timedelta(minutes=5)).windows == 4
    assert order(state) == [DAY + timedelta(days=number) for number in (3, 1, 2, 4)]
    agree(SYSTEM_PRICES)


def test_a_run_that_is_not_the_newest_takes_its_own_only(load, project, warehouse_url: str, state: State):
    for number in (1, 2, 3):
        load(Feed(), DAY + timedelta(days=number), run=run(number))
    assert project(run=run(2), backlog=timedelta(0)).counts()["windows"] == 1
    assert order(state) == [DAY + timedelta(days=2)]
    assert states(warehouse_url) == ["pending", "written", "pending"]


def test_a_backlog_is_worked_on_for_a_limited_time(load, project, warehouse_url: str):
    for number in (1, 2, 3):
        load(Feed(), DAY + timedelta(days=number), run=run(number))
    summary = project(run=run(2), backlog=timedelta(microseconds=1))
    assert (summary.windows, summary.left) == (1, 2)
    assert waiting(warehouse_url) == 2


def test_a_window_in_other_hands_is_left_to_them(load, project, agree, warehouse_url: str, owner_url: str):
    load(Feed(), DAY, 2)
    place = f"influx elexon_system_prices {days(DAY)[0].start}"
    with psycopg.connect(owner_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [place])
        summary = project()
    assert (summary.windows, summary.left) == (1, 1)
    assert states(warehouse_url) == ["pending", "written"]
    project()
    agree(SYSTEM_PRICES)


def test_a_dataset_without_a_place_in_influxdb_waits_for_nothing(load, warehouse_url: str):
    load(Feed(), dataset=replace(SYSTEM_PRICES, influx=None))
    assert (waiting(warehouse_url), states(warehouse_url)) == (0, [None])


def test_progress_is_told(load, warehouse_url: str, influx: Influx, monkeypatch):
    told: list[str] = []
    monkeypatch.setenv(settings.INFLUX_BATCH.env, "20")
    load(Feed(), DAY, 2)
    on_progress = lambda summary: told.append(summary.progress().rpartition(", ")[0])  # noqa: E731
    Projector(SYSTEM_PRICES, lambda: connect(warehouse_url), influx, on_progress).project()
    assert told[0] == "0/2 windows, 20 points" and told[-1] == "2/2 windows, 96 points" and len(told) == 8


def test_what_was_loaded_before_there_was_a_projection_waits(pg_server, role_passwords, tmp_path: Path):
    """The migration marks it."""
    from alembic import command

    from energy_ingest.loading import schema
    from tools import postgres

    upgrade = command.upgrade
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: upgrade(config, "0002"))
        other = postgres.create_warehouse(pg_server, role_passwords, f"old_{tmp_path.name}")["energy_owner"]
        schema.migrate(other)
    job = (
        "INSERT INTO ledger.import_job (dataset, import_type, scope, window_start, window_label, status, total_rows,"
        " inserted_rows, unchanged_rows, code_version)"
        " VALUES (%s, 'command', 'all', %s, %s, 'completed', 5, %s, %s, 'x')"
    )
    window = (
        "INSERT INTO ledger.window (dataset, scope, window_start, window_end, label, state)"
        " VALUES ('elexon_b1610', 'all', %s, %s, %s, 'complete')"
    )
    with connect(other) as connection:
        for found, rows in zip(days(DAY, 2), (5, 0), strict=True):
            connection.execute(window, [found.start, found.end, found.label])
            connection.execute(job, ["elexon_b1610", found.start, found.label, rows, 5 - rows])
    schema.migrate(other)
    assert ask(other, "SELECT influx_pending FROM ledger.import_job ORDER BY job_id") == [(True,), (False,)]
    assert states(other) == ["pending", None]
