"""What a dataset's rows become in InfluxDB: measurement, tags, fields, time. Declarations only.

Two mappings: `lean`, the default, has few series (stable ids are tags; dates and periods are fields), and `compat`
gives the measurements that dashboards of the former Meltano loader read. ENERGY_INFLUX_MAPPING chooses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal, cast

from energy_ingest import settings
from energy_ingest.contracts import Contract
from energy_ingest.errors import Misconfigured

Choice = Literal["lean", "compat", "both"]
CHOICES: Final = ("lean", "compat", "both")


@dataclass(frozen=True)
class Scaled:
    """A number column times a whole factor."""

    column: str
    factor: int


@dataclass(frozen=True)
class Points:
    """One point per row. `tags` and `fields` map names in InfluxDB to columns of the table.

    A null is left out; a row without any field has no point. `time` names an instant column, `shift` is added to it;
    `spread` names a whole-number column of which microseconds are added, which keeps rows of one series and instant
    apart without a tag; `constants` are tags that every point has.
    """

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, str | Scaled]
    time: str = "period_start"
    shift: timedelta = timedelta(0)
    spread: str = ""
    constants: Mapping[str, str] = field(default_factory=dict)

    @property
    def slack(self) -> timedelta:
        """How far a point may lie behind its row's instant."""
        return timedelta(microseconds=999_999 if self.spread else 0)


@dataclass(frozen=True)
class Projection:
    """A dataset's place in InfluxDB.

    `lean` follows from the contract: the measurement is the dataset's name, `tags` are its tags, every other column of
    the key and every compared one a field, but no JSON; `extra` are further fields, `spread` is that of `Points`.
    `compat` is spelt out; where it is empty, lean stands in.
    """

    tags: tuple[str, ...] = ()
    extra: Mapping[str, Scaled] = field(default_factory=dict)
    time: str = "period_start"
    spread: str = ""
    compat: tuple[Points, ...] = ()

    def points(self, name: str, contract: Contract) -> tuple[Points, ...]:
        """What is written for the dataset of this name under the setting in force."""
        choice = chosen(name)
        lean = (self.lean(name, contract),) if choice != "compat" or not self.compat else ()
        return lean + (self.compat if choice != "lean" else ())

    def lean(self, name: str, contract: Contract) -> Points:
        """The default mapping."""
        skipped = {self.time, *self.tags, *(column for column, kind in contract.loaded.items() if kind == "json")}
        fields = {column: column for column in (*contract.key, *contract.compared) if column not in skipped}
        return Points(name, {tag: tag for tag in self.tags}, {**fields, **self.extra}, self.time, spread=self.spread)


def chosen(name: str) -> Choice:
    """The mapping that ENERGY_INFLUX_MAPPING chooses for a dataset.

    Raises:
        Misconfigured: it names no mapping.
    """
    general, own = "lean", None
    for item in settings.INFLUX_MAPPING.get_list():
        dataset, _, choice = item.rpartition("=")
        if choice not in CHOICES:
            raise Misconfigured(
                f"{settings.INFLUX_MAPPING.env}={settings.INFLUX_MAPPING.get()!r}: {choice!r} is no mapping; "
                f"use one of {', '.join(CHOICES)} for all datasets, and such as {name}=compat for one"
            )
        if not dataset:
            general = choice
        elif dataset == name:
            own = choice
    return cast("Choice", own or general)
