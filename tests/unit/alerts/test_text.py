"""What a message says, in each form; and what no message says."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_ingest.alerts import text
from energy_ingest.alerts.finding import Finding, fingerprint
from energy_ingest.alerts.redact import redact
from energy_ingest.alerts.text import Message

OPENED = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)
NOW = OPENED + timedelta(hours=26, minutes=3)
FINDING = Finding(
    rule="run_failed",
    subject="elexon_b1610",
    severity="critical",
    title="elexon_b1610 failed: 2 windows of 1 dataset",
    extent="2 windows of elexon_b1610, 2026-11-20 to 2026-11-21",
    cause="the answer: its form or content: <html> & more",
    last_good=OPENED - timedelta(days=1),
    command="energy-ingest load --dataset elexon_b1610 --from 2026-11-20 --to 2026-11-21",
    log_url="https://airflow.example/dags/elexon_b1610/runs/x?try_number=2&y=1",
)


def message(kind="opened", **changes) -> Message:
    return text.message(kind, replace(FINDING, **changes), OPENED, NOW, occurrences=3)


def test_the_text_says_what_since_when_extent_cause_last_good_log_and_command():
    assert (
        text.plain(message())
        == f"""\
[energy critical] elexon_b1610 failed: 2 windows of 1 dataset

Since      2026-11-22 09:15 UTC (1 d 2 h, 3 times)
Extent     2 windows of elexon_b1610, 2026-11-20 to 2026-11-21
Cause      the answer: its form or content: <html> & more
Last good  2026-11-21 09:15 UTC
Do         energy-ingest load --dataset elexon_b1610 --from 2026-11-20 --to 2026-11-21
Log        https://airflow.example/dags/elexon_b1610/runs/x?try_number=2&y=1

incident {FINDING.fingerprint} (run_failed: elexon_b1610)
mute: energy-ingest alerts mute {FINDING.fingerprint}
"""
    )


def test_that_it_is_over_is_short():
    assert text.plain(message("resolved")).splitlines()[:3] == [
        "[energy ok] resolved: elexon_b1610 failed: 2 windows of 1 dataset",
        "",
        "Lasted     1 d 2 h, since 2026-11-22 09:15 UTC, 3 times",
    ]


@pytest.mark.parametrize(
    ("kind", "severity", "colour", "headline"),
    [
        ("opened", "critical", "danger", "[energy critical] x"),
        ("opened", "warning", "warning", "[energy warning] x"),
        ("worse", "critical", "danger", "[energy critical] worse: x"),
        ("reminder", "warning", "warning", "[energy warning] still: x"),
        ("resolved", "critical", "good", "[energy ok] resolved: x"),
        ("test", "warning", "good", "[energy ok] test: x"),
    ],
)
def test_red_is_critical_yellow_a_warning_green_over(kind: str, severity: str, colour: str, headline: str):
    said = message(kind, severity=severity, title="x")
    assert (said.colour, said.headline) == (colour, headline)
    assert text.slack(said)["attachments"][0]["color"] == colour


def test_what_others_wrote_is_escaped():
    slack = text.slack(message())["attachments"][0]["text"]
    assert "&lt;html&gt; &amp; more" in slack and "<html>" not in slack
    assert "&lt;html&gt; &amp; more" in text.html(message())
    assert "<h3>" not in text.html(message(title="<h3>")).replace("<h3>[energy", "")


def test_a_subject_is_one_line():
    assert message(title="a\r\nBcc: b@example.org").headline == "[energy critical] a Bcc: b@example.org"


def test_long_texts_are_cut_to_what_slack_takes():
    said = message(cause="x" * 100_000, extent="&" * 100_000, title="y" * 1000)
    attachment = text.slack(said)["attachments"][0]
    assert len(attachment["text"]) < 8000 and len(said.headline) < 200


def test_several_of_a_kind_in_one_message_are_a_line_each():
    both = text.grouped([(message(subject=name), 2) for name in ("elexon_b1610", "elexon_bod")])
    assert text.plain(both).splitlines()[0] == "[energy critical] run failed: 4 windows of 2 DAGs"
    assert [label for label, _ in both.facts] == ["elexon_b1610", "elexon_bod"]
    for form in (text.plain(both), text.html(both), text.slack(both)["attachments"][0]["text"]):
        assert form.count("energy-ingest load --dataset elexon_b1610") == 2
    assert Message.from_kept(json.loads(json.dumps(both.kept()))) == both
    assert "mute one: energy-ingest alerts mute FINGERPRINT" in text.plain(both)
    assert "mute" not in text.plain(text.grouped([(message("resolved"), 2)] * 2))


def test_a_message_survives_being_kept():
    assert Message.from_kept(json.loads(json.dumps(message().kept()))) == message()
    former = {**message().as_json()}
    del former["incidents"]
    assert replace(Message.from_kept(former), incidents=message().incidents) == message(), "a row of a former version"
    assert Finding.from_json(json.loads(json.dumps(FINDING.as_json()))) == FINDING


def test_a_fingerprint_is_that_of_rule_and_subject():
    assert FINDING.fingerprint == fingerprint("run_failed", "elexon_b1610") == replace(FINDING, title="x").fingerprint
    assert len({fingerprint(*pair) for pair in (("a", "b"), ("a", "c"), ("ab", ""), ("", "ab"))}) == 4


SECRETS = [
    ("postgresql://loader:{}@db.example/warehouse refused", "postgresql://loader:***@db.example/warehouse refused"),
    ("https://hooks.slack.com/services/{} timed out", "https://hooks.slack.com/services/*** timed out"),
    ("Authorization: Bearer {}", "Authorization: Bearer ***"),
    ("password={} host=x", "password=*** host=x"),
    ('{{"api_key": "{}", "a": 1}}', '{{"api_key": "***", "a": 1}}'),
    (
        "host='a', port=1): Max retries exceeded with url: /{} (refused)",
        "host='a', port=1): Max retries exceeded with url: *** (refused)",
    ),
    ("404 Client Error for url: https://hc-ping.com/{}", "404 Client Error for url: https://hc-ping.com/***"),
    ("https://x.example/?token={}&a=1", "https://x.example/?token=***&a=1"),
]


@given(st.sampled_from(SECRETS), st.text(alphabet="abcXYZ0123456789_-./", min_size=8, max_size=40))
def test_no_secret_is_told(place: tuple[str, str], secret: str):
    given_text, shown = place
    assert redact(given_text.format(secret)) == shown.replace("{{", "{").replace("}}", "}")
    told = message(cause=given_text.format(secret), title=given_text.format(secret))
    for form in (text.plain(told), text.html(told), json.dumps(text.slack(told)), json.dumps(told.as_json())):
        assert secret not in form


def test_meter_ids_are_told_by_their_last_digits():
    assert redact("mpan 2000012345678 row 7") == "mpan ***678 row 7"
    assert redact("021008012000012345678") == "***678"
    assert redact("2026112209150 0 20261122T091500") == "***150 0 20261122T091500"


@pytest.mark.parametrize(
    "said",
    [
        "48 of 48 items",
        "2026-11-22 09:15",
        "run scheduled__2026-11-22T02:00:00+00:00",
        "b1610 440,496 rows",
        "job 12345",
    ],
)
def test_what_is_no_secret_stays(said: str):
    assert redact(said) == said


@pytest.mark.parametrize(
    ("span", "said"),
    [(timedelta(seconds=59), "0 min"), (timedelta(hours=1), "1 h 0 min"), (timedelta(days=2, hours=3), "2 d 3 h")],
)
def test_durations(span: timedelta, said: str):
    assert text.duration(span) == said
