"""One module per upstream: how to ask for windows, how to read the answer. Pure: no I/O, no Airflow.

Each module offers `request(dataset, windows, scope, now)` and `parse(dataset, chunks, windows, scope, headers)`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from energy_ingest.catalog import Dataset
    from energy_ingest.reading import Checked
    from energy_ingest.windows import Window


@dataclass(frozen=True)
class Request:
    """One HTTP request; `path` starts behind the host of the source's connection.

    `body` is JSON; a request with one is a POST. `every` is the shortest time between two requests for this path.
    """

    path: str
    params: tuple[tuple[str, str], ...] = ()
    body: str = ""
    every: timedelta | None = None

    @property
    def method(self) -> str:
        """GET or POST."""
        return "POST" if self.body else "GET"

    def __str__(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.params)
        return f"{self.method} {self.path}" + (f"?{query}" if query else "") + (f" {self.body}" if self.body else "")


@dataclass(frozen=True)
class Answer:
    """The body of an HTTP answer in chunks, and those of its headers that say what it is, names in lower case."""

    chunks: Iterable[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.chunks)


@dataclass(frozen=True)
class Scope:
    """Which part of a dataset is loaded: the whole (`members` empty) or a list of members, such as BM units.

    `name` identifies the scope in the ledger.
    """

    name: str
    members: tuple[str, ...] = ()


class Source(Protocol):
    """What a source module offers."""

    def request(self, dataset: Dataset, windows: Sequence[Window], scope: Scope, now: datetime) -> Request:
        """The one request that answers these adjoining windows."""

    def parse(
        self,
        dataset: Dataset,
        chunks: Iterable[bytes],
        windows: Sequence[Window],
        scope: Scope,
        headers: Mapping[str, str] = {},
    ) -> Iterator[Checked]:
        """The answer as checked pieces in the order of its rows; every row of the answer is in exactly one."""


def source_of(dataset: Dataset) -> Source:
    """The module that knows this dataset's upstream."""
    return cast("Source", importlib.import_module(f"energy_ingest.sources.{dataset.source.name}"))
