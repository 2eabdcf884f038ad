"""Writing lines to InfluxDB 2.7: one request per batch, typed errors, and which lines were refused.

`influxdb-client` does the HTTP. Its batching writer loses points silently, so requests are made one by one; its gzip is
level 9, so bodies come compressed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl
import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.delete_predicate_request import DeletePredicateRequest
from influxdb_client.rest import ApiException
from influxdb_client.service.delete_service import DeleteService
from influxdb_client.service.write_service import WriteService
from isal import igzip

from energy_ingest import settings
from energy_ingest.errors import IngestError, Misconfigured, Retryable
from energy_ingest.loading.line_protocol import PRECISION, stored_tag
from energy_ingest.retrying import retry_after, retrying

log = logging.getLogger(__name__)

_FAULTY_LINE: Final = re.compile(r"unable to parse '(.*?)': ([^\n]*)", re.DOTALL)
_DROPPED: Final = re.compile(r"dropped=(\d+)")
_OUTSIDE_RETENTION: Final = re.compile(r"beyond retention|outside retention")


@dataclass(frozen=True)
class Target:
    """One bucket of one InfluxDB, and the right to write there; `options` go to the client as they are."""

    url: str
    token: str = field(repr=False)
    org: str
    bucket: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return f"bucket {self.bucket!r} of organization {self.org!r} at {self.url}"


def target_from_environment() -> Target | None:
    """The target in INFLUXDB_URL, INFLUXDB_TOKEN, INFLUXDB_ORG and INFLUXDB_BUCKET; None where no URL is set.

    Raises:
        Misconfigured: a URL, but not the rest.
    """
    parts = (settings.INFLUXDB_URL, settings.INFLUXDB_TOKEN, settings.INFLUXDB_ORG, settings.INFLUXDB_BUCKET)
    url, token, org, bucket = (part.get() for part in parts)
    if not url:
        return None
    if missing := [part.env for part in parts if not part.get()]:
        raise Misconfigured(f"INFLUXDB_URL is set, but not {', '.join(missing)}; set all four")
    return Target(url, token, org, bucket)


@dataclass(frozen=True)
class Refusal:
    """A line that InfluxDB does not take, by its place in the batch."""

    place: int
    reason: str


@dataclass(frozen=True)
class Batch:
    """Lines that go out in one request, compressed."""

    lines: pl.Series
    body: bytes

    @classmethod
    def of(cls, lines: pl.Series) -> Batch:
        """A batch of these lines."""
        return cls(lines, igzip.compress(lines.str.join("\n").item().encode(), compresslevel=1))

    def halves(self) -> Iterator[tuple[int, Batch]]:
        """Both halves, each with the place of its first line."""
        middle = self.lines.len() // 2
        yield 0, Batch.of(self.lines.head(middle))
        yield middle, Batch.of(self.lines.slice(middle))


class TooLarge(IngestError):
    """The request is larger than the server, or a proxy before it, takes."""


class FaultyLines(IngestError):
    """Lines that cannot be parsed: nothing of the request was written. `faults` are those named, with the reason."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.faults = dict(_FAULTY_LINE.findall(message))


