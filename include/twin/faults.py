"""Misbehaviour on demand: the faults, and the rules that say which requests they hit.

A fault is written `name` or `name=argument`. Faults come in four kinds, applied in this order: those that replace the
answer, those that change its rows, those that change its bytes, and those that disturb the connection.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final

from .wire import Answer, Request, Resource, Row, edit_json, json_answer, problem

HTML: Final = "text/html; charset=utf-8"
MAINTENANCE: Final = (
    b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>Back soon</h1></body></html>"
)
STAMPS: Final = ("settlementDate", "startTime", "createdDateTime", "halfHourEndTime", "publishedTime")


@dataclass(frozen=True)
class Fault:
    """One fault with its argument."""

    name: str
    arg: str = ""

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `name` or `name=argument`.

        Raises:
            ValueError: there is no such fault, or its argument is no number where it must be.
        """
        name, _, arg = text.strip().partition("=")
        if name not in NAMES:
            raise ValueError(f"unknown fault {name!r}: use one of {', '.join(NAMES)}")
        if name in COUNTED and not re.fullmatch(r"\d*\.?\d*", arg):
            raise ValueError(f"the argument of {name} is a number, for example {name}=2")
        return cls(name, arg)

    def __str__(self) -> str:
        return f"{self.name}={self.arg}" if self.arg else self.name


# --- faults that replace the answer ---


def _too_many(request: Request, arg: str) -> Answer:
    """429; the argument becomes Retry-After (seconds or a date), without one there is no such header."""
    wait = f" Try again in {arg} seconds." if arg else ""
    body = {"statusCode": 429, "message": f"Rate limit is exceeded.{wait}"}
    return json_answer(body, 429, **({"Retry_After": arg} if arg else {}))


def _server_error(request: Request, arg: str) -> Answer:
    """500 with problem details."""
    return problem(request, 500, "An error occurred while processing your request.")


def _unavailable(request: Request, arg: str) -> Answer:
    """503 with a page of the gateway; the argument becomes Retry-After."""
    return Answer([b"<h2>Our services aren't available right now</h2>"], 503, HTML, {"Retry-After": arg} if arg else {})


def _html(request: Request, arg: str) -> Answer:
    """200 with an HTML page."""
    return Answer([MAINTENANCE], 200, HTML)


def _empty_body(request: Request, arg: str) -> Answer:
    """200 with a body of no bytes."""
    return Answer([b""])


REPLACE: Final[dict[str, Callable[[Request, str], Answer]]] = {
    "429": _too_many,
    "500": _server_error,
    "503": _unavailable,
    "html": _html,
    "empty_body": _empty_body,
}
UNPUBLISHED: Final = ("empty", "not_yet_published")
"""The real service answers both the same way: 200 and no rows."""


# --- faults on rows: each takes the rows and the argument and returns the rows to send ---


def _number(row: Row) -> str:
    """The last field that holds a number: quantity, price or volume; the last of all where none does."""
    return [*row, *(name for name, value in row.items() if isinstance(value, Decimal))][-1]


def _raised(row: Row) -> Row:
    """The row with its last number greater by one, if it has any."""
    name = _number(row)
    return row | {name: row[name] + 1} if isinstance(row[name], Decimal) else row


def _rename_field(rows: list[Row], arg: str, random: Random) -> list[Row]:
    """`rename_field=old:new`; by default the last number gets another name."""
    old, _, new = arg.partition(":")
    old = old or _number(rows[0])
    return [{(new or f"{old}Value") if name == old else name: value for name, value in row.items()} for row in rows]


def _extra_field(rows: list[Row], arg: str, random: Random) -> list[Row]:
    """`extra_field=name:value`: every row gets a field more."""
    name, _, value = arg.partition(":")
    return [row | {name or "newField": value or "new"} for row in rows]


def _missing_field(rows: list[Row], arg: str, random: Random) -> list[Row]:
    """`missing_field=name`; by default the last number is missing."""
    gone = arg or _number(rows[0])
    return [{name: value for name, value in row.items() if name != gone} for row in rows]


def _duplicate_rows(rows: list[Row], arg: str, random: Random) -> list[Row]:
    """`duplicate_rows=n`: the first n rows (3) come again, identical."""
    return rows + rows[: int(arg or 3)]


def _conflicting_rows(rows: list[Row], arg: str, random: Random) -> list[Row]:
    """`conflicting_rows=n`: the first n rows (3) come again with another value."""
    return rows + [_raised(row) for row in rows[: int(arg or 3)]]


