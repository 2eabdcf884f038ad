"""What a check found, and all checks together."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Check:
    """One thing looked at; `fix` says what to do where it is not well."""

    name: str
    status: Status
    detail: str
    fix: str | None = None


@dataclass
class Report:
    """All checks, and the facts a bug report needs."""

    api_base_url: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    @property
    def level(self) -> int:
        """0 healthy, 1 degraded (a warning), 2 critical (a failure)."""
        found = {check.status for check in self.checks}
        return 2 if "failed" in found else 1 if "warning" in found else 0

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        status = ("healthy", "degraded", "critical")[self.level]
        return {"status": status, **asdict(self)}
