"""The words of a message: plain, HTML, for Slack and as JSON. What others wrote is redacted, cut and escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any, Final

from energy_ingest.alerts.finding import SEVERITIES, Finding, fingerprint
from energy_ingest.alerts.lifecycle import Kind
from energy_ingest.alerts.redact import redact

LONGEST: Final = 600
"""Characters of one fact; Slack takes 3,000 a block and about 13,000 in all."""
_WORDS: Final[dict[Kind, str]] = {
    "opened": "",
    "worse": "worse: ",
    "reminder": "still: ",
    "resolved": "resolved: ",
    "test": "test: ",
}
_COLOURS: Final = {"critical": "danger", "warning": "warning"}
"""Slack's names: red and yellow. What is over is `good`, green."""
MOST: Final = 10
"""Incidents that a message of several has lines for."""
_SUBJECTS: Final = {
    **dict.fromkeys(("freshness", "slow"), "dataset"),
    **dict.fromkeys(("failure_rate", "queue_depth", "source_down"), "upstream"),
    **{"run_failed": "DAG", "channel_failed": "channel"},
}
"""What the incidents of a rule are about."""
_HEX: Final = {"danger": "#a30200", "warning": "#daa038", "good": "#2eb886"}


@dataclass(frozen=True)
class Message:
    """What people are told; `facts` are labels with their texts."""

    kind: Kind
    severity: str
    fingerprint: str
    rule: str
    subject: str
    title: str
    facts: tuple[tuple[str, str], ...] = ()
    command: str = ""
    log_url: str = ""
    incidents: tuple[str, ...] = ()
    """Fingerprints of those that it tells of: usually the one, several where they were found together."""

    @property
    def headline(self) -> str:
        """One line: the e-mail's subject."""
        level = "ok" if self.kind in ("resolved", "test") else self.severity
        return " ".join(f"[energy {level}] {_WORDS[self.kind]}{self.title}".split())

    @property
    def colour(self) -> str:
        """Slack's name of it."""
        return "good" if self.kind in ("resolved", "test") else _COLOURS[self.severity]

    def as_json(self) -> dict[str, Any]:
        """Plain values: what the webhook gets."""
        return {**asdict(self), "headline": self.headline, "facts": dict(self.facts)}

    def kept(self) -> dict[str, Any]:
        """Plain values that keep the order of the facts: PostgreSQL's jsonb has its own for names."""
        return {**asdict(self), "facts": [list(fact) for fact in self.facts]}

    @classmethod
    def from_kept(cls, values: dict[str, Any]) -> Message:
        """What `kept` gave; rows of former versions have facts by name, and a headline."""
        facts = values["facts"].items() if isinstance(values["facts"], dict) else values["facts"]
        lists = {
            "facts": tuple((label, said) for label, said in facts),
            "incidents": tuple(values.get("incidents", ())),
        }
        return cls(**{**{name: value for name, value in values.items() if name != "headline"}, **lists})


def message(kind: Kind, finding: Finding, opened_at: datetime, now: datetime, occurrences: int = 1) -> Message:
    """What to say of a finding; the instants are those of its incident."""
    since = min(filter(None, (finding.since, opened_at)))
    times = f", {occurrences:,} times" if occurrences > 1 else ""
    facts = {
        "Since": f"{instant(since)} ({duration(now - since)}{times})",
        "Extent": finding.extent,
        "Cause": finding.cause,
        "Last good": instant(finding.last_good) if finding.last_good else "",
    }
    if kind == "resolved":
        facts = {"Lasted": f"{duration(now - since)}, since {instant(since)}{times}", "Was": finding.cause}
    return Message(
        kind=kind,
        severity=finding.severity,
        fingerprint=finding.fingerprint,
        rule=finding.rule,
        subject=finding.subject,
        title=cut(redact(finding.title), 150),
        facts=tuple((label, cut(redact(text))) for label, text in facts.items() if text),
        command=redact(finding.command) if kind != "resolved" else "",
        log_url=redact(finding.log_url),
        incidents=(finding.fingerprint,),
    )


