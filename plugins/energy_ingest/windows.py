"""Windows: the unit of work, of completeness and of retry. Which ones exist, when they are due, what their state is.

A window is one label of a calendar (a settlement date, a gas day and its cycle) as a UTC interval; `calendars` says
which there are. A scheduled run owns the windows that *end* inside its data interval, so every window belongs to
exactly one run, clock change or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal

from energy_ingest import clock
from energy_ingest.errors import Misconfigured

State = Literal[
    "pending",
    "running",
    "complete",
    "partial",
    "empty_confirmed",
    "not_yet_published",
    "failed",
    "abandoned",
]

EXPLAINED: Final = ("empty_confirmed", "not_yet_published", "abandoned")
"""Not complete, and the ledger says why. Every other state but `complete` is a gap."""

CONFIRM_EMPTY_AFTER: Final = timedelta(hours=6)
"""Two empty answers must lie this far apart before a window counts as empty."""

MAX_ATTEMPTS_SHORT: Final = 5
"""A window that is still short after its deadline and this many attempts is given up, with the reason."""


@dataclass(frozen=True, order=True)
class Window:
    """A half-open UTC interval [start, end) and the local label that names it.

    `part` tells windows of one label apart (a half hour, a nomination cycle); `start` identifies a window.
    """

    start: datetime
    end: datetime
    label: date
    part: str = ""

    def __str__(self) -> str:
        return f"{self.label} {self.part}".rstrip()


@dataclass(frozen=True)
class Publication:
    """When a window's data should appear.

    `due` gives the instant for a window; until `grace` has passed after it, short answers are only early.
    `poll` is the pause between looks while waiting. With `may_never_come`, a window without data after the deadline is
    given up at once: the source leaves some out.
    """

    due: Callable[[Window], datetime]
    grace: timedelta
    poll: timedelta
    may_never_come: bool = False

    def deadline(self, window: Window) -> datetime:
        """After this instant, missing data is a gap."""
        return self.due(window) + self.grace


@dataclass(frozen=True)
class Outcome:
    """What an attempt on a window means: its state, why, and when to look again (None: never)."""

    state: State
    reason: str | None
    next_due_at: datetime | None


def settlement_windows(first: date, last: date) -> Iterator[Window]:
    """The settlement dates from first to last, both inclusive."""
    for offset in range((last - first).days + 1):
        label = first + timedelta(days=offset)
        yield Window(*clock.settlement_day(label), label)


def after_end(delay: timedelta) -> Callable[[Window], datetime]:
    """Published a fixed time after the window's end."""
    return lambda window: window.end + delay


def after_weekdays(count: int, at: time) -> Callable[[Window], datetime]:
    """Published on the count-th weekday after the label, at a UK clock time."""
    return lambda window: clock.local_instant(clock.add_weekdays(window.label, count), at, clock.LONDON)


def next_restatement(window: Window, restated_after: tuple[timedelta, ...], now: datetime) -> datetime | None:
    """The first date in the window's restatement calendar that lies after now."""
    return next((window.end + age for age in restated_after if window.end + age > now), None)


def judge(
    window: Window,
    *,
    expected: int,
    actual: int,
    publication: Publication,
    restated_after: tuple[timedelta, ...],
    now: datetime,
    attempts: int,
    first_empty_at: datetime | None = None,
    was_complete: bool = False,
) -> Outcome:
    """The state of a window after an answer with `actual` of `expected` items.

    `attempts` counts this one; `first_empty_at` is when an earlier answer, after the deadline, was empty too.
    """
    restatement = next_restatement(window, restated_after, now)
    if actual >= expected and (actual or now >= publication.due(window)):
        return Outcome("complete", None, restatement)
    found = f"{actual} of {expected} items"
    if was_complete:
        return Outcome("complete", f"a later answer had only {found}; the rows loaded before are kept", restatement)
    if now < publication.due(window) and not actual:
        return Outcome("not_yet_published", f"due {publication.due(window):%Y-%m-%d %H:%MZ}", publication.due(window))
    if now < publication.deadline(window):
        state: State = "partial" if actual else "not_yet_published"
        return Outcome(
            state, f"{found}, deadline {publication.deadline(window):%Y-%m-%d %H:%MZ}", now + publication.poll
        )
    if not actual and publication.may_never_come:
        return Outcome("abandoned", f"never posted: nothing by {now:%Y-%m-%d %H:%MZ}", restatement)
    if not actual:
        if first_empty_at and now - first_empty_at >= CONFIRM_EMPTY_AFTER:
            return Outcome("empty_confirmed", f"empty at {first_empty_at:%Y-%m-%d %H:%MZ} and again", restatement)
        return Outcome(
            "pending", "first empty answer after the deadline; a second confirms it", now + CONFIRM_EMPTY_AFTER
        )
    if attempts >= MAX_ATTEMPTS_SHORT:
        return Outcome("abandoned", f"still only {found} after the deadline and {attempts} attempts", restatement)
    return Outcome("partial", f"{found} after the deadline", now + back_off(attempts))


def back_off(attempts: int) -> timedelta:
    """Pause before the next attempt: 15 minutes, doubling, at most a day."""
    return min(timedelta(minutes=15) * 2.0 ** min(attempts - 1, 10), clock.ONE_DAY)


def pack(
    windows: Sequence[Window], max_span: timedelta, batch: Callable[[Window], object] | None = None
) -> Iterator[list[Window]]:
    """Windows that one request answers: adjoining ones up to a span, or those of one `batch`."""
    group: list[Window] = []
    for window in windows:
        if group and not _together(group, window, max_span, batch):
            yield group
            group = []
        group.append(window)
    if group:
        yield group


def _together(
    group: Sequence[Window], window: Window, max_span: timedelta, batch: Callable[[Window], object] | None
) -> bool:
    if batch:
        return batch(window) == batch(group[0])
    return window.start == group[-1].end and window.end - group[0].start <= max_span


def parse_range(first: str, last: str, limit_days: int = 400) -> tuple[date, date]:
    """Two ISO dates, checked.

    Raises:
        Misconfigured: not dates, the wrong way round, or more than limit_days.
    """
    try:
        start, end = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise Misconfigured(f"{first!r} to {last!r} is not a range of dates: use YYYY-MM-DD for both") from None
    if start > end:
        raise Misconfigured(f"the range starts on {start}, after its end {end}: swap the two dates")
    if (end - start).days >= limit_days:
        raise Misconfigured(f"{start} to {end} is more than {limit_days} days: load it in parts or use a backfill")
    return start, end


def utc_now() -> datetime:
    """The present, aware."""
    return datetime.now(UTC)
