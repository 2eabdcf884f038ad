"""Errors, typed by what to do next.

IngestError
├── Retryable         the same request may succeed later: retry with back-off
├── NotYetPublished   nothing is wrong: the source has not published this window yet
├── Rejected          the source answered something that must not be loaded: a person or a new release decides
└── Misconfigured     our own configuration or request is wrong: retrying cannot help

Every message says what was wrong and what to do about it, and nothing that must not leave: such texts go to logs, rows
and people.
"""

from __future__ import annotations

from energy_ingest.alerts.redact import redact


class IngestError(Exception):
    """Base of every error this project raises on purpose; its text never shows a secret or a meter id."""

    def __str__(self) -> str:
        return redact(super().__str__())


class Retryable(IngestError):
    """The same request may succeed later.

    Attributes:
        retry_after: seconds the source asked us to wait, or None.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotYetPublished(IngestError):
    """The source has not published this window yet."""


class Rejected(IngestError):
    """The answer must not be loaded: wrong structure, wrong encoding, or a request the source refuses."""


class Misconfigured(IngestError):
    """Our configuration or parameters are wrong; the message names the setting and a valid value."""
