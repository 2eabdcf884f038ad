"""Every limit and every target, at its edges."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_ingest.alerts import thresholds
from energy_ingest.alerts.finding import Finding, fingerprint
from energy_ingest.alerts.thresholds import Disk, Figures, Group, Kpi, Limits, Pace, Stuck
from energy_ingest.errors import Misconfigured

LIMITS = Limits(timedelta(minutes=60), 0.25, 0.50, 100, 20)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def found(**figures) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity) for finding in thresholds.findings(Figures(**figures), LIMITS)]


def group(**counts) -> tuple[Group, ...]:
    return (Group("elexon", **counts),)


def test_the_limits_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch):
    assert Limits.configured() == LIMITS
    monkeypatch.setenv("ENERGY_FAILURE_DEGRADED", "10")
    assert Limits.configured() == replace(LIMITS, failure_degraded=0.10)
    monkeypatch.setenv("ENERGY_FAILURE_DEGRADED", "many")
    with pytest.raises(Misconfigured, match="ENERGY_FAILURE_DEGRADED"):
        Limits.configured()


@pytest.mark.parametrize(
    ("completed", "failed", "severity"),
    [
        (0, 0, None),
        (0, 19, None),  # too few to make a rate: the first failure of a day is no 100 %
        (0, 20, "critical"),
        (75, 25, None),
        (749, 251, "warning"),
        (50, 50, "warning"),
        (499, 501, "critical"),
        (100, 0, None),
    ],
)
def test_failure_rate(completed: int, failed: int, severity: str | None):
    expected = [("failure_rate", severity)] if severity else []
    assert found(groups=group(completed=completed, failed=failed)) == expected


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_failure_rate_is_the_law(completed: int, failed: int):
    severities = [severity for _, severity in found(groups=group(completed=completed, failed=failed))]
    many = completed + failed >= 20
    assert ("critical" in severities) == (many and failed * 2 > completed + failed)
    assert bool(severities) == (many and failed * 4 > completed + failed)


@pytest.mark.parametrize(("waiting", "count"), [(0, 0), (100, 0), (101, 1)])
def test_queue_depth(waiting: int, count: int):
    assert found(groups=group(waiting=waiting)) == [("queue_depth", "warning")] * count


def test_what_a_silent_source_explains_says_so():
    for finding in thresholds.findings(Figures(groups=group(failed=100, waiting=500)), LIMITS):
        assert finding.inhibited_by == fingerprint("source_down", "elexon")


def test_stuck():
    stuck = [Stuck(7, "a.csv", NOW, False), Stuck(8, "elexon_bod 2024-03-05", NOW - timedelta(hours=1), True)]
    (finding,) = thresholds.findings(Figures(stuck=stuck), LIMITS)
    assert (finding.rule, finding.severity, finding.since) == ("stuck", "warning", NOW - timedelta(hours=1))
    assert finding.title == "2 job(s) stuck in processing state"
    assert finding.extent == "a.csv (job 7); elexon_bod 2024-03-05 (job 8)"
    assert "no progress for 60 minutes; 1 died, 1 still have a session" in finding.cause


@pytest.mark.parametrize(
    ("pace", "slow"),
    [
        (Pace("x", 3.0, 20, 1.0, 20), False),
        (Pace("x", 3.1, 20, 1.0, 20), True),
        (Pace("x", 9.0, 19, 1.0, 20), False),
        (Pace("x", 9.0, 20, 1.0, 19), False),
        (Pace("x", 9.0, 20, 0.0, 20), False),
    ],
)
def test_slow(pace: Pace, slow: bool):
    assert found(paces=[pace]) == [("slow", "warning")] * slow


@pytest.mark.parametrize(
    ("disk", "severity"),
    [
        (Disk("/a", 0.899), None),
        (Disk("/a", 0.90), "warning"),
        (Disk("/a", 0.949), "warning"),
        (Disk("/a", 0.95), "critical"),
        (Disk("/a", 0.5, 7.0), None),
        (Disk("/a", 0.5, 6.9), "warning"),
        (None, None),
    ],
)
def test_disk_space(disk: Disk | None, severity: str | None):
    assert found(disk=disk) == ([("disk_space", severity)] if severity else [])


@pytest.mark.parametrize(
    ("severities", "status"),
    [([], "healthy"), (["warning"] * 2, "degraded"), (["warning", "critical"], "critical")],
)
def test_status(severities: list, status: str):
    assert thresholds.status([Finding("r", "s", severity, "t") for severity in severities]) == status


def kpi(name: str, **figures) -> Kpi:
    return {kpi.name: kpi for kpi in thresholds.kpis(Figures(**figures))}[name]


@pytest.mark.parametrize(
    ("name", "figures", "value", "met"),
    [
        ("success_rate", {"groups": group(completed=95, failed=5)}, 0.95, False),
        ("success_rate", {"groups": group(completed=951, failed=49)}, 0.951, True),
        ("success_rate", {}, 1.0, True),
        ("queue_depth", {"groups": (Group("a", waiting=4), Group("b", waiting=6))}, 10, False),
        ("queue_depth", {"groups": group(waiting=9)}, 9, True),
        ("retry_rate", {"groups": group(attempts=100, retries=10)}, 0.10, False),
        ("retry_rate", {"groups": group(attempts=100, retries=9)}, 0.09, True),
        ("retry_rate", {}, 0.0, True),
        ("availability", {"availability": 0.99}, 0.99, False),
        ("availability", {"availability": 0.995}, 0.995, True),
        ("rows", {"groups": group(rows=5)}, 5, None),
        ("disk_used", {"disk": Disk("/a", 0.5)}, 0.5, None),
        ("database_bytes", {"sizes": {"database_bytes": 7.0}}, 7, None),
    ],
)
def test_key_figures(name: str, figures: dict, value: float, met: bool | None):
    assert (kpi(name, **figures).value, kpi(name, **figures).is_met) == (value, met)


@pytest.mark.parametrize(
    ("figure", "shown", "aim"),
    [
        (Kpi("success_rate", 0.9496, 0.95, high=True, share=True), "94.96 %", "> 95.00 %"),
        (Kpi("queue_depth", 1200, 10), "1,200", "< 10"),
        (Kpi("disk_used", 0.7, share=True), "70.00 %", ""),
    ],
)
def test_a_figure_is_shown_so_that_a_target_missed_shows(figure: Kpi, shown: str, aim: str):
    assert (f"{figure}", figure.aim) == (shown, aim)
