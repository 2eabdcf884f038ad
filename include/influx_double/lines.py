"""Line protocol, read by the rules of InfluxDB's own parser and refused in its words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

Value = float | int | str | bool

_KEY: Final = re.compile(r"(?:[^ \n]|(?<=\\) )*")
_FIELDS: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^"\n ]|(?<=\\) )*', re.DOTALL)
_FIELD: Final = re.compile(r'((?:[^,= ]|(?<=\\)[,= ])+)=("(?:[^"\\]|\\.)*"|[^,]+)(?:,(?=.)|$)', re.DOTALL)
_NUMBER: Final = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d*)?")
_TRUE: Final = {"t", "T", "true", "True", "TRUE"}
_FALSE: Final = {"f", "F", "false", "False", "FALSE"}
_SCALE: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


@dataclass(frozen=True)
class Point:
    """One parsed line; `time` is in nanoseconds."""

    measurement: str
    tags: tuple[tuple[str, str], ...]
    fields: dict[str, Value]
    time: int


def parse(body: str, precision: str, now: int) -> tuple[list[Point], list[str]]:
    """The points of a body, and what is wrong with the lines that are none."""
    points, faults = [], []
    for line in _lines(body):
        try:
            points.append(_point(line, _SCALE[precision], now))
        except ValueError as error:
            faults.append(f"unable to parse '{line}': {error}")
    return points, faults


def _lines(body: str) -> Iterator[str]:
    """Lines; a line break in a quoted text field does not end one."""
    at = 0
    while at < len(body):
        key = _KEY.match(body, at)
        assert key  # noqa: S101 - the pattern matches nothing, too
        end = key.end()
        if body[end : end + 1] == " ":
            fields = _FIELDS.match(body, end + 1)
            end = fields.end() if fields else end
        stop = body.find("\n", end)
        stop = len(body) if stop < 0 else stop
        line = body[at:stop].lstrip(" \t\0")
        if line.strip() and not line.startswith("#"):
            yield line
        at = stop + 1


def _point(line: str, scale: int, now: int) -> Point:
    key = _KEY.match(line)
    assert key  # noqa: S101 - see above
    measurement, *tags = re.split(r"(?<!\\),", key[0])
    if not measurement:
        raise ValueError("missing measurement")
    if key.end() == len(line):
        raise ValueError("missing fields")
    start = len(line) - len(line[key.end() :].lstrip(" "))
    found = _FIELDS.match(line, start)
    assert found  # noqa: S101 - as above
    time = line[found.end() :].strip(" ")
    return Point(_unescaped(measurement, ", "), _tags(tags), _fields(found[0], line), _time(time, scale, now))


def _tags(parts: list[str]) -> tuple[tuple[str, str], ...]:
    tags = {}
    for part in parts:
        name, equals, value = _partition(part)
        if not name:
            raise ValueError("missing tag key")
        if not equals or not value:
            raise ValueError("missing tag value")
        name = _unescaped(name, ",= ")
        if name in tags:
            raise ValueError("duplicate tags")
        if name in ("time", "_field", "_measurement"):
            raise ValueError(f'cannot use reserved tag key "{name}"')
        tags[name] = _unescaped(value, ",= ")
    return tuple(sorted(tags.items()))


def _partition(part: str) -> tuple[str, str, str]:
    equals = re.search(r"(?<!\\)=", part)
    if not equals:
        return part, "", ""
    value = part[equals.end() :]
    if re.search(r"(?<!\\)=", value):
        raise ValueError("invalid tag format")
    return part[: equals.start()], "=", value


def _fields(text: str, line: str) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    at = 0
    while at < len(text):
        match = _FIELD.match(text, at)
        if not match:
            raise ValueError(_what_is_wrong(text[at:], line))
        fields[_unescaped(match[1], ",= ")] = _value(match[2])
        at = match.end()
    if not fields:
        raise ValueError("invalid field format")
    return fields


def _what_is_wrong(field: str, line: str) -> str:
    if line.count('"') % 2:
        return "unbalanced quotes"
    if field.startswith("="):
        return "missing field key"
    return "missing field value" if field.endswith("=") else "invalid field format"


def _value(text: str) -> Value:
    if text.startswith('"'):
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text[0] not in "-.0123456789nN":
        raise ValueError("invalid boolean")
    if text[-1] in "iu" and _NUMBER.fullmatch(text[:-1]):
        return _whole(text)
    if not _NUMBER.fullmatch(text):
        raise ValueError("invalid number")
    if text[-1] in "eE+-" or math.isinf(float(text)):
        raise ValueError("invalid float")
    return float(text)


def _whole(text: str) -> int:
    if not text[:-1].removeprefix("-").isdigit():
        raise ValueError("invalid number")
    number, unsigned = int(text[:-1]), text[-1] == "u"
    if not (0 <= number < 2**64 if unsigned else -(2**63) <= number < 2**63):
        kind = "unsigned" if unsigned else "integer"
        raise ValueError(f"unable to parse {kind} {text[:-1]}: {_out_of_range(text[:-1])}")
    return number


def _out_of_range(text: str) -> str:
    return f'strconv.ParseInt: parsing "{text}": value out of range'


def _time(text: str, scale: int, now: int) -> int:
    if not text:
        return now
    if " " in text:
        raise ValueError("point is invalid")
    if not re.fullmatch(r"-?\d+", text):
        raise ValueError("bad timestamp")
    if not -(2**63) <= int(text) < 2**63:
        raise ValueError(_out_of_range(text))
    time = int(text) * scale
    if not -(2**63) + 2 <= time < 2**63 - 1:
        raise ValueError("time outside range -9223372036854775806 - 9223372036854775806")
    return time


def _unescaped(text: str, special: str) -> str:
    return re.sub(rf"\\([{special}])", r"\1", text)
