"""Incidents and their messages as rows: whoever finds something wrong notes it here, and any process can tell of it.

One transaction under one lock sees what is wrong and what is over, decides what people are told, and leaves a row for
each message and channel. `deliver` takes these rows; a process that dies in between loses nothing.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from energy_ingest.alerts import lifecycle, text
from energy_ingest.alerts.finding import Finding, fingerprint
from energy_ingest.alerts.lifecycle import Incident
from energy_ingest.alerts.redact import redact
from energy_ingest.alerts.text import Message
from energy_ingest.loading import database
from energy_ingest.sql import statement

log = logging.getLogger(__name__)

Send = Callable[[Message], None]
"""Delivers a message through one channel, or raises."""

PAUSES: Final = (timedelta(minutes=1), timedelta(minutes=10))
"""Before the second and the third attempt; then a delivery is given up, and other channels have to do."""
CHANNEL_FAILED: Final = "channel_failed"
CANARY_EVERY: Final = timedelta(days=7)


@dataclass(frozen=True)
class Channels:
    """The ways to people: what every message goes through, and what stands in where one of these fails."""

    first: Mapping[str, Send] = field(default_factory=dict)
    fallback: Mapping[str, Send] = field(default_factory=dict)

    @property
    def all(self) -> dict[str, Send]:
        """Every channel."""
        return {**self.first, **self.fallback}


@dataclass(frozen=True)
class _Delivery:
    """A message on its way; `attempts` counts the present one."""

    delivery_id: int
    incident_id: int | None
    channel: str
    attempts: int
    message: Message


def report(
    connection: psycopg.Connection,
    findings: Iterable[Finding],
    channels: Channels,
    now: datetime,
    *,
    rules: Collection[str] = (),
    over: Collection[str] = (),
    occurred: bool = True,
) -> list[Message]:
    """Note what is wrong and what is over, and queue what people are to be told of it.

    `findings` are all that there are for these `rules`: an open incident of such a rule that is not among them is over,
    and so are those whose fingerprints are in `over`. `occurred` says that each finding happened just now; else it only
    persists. Returns the messages, which `deliver` sends.
    """
    with database.typed_errors(), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('ledger.incident', 0))")
        seen = [_see(connection, finding, now, occurred) for finding in findings]
        query = (
            "UPDATE ledger.incident SET resolved_at = %s, muted_until = NULL WHERE resolved_at IS NULL"
            " AND (fingerprint = ANY(%s) OR (rule = ANY(%s) AND NOT fingerprint = ANY(%s)))"
        )
        connection.execute(query, [now, list(over), list(rules), seen])
        return list(_tell(connection, channels, now))


def deliver(connection: psycopg.Connection, channels: Channels, now: datetime) -> dict[str, int]:
    """Send what is due; returns how many messages went out and how many channels failed.

    A channel that fails is left alone for the rest of this pass. What it failed to take for good goes through the
    others instead, and that it is broken is an incident of its own. A process that dies between sending and noting it
    sends once more: better twice than not at all.
    """
    sent: set[str] = set()
    broken: dict[str, str] = {}
    lost: list[_Delivery] = []
    delivered = 0
    with database.typed_errors():
        while delivery := _next_due(connection, channels.all.keys() - broken.keys(), now):
            try:
                channels.all[delivery.channel](delivery.message)
            except Exception as error:  # each channel has errors of its own, and none may stop the others
                broken[delivery.channel] = _storable(f"{type(error).__name__}: {error}")
                log.warning("%s does not take alerts: %s", delivery.channel, broken[delivery.channel])
                if _failed(connection, delivery, broken[delivery.channel], now):
                    lost.append(delivery)
            else:
                sent.add(delivery.channel)
                delivered += 1
                query = "UPDATE ledger.alert_delivery SET delivered_at = clock_timestamp() WHERE delivery_id = %s"
                connection.execute(query, [delivery.delivery_id])
        findings = [_channel_failed(delivery.channel, broken[delivery.channel]) for delivery in lost]
        over = [fingerprint(CHANNEL_FAILED, name) for name in sent]
        told = report(connection, findings, channels, now, over=over)
        for delivery in lost:
            _hand_on(connection, delivery, channels, now)
    if (told or lost) and (others := {name: send for name, send in channels.all.items() if name not in broken}):
        delivered += deliver(connection, Channels(others), now)["delivered"]
    return {"delivered": delivered, "failed": len(broken)}


def canary(connection: psycopg.Connection, channels: Channels, now: datetime) -> bool:
    """Queue a test message through every channel, if none was in a week: a channel that broke in silence shows."""
    with database.typed_errors(), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('ledger.incident', 0))")
        query = "SELECT EXISTS (SELECT FROM ledger.alert_delivery WHERE kind = 'test' AND created_at > %s)"
        if connection.execute(query, [now - CANARY_EVERY]).fetchone() == (True,):
            return False
        queue_test(connection, channels, now)
    return True


def queue_test(connection: psycopg.Connection, channels: Channels, now: datetime) -> Message:
    """Queue a test message through every channel."""
    query = (
        "SELECT count(*) FILTER (WHERE resolved_at IS NULL), count(*) FILTER (WHERE opened_at > %s)"
        " FROM ledger.incident"
    )
    row = connection.execute(query, [now - CANARY_EVERY]).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has one row
    facts = (("Incidents", f"{row[0]} open, {row[1]} opened in 7 days"), ("Channels", ", ".join(channels.all)))
    message = Message("test", "warning", fingerprint("test", ""), "test", "", "alerts arrive", facts)
    _queue(connection, message, channels.all, now)
    return message


def mute(connection: psycopg.Connection, mark: str, until: datetime, reason: str) -> bool:
    """Tell nobody of an open incident until then; False if there is none of this fingerprint."""
    query = (
        "UPDATE ledger.incident SET muted_until = %s, mute_reason = %s WHERE fingerprint = %s AND resolved_at IS NULL"
    )
    with database.typed_errors():
        return connection.execute(query, [until, reason, mark]).rowcount > 0


def listed(connection: psycopg.Connection, *, resolved: bool = False) -> list[dict[str, Any]]:
    """Open incidents, or all; the newest first."""
    query = (
        "SELECT fingerprint, rule, subject, severity, finding ->> 'title' AS title, opened_at, last_seen_at,"
        " resolved_at, occurrences, told, told_at, muted_until, mute_reason FROM ledger.incident"
        " WHERE resolved_at IS NULL OR %s ORDER BY incident_id DESC LIMIT 200"
    )
    with database.typed_errors():
        return connection.cursor(row_factory=psycopg.rows.dict_row).execute(query, [resolved]).fetchall()


def _see(connection: psycopg.Connection, finding: Finding, now: datetime, occurred: bool) -> str:
    values = {
        **{"fingerprint": finding.fingerprint, "rule": finding.rule, "subject": finding.subject},
        **{"severity": finding.severity, "digest": finding.digest, "inhibited_by": finding.inhibited_by},
        **{
            "finding": Jsonb(finding.as_json(), dumps=_dumps),
            "now": now,
            "occurred": occurred,
            "cool_down": lifecycle.COOL_DOWN,
        },
    }
    connection.execute(statement("alerts/see"), values)
    return finding.fingerprint


def _storable(text: str) -> str:
    """Redacted already here: not all who read the table may read secrets."""
    return redact(text).replace("\x00", "\\u0000")


def _dumps(finding: dict[str, Any]) -> str:
    return json.dumps({name: _storable(value) if isinstance(value, str) else value for name, value in finding.items()})


def _tell(connection: psycopg.Connection, channels: Channels, now: datetime) -> Iterator[Message]:
    """Queue what is to be told now: one message for all incidents of a kind and rule that are due together."""
    due: dict[tuple[Any, ...], list[tuple[int, Message, int]]] = defaultdict(list)
    for incident_id, message, finding in _due(connection, now):
        ways = tuple(_ways(finding, message.kind, channels))
        due[message.kind, message.rule, ways].append((incident_id, message, finding.windows))
    for (_, _, ways), told in due.items():
        ids, message = [incident_id for incident_id, _, _ in told], told[0][1]
        if len(told) > 1:
            message = text.grouped([(message, windows) for _, message, windows in told])
        log.info("%s", message.headline)
        _queue(connection, message, ways, now, ids[0] if len(ids) == 1 else None)
        yield message


def _due(connection: psycopg.Connection, now: datetime) -> Iterator[tuple[int, Message, Finding]]:
    """What people are to be told now, noted as told."""
    cursor = connection.execute(statement("alerts/open"), {"now": now, "cool_down": lifecycle.COOL_DOWN})
    for incident_id, occurrences, values, inhibited, *known in cursor.fetchall():
        incident, finding = Incident(*known), Finding.from_json(values)
        kind = lifecycle.announcement(incident, now, inhibited=inhibited)
        if kind is None:
            continue
        told = None if kind == "resolved" else incident.severity
        query = "UPDATE ledger.incident SET told = %s, told_at = %s WHERE incident_id = %s"
        connection.execute(query, [told, now, incident_id])
        finding = replace(finding, severity=incident.severity)
        ended = incident.resolved_at or now
        yield incident_id, text.message(kind, finding, incident.opened_at, ended, occurrences), finding


def _ways(finding: Finding, kind: lifecycle.Kind, channels: Channels) -> list[str]:
    """What a message goes through; a broken channel cannot say that it is."""
    if finding.rule != CHANNEL_FAILED:
        return list(channels.first)
    return [name for name in channels.all if name != finding.subject or kind == "resolved"]


def _queue(
    connection: psycopg.Connection,
    message: Message,
    channels: Iterable[str],
    now: datetime,
    incident_id: int | None = None,
) -> None:
    query = (
        "INSERT INTO ledger.alert_delivery (incident_id, kind, channel, message, created_at, next_try_at)"
        " VALUES (%s, %s, %s, %s, %s, %s)"
    )
    for channel in channels:
        connection.execute(query, [incident_id, message.kind, channel, Jsonb(message.kept()), now, now])


def _next_due(connection: psycopg.Connection, channels: Iterable[str], now: datetime) -> _Delivery | None:
    """Take the delivery that waits longest; for a minute it is ours."""
    query = (
        "UPDATE ledger.alert_delivery SET attempts = attempts + 1, next_try_at = %(now)s + interval '1 minute'"
        " WHERE delivery_id = (SELECT delivery_id FROM ledger.alert_delivery WHERE delivered_at IS NULL"
        " AND given_up_at IS NULL AND next_try_at <= %(now)s AND channel = ANY(%(channels)s)"
        " ORDER BY delivery_id LIMIT 1 FOR UPDATE SKIP LOCKED)"
        " RETURNING delivery_id, incident_id, channel, attempts, message"
    )
    row = connection.execute(query, {"now": now, "channels": list(channels)}).fetchone()
    if row is None:
        return None
    delivery_id, incident_id, channel, attempts, message = row
    return _Delivery(delivery_id, incident_id, channel, attempts, Message.from_kept(message))


def _failed(connection: psycopg.Connection, delivery: _Delivery, error: str, now: datetime) -> bool:
    """Note when to try again; True: never."""
    last = delivery.attempts > len(PAUSES)
    again = now if last else now + PAUSES[delivery.attempts - 1]
    query = (
        "UPDATE ledger.alert_delivery SET last_error = %s, next_try_at = %s, given_up_at = %s WHERE delivery_id = %s"
    )
    connection.execute(query, [error, again, now if last else None, delivery.delivery_id])
    return last


def _hand_on(connection: psycopg.Connection, delivery: _Delivery, channels: Channels, now: datetime) -> None:
    """Queue what a channel did not take for those that only stand in; the other ones have it anyway."""
    if delivery.channel in channels.first:
        note = ("Note", f"{delivery.channel} did not take this message")
        message = replace(delivery.message, facts=(*delivery.message.facts, note))
        _queue(connection, message, channels.fallback, now, delivery.incident_id)


def _channel_failed(channel: str, error: str) -> Finding:
    """That people are not reached this way."""
    return Finding(
        rule=CHANNEL_FAILED,
        subject=channel,
        severity="critical",
        title=f"alerts do not arrive by {channel}",
        extent="they are on record in ledger.alert_delivery, and go through the other channels until its connection is"
        " corrected",
        cause=error,
        command="energy-ingest alerts test",
    )
