"""When people are told of an incident. Once when it opens, when it gets worse, daily while it lasts, when it is over.

The decision looks only at what is so and what was told, never at how it came about: any process can make it at any
time, and one that was missed is made up for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from energy_ingest.alerts.finding import SEVERITIES, Severity

Kind = Literal["opened", "worse", "reminder", "resolved", "test"]

REMIND_AFTER: Final = timedelta(hours=24)
COOL_DOWN: Final = timedelta(hours=1)
"""What comes back this soon after it was over is the same incident, and is told of again only after this pause."""
QUIET: Final = timedelta(minutes=20)
"""A digest goes out when nothing was added to it for this long: longer than a failing run of a backfill takes ..."""
LONGEST_DIGEST: Final = timedelta(hours=24)
"""... and at the latest after this."""


@dataclass(frozen=True)
class Incident:
    """What is known of an incident; `told` is the severity people know of, None when they think that all is well."""

    severity: Severity
    opened_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None = None
    is_digest: bool = False
    told: Severity | None = None
    told_at: datetime | None = None
    muted_until: datetime | None = None


def announcement(incident: Incident, now: datetime, *, inhibited: bool = False) -> Kind | None:
    """What people are to be told now; None: nothing."""
    if incident.resolved_at:
        return "resolved" if incident.told else None
    if inhibited or (incident.muted_until and now < incident.muted_until):
        return None
    if incident.told is None or incident.told_at is None:
        return "opened" if _may_open(incident, now) else None
    if SEVERITIES.index(incident.severity) > SEVERITIES.index(incident.told):
        return "worse"
    return "reminder" if now >= incident.told_at + REMIND_AFTER else None


def _may_open(incident: Incident, now: datetime) -> bool:
    if incident.told_at and now < incident.told_at + COOL_DOWN:
        return False
    settled = now >= incident.last_seen_at + QUIET or now >= incident.opened_at + LONGEST_DIGEST
    return settled or not incident.is_digest
