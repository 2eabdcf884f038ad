"""Energy Transfer: operationally available capacity of its pipelines, by gas day and nomination cycle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from energy_ingest import clock, settings
from energy_ingest.calendars import Postings
from energy_ingest.catalog.dataset import DAY, Dataset, Upstream, one
from energy_ingest.contracts import Column, Contract
from energy_ingest.errors import Misconfigured
from energy_ingest.projection import Projection
from energy_ingest.sources import Scope
from energy_ingest.windows import Publication, Window, after_end

ENERGY_TRANSFER: Final = Upstream(
    name="energy_transfer",
    conn_id="energy_transfer_default",
    host="https://twtransfer.energytransfer.com",
    health="",
    requests_per_second=0.5,
    accept="text/csv",
    attribution="Operationally available capacity: Energy Transfer's public informational postings (18 CFR 284.13)",
)

ASSETS: Final = {
    "TW": "Transwestern Pipeline",
    "TGC": "Trunkline Gas Company",
    "FEP": "Fayetteville Express Pipeline",
    "PEPL": "Panhandle Eastern Pipe Line",
    "FGT": "Florida Gas Transmission",
    "TGR": "Tiger Pipeline",
    "ROVER": "Rover Pipeline",
    "MRT": "Enable Mississippi River Transmission",
    "SPC": "Sea Robin Pipeline",
}


def _transwestern() -> tuple[Scope, ...]:
    return (Scope("TW", ("TW",)),)


def _other_assets() -> tuple[Scope, ...]:
    """The pipelines that are switched on besides Transwestern.

    Raises:
        Misconfigured: one that is unknown, or Transwestern again.
    """
    wanted = dict.fromkeys(settings.TRANSFER_ASSETS.get_list())
    for asset in wanted:
        if asset not in ASSETS or asset == "TW":
            known = ", ".join(name for name in ASSETS if name != "TW")
            raise Misconfigured(f"{settings.TRANSFER_ASSETS.env} names {asset!r}: use some of {known}")
    return tuple(Scope(asset, (asset,)) for asset in wanted)


def cycles_that_count() -> frozenset[int]:
    """The codes in ENERGY_CAPACITY_CYCLES.

    Raises:
        Misconfigured: there is no such cycle.
    """
    known = {str(cycle.code): cycle.code for cycle in clock.NOMINATION_CYCLES}
    wanted = settings.CAPACITY_CYCLES.get_list()
    if unknown := [code for code in wanted if code not in known]:
        raise Misconfigured(f"{settings.CAPACITY_CYCLES.env} names {unknown[0]!r}: use some of {', '.join(known)}")
    return frozenset(known[code] for code in wanted)


def _of_its_own(window: Window, _: datetime) -> object:
    return window.start


def _quantity(name: str, source: str, doc: str, low: float = 0) -> Column:
    return Column(f"{name}_dth_per_day", "exact", source, f"{doc}, Dth/d", nullable=True, low=low, high=1e9)


def _yes_or_no(name: str, source: str, doc: str) -> Column:
    return Column(name, "text", source, f"{doc}: Y or N")


def _capacity(name: str, title: str, scopes: Callable[[], tuple[Scope, ...]]) -> Dataset:
    """Operationally available capacity of some assets: they all post in the same way."""
    return Dataset(
        name=name,
        title=title,
        source=ENERGY_TRANSFER,
        path="/ipost/capacity/operationally-available",
        table=name,
        grain="one row per gas day, nomination cycle, asset, location and direction of flow",
        contract=Contract(
            key=("gas_day", "nomination_cycle", "asset", "loc", "flow_ind"),
            derived={"gas_day": "date", "nomination_cycle": "text", "asset": "text", "gas_day_start": "instant"},
            columns=(
                Column("loc", "text", "Loc", "number of the location"),
                Column("loc_zone", "text", "Loc Zn", "zone of the location", nullable=True),
                Column("loc_name", "text", "Loc Name", "name of the location", nullable=True),
                Column("loc_purpose", "text", "Loc Purp Desc", "MQ delivery, M2 receipt", nullable=True),
                Column("loc_qti", "text", "Loc/QTI", "DPQ delivery, RPQ receipt point quantity", nullable=True),
                Column("flow_ind", "text", "Flow Ind", "direction of flow: D delivery, R receipt, BD both"),
                _quantity("design_capacity", "DC", "design capacity"),
                _quantity("operating_capacity", "OPC", "operating capacity"),
                _quantity("total_scheduled_quantity", "TSQ", "total scheduled quantity"),
                _quantity("operationally_available_capacity", "OAC", "operating less scheduled quantity", -1e9),
                _yes_or_no("interruptible_ind", "IT", "whether the flow has interruptible service"),
                _yes_or_no("auth_overrun_ind", "Auth Overrun Ind", "whether overruns are authorised"),
                _yes_or_no("nom_cap_exceed_ind", "Nom Cap Exceed Ind", "whether nominations exceed the capacity"),
                _yes_or_no("all_qty_avail", "All Qty Avail", "whether all quantities are available"),
                Column("qty_reason", "text", "Qty Reason", "why quantities are blank", nullable=True),
            ),
        ),
        calendar=Postings(cycles_that_count),
        item_column="nomination_cycle",
        items_expected=one,
        publication=Publication(
            due=after_end(timedelta(0)), grace=timedelta(hours=12), poll=timedelta(minutes=10), may_never_come=True
        ),
        restated_after=(DAY, 3 * DAY),
        max_span=DAY,
        cadence=clock.HALF_HOUR,
        scopes=scopes,
        member_column="asset",
        batch=_of_its_own,
        first=settings.CAPACITY_START,
        report="quality/capacity_file",
        influx=Projection(tags=("asset", "loc", "flow_ind", "nomination_cycle"), time="gas_day_start"),
    )


TRANSWESTERN_CAPACITY: Final = _capacity(
    "transwestern_capacity", "Transwestern: operationally available capacity", _transwestern
)
ENERGY_TRANSFER_CAPACITY: Final = _capacity(
    "energy_transfer_capacity", "Energy Transfer's other pipelines: operationally available capacity", _other_assets
)
