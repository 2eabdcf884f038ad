"""Elexon's settlement data: system prices, market index, generation."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Final

from energy_ingest import clock, settings
from energy_ingest.catalog.dataset import DAY, Dataset, Upstream, whole
from energy_ingest.contracts import Column, Contract
from energy_ingest.errors import Misconfigured
from energy_ingest.projection import Points, Projection, Scaled
from energy_ingest.sources import Scope
from energy_ingest.windows import Publication, after_end, after_weekdays

ELEXON: Final = Upstream(
    name="elexon",
    conn_id="elexon_default",
    host="https://data.elexon.co.uk",
    health="/bmrs/api/v1/health",
    requests_per_second=10,
    attribution="Contains BMRS data © Elexon Limited copyright and database right",
)

SETTLEMENT: Final = (
    Column("settlement_date", "date", "settlementDate", "UK settlement date, local label"),
    Column(
        "settlement_period",
        "integer",
        "settlementPeriod",
        "1 to 46, 48 or 50; period 1 starts at local midnight",
        low=1,
        high=50,
    ),
)


def _bm_units() -> tuple[Scope, ...]:
    return (units_scope(settings.BM_UNITS.get_list()),)


def units_scope(units: tuple[str, ...]) -> Scope:
    """The scope of these BM units; `all` alone is the whole market.

    Raises:
        Misconfigured: no unit at all, which the source would take for the whole market, or `all` among others.
    """
    units = tuple(dict.fromkeys(units))  # a unit named twice would be expected twice
    if units == ("all",):
        return Scope("all")
    if "all" in units:
        raise Misconfigured(f"{settings.BM_UNITS.env} names both `all` and single BM units: leave one of them out")
    if not units:
        raise Misconfigured(f"no BM unit is named: list some in {settings.BM_UNITS.env}, or `all` for the whole market")
    return Scope(
        "units:" + ",".join(sorted(units)) if len(units) <= 10 else f"units:{len(units)}:{_digest(units)}", units
    )


def _digest(units: tuple[str, ...]) -> str:
    import hashlib

    return hashlib.sha256(",".join(sorted(units)).encode()).hexdigest()[:12]


def price(name: str, source: str, doc: str = "£/MWh", *, nullable: bool = False) -> Column:
    """A column of a price, every digit kept."""
    return Column(name, "exact", source, doc, nullable, low=-1e5, high=1e5)


def _volume(name: str, source: str, doc: str = "MWh", *, nullable: bool = False) -> Column:
    return Column(name, "exact", source, doc, nullable, low=-1e6, high=1e6)


SYSTEM_PRICES: Final = Dataset(
    name="elexon_system_prices",
    title="Elexon: system prices and imbalance volume (DISEBSP)",
    source=ELEXON,
    path="/bmrs/api/v1/balancing/settlement/system-prices/{date}",
    table="elexon_system_prices",
    grain="one row per settlement date and settlement period",
    contract=Contract(
        key=("settlement_date", "settlement_period"),
        derived={"period_start": "instant"},
        columns=(
            *SETTLEMENT,
            Column(
                "stamp", "text", "startTime", "UTC start of the period, checked against date and period", loaded=False
            ),
            Column(
                "created_at", "instant", "createdDateTime", "when Elexon computed these values, UTC", compared=False
            ),
            price("system_sell_price_gbp_per_mwh", "systemSellPrice", "£/MWh; negative is normal"),
            price("system_buy_price_gbp_per_mwh", "systemBuyPrice", "£/MWh; equals the sell price since 2015"),
            Column("bsad_defaulted", "boolean", "bsadDefaulted", "balancing services adjustment data were defaulted"),
            Column(
                "price_derivation_code",
                "text",
                "priceDerivationCode",
                "how the price was derived (P short, N long)",
                nullable=True,
            ),
            price("reserve_scarcity_price_gbp_per_mwh", "reserveScarcityPrice", nullable=True),
            _volume("net_imbalance_volume_mwh", "netImbalanceVolume", "MWh; positive: system short"),
            price("sell_price_adjustment_gbp_per_mwh", "sellPriceAdjustment", nullable=True),
            price("buy_price_adjustment_gbp_per_mwh", "buyPriceAdjustment", nullable=True),
            price("replacement_price_gbp_per_mwh", "replacementPrice", nullable=True),
            _volume("replacement_price_reference_volume_mwh", "replacementPriceReferenceVolume", nullable=True),
            _volume("total_accepted_offer_volume_mwh", "totalAcceptedOfferVolume", "MWh, 0 or more", nullable=True),
            _volume("total_accepted_bid_volume_mwh", "totalAcceptedBidVolume", "MWh, 0 or less", nullable=True),
            _volume("total_adjustment_sell_volume_mwh", "totalAdjustmentSellVolume", nullable=True),
            _volume("total_adjustment_buy_volume_mwh", "totalAdjustmentBuyVolume", nullable=True),
            _volume("total_tagged_accepted_offer_volume_mwh", "totalSystemTaggedAcceptedOfferVolume", nullable=True),
            _volume("total_tagged_accepted_bid_volume_mwh", "totalSystemTaggedAcceptedBidVolume", nullable=True),
            _volume("total_tagged_adjustment_sell_volume_mwh", "totalSystemTaggedAdjustmentSellVolume", nullable=True),
            _volume("total_tagged_adjustment_buy_volume_mwh", "totalSystemTaggedAdjustmentBuyVolume", nullable=True),
        ),
    ),
    publication=Publication(due=after_end(timedelta(minutes=30)), grace=DAY, poll=timedelta(minutes=30)),
    restated_after=tuple(n * DAY for n in (1, 2, 7, 14, 21, 28, 35, 70, 165, 300, 430)),
    max_span=DAY + timedelta(hours=1),
    scopes=whole,
    version_column="created_at",
    influx=Projection(
        compat=(
            Points(
                "DISEBSP",
                tags={"settlementDate": "settlement_date"},
                fields={
                    "systemSellPrice": "system_sell_price_gbp_per_mwh",
                    "netImbalanceVolume": "net_imbalance_volume_mwh",
                    "totalAcceptedOfferVolume": "total_accepted_offer_volume_mwh",
                    "totalAcceptedBidVolume": "total_accepted_bid_volume_mwh",
                    "totalAdjustmentSellVolume": "total_adjustment_sell_volume_mwh",
                    "totalAdjustmentBuyVolume": "total_adjustment_buy_volume_mwh",
                },
            ),
        )
    ),
)

MARKET_INDEX: Final = Dataset(
    name="elexon_market_index",
    title="Elexon: market index price and volume (MID)",
    source=ELEXON,
    path="/bmrs/api/v1/balancing/pricing/market-index",
    table="elexon_market_index",
    grain="one row per settlement date, settlement period and data provider",
    contract=Contract(
        key=("settlement_date", "settlement_period", "data_provider"),
        derived={"period_start": "instant", "is_placeholder": "boolean"},
        columns=(
            *SETTLEMENT,
            Column(
                "stamp", "text", "startTime", "UTC start of the period, checked against date and period", loaded=False
            ),
            Column("data_provider", "text", "dataProvider", "APXMIDP or N2EXMIDP"),
            price("price_gbp_per_mwh", "price", "£/MWh; negative is normal"),
            Column(
                "volume_mwh",
                "exact",
                "volume",
                "MWh traded; with price 0 and volume 0 the row is a placeholder",
                low=0,
                high=1e6,
            ),
        ),
        ignored=("dataset",),
    ),
    publication=Publication(due=after_end(timedelta(minutes=30)), grace=DAY, poll=timedelta(minutes=30)),
    restated_after=tuple(n * DAY for n in (1, 2, 3)),
    max_span=timedelta(days=7),
    scopes=whole,
    member_column="data_provider",
    members=("APXMIDP", "N2EXMIDP"),
    influx=Projection(
        tags=("data_provider",),
        compat=(
            Points(
                "MIDP",
                tags={"settlementDate": "settlement_date", "dataProvider": "data_provider"},
                fields={"settlementPeriod": "settlement_period", "price": "price_gbp_per_mwh", "volume": "volume_mwh"},
            ),
        ),
    ),
)

B1610: Final = Dataset(
    name="elexon_b1610",
    title="Elexon: actual generation output per generation unit (B1610)",
    source=ELEXON,
    path="/bmrs/api/v1/datasets/B1610/stream",
    table="elexon_b1610",
    grain="one row per settlement date, settlement period and BM unit",
    contract=Contract(
        key=("settlement_date", "settlement_period", "bm_unit"),
        derived={"period_start": "instant"},
        columns=(
            *SETTLEMENT,
            Column("bm_unit", "text", "bmUnit", "Elexon id of the BM unit"),
            Column(
                "stamp",
                "text",
                "halfHourEndTime",
                "UTC end of the period, checked against date and period",
                loaded=False,
            ),
            Column("national_grid_bm_unit", "text", "nationalGridBmUnitId", "NESO id of the BM unit", nullable=True),
            Column("psr_type", "text", "psrType", "Generation or Consumption", nullable=True),
            Column(
                "settlement_run",
                "text",
                "settlementRunType",
                "run (II, SF, R1, R2, R3, RF, DF) that set this value; the run in force is in the ledger",
                nullable=True,
                optional=True,
                compared=False,
            ),
            Column(
                "quantity_mwh",
                "number",
                "quantity",
                "metered volume, MWh in the half hour; positive: export",
                nullable=True,
                low=-1e6,
                high=1e6,
            ),
        ),
        ignored=("dataset",),
    ),
    publication=Publication(due=after_weekdays(5, time(12)), grace=9 * DAY, poll=timedelta(hours=6)),
    restated_after=tuple(n * DAY for n in (35, 70, 165, 300, 430)),
    max_span=31 * DAY,
    scopes=_bm_units,
    member_column="bm_unit",
    member_param="bmUnit",
    stamps_end=True,
    influx=Projection(
        tags=("bm_unit", "national_grid_bm_unit", "psr_type"),
        extra={"average_mw": Scaled("quantity_mwh", 2)},
        compat=(
            Points(
                "B1610",
                tags={
                    "psrType": "psr_type",
                    "bmUnit": "bm_unit",
                    "nationalGridBmUnitId": "national_grid_bm_unit",
                    "settlementDate": "settlement_date",
                    "settlementPeriod": "settlement_period",
                },
                constants={"dataset": "B1610"},
                fields={"Gen_MV_MW": "quantity_mwh"},  # MWh in spite of its name
                shift=clock.HALF_HOUR,
            ),
        ),
    ),
)
