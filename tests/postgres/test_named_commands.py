"""The command that a message names is run as it stands: every rule's, and every DAG's whose run failed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from energy_ingest import catalog
from energy_ingest.alerts import thresholds
from energy_ingest.alerts.finding import Finding
from energy_ingest.alerts.thresholds import Disk, Figures, Group, Limits, Pace, Stuck
from energy_ingest.catalog import SYSTEM_PRICES
from energy_ingest.errors import Rejected, Retryable
from energy_ingest.loading import diagnosis, health, incidents, ledger
from energy_ingest.loading.database import connect
from energy_ingest.loading.diagnosis import Run
from energy_ingest.loading.health import Health
from energy_ingest.sources import Scope
from include.twin.client import Twin
from tests.postgres.cli.conftest import EnergyIngest, energy_ingest
from tests.postgres.world import DAY, days

__all__ = ["energy_ingest"]

NOW = datetime.now(UTC)
DAGS = sorted(path.stem for path in (Path(__file__).parents[2] / "dags").glob("*.py"))
NOWHERE = json.dumps({"conn_type": "http", "host": "http://127.0.0.1:1"})
ENV = {
    **{f"AIRFLOW_CONN_{upstream.conn_id.upper()}": NOWHERE for upstream in catalog.upstreams()},
    "SLACK_WEBHOOK_URL": "http://127.0.0.1:1/nobody",
    "NO_PROXY": "127.0.0.1",
}


def wrong_everywhere() -> Figures:
    return Figures(
        groups=[Group("elexon", failed=100, waiting=500)],
        stuck=[Stuck(1, "a", NOW, is_alive=False)],
        paces=[Pace("elexon_b1610", 9.0, 99, 1.0, 99)],
        disk=Disk("/a", 0.99),
    )


def found(connection: psycopg.Connection) -> Iterator[Finding]:
    """Something of every rule."""
    yield from thresholds.findings(wrong_everywhere(), Limits.configured())
    yield incidents._channel_failed("slack", "invalid_auth")
    sick = Health(SYSTEM_PRICES.name, "unhealthy", DAY, 1, missed=1, spans=((DAY, DAY),))
    yield from health.findings([sick], {})
    for dag_id in DAGS:
        yield diagnosis.explain(connection, Run(dag_id, "manual__1"), NOW)
    run = ledger.Run("scheduled", SYSTEM_PRICES.name, "r", 1)
    for error in (Rejected("no JSON"), *[Retryable("no route to host")] * 3):
        job = ledger.begin(connection, SYSTEM_PRICES, Scope("all"), days(DAY)[0], run)
        ledger.fail(connection, job, error)
        yield diagnosis.explain(connection, Run(SYSTEM_PRICES.name, "r", dataset=SYSTEM_PRICES.name), datetime.now(UTC))


@pytest.fixture
def named(warehouse_url: str) -> dict[str, list[str]]:
    """The commands, by the rules that name them."""
    commands: dict[str, list[str]] = {}
    with connect(warehouse_url) as connection:
        for finding in found(connection):
            commands.setdefault(finding.command, []).append(finding.rule)
    return commands


def test_every_command_that_a_message_names_can_be_run(energy_ingest: EnergyIngest, named: dict[str, list[str]]):
    with Twin.start() as twin:  # for those that ask Elexon
        env = {**ENV, "AIRFLOW_CONN_ELEXON_DEFAULT": json.dumps({"conn_type": "http", "host": twin.url})}
        run_each(energy_ingest, named, env)


def run_each(energy_ingest: EnergyIngest, named: dict[str, list[str]], env: dict[str, str]) -> None:
    rules = {rule for rules in named.values() for rule in rules}
    assert rules == {*thresholds.RULES, "channel_failed", "freshness", "run_failed", "source_down"}
    for command in named:
        program, *arguments = shlex.split(command)
        assert program == "energy-ingest"
        if arguments[0] == "load":  # it is run against the twin where a message of a failed run is read
            arguments = ["plan", *arguments[1:]]
        ran = energy_ingest(*arguments, **env)
        assert ran.code in (0, 1, 2), f"{command}: {ran.err}"


@pytest.mark.parametrize(
    "command", ["energy-ingest quality report --dataset elexon_b1610", "energy-ingest influx status"]
)
def test_and_those_of_quality_and_influxdb(energy_ingest: EnergyIngest, command: str):
    assert energy_ingest(*shlex.split(command)[1:], **ENV).code in (0, 1, 2)


def test_what_was_never_loaded_names_its_dates(warehouse_url: str):
    assert date.fromisoformat("2024-03-05") == DAY
    sick = Health(SYSTEM_PRICES.name, "unhealthy", missed=3, spans=((DAY, DAY), (DAY + timedelta(days=2),) * 2))
    assert sick.command == "energy-ingest load --dataset elexon_system_prices --from 2024-03-05 --to 2024-03-07"
