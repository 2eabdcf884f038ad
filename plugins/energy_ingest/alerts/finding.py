"""What is wrong: a rule that does not hold for a subject."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal

Severity = Literal["warning", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("warning", "critical")


def fingerprint(rule: str, subject: str) -> str:
    """Names an incident: the same for as long as the same rule does not hold for the same subject."""
    return hashlib.sha256(f"{rule}\n{subject}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong now.

    `subject` is a dataset, a DAG, an upstream or a channel: never a run or an instant, or each would be an incident of
    its own. `windows` counts what is affected, where that can be counted. `inhibited_by` is the fingerprint of the
    incident that explains this one; while that is open, nobody is told of this. A `digest` waits until it has settled.
    """

    rule: str
    subject: str
    severity: Severity
    title: str
    extent: str = ""
    cause: str = ""
    since: datetime | None = None
    last_good: datetime | None = None
    command: str = ""
    log_url: str = ""
    windows: int = 0
    inhibited_by: str | None = None
    digest: bool = False

    @property
    def fingerprint(self) -> str:
        """Names its incident."""
        return fingerprint(self.rule, self.subject)

    def as_json(self) -> dict[str, Any]:
        """Plain values, instants as ISO 8601; `from_json` reads them."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Finding:
        """What `as_json` wrote."""
        instants = {
            name: datetime.fromisoformat(values[name]) if values[name] else None for name in ("since", "last_good")
        }
        return cls(**{**values, **instants})