def _shuffled(rows: list[Row], arg: str, random: Random) -> list[Row]:
    """All rows in another order."""
    return random.sample(rows, len(rows))


def _text_number(rows: list[Row], arg: str, random: Random) -> list[Row]:
    """`text_number=field:text`: in the first row text stands where a number belongs."""
    name, _, text = arg.partition(":")
    return [rows[0] | {name or _number(rows[0]): text or "n/a"}, *rows[1:]]


def _extra_rows(rows: list[Row], arg: str, random: Random) -> list[Row]:
    """`extra_rows=n`: n rows (1) of a week earlier, outside the window that was asked for."""
    return rows + [row | {name: _earlier(row[name]) for name in STAMPS if name in row} for row in rows[: int(arg or 1)]]


def _earlier(stamp: str) -> str:
    moved = datetime.fromisoformat(stamp) - timedelta(days=7)
    return moved.isoformat()[: len(stamp) - stamp.endswith("Z")] + "Z" * stamp.endswith("Z")


def _short_day(rows: list[Row], arg: str, random: Random) -> list[Row]:
    """`short_day=from-to`: these settlement periods (43-44) of every day are missing."""
    first, _, last = (arg or "43-44").partition("-")
    gone = range(int(first), int(last or first) + 1)
    return [row for row in rows if row.get("settlementPeriod") not in gone]


def _naive_start_time(rows: list[Row], arg: str, random: Random) -> list[Row]:
    """`startTime` and `createdDateTime` come without their zone."""
    return [{name: value.removesuffix("Z") if name in STAMPS else value for name, value in row.items()} for row in rows]


def _restated(rows: list[Row], arg: str, random: Random) -> list[Row]:
    """`restated=percent`: so many percent (5) of the rows have another value than usual."""
    share = float(arg or 5) / 100
    return [_raised(row) if random.random() < share else row for row in rows]


ROWS: Final[dict[str, Callable[[list[Row], str, Random], list[Row]]]] = {
    "rename_field": _rename_field,
    "extra_field": _extra_field,
    "missing_field": _missing_field,
    "duplicate_rows": _duplicate_rows,
    "conflicting_rows": _conflicting_rows,
    "shuffled": _shuffled,
    "text_number": _text_number,
    "extra_rows": _extra_rows,
    "short_day": _short_day,
    "naive_start_time": _naive_start_time,
    "restated": _restated,
}


# --- faults on bytes ---


def _charset(body: bytes, arg: str) -> bytes:
    """`charset=latin-1|utf-16`: the bytes are not the UTF-8 that the header promises."""
    if (arg or "latin-1") == "latin-1":
        return re.sub(rb'"[:,]"', lambda found: found[0] + b"\xa3", body, count=1)
    return body.decode().encode(arg)


def _malformed_json(body: bytes, arg: str) -> bytes:
    """The document, or the last line of a file, is not closed, though all of it arrives."""
    return body[:-1] + b","


BYTES: Final[dict[str, Callable[[bytes, str], bytes]]] = {"charset": _charset, "malformed_json": _malformed_json}


# --- faults on the connection, carried out by the server ---

CONNECTION: Final = {
    "latency": "`latency=seconds` (1): the answer comes late.",
    "down": "The connection is closed without an answer, as when nothing runs behind the port.",
    "reset": "`reset=bytes` (0): so many bytes of the body, then a TCP reset.",
    "truncated": "`truncated=bytes` (half): Content-Length promises more than is sent.",
    "truncated_chunked": "`truncated_chunked=bytes` (half): a chunked answer without its last chunk.",
    "truncated_closed": "`truncated_closed=bytes` (half): no length at all, the end of the connection ends the body.",
}
COUNTED: Final = {"duplicate_rows", "conflicting_rows", "extra_rows", "restated", *CONNECTION}
"""The faults whose argument is a number."""
NAMES: Final = (*REPLACE, *UNPUBLISHED, *ROWS, *BYTES, *CONNECTION)


def describe() -> dict[str, str]:
    """What each fault does."""
    documented = {name: (fault.__doc__ or "").strip() for name, fault in (REPLACE | ROWS | BYTES).items()}
    return documented | dict.fromkeys(UNPUBLISHED, "200 and no rows.") | CONNECTION


LONG_AGO: Final = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


