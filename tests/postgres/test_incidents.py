"""Incidents as rows: one message each, whoever reports; and their way through channels that fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from energy_ingest.alerts.finding import Finding, fingerprint
from energy_ingest.alerts.lifecycle import COOL_DOWN, QUIET, REMIND_AFTER
from energy_ingest.alerts.text import Message
from energy_ingest.catalog import MARKET_INDEX, SYSTEM_PRICES, Dataset
from energy_ingest.errors import IngestError, Rejected, Retryable
from energy_ingest.loading import diagnosis, incidents, ledger
from energy_ingest.loading.database import connect
from energy_ingest.loading.diagnosis import Run
from energy_ingest.loading.incidents import Channels
from energy_ingest.sources import Scope
from tests.postgres.processes import together
from tests.postgres.world import DAY, Feed, ask, days, doomed, load, one

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
FINDING = Finding("queue_depth", "all", "warning", "120 jobs wait")
CAUSE = Finding("source_down", "elexon", "critical", "elexon does not answer")
EFFECT = Finding("freshness", "elexon_b1610", "warning", "late", inhibited_by=CAUSE.fingerprint)


@dataclass
class Office:
    """Somebody who reads two channels, and a clock."""

    url: str
    connection: psycopg.Connection
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    read: list[tuple[str, Message]] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    fallback: bool = False

    @property
    def channels(self) -> Channels:
        both = {name: self._sender(name) for name in ("slack", "email")}
        return Channels({"slack": both["slack"]}, {"email": both["email"]}) if self.fallback else Channels(both)

    def _sender(self, channel: str):
        def send(message: Message) -> None:
            if channel in self.dead:
                raise ConnectionError("https://hooks.slack.com/services/T0/B0/secret: invalid_auth")
            self.read.append((channel, message))

        return send

    def passes(self, *findings: Finding, after: timedelta = SECOND, **more) -> list[str]:
        """A pass of the monitor: what is read by e-mail."""
        self.now += after
        before = len(self.read)
        incidents.report(self.connection, findings, self.channels, self.now, occurred=False, **more)
        incidents.deliver(self.connection, self.channels, self.now)
        return [message.headline for channel, message in self.read[before:] if channel == "email"]

    def hears_of(self, run: Run, after: timedelta = SECOND) -> list[str]:
        """What the callback of a failed run does: what is read by e-mail."""
        self.now += after
        before = len(self.read)
        finding = diagnosis.explain(self.connection, run, self.now)
        incidents.report(self.connection, [finding], self.channels, self.now)
        incidents.deliver(self.connection, self.channels, self.now)
        return [message.headline for channel, message in self.read[before:] if channel == "email"]

    def looks_again(self, after: timedelta = SECOND) -> list[str]:
        return self.passes(after=after, over=diagnosis.over(self.connection, self.now))


@pytest.fixture
def office(warehouse_url: str) -> Iterator[Office]:
    with connect(warehouse_url) as connection:
        yield Office(warehouse_url, connection)


def fail(office: Office, count: int, error: IngestError, dataset: Dataset = SYSTEM_PRICES, dag_id: str = "") -> None:
    run = ledger.Run("scheduled", dag_id or dataset.name, "scheduled__1", 1)
    for window in days(DAY, count):
        ledger.fail(office.connection, ledger.begin(office.connection, dataset, Scope("all"), window, run), error)


def run(dataset: Dataset = SYSTEM_PRICES, **known) -> Run:
    return Run(dataset.name, "scheduled__1", "task_failure", "ingest", dataset.name, **known)


# --- the life of an incident ---


def test_each_turn_is_told_once(office: Office):
    assert office.passes(FINDING) == ["[energy warning] 120 jobs wait"]
    assert office.passes(FINDING, after=REMIND_AFTER - 2 * SECOND) == []
    assert office.passes(FINDING, after=2 * SECOND) == ["[energy warning] still: 120 jobs wait"]
    worse = Finding("queue_depth", "all", "critical", "900 jobs wait")
    assert office.passes(worse) == ["[energy critical] worse: 900 jobs wait"]
    assert office.passes(FINDING) == [], "severity does not fall while it lasts"
    assert office.passes(rules=["another"]) == []
    assert office.passes(rules=["queue_depth"]) == ["[energy ok] resolved: 120 jobs wait"]
    assert office.passes(rules=["queue_depth"]) == []
    assert len(office.read) == 2 * 4, "by both channels"


def test_what_comes_back_at_once_is_the_same_incident(office: Office):
    office.passes(FINDING)
    office.passes(rules=["queue_depth"])
    assert office.passes(FINDING, after=COOL_DOWN - SECOND) == []
    assert office.passes(FINDING) == ["[energy warning] 120 jobs wait"]
    assert ask(office.url, "SELECT occurrences FROM ledger.incident") == [(2,)]
    office.passes(rules=["queue_depth"])
    office.passes(FINDING, after=COOL_DOWN)
    assert ask(office.url, "SELECT occurrences FROM ledger.incident ORDER BY incident_id") == [(2,), (1,)]


def test_a_mute_ends_by_itself(office: Office):
    office.passes(FINDING)
    assert incidents.mute(office.connection, FINDING.fingerprint, office.now + timedelta(hours=30), "known")
    assert not incidents.mute(office.connection, "none", office.now, "")
    assert office.passes(FINDING, after=timedelta(hours=29)) == []
    assert office.passes(FINDING, after=timedelta(hours=1)) == ["[energy warning] still: 120 jobs wait"]


def test_a_source_that_is_down_silences_what_follows_from_it(office: Office):
    assert office.passes(EFFECT, CAUSE) == ["[energy critical] elexon does not answer"]
    assert office.passes(EFFECT, rules=["source_down"]) == ["[energy ok] resolved: elexon does not answer"]
    assert office.passes(EFFECT, after=COOL_DOWN - SECOND) == [], "it takes a while until everything is loaded again"
    assert office.passes(EFFECT, after=SECOND) == ["[energy warning] late"]


def test_what_is_found_together_is_one_message(office: Office):
    names = [f"dataset_{n:02}" for n in range(12)]
    late = [Finding("freshness", name, "warning", f"{name} misses 3 windows", windows=3) for name in names]
    late[3] = replace(late[3], severity="critical")
    assert office.passes(*late) == ["[energy critical] freshness: 36 windows of 12 datasets"]
    told = office.read[-1][1]
    assert (told.command, len(told.facts)) == ("energy-ingest alerts list", 11)
    assert told.facts[0][0] == "dataset_00" and "dataset_00 misses 3 windows" in told.facts[0][1]
    assert told.facts[-1] == ("More", "2: energy-ingest alerts list")
    assert told.incidents == tuple(finding.fingerprint for finding in late)
    assert office.passes(*late) == []
    assert office.passes(late[0], rules=["freshness"]) == ["[energy ok] resolved: freshness: 33 windows of 11 datasets"]
    assert office.passes(rules=["freshness"]) == ["[energy ok] resolved: dataset_00 misses 3 windows"]
    assert one(office.url, "SELECT count(*) FROM ledger.incident WHERE resolved_at IS NULL") == 0


def see(_, url: str, number: int) -> None:
    with connect(url) as connection:
        incidents.report(connection, [FINDING], Channels({"slack": print}), datetime.now(UTC))


def test_several_that_see_it_at_once_make_one_incident(office: Office):
    together(see, *((office.url, number) for number in range(4)))
    assert ask(office.url, "SELECT count(*), max(occurrences) FROM ledger.incident") == [(1, 4)]
    assert one(office.url, "SELECT count(*) FROM ledger.alert_delivery") == 1


# --- runs that fail ---


def test_five_hundred_failing_windows_are_one_message_and_their_recovery_one_more(office: Office):
    fail(office, 500, Rejected("no JSON"))
    told = [office.hears_of(run()) for _ in range(20)]
    assert told[0] == ["[energy critical] elexon_system_prices failed: 500 windows of 1 dataset"]
    assert sum(map(len, told)) == 1
    facts = dict(office.read[0][1].facts)
    assert facts["Extent"] == "500 windows of elexon_system_prices, 2024-03-05 to 2025-07-17"
    assert facts["Cause"] == "the answer: its form or content: no JSON"
    command = "energy-ingest load --dataset elexon_system_prices --from 2024-03-05 --to 2025-07-17"
    assert office.read[0][1].command == command
    assert office.looks_again() == []
    with connect(office.url) as connection:
        connection.execute("UPDATE ledger.import_job SET status = 'completed', total_rows = 0")
    assert office.looks_again() == ["[energy ok] resolved: elexon_system_prices failed: 500 windows of 1 dataset"]
    assert office.looks_again() == []


def test_a_backfill_of_a_failing_month_is_one_digest(office: Office, tmp_path):
    for number in range(1, 32):
        fail(office, number, Rejected("no JSON"))
        assert office.hears_of(run(past=True), after=10 * MINUTE) == []
    assert office.looks_again(after=QUIET - SECOND) == []
    title = "elexon_system_prices failed: 31 windows of 1 dataset"
    assert office.looks_again() == [f"[energy warning] {title}"]
    assert "31 times" in dict(office.read[0][1].facts)["Since"]
    load(office.url, Feed(), tmp_path, days(DAY, 31))
    assert office.looks_again() == [f"[energy ok] resolved: {title}"]


def test_a_new_failure_does_not_wait_for_the_digest(office: Office):
    fail(office, 1, Rejected("no JSON"))
    assert office.hears_of(run(past=True)) == []
    assert office.hears_of(run()) == ["[energy critical] elexon_system_prices failed: 1 window of 1 dataset"]


def test_a_silent_source_is_one_incident_for_all_its_datasets(office: Office, tmp_path):
    for dataset in (SYSTEM_PRICES, MARKET_INDEX):
        fail(office, 3, Retryable("no route to host"), dataset)
    assert office.hears_of(run()) == ["[energy critical] elexon does not answer: 6 windows of 2 datasets wait"]
    assert office.hears_of(run(MARKET_INDEX)) == []
    assert office.looks_again() == []
    load(office.url, Feed(), tmp_path, days(DAY, 1))
    assert office.looks_again() == ["[energy ok] resolved: elexon does not answer: 6 windows of 2 datasets wait"]


@pytest.mark.parametrize(
    ("errors", "rule"),
    [
        ([Retryable("x")] * 2, "run_failed"),
        ([Retryable("x")] * 3, "source_down"),
        ([Retryable("x"), Rejected("x"), Retryable("x"), Retryable("x")], "run_failed"),
        ([Rejected("x"), *[Retryable("x")] * 3], "source_down"),
    ],
)
def test_three_unanswered_requests_in_a_row_mean_a_silent_source(office: Office, errors: list[IngestError], rule: str):
    for error in errors:
        fail(office, 1, error)
    assert diagnosis.explain(office.connection, run(), datetime.now(UTC)).rule == rule


def test_a_killed_task_is_told_of_with_what_it_left(office: Office):
    with doomed(office.url) as session:
        task = ledger.Run("scheduled", SYSTEM_PRICES.name, "scheduled__1", 1)
        ledger.begin(session, SYSTEM_PRICES, Scope("all"), days(DAY)[0], task)
        assert diagnosis.failing(office.connection, SYSTEM_PRICES.name) == [], "its process lives"
    finding = diagnosis.explain(office.connection, run(), datetime.now(UTC))
    assert (finding.rule, finding.windows) == ("run_failed", 1)
    assert finding.cause == "task_failure in ingest; the process may have been killed"


def test_a_run_without_windows_is_made_good_by_the_next_that_works(office: Office):
    assert office.hears_of(Run("platform_cleanup", "r", "task_failure", "clean")) == [
        "[energy critical] platform_cleanup failed: run r"
    ]
    assert office.looks_again() == []
    with connect(office.url) as connection:
        connection.execute(
            "INSERT INTO ledger.execution (kind, target, status, started_at, completed_at, dag_id, code_version)"
            " VALUES ('cleanup', '', 'completed', %s, %s, 'platform_cleanup', '0')",
            [office.now, office.now + SECOND],
        )
    assert office.looks_again(after=MINUTE) == ["[energy ok] resolved: platform_cleanup failed: run r"]


def test_influxdb_that_lags_is_one_incident(office: Office, tmp_path):
    for dataset in (SYSTEM_PRICES, MARKET_INDEX):
        load(office.url, Feed(dataset), tmp_path, days(DAY, 2))
    failed = Run("elexon_system_prices", "r", "task_failure", "project_influx", "elexon_system_prices")
    assert office.hears_of(failed) == ["[energy warning] InfluxDB lacks 4 windows of 2 datasets"]
    assert office.looks_again() == []
    with connect(office.url) as connection:
        connection.execute("UPDATE ledger.window SET influx_state = 'written'")
    assert office.looks_again() == ["[energy ok] resolved: InfluxDB lacks 4 windows of 2 datasets"]


def test_secrets_stay_out_of_rows_and_messages(office: Office):
    secret = "hunter2hunter2"
    fail(office, 1, Rejected(f"password={secret} at postgresql://x:{secret}@db/x, mpan 2000012345678"))
    office.hears_of(run(log_url="https://airflow.example/dags/x"))
    office.dead = {"slack", "email"}
    office.looks_again(after=REMIND_AFTER)
    kept = {
        name: ask(office.url, f"SELECT row::text FROM ledger.{name} AS row")  # noqa: S608 - names of ours
        for name in ("incident", "alert_delivery", "import_job", "window")
    }
    assert {name: len(rows) for name, rows in kept.items()} == {
        **{"incident": 1, "alert_delivery": 4, "import_job": 1, "window": 1}
    }
    for name, rows in kept.items():
        assert not [text for (text,) in rows if secret in text or "2000012345678" in text], name


# --- deliveries ---


def test_a_dead_channel_is_told_of_by_the_other(office: Office):
    office.dead = {"slack"}
    assert office.passes(FINDING) == ["[energy warning] 120 jobs wait"]
    assert office.passes(FINDING, after=MINUTE) == [], "tried again, told of later"
    assert office.passes(FINDING, after=10 * MINUTE) == ["[energy critical] alerts do not arrive by slack"]
    assert "secret" not in str(office.read[-1][1]) and "invalid_auth" in str(office.read[-1][1])
    worse = Finding("queue_depth", "all", "critical", "900 jobs wait")
    assert office.passes(worse, after=MINUTE) == ["[energy critical] worse: 900 jobs wait"]
    office.dead = set()
    assert office.passes(worse, after=MINUTE) == ["[energy ok] resolved: alerts do not arrive by slack"]
    assert [message.kind for channel, message in office.read if channel == "slack"] == ["worse", "resolved"]


def test_a_channel_in_reserve_gets_what_the_first_did_not_take(office: Office):
    office.fallback, office.dead = True, {"slack"}
    assert office.passes(FINDING) == office.passes(FINDING, after=MINUTE) == []
    assert office.passes(FINDING, after=10 * MINUTE) == [
        "[energy critical] alerts do not arrive by slack",
        "[energy warning] 120 jobs wait",
    ]
    assert dict(office.read[-1][1].facts)["Note"] == "slack did not take this message"


def test_nobody_to_tell_loses_nothing(office: Office):
    office.dead = {"slack", "email"}
    for after in (SECOND, MINUTE, 10 * MINUTE, MINUTE):
        office.passes(FINDING, after=after)
    given_up = "SELECT channel, attempts FROM ledger.alert_delivery WHERE given_up_at IS NOT NULL ORDER BY 1"
    assert ask(office.url, given_up) == [("email", 3), ("slack", 3)]
    assert office.read == []


def test_a_delivery_is_taken_by_one_process(office: Office):
    incidents.report(office.connection, [FINDING], Channels({"slack": print}), office.now)
    with connect(office.url) as other:

        def send(_: Message) -> None:
            assert incidents.deliver(other, office.channels, office.now)["delivered"] == 0

        assert incidents.deliver(office.connection, Channels({"slack": send}), office.now)["delivered"] == 1


def test_a_test_message_each_week(office: Office):
    assert incidents.canary(office.connection, office.channels, office.now)
    assert not incidents.canary(office.connection, office.channels, office.now + timedelta(days=7) - SECOND)
    incidents.deliver(office.connection, office.channels, office.now)
    assert [message.headline for _, message in office.read] == ["[energy ok] test: alerts arrive"] * 2
    assert incidents.canary(office.connection, office.channels, office.now + timedelta(days=7))


def test_the_list(office: Office):
    office.passes(FINDING, CAUSE)
    office.passes(CAUSE, rules=["queue_depth"])
    assert [row["fingerprint"] for row in incidents.listed(office.connection)] == [CAUSE.fingerprint]
    assert len(incidents.listed(office.connection, resolved=True)) == 2
    assert fingerprint("queue_depth", "all") == FINDING.fingerprint
