"""What goes over the wire: requests, answers, and JSON without loss of a decimal."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, BinaryIO, Final
from urllib.parse import parse_qsl, urlsplit

JSON: Final = "application/json; charset=utf-8"
Row = dict[str, Any]
Change = Callable[[list[Row]], list[Row]]
"""Rows in, rows out: what a fault on rows does."""


@dataclass(frozen=True)
class Request:
    """One request; names of query parameters are lower case, as the upstreams ignore their case."""

    target: str
    path: str
    query: dict[str, list[str]]
    method: str = "GET"
    body: bytes = b""

    @classmethod
    def parse(cls, target: str, method: str = "GET", body: bytes = b"") -> Request:
        """Take a request target (path and query) apart."""
        split = urlsplit(target)
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(split.query, keep_blank_values=True):
            query.setdefault(name.lower(), []).append(value)
        return cls(target, split.path, query, method, body)


@dataclass(frozen=True)
class FileSlice:
    """A stretch of an open file, sent without passing through Python."""

    file: BinaryIO
    offset: int
    size: int

    def read(self) -> bytes:
        """The bytes themselves, for the rare case that somebody must look at them."""
        return os.pread(self.file.fileno(), self.size, self.offset)


@dataclass
class Answer:
    """A complete HTTP answer; its body is a sequence of byte strings and file slices.

    `edit` applies a change to the rows in the body; without one, JSON has them in a list or below `data`.
    """

    parts: list[bytes | FileSlice]
    status: int = 200
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    edit: Callable[[bytes, Change], bytes] | None = None

    @property
    def size(self) -> int:
        """Length of the body in bytes."""
        return sum(part.size if isinstance(part, FileSlice) else len(part) for part in self.parts)

    @property
    def has_rows(self) -> bool:
        """Whether the body is data that faults on rows can work on."""
        return self.status == 200 and (self.content_type == JSON or self.edit is not None)

    def body(self) -> bytes:
        """The whole body in memory."""
        return b"".join(part.read() if isinstance(part, FileSlice) else part for part in self.parts)

    def close(self) -> None:
        """Close the files that the body is made of."""
        for part in self.parts:
            if isinstance(part, FileSlice):
                part.file.close()


@dataclass(frozen=True)
class Resource:
    """What a request asks for: known before any byte of the answer is made, so that faults can be matched to it.

    `build(now)` makes the answer as it is at that instant; long before, nothing is published.
    """

    build: Callable[[datetime], Answer]
    dataset: str | None = None
    dates: tuple[date, date] | None = None


def encode(value: Any) -> bytes:
    """Compact JSON; a Decimal keeps every digit it has."""
    return _text(value).encode()


def decode(body: bytes) -> Any:
    """JSON with numbers as Decimal, the inverse of `encode`."""
    return json.loads(body, parse_float=Decimal)


def edit_json(body: bytes, change: Change) -> bytes:
    """Change the rows of a document that is a list, or has one below `data`."""
    document = decode(body)
    rows: list[Row] = document if isinstance(document, list) else document["data"]
    rows[:] = change(rows)
    return encode(document)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return "{" + ",".join([f'"{name}":{_text(item)}' for name, item in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value)


def json_answer(value: Any, status: int = 200, content_type: str = JSON, **headers: str) -> Answer:
    """An answer whose body is a JSON value; `Retry_After="2"` becomes the header `Retry-After: 2`."""
    return Answer([encode(value)], status, content_type, {k.replace("_", "-"): v for k, v in headers.items()})


def problem(request: Request, status: int, title: str, errors: dict[str, list[str]] | None = None) -> Answer:
    """Problem details (RFC 9457) as ASP.NET writes them."""
    trace = noise("trace", request.target, size=24).hex()
    details: Row = {
        "type": f"https://tools.ietf.org/html/rfc9110#section-15.{5 if status < 500 else 6}.1",
        "title": title,
        "status": status,
        "traceId": f"00-{trace[:32]}-{trace[32:]}-00",
    }
    if errors is not None:
        details["errors"] = errors
    return json_answer(details, status, "application/problem+json; charset=utf-8")


def noise(*key: object, size: int) -> bytes:
    """Bytes that look random and depend on nothing but the key: the source of every generated value."""
    return hashlib.shake_128("|".join(map(str, key)).encode()).digest(size)
