"""Elexon's register of BM units: their fuel and capacity, for checks and for generation by fuel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

import msgspec
import psycopg

from energy_ingest.errors import Rejected
from energy_ingest.sources import Request
from energy_ingest.sql import statement

REQUEST: Final = Request("/bmrs/api/v1/reference/bmunits/all")
"""All of it, some 3,000 units; it changes by a few a week."""

_NUMBER: Final = r"^-?\d{1,9}(\.\d{1,6})?$"


class Unit(msgspec.Struct):
    """A unit as the register has it; capacities are MW in digits, and those of demand are 0 or less.

    Fuel types are Elexon's: CCGT, WIND, BIOMASS, ...; none is known of many units of suppliers. A row without an Elexon
    id is of no unit that is settled.
    """

    bm_unit: str | None = msgspec.field(name="elexonBmUnit")
    fuel_type: str | None = msgspec.field(name="fuelType", default=None)
    generation_mw: Annotated[str, msgspec.Meta(pattern=_NUMBER)] | None = msgspec.field(
        name="generationCapacity", default=None
    )
    demand_mw: Annotated[str, msgspec.Meta(pattern=_NUMBER)] | None = msgspec.field(name="demandCapacity", default=None)


def parse(body: bytes) -> list[Unit]:
    """The units of an answer; of one that is there twice, the last.

    Raises:
        Rejected: not the register, or without a single unit.
    """
    try:
        rows = msgspec.json.decode(body, type=list[Unit])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Rejected(f"this is not Elexon's register of BM units: {error}; see {REQUEST.path}") from None
    units = {unit.bm_unit: unit for unit in rows if unit.bm_unit}
    if not units:
        raise Rejected("the register has no BM unit: it was cut off, or is of something else; what is known is kept")
    return list(units.values())


def store(connection: psycopg.Connection, units: Iterable[Unit]) -> int:
    """Put units into `energy.bm_unit`; what is gone from the register stays. Returns how many are new or changed."""
    values = [(unit.bm_unit, unit.fuel_type, unit.generation_mw, unit.demand_mw) for unit in units]
    columns = [list(column) for column in zip(*values, strict=True)]
    return connection.execute(statement("quality/bm_units"), columns).rowcount
