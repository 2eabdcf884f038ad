"""Where the double keeps points: in memory, or in the real engine of InfluxDB 1.6.7. Both say why they drop some."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .lines import Point, Value

Series = tuple[str, tuple[tuple[str, str], ...]]
Contents = dict[Series, dict[int, dict[str, Value]]]
"""Measurement and tags, then time in nanoseconds, then fields."""

_TYPES = {float: "float", int: "integer", str: "string", bool: "boolean"}


class Store(Protocol):
    """Buckets of points."""

    def create(self, bucket: str) -> None:
        """Make a bucket; nothing happens where it exists."""

    def write(self, bucket: str, points: Sequence[Point], body: bytes, precision: str) -> str | None:
        """Keep points, which are those of the body; returns why some were dropped."""

    def delete(self, bucket: str, measurement: str | None, tags: Mapping[str, str], start: int, stop: int) -> None:
        """Delete points from start to stop, both inclusive."""

    def contents(self, bucket: str) -> Contents:
        """All points."""


class Memory:
    """Points in a dictionary: last write wins, field by field; a field has one type per measurement."""

    def __init__(self) -> None:
        self._buckets: dict[str, Contents] = {}
        self._types: dict[tuple[str, str, str], type] = {}
        self._lock = threading.Lock()

    def create(self, bucket: str) -> None:
        """Make a bucket."""
        self._buckets.setdefault(bucket, {})

    def write(self, bucket: str, points: Sequence[Point], body: bytes, precision: str) -> str | None:
        """Keep the points whose fields have the types known."""
        conflicts = []
        with self._lock:
            for point in points:
                if conflict := self._conflict(bucket, point):
                    conflicts.append(conflict)
                    continue
                series = self._buckets[bucket].setdefault((point.measurement, point.tags), {})
                series.setdefault(point.time, {}).update(point.fields)
        return f"partial write: field type conflict: {conflicts[0]} dropped={len(conflicts)}" if conflicts else None

    def _conflict(self, bucket: str, point: Point) -> str | None:
        for name, value in point.fields.items():
            known = self._types.setdefault((bucket, point.measurement, name), type(value))
            if known is not type(value):
                return (
                    f'input field "{name}" on measurement "{point.measurement}" is type {_TYPES[type(value)]},'
                    f" already exists as type {_TYPES[known]}"
                )
        return None

    def delete(self, bucket: str, measurement: str | None, tags: Mapping[str, str], start: int, stop: int) -> None:
        """Delete points."""
        with self._lock:
            contents = self._buckets[bucket]
            for (name, own), series in list(contents.items()):
                if name == (measurement or name) and tags.items() <= dict(own).items():
                    for time in [time for time in series if start <= time <= stop]:
                        del series[time]
                if not series:
                    del contents[name, own]

    def contents(self, bucket: str) -> Contents:
        """All points."""
        with self._lock:
            return {
                key: {time: dict(fields) for time, fields in series.items()}
                for key, series in self._buckets[bucket].items()
            }


class Engine:
    """The engine behind another URL: an influxd 1.x, whose databases are the buckets."""

    def __init__(self, url: str, duration: str = "INF") -> None:
        self.url, self._duration = url, duration

    def create(self, bucket: str) -> None:
        """Make a database."""
        self.query(f"CREATE DATABASE {_name(bucket)} WITH DURATION {self._duration}")

    def write(self, bucket: str, points: Sequence[Point], body: bytes, precision: str) -> str | None:
        """Hand the body on; the engine checks types and ranges."""
        unit = {"ns": "n", "us": "u"}.get(precision, precision)
        status, answer = self._post("/write", {"db": bucket, "precision": unit}, body)
        if status == 204:
            return None
        reason: str = json.loads(answer)["error"]
        if status != 400:
            raise RuntimeError(reason)
        return reason

    def delete(self, bucket: str, measurement: str | None, tags: Mapping[str, str], start: int, stop: int) -> None:
        """Delete by InfluxQL."""
        source = f"FROM {_name(measurement)} " if measurement else ""
        terms = [f"{_name(name)} = {_text(value)}" for name, value in tags.items()]
        where = " AND ".join([f"time >= {start}", f"time <= {stop}", *terms])
        self.query(f"DELETE {source}WHERE {where}", bucket)

    def contents(self, bucket: str) -> Contents:
        """All points, by InfluxQL."""
        found: Contents = {}
        for result in self.query("SELECT * FROM /.*/ GROUP BY *", bucket)["results"]:
            for series in result.get("series", ()):
                tags = tuple(sorted((name, value) for name, value in series.get("tags", {}).items() if value))
                points = found.setdefault((series["name"], tags), {})
                for time, *values in series["values"]:
                    fields = zip(series["columns"][1:], values, strict=True)
                    points[time] = {name: value for name, value in fields if value is not None}
        return found

    def query(self, text: str, bucket: str = "") -> dict[str, Any]:
        """Ask by InfluxQL."""
        status, answer = self._post("/query", {"q": text, "db": bucket, "epoch": "ns"}, b"")
        parsed: dict[str, Any] = json.loads(answer)
        errors = [item["error"] for item in [parsed, *parsed.get("results", ())] if "error" in item]
        if errors or status != 200:
            raise RuntimeError(f"{text}: {errors}")
        return parsed

    def _post(self, path: str, parameters: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        request = urllib.request.Request(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", body, method="POST")
        if body[:2] == b"\x1f\x8b":
            request.add_header("Content-Encoding", "gzip")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def _name(text: str) -> str:
    return '"{}"'.format(text.replace("\\", r"\\").replace('"', r"\""))


def _text(text: str) -> str:
    return "'{}'".format(text.replace("\\", r"\\").replace("'", r"\'"))


def count(contents: Contents) -> int:
    """How many points there are."""
    return sum(len(series) for series in contents.values())
