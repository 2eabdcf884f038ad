"""Elexon's data of single BM units: bids, offers, acceptances, notifications. Switched on by unpausing their DAGs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from energy_ingest import settings
from energy_ingest.catalog.dataset import DAY, Dataset, periods
from energy_ingest.catalog.elexon import ELEXON, SETTLEMENT, price
from energy_ingest.contracts import Column, Contract
from energy_ingest.projection import Projection
from energy_ingest.sources import Scope
from energy_ingest.windows import Publication, Window, after_end


def _each_bm_unit() -> tuple[Scope, ...]:
    """One scope a unit: these paths answer for one at a time."""
    return tuple(Scope(f"unit:{unit}", (unit,)) for unit in dict.fromkeys(settings.BM_DATA_UNITS.get_list()))


def _none(_: Window) -> int:
    return 0


_UNIT: Final = (
    Column("bm_unit", "text", "bmUnit", "Elexon id of the BM unit"),
    Column("national_grid_bm_unit", "text", "nationalGridBmUnit", "NESO id of the BM unit", nullable=True),
    Column("time_from", "instant", "timeFrom", "UTC instant from which the levels hold"),
    Column("time_to", "instant", "timeTo", "UTC instant up to which they hold"),
)


def _level(name: str, source: str, doc: str) -> Column:
    return Column(f"{name}_mw", "exact", source, f"{doc}, MW; positive: export", low=-1e5, high=1e5)


def _flag(name: str, source: str, doc: str) -> Column:
    return Column(name, "boolean", source, doc, nullable=True, optional=True)


def _bm_data(
    name: str,
    title: str,
    path: str,
    grain: str,
    contract: Contract,
    *,
    items: Callable[[Window], int] = periods,
    tags: tuple[str, ...] = (),
    spread: str = "",
) -> Dataset:
    return Dataset(
        name=name,
        title=title,
        source=ELEXON,
        path=f"/bmrs/api/v1/balancing/{path}",
        table=name,
        grain=grain,
        contract=contract,
        items_expected=items,
        publication=Publication(due=after_end(timedelta(minutes=30)), grace=DAY, poll=timedelta(minutes=30)),
        restated_after=tuple(n * DAY for n in (1, 2, 3)),
        max_span=timedelta(days=7),
        scopes=_each_bm_unit,
        member_column="bm_unit",
        member_param="bmUnit",
        influx=Projection(tags=("bm_unit", *tags), time="time_from", spread=spread),
        on_request=True,
    )


BOALF: Final = _bm_data(
    "elexon_boalf",
    "Elexon: acceptances of bids and offers (BOALF)",
    "acceptances",
    "one row per settlement date, BM unit, acceptance and its stretch of time",
    Contract(
        key=("settlement_date", "bm_unit", "acceptance_number", "time_from"),
        derived={"period_start": "instant"},
        columns=(
            SETTLEMENT[0],
            Column("settlement_period", "integer", "settlementPeriodFrom", "first settlement period", low=1, high=50),
            Column("settlement_period_to", "integer", "settlementPeriodTo", "last settlement period", low=1, high=50),
            *_UNIT,
            Column("acceptance_number", "integer", "acceptanceNumber", "number of the acceptance, per BM unit"),
            Column("accepted_at", "instant", "acceptanceTime", "UTC instant of the acceptance"),
            _level("level_from", "levelFrom", "level at the beginning"),
            _level("level_to", "levelTo", "level at the end"),
            _flag("deemed_bo", "deemedBoFlag", "deemed acceptance, without a bid or offer behind it"),
            _flag("so", "soFlag", "for the system operator's constraints"),
            _flag("stor", "storFlag", "short-term operating reserve"),
            _flag("rr", "rrFlag", "replacement reserve"),
        ),
        ignored=("dataset", "amendmentFlag"),
    ),
    items=_none,  # a unit need not be accepted at all
    spread="acceptance_number",  # as a tag it would make a series of each acceptance
)

BOD: Final = _bm_data(
    "elexon_bod",
    "Elexon: bids and offers (BOD)",
    "bid-offer",
    "one row per settlement date, settlement period, BM unit, pair and stretch of time",
    Contract(
        key=("settlement_date", "settlement_period", "bm_unit", "pair_id", "time_from"),
        derived={"period_start": "instant"},
        columns=(
            *SETTLEMENT,
            *_UNIT,
            Column("pair_id", "integer", "pairId", "pair of bid and offer: negative below the notified level"),
            _level("level_from", "levelFrom", "level at the beginning"),
            _level("level_to", "levelTo", "level at the end"),
            price("bid_gbp_per_mwh", "bid"),
            price("offer_gbp_per_mwh", "offer"),
        ),
        ignored=("dataset",),
    ),
    tags=("pair_id",),
)

PHYSICAL: Final = _bm_data(
    "elexon_physical",
    "Elexon: physical notifications and limits (PN, QPN, MILS, MELS)",
    "physical",
    "one row per settlement date, settlement period, BM unit, kind of notification and stretch of time",
    Contract(
        key=("settlement_date", "settlement_period", "bm_unit", "notification", "time_from"),
        derived={"period_start": "instant"},
        columns=(
            *SETTLEMENT,
            *_UNIT,
            Column("notification", "text", "dataset", "PN physical, QPN quiescent, MILS, MELS import, export limit"),
            _level("level_from", "levelFrom", "level at the beginning"),
            _level("level_to", "levelTo", "level at the end"),
        ),
    ),
    tags=("notification",),
)
