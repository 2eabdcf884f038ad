"""Every dataset on one screen: source, clock, publication, restatement, contract, table.

Docs, coverage, planning, loading and checks all read it from here. `docs/adding-a-source.md` says how to add one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from energy_ingest import calendars, clock, settings
from energy_ingest.calendars import SETTLEMENT_DAYS, Bounds, Calendar
from energy_ingest.contracts import Column, Contract
from energy_ingest.errors import Misconfigured
from energy_ingest.projection import Points, Projection, Scaled
from energy_ingest.sources import Scope
from energy_ingest.windows import Publication, Window, after_end, after_weekdays

if TYPE_CHECKING:
    import polars as pl

_day = timedelta(days=1)


@dataclass(frozen=True)
class Upstream:
    """One upstream service: its module in `sources/`, Airflow connection, address and limits.

    `health` is a path that answers quickly and costs the source nothing.
    """

    name: str
    conn_id: str
    host: str
    health: str
    requests_per_second: float
    attribution: str


def _periods(window: Window) -> int:
    return clock.settlement_periods(window.label)


@dataclass(frozen=True)
class Dataset:
    """What the project knows of one dataset.

    `calendar` says which windows there are; `max_span` bounds those of one request; `cadence` is the shortest time between
    two runs. `restated_after` are ages (after the window's end) at which the source restates values. A window must have
    `items_expected` different values of `item_column`, for each of the members that `member_column` names; `scopes` gives
    those configured, each with windows of its own in the ledger. `stamps_end`: the source's time stamp is the end of the
    half hour, not its start. `influx` is the dataset's place in InfluxDB, None for none.
    """

    name: str
    title: str
    source: Upstream
    path: str
    table: str
    contract: Contract
    publication: Publication
    restated_after: tuple[timedelta, ...]
    max_span: timedelta
    scopes: Callable[[], tuple[Scope, ...]]
    grain: str
    calendar: Calendar = SETTLEMENT_DAYS
    item_column: str = "settlement_period"
    items_expected: Callable[[Window], int] = _periods
    member_column: str = ""
    member_param: str = ""
    members: tuple[str, ...] = ()
    stamps_end: bool = False
    version_column: str | None = None
    cadence: timedelta = _day
    influx: Projection | None = None

    @property
    def time_column(self) -> str:
        """First part of the key; a window's rows lie side by side in its index."""
        return self.contract.key[0]

    @property
    def influx_points(self) -> tuple[Points, ...]:
        """What each row becomes in InfluxDB, by the mapping in force; nothing for a dataset that is not projected."""
        return self.influx.points(self.name, self.contract) if self.influx else ()

    def expected_items(self, window: Window, scope: Scope) -> int:
        """How many items a complete window has, such as settlement periods times the members that each must have."""
        return self.items_expected(window) * len(scope.members or self.members or ("market",))

    def items(self, rows: pl.DataFrame, scope: Scope) -> list[tuple[object, ...]]:
        """The expected items that these rows hold, each once."""
        if members := scope.members or self.members:
            rows = rows.filter(rows[self.member_column].is_in(members))
        return rows.select(self.item_columns(scope)).unique().rows()

    def item_columns(self, scope: Scope) -> tuple[str, ...]:
        """The columns that tell one expected item from another."""
        return (self.item_column, self.member_column) if scope.members or self.members else (self.item_column,)

    def span(self, scope: Scope) -> timedelta:
        """How much time one request covers; the whole market at once is too large for more than one window."""
        return self.max_span if scope.members or not self.member_param else self.cadence

    def windows(self, first: date, last: date) -> Iterator[Window]:
        """The windows labelled first to last, both inclusive."""
        return self.calendar.windows(first, last)

    def bounds(self, window: Window) -> Bounds:
        """Where the window's rows are in the table, by its columns."""
        return self.calendar.bounds(window)

    def scheduled_windows(self, now: datetime) -> Sequence[Window]:
        """The windows that schedules must have loaded by now: from ENERGY_START, at most up to ENERGY_UNTIL."""
        first = settings.START.get_date() or date(2024, 1, 1)
        return calendars.scheduled(self.calendar, first, settings.UNTIL.get_date(), now)


def _whole() -> tuple[Scope, ...]:
    return (Scope("all"),)


def _bm_units() -> tuple[Scope, ...]:
    return (units_scope(settings.BM_UNITS.get_list()),)


def units_scope(units: tuple[str, ...]) -> Scope:
    """The scope of these BM units; `all` alone is the whole market.

    Raises:
        Misconfigured: no unit at all, which the source would take for the whole market.
    """
    units = tuple(dict.fromkeys(units))  # a unit named twice would be expected twice
    if units == ("all",):
        return Scope("all")
    if not units:
        raise Misconfigured(f"no BM unit is named: list some in {settings.BM_UNITS.env}, or `all` for the whole market")
    return Scope(
        "units:" + ",".join(sorted(units)) if len(units) <= 10 else f"units:{len(units)}:{_digest(units)}", units
    )


def _digest(units: tuple[str, ...]) -> str:
    import hashlib

    return hashlib.sha256(",".join(sorted(units)).encode()).hexdigest()[:12]


ELEXON: Final = Upstream(
    name="elexon",
    conn_id="elexon_default",
    host="https://data.elexon.co.uk",
    health="/bmrs/api/v1/health",
    requests_per_second=10,
    attribution="Contains BMRS data © Elexon Limited copyright and database right",
)

_SETTLEMENT: Final = (
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


def _price(name: str, source: str, doc: str = "£/MWh", *, nullable: bool = False) -> Column:
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
            *_SETTLEMENT,
            Column(
                "stamp", "text", "startTime", "UTC start of the period, checked against date and period", loaded=False
            ),
            Column(
                "created_at", "instant", "createdDateTime", "when Elexon computed these values, UTC", compared=False
            ),
            _price("system_sell_price_gbp_per_mwh", "systemSellPrice", "£/MWh; negative is normal"),
            _price("system_buy_price_gbp_per_mwh", "systemBuyPrice", "£/MWh; equals the sell price since 2015"),
            Column("bsad_defaulted", "boolean", "bsadDefaulted", "balancing services adjustment data were defaulted"),
            Column(
                "price_derivation_code",
                "text",
                "priceDerivationCode",
                "how the price was derived (P short, N long)",
                nullable=True,
            ),
            _price("reserve_scarcity_price_gbp_per_mwh", "reserveScarcityPrice", nullable=True),
            _volume("net_imbalance_volume_mwh", "netImbalanceVolume", "MWh; positive: system short"),
            _price("sell_price_adjustment_gbp_per_mwh", "sellPriceAdjustment", nullable=True),
            _price("buy_price_adjustment_gbp_per_mwh", "buyPriceAdjustment", nullable=True),
            _price("replacement_price_gbp_per_mwh", "replacementPrice", nullable=True),
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
    publication=Publication(due=after_end(timedelta(minutes=30)), grace=_day, poll=timedelta(minutes=30)),
    restated_after=tuple(n * _day for n in (1, 2, 7, 14, 21, 28, 35, 70, 165, 300, 430)),
    max_span=_day + timedelta(hours=1),
    scopes=_whole,
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
            *_SETTLEMENT,
            Column(
                "stamp", "text", "startTime", "UTC start of the period, checked against date and period", loaded=False
            ),
            Column("data_provider", "text", "dataProvider", "APXMIDP or N2EXMIDP"),
            _price("price_gbp_per_mwh", "price", "£/MWh; negative is normal"),
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
    publication=Publication(due=after_end(timedelta(minutes=30)), grace=_day, poll=timedelta(minutes=30)),
    restated_after=tuple(n * _day for n in (1, 2, 3)),
    max_span=timedelta(days=7),
    scopes=_whole,
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
            *_SETTLEMENT,
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
    publication=Publication(due=after_weekdays(5, time(12)), grace=9 * _day, poll=timedelta(hours=6)),
    restated_after=tuple(n * _day for n in (35, 70, 165, 300, 430)),
    max_span=31 * _day,
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

DATASETS: Final = {dataset.name: dataset for dataset in (SYSTEM_PRICES, MARKET_INDEX, B1610)}


def get(name: str) -> Dataset:
    """The dataset of that name.

    Raises:
        Misconfigured: there is none; the message lists those that exist.
    """
    if name not in DATASETS:
        raise Misconfigured(f"no dataset {name!r}: use one of {', '.join(DATASETS)}")
    return DATASETS[name]


def upstreams() -> list[Upstream]:
    """Every upstream that a dataset comes from."""
    return list(dict.fromkeys(dataset.source for dataset in DATASETS.values()))
