"""What the answers share, and an error."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal[
    *("failed", "missing", "overdue", "partial", "pending", "running"),
    *("abandoned", "empty_confirmed", "not_yet_published", "complete"),
]
Status = Literal["queued", "processing", "completed", "failed", "cancelled"]
Severity = Literal["info", "warning", "error", "critical"]

Cursor = Field(description="Pass it as `cursor` for what follows; null at the end.")
MayReload = Field(description="Whether this user may load it again.")


class Model(BaseModel):
    """Exactly these fields."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str = Field(description="What is wrong, and how to mend it.")
