"""Repeating what may succeed later: how often, after how long, and when rather not."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import tenacity

from energy_ingest.errors import Retryable

LONGEST_WAIT: Final = 120.0
"""Seconds; who asks for more is left to Airflow's own retry."""


def retrying(attempts: int) -> tenacity.Retrying:
    """Calls a function again while it raises `Retryable`, waiting as it is asked to, or longer each time."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(_worth_waiting_for),
        stop=tenacity.stop_after_attempt(attempts),
        wait=_wait,
        before_sleep=tenacity.before_sleep_log(logging.getLogger(__name__), logging.WARNING),
        reraise=True,
    )


def retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header: a number or an HTTP date (RFC 9110, 10.2.3)."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _worth_waiting_for(error: BaseException) -> bool:
    return isinstance(error, Retryable) and (error.retry_after or 0) <= LONGEST_WAIT


def _wait(state: tenacity.RetryCallState) -> float:
    """What was asked for, else exponential back-off with jitter: about 1, 2, 4 seconds."""
    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "retry_after", None)
    if asked is not None:
        return float(asked)
    return float(tenacity.wait_exponential_jitter(initial=1, max=30)(state))