def build(request: Request, resource: Resource, now: datetime, faults: list[Fault]) -> Answer:
    """The answer to a request with every fault applied that is not about the connection."""
    for fault in faults:
        if fault.name in REPLACE:
            return REPLACE[fault.name](request, fault.arg)
    answer = resource.build(LONG_AGO if any(fault.name in UNPUBLISHED for fault in faults) else now)
    on_rows = [fault for fault in faults if fault.name in ROWS]
    on_bytes = [fault for fault in faults if fault.name in BYTES]
    if not answer.has_rows or not (on_rows or on_bytes):
        return answer
    body = answer.body()
    answer.close()
    if on_rows:
        random = Random(request.path)
        body = (answer.edit or edit_json)(body, lambda rows: _changed(rows, on_rows, random))
    for fault in on_bytes:
        body = BYTES[fault.name](body, fault.arg)
    answer.parts = [body]
    return answer


def _changed(rows: list[Row], faults: list[Fault], random: Random) -> list[Row]:
    for fault in faults:
        rows = ROWS[fault.name](rows, fault.arg, random) if rows else rows
    return rows


# --- rules ---


@dataclass
class Rule:
    """A fault and the requests it hits; every condition that is given must hold.

    Attributes:
        fault: the fault, as `name` or `name=argument`.
        path: part of the request's path.
        regex: pattern searched in path and query.
        dataset: B1610, DISEBSP or MID.
        date: a settlement date that the request asks for.
        from_request: the first matching request that is hit, 1 being the next one.
        count: how many requests are hit at most.
        probability: of being hit, decided by `seed` and the number of the request.
        until: the instant on the twin's clock at which the rule ends.
        for_seconds: real seconds after which the rule ends.
    """

    fault: Fault
    path: str = ""
    regex: str = ""
    dataset: str | None = None
    date: date | None = None
    from_request: int = 1
    count: int | None = None
    probability: float = 1.0
    seed: int = 0
    until: datetime | None = None
    for_seconds: float | None = None
    seen: int = field(default=0, init=False)
    hit: int = field(default=0, init=False)
    added: float = field(default_factory=time.monotonic, init=False)

    @classmethod
    def parse(cls, rule: dict[str, Any]) -> Rule:
        """Read a rule from JSON.

        Raises:
            ValueError: a name or a value is wrong.
        """
        known = [f.name for f in fields(cls) if f.init]
        if unknown := set(rule) - set(known):
            raise ValueError(f"unknown {', '.join(sorted(unknown))}: a rule has {', '.join(known)}")
        if "fault" not in rule:
            raise ValueError('a rule needs a fault, for example {"fault": "503", "count": 3}')
        given = rule | {"fault": Fault.parse(str(rule["fault"]))}
        if rule.get("date"):
            given["date"] = date.fromisoformat(rule["date"])
        if rule.get("until"):
            given["until"] = datetime.fromisoformat(rule["until"])
            if given["until"].tzinfo is None:
                raise ValueError("until needs a time zone, for example 2024-10-27T12:00:00Z")
        re.compile(rule.get("regex", ""))
        return cls(**given)

    def take(self, request: Request, resource: Resource, now: datetime) -> bool:
        """Count a request, and say whether it is hit."""
        if not self._matches(request, resource, now):
            return False
        self.seen += 1
        if self.seen < self.from_request or (self.count is not None and self.hit >= self.count):
            return False
        if Random(f"{self.seed}|{self.seen}").random() >= self.probability:
            return False
        self.hit += 1
        return True

    def _matches(self, request: Request, resource: Resource, now: datetime) -> bool:
        over = (self.until is not None and now >= self.until) or (
            self.for_seconds is not None and time.monotonic() >= self.added + self.for_seconds
        )
        first, last = resource.dates or (date.max, date.min)
        return (
            not over
            and self.path in request.path
            and (not self.regex or re.search(self.regex, request.target) is not None)
            and self.dataset in (None, resource.dataset)
            and (self.date is None or first <= self.date <= last)
        )

    def as_json(self) -> Row:
        """The rule as it was given, with its counts."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "added"}
        return {k: v if isinstance(v, int | float | None) else str(v) for k, v in given.items()}


class Rules:
    """The rules in force, safe to use from many threads."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(self, rules: list[Rule]) -> None:
        """Add rules; all that match a request apply, in the order of their adding."""
        with self._lock:
            self._rules += rules

    def clear(self) -> None:
        """Forget all rules."""
        with self._lock:
            self._rules.clear()

    def take(self, request: Request, resource: Resource, now: datetime) -> list[Fault]:
        """The faults that hit a request."""
        with self._lock:
            return [rule.fault for rule in self._rules if rule.take(request, resource, now)]

    def as_json(self) -> list[Row]:
        """All rules with their counts."""
        with self._lock:
            return [rule.as_json() for rule in self._rules]
