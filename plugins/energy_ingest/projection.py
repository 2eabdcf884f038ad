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
    `constants` are tags that every point has.
    """

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, str | Scaled]
    time: str = "period_start"
    shift: timedelta = timedelta(0)
    constants: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Projection:
    """A dataset's place in InfluxDB.

    `lean` follows from the contract: the measurement is the dataset's name, `tags` are its tags, every other column of
    the key and every compared one a field, `extra` are further fields. `compat` is spelt out; where it is empty, lean
    stands in.
    """

    tags: tuple[str, ...] = ()
    extra: Mapping[str, Scaled] = field(default_factory=dict)
    time: str = "period_start"
    compat: tuple[Points, ...] = ()

    def points(self, name: str, contract: Contract) -> tuple[Points, ...]:
        """What is written for the dataset of this name under the setting in force."""
        choice = chosen(name)
        lean = (self._lean(name, contract),) if choice != "compat" or not self.compat else ()
        return lean + (self.compat if choice != "lean" else ())

    def _lean(self, name: str, contract: Contract) -> Points:
        skipped = {self.time, *self.tags}
        fields = {column: column for column in (*contract.key, *contract.compared) if column not in skipped}
        return Points(name, {tag: tag for tag in self.tags}, {**fields, **self.extra}, self.time)


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