class PartlyWritten(IngestError):
    """Some points were dropped, the others are written. `dropped` is a lower bound: shards report one by one."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.dropped = max(map(int, _DROPPED.findall(message)), default=0)


class Influx:
    """A client of one target; `attempts` counts the tries of a request that may succeed later."""

    def __init__(self, target: Target, attempts: int = 4) -> None:
        self.target = target
        options = {"timeout": 60_000, **target.options}
        self.client = InfluxDBClient(target.url, target.token, org=target.org, **options)
        self._write, self._delete = WriteService(self.client.api_client), DeleteService(self.client.api_client)
        self._retrying = retrying(attempts)

    def write(self, batch: Batch) -> list[Refusal]:
        """Write a batch, and say which of its lines are refused; every other line is in InfluxDB afterwards.

        Raises:
            Retryable, Misconfigured: nothing is known about this batch; earlier ones are written.
        """
        try:
            self._retrying(self._post, batch.body)
        except FaultyLines as error:
            return self._without(batch, error.faults) or self._search(batch, error)
        except PartlyWritten as error:
            if error.dropped == batch.lines.len():
                return [Refusal(place, str(error)) for place in range(batch.lines.len())]
            return self._search(batch, error)
        except TooLarge as error:
            return self._search(batch, error)
        return []

    def delete(self, measurement: str, first: datetime, last: datetime, tags: Mapping[str, str] | None = None) -> None:
        """Delete a measurement's points from first to last, both inclusive, that have these tags."""
        terms = [f"_measurement={_quoted(measurement)}"]
        terms += [f"{name}={_quoted(stored_tag(value))}" for name, value in (tags or {}).items()]
        # InfluxDB's documents disagree on whether the stop is inclusive; no point lies in the nanosecond after `last`
        request = DeletePredicateRequest(_rfc3339(first), _rfc3339(last, nanoseconds=1), " AND ".join(terms))
        place = {"org": self.target.org, "bucket": self.target.bucket}
        self._retrying(self._typed, lambda: self._delete.post_delete(request, **place))

    def check(self) -> None:
        """Find out whether points could be written, without writing any.

        Raises:
            Retryable, Misconfigured: they could not; the message says why.
        """
        self._post(igzip.compress(b"# a comment"))

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _without(self, batch: Batch, faults: Mapping[str, str]) -> list[Refusal]:
        """Write all lines but the faulty ones; nothing where none of these is in the batch."""
        faulty = batch.lines.is_in(list(faults))
        if not faulty.any():
            return []
        named = [Refusal(place, faults[batch.lines[place]]) for place in faulty.arg_true()]
        good = (~faulty).arg_true()
        others = self.write(Batch.of(batch.lines.gather(good))) if good.len() else []
        return named + [Refusal(int(good[other.place]), other.reason) for other in others]

    def _search(self, batch: Batch, error: IngestError) -> list[Refusal]:
        """Write both halves on their own, down to single lines; what is written twice is the same point."""
        if batch.lines.len() == 1:
            return [Refusal(0, str(error))]
        parts = ((first, self.write(half)) for first, half in batch.halves())
        return [Refusal(first + refusal.place, refusal.reason) for first, part in parts for refusal in part]

    def _post(self, body: bytes) -> None:
        place = {"org": self.target.org, "bucket": self.target.bucket, "precision": PRECISION}
        form = {"content_encoding": "gzip", "content_type": "text/plain; charset=utf-8"}
        self._typed(lambda: self._write.post_write(body=body, **place, **form))

    def _typed(self, call: Callable[[], object]) -> None:
        """Make a request; what goes wrong comes out in our own types."""
        try:
            call()
        except ApiException as error:
            raise self._refusal(error) from error
        except urllib3.exceptions.HTTPError as error:
            raise Retryable(
                f"InfluxDB at {self.target.url} does not answer ({type(error).__name__}): is it down, or the network?"
            ) from error

    def _refusal(self, error: ApiException) -> IngestError:
        status, said = error.status, str(error.reason if error.response is None else error.message).strip()
        what = f"InfluxDB at {self.target.url} answered {status}: {said[:500]}"
        match status:
            case 0:
                return Misconfigured(
                    f"{self.target.url} cannot be trusted: {said}; check its certificate, or ssl_ca_cert"
                )
            case 400 if "unable to parse" in said:
                return FaultyLines(said)
            case 422:
                return PartlyWritten(said)
            case 413:
                return TooLarge(said)
            case 401 | 403:
                return Misconfigured(f"{what}: check the token; it must be allowed to read and write {self.target}")
            case 404:
                return Misconfigured(f"{what}: is there a {self.target}? Create it, or name another")
            case 408 | 429 | 500 | 502 | 503 | 504:
                return Retryable(f"{what}; it is asked again", retry_after(error.retry_after))
            case _:
                return Misconfigured(f"{what}: check that {self.target} is an InfluxDB 2.7, and what stands before it")


def is_outside_retention(reason: str) -> bool:
    """Whether a line was refused only because the bucket keeps no points of its age."""
    return bool(_OUTSIDE_RETENTION.search(reason))


def _quoted(text: str) -> str:
    """A string of the predicate language, which is InfluxQL's."""
    escaped = text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


def _rfc3339(instant: datetime, nanoseconds: int = 0) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}{nanoseconds:03d}Z"
