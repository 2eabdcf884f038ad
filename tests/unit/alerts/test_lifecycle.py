"""When people are told: once each time, whatever happens in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_ingest.alerts.lifecycle import COOL_DOWN, LONGEST_DIGEST, QUIET, REMIND_AFTER, Incident, Kind, announcement

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TICK = timedelta.resolution
MINUTE = timedelta(minutes=1)


def opened(ago: timedelta = timedelta(0), **known) -> Incident:
    return Incident("warning", NOW - ago, NOW - ago, **known)


def told(ago: timedelta, severity="warning", **known) -> Incident:
    return (
        opened(ago, told="warning", told_at=NOW - ago, **known)
        if severity == "warning"
        else replace(told(ago, **known), severity=severity)
    )


@pytest.mark.parametrize(
    ("incident", "kind"),
    [
        (opened(), "opened"),
        (told(MINUTE), None),
        (told(REMIND_AFTER - TICK), None),
        (told(REMIND_AFTER), "reminder"),
        (told(MINUTE, "critical"), "worse"),
        (told(MINUTE, resolved_at=NOW), "resolved"),
        (opened(MINUTE, resolved_at=NOW), None),  # nobody ever heard of it
        (replace(told(COOL_DOWN - TICK), told=None), None),  # over, and back again
        (replace(told(COOL_DOWN), told=None), "opened"),
        (opened(is_digest=True), None),
        (opened(QUIET - TICK, is_digest=True), None),
        (opened(QUIET, is_digest=True), "opened"),
        (replace(opened(LONGEST_DIGEST - TICK, is_digest=True), last_seen_at=NOW), None),
        (replace(opened(LONGEST_DIGEST, is_digest=True), last_seen_at=NOW), "opened"),
        (opened(muted_until=NOW + TICK), None),
        (opened(muted_until=NOW), "opened"),
        (told(REMIND_AFTER, "critical", muted_until=NOW + TICK), None),
        (told(MINUTE, resolved_at=NOW, muted_until=NOW + TICK), "resolved"),
    ],
)
def test_what_is_told(incident: Incident, kind: Kind | None):
    assert announcement(incident, NOW) == kind


def test_what_another_incident_explains_is_not_told():
    assert announcement(opened(), NOW, inhibited=True) is None
    assert announcement(told(REMIND_AFTER), NOW, inhibited=True) is None
    assert announcement(told(MINUTE, resolved_at=NOW), NOW, inhibited=True) == "resolved"


@dataclass
class History:
    """An incident as rows would keep it, and what was told of it."""

    is_digest: bool
    now: datetime = NOW
    incident: Incident | None = None
    messages: list[tuple[datetime, Kind, str]] = field(default_factory=list)

    def step(self, minutes: int, wrong: str | None, inhibited: bool) -> None:
        self.now += timedelta(minutes=minutes)
        incident = self.incident
        if wrong and incident and incident.resolved_at is None:
            worst = "critical" if "critical" in (wrong, incident.severity) else "warning"
            self.incident = replace(incident, severity=worst, last_seen_at=self.now)
        elif wrong and incident and self.now < incident.resolved_at + COOL_DOWN:
            self.incident = replace(incident, severity=wrong, last_seen_at=self.now, resolved_at=None)
        elif wrong:
            self.incident = Incident(wrong, self.now, self.now, is_digest=self.is_digest)
        elif incident and incident.resolved_at is None:
            self.incident = replace(incident, resolved_at=self.now)
        if self.incident and (kind := announcement(self.incident, self.now, inhibited=inhibited)):
            self.messages.append((self.now, kind, self.incident.severity))
            told = None if kind == "resolved" else self.incident.severity
            self.incident = replace(self.incident, told=told, told_at=self.now)


STEPS = st.lists(
    st.tuples(st.integers(1, 300), st.sampled_from([None, "warning", "warning", "critical"]), st.booleans()),
    max_size=60,
)


@given(STEPS, st.booleans())
def test_nobody_hears_twice_of_the_same(steps: list[tuple[int, str | None, bool]], is_digest: bool):
    history = History(is_digest)
    for step in steps:
        history.step(*step)
    kinds = [kind for _, kind, _ in history.messages]
    assert kinds[:1] in ([], ["opened"])
    for (before_at, before, was), (at, kind, severity) in pairwise(history.messages):
        assert (kind == "opened") == (before == "resolved"), "what opens was closed, and what was closed opens"
        assert kind != "worse" or (was, severity) == ("warning", "critical")
        assert kind != "reminder" or at >= before_at + REMIND_AFTER
        assert kind != "opened" or at >= before_at + COOL_DOWN
    assert history.incident is None or (history.incident.told is None) == (not kinds or kinds[-1] == "resolved")


@given(STEPS)
def test_a_flapping_alarm_is_two_messages_an_hour_at_most(steps: list[tuple[int, str | None, bool]]):
    history = History(is_digest=False)
    for minutes, wrong, _ in steps:
        history.step(minutes % 7 + 1, wrong, False)
    hours = (history.now - NOW) / COOL_DOWN + 1
    assert len(history.messages) <= 3 * hours


@given(STEPS)
def test_what_is_wrong_in_the_end_is_told_in_the_end(steps: list[tuple[int, str | None, bool]]):
    history = History(is_digest=True)
    for step in steps:
        history.step(*step)
    history.step(1, "critical", False)
    history.step(1440, "critical", False)
    assert history.incident is not None and history.incident.told == "critical"
    history.step(1, None, True)
    assert history.incident.told is None