def grouped(messages: Sequence[tuple[Message, int]]) -> Message:
    """One message in place of several of the same kind and rule that are due at once; the numbers are their windows.

    Each incident has a line of its own, and mutes and ends for itself.
    """
    first, windows = messages[0][0], sum(number for _, number in messages)
    members = sorted((message for message, _ in messages), key=lambda message: message.subject)
    what = counted(len(members), _SUBJECTS.get(first.rule, "incident"))
    lines = [(message.subject, cut("; ".join(_line(message)), LONGEST)) for message in members[:MOST]]
    more = [("More", f"{len(members) - MOST:,}: energy-ingest alerts list")] if len(members) > MOST else []
    return Message(
        kind=first.kind,
        severity=max((message.severity for message in members), key=SEVERITIES.index),
        fingerprint=fingerprint(first.rule, "\n".join(message.subject for message in members)),
        rule=first.rule,
        subject=", ".join(message.subject for message in members),
        title=f"{first.rule.replace('_', ' ')}: " + (f"{counted(windows, 'window')} of {what}" if windows else what),
        facts=(*lines, *more),
        command="energy-ingest alerts list" if first.kind != "resolved" else "",
        log_url=first.log_url,
        incidents=tuple(message.fingerprint for message in members),
    )


def _line(message: Message) -> Iterator[str]:
    yield message.title
    yield from (f"{label.lower()} {text}" for label, text in message.facts)
    if message.command:
        yield message.command
    yield f"incident {message.fingerprint}"


def plain(message: Message) -> str:
    """As text."""
    lines = [message.headline, "", *(f"{label:<10} {text}" for label, text in message.facts)]
    lines += [f"{'Do':<10} {message.command}"] if message.command else []
    lines += [f"{'Log':<10} {message.log_url}"] if message.log_url else []
    return "\n".join([*lines, "", *_footer(message)]) + "\n"


def html(message: Message) -> str:
    """As an HTML page for e-mail."""
    rows = [(label, escape(text)) for label, text in message.facts]
    rows += [("Do", f"<code>{escape(message.command)}</code>")] if message.command else []
    if message.log_url:
        rows.append(("Log", f'<a href="{escape(message.log_url)}">{escape(message.log_url)}</a>'))
    cells = "".join(f'<tr><th align="left" valign="top">{label}</th><td>{text}</td></tr>' for label, text in rows)
    bar = f"border-left:4px solid {_HEX[message.colour]};padding-left:12px"
    return (
        f'<html><body><div style="{bar}"><h3>{escape(message.headline)}</h3><table cellpadding="4">{cells}</table>'
        f"<p><small>{'<br>'.join(escape(line) for line in _footer(message))}</small></p></div></body></html>"
    )


def slack(message: Message) -> dict[str, Any]:
    """As a message of Slack's API; only an attachment has a coloured bar."""
    lines = [f"*{label}* {_slack(text)}" for label, text in message.facts]
    lines += [f"*Do* `{_slack(message.command)}`"] if message.command else []
    lines += [f"*Log* <{_slack(message.log_url)}>"] if message.log_url else []
    attachment = {
        "color": message.colour,
        "title": _slack(message.headline),
        "text": "\n".join(lines),
        "fallback": _slack(message.headline),
        "footer": _slack(" · ".join(_footer(message))),
        "mrkdwn_in": ["text"],
    }
    return {"text": "", "attachments": [attachment]}


def instant(at: datetime) -> str:
    """To the minute, UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def duration(span: timedelta) -> str:
    """Such as `2 d 3 h` or `45 min`."""
    minutes = max(0, int(span.total_seconds()) // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def counted(number: int, noun: str) -> str:
    """Such as `1 window` or `1,200 windows`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def cut(text: str, longest: int = LONGEST) -> str:
    """At most that many characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _footer(message: Message) -> list[str]:
    if message.kind == "test":
        return ["Nothing is wrong: this shows that alerts arrive."]
    if len(message.incidents) > 1:
        mute = ["mute one: energy-ingest alerts mute FINGERPRINT"] if message.kind != "resolved" else []
        return [f"{len(message.incidents)} incidents ({message.rule})", *mute]
    name = f"incident {message.fingerprint} ({message.rule}: {message.subject})"
    return [name] if message.kind == "resolved" else [name, f"mute: energy-ingest alerts mute {message.fingerprint}"]


def _slack(text: str) -> str:
    """Slack's own escapes (https://api.slack.com/reference/surfaces/formatting#escaping)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
