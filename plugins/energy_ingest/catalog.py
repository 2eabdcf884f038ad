"""Every dataset on one screen: source, clock, publication, restatement, contract, table.

Docs, coverage, planning, loading and checks all read it from here. `docs/adding-a-source.md` says how to add one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from energy_ingest import calendars, clock, settings
from energy_ingest.calendars import SETTLEMENT_DAYS, Bounds, Calendar, HalfHours, Postings
from energy_ingest.contracts import Column, Contract
from energy_ingest.errors import Misconfigured
from energy_ingest.projection import Points, Projection, Scaled
from energy_ingest.sources import Scope
from energy_ingest.windows import Publication, Window, after_end, after_weekdays, pack

if TYPE_CHECKING:
    import polars as pl

_day = timedelta(days=1)


@dataclass(frozen=True)
class Upstream:
    """One upstream service: its module in `sources/`, Airflow connection, address and limits.

    `health` is a path that answers quickly and costs the source nothing, empty where none is known;
    `pause` are the seconds to wait after a 429
    that names none.
    """

    name: str
    conn_id: str
    host: str
    health: str
    requests_per_second: float
    attribution: str
    pause: float | None = None


def _periods(window: Window) -> int:
    return clock.settlement_periods(window.label)


def _one(_: Window) -> int:
    return 1


@dataclass(frozen=True)
class Dataset:
    """What the project knows of one dataset.

    `calendar` says which windows there are; `max_span` bounds those of one request; `cadence` is the shortest time
    between two runs. `restated_after` are ages (after the window's end) at which the source restates values. A window
    must have `items_expected` different values of `item_column`, for each of the members that `member_column` names;
    `scopes` gives those configured, each with windows of its own in the ledger. `stamps_end`: the source's time stamp
    is the end of the half hour, not its start. `influx` is the dataset's place in InfluxDB, None for none.

    `batch` names the answer that has a window's rows, given the time of asking: windows of one batch share a request,
    and a run takes along what its batch still lacks. `report` is a statement in `sql/` that judges each file as it is
    loaded; `first` the setting of the first date, where it is not ENERGY_START. `on_request`: its DAG is shipped
    paused, so nothing of it is missing until something was loaded.
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
    batch: Callable[[Window, datetime], object] | None = None
    report: str = ""
    first: settings.Setting = settings.START
    on_request: bool = False

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

    def pack(self, windows: Sequence[Window], scope: Scope, now: datetime) -> Iterator[list[Window]]:
        """The windows as one request each answers them."""
        batch = self.batch
        return pack(windows, self.span(scope), (lambda window: batch(window, now)) if batch else None)

    def bounds(self, window: Window) -> Bounds:
        """Where the window's rows are in the table, by its columns."""
        return self.calendar.bounds(window)

    def scheduled_windows(self, now: datetime) -> Sequence[Window]:
        """The windows that schedules must have loaded by now: from ENERGY_START, at most up to ENERGY_UNTIL."""
        first = self.first.get_date() or settings.START.get_date() or date(2024, 1, 1)
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

# --- Elexon: data of single BM units, switched on by unpausing their DAGs ---


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
    items: Callable[[Window], int] = _periods,
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
        publication=Publication(due=after_end(timedelta(minutes=30)), grace=_day, poll=timedelta(minutes=30)),
        restated_after=tuple(n * _day for n in (1, 2, 3)),
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
            _SETTLEMENT[0],
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
            *_SETTLEMENT,
            *_UNIT,
            Column("pair_id", "integer", "pairId", "pair of bid and offer: negative below the notified level"),
            _level("level_from", "levelFrom", "level at the beginning"),
            _level("level_to", "levelTo", "level at the end"),
            _price("bid_gbp_per_mwh", "bid"),
            _price("offer_gbp_per_mwh", "offer"),
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
            *_SETTLEMENT,
            *_UNIT,
            Column("notification", "text", "dataset", "PN physical, QPN quiescent, MILS, MELS import, export limit"),
            _level("level_from", "levelFrom", "level at the beginning"),
            _level("level_to", "levelTo", "level at the end"),
        ),
    ),
    tags=("notification",),
)

# --- National Gas ---

NATIONAL_GAS: Final = Upstream(
    name="national_gas",
    conn_id="national_gas_default",
    host="https://api.nationalgas.com",
    health="",
    requests_per_second=2 / 3,
    attribution="Gas quality: National Gas Transmission, operational data",
    pause=15,
)

LIVE: Final = timedelta(minutes=30)
"""Half hours that ended no longer ago are in the latest data; older ones only in the historic data."""


def is_live(window: Window, now: datetime) -> bool:
    """Whether the latest data may still be of this half hour."""
    return window.end > now - LIVE


def _answer_of(window: Window, now: datetime) -> object:
    return "latest" if is_live(window, now) else window.label


def _metric(name: str, source: str, doc: str, *, kept: bool = False) -> Column:
    return Column(name, "exact", source, doc, nullable=True, optional=True, low=-1e6, high=1e6, kept=kept)


NATIONAL_GAS_QUALITY: Final = Dataset(
    name="national_gas_quality",
    title="National Gas: gas quality at the sites of the transmission system",
    source=NATIONAL_GAS,
    path="/operationaldata/v1/gasquality",
    table="gas_quality",
    grain="one row per publication and site",
    contract=Contract(
        key=("published_at", "site_id"),
        columns=(
            Column("published_at", "instant", "publishedAt", "UTC instant of the publication, from its stamp"),
            Column("site_id", "integer", "siteId", "National Gas's number of the site"),
            Column("published_stamp", "text", "publishedTime", "the stamp as it came", compared=False),
            Column("site_name", "text", "siteName", "name of the site, which may change", nullable=True),
            Column("area_name", "text", "areaName", "name of its area, which may change", nullable=True),
            _metric("cv_mj_per_m3", "cv", "calorific value, MJ/m³"),
            _metric("cv_24h_mj_per_m3", "cv24", "calorific value, mean of 24 hours; latest data only", kept=True),
            _metric("relative_density", "sg", "specific gravity, air is 1"),
            _metric("relative_density_24h", "sg24", "specific gravity, mean of 24 hours; latest data only", kept=True),
            _metric("wobbe_index_mj_per_m3", "wi", "Wobbe index, MJ/m³"),
            _metric("co2_mol_percent", "co2", "carbon dioxide, mol %"),
            _metric("n2_mol_percent", "n2", "nitrogen, mol %"),
            Column(
                "other_metrics",
                "json",
                "otherMetrics",
                "metrics that have no column, and values that are no numbers, as they came",
                nullable=True,
                optional=True,
                kept=True,
            ),
        ),
    ),
    calendar=HalfHours("published_at"),
    item_column="published_at",
    items_expected=_one,
    publication=Publication(due=after_end(timedelta(minutes=5)), grace=_day, poll=timedelta(minutes=30)),
    restated_after=(),
    max_span=_day,
    cadence=clock.HALF_HOUR,
    scopes=_whole,
    batch=_answer_of,
    first=settings.NATIONAL_GAS_START,
    influx=Projection(
        tags=("site_id",),
        time="published_at",
        compat=(
            Points(
                "GasQual",
                tags={"siteName": "site_name", "areaName": "area_name"},
                fields={
                    "siteId": "site_id",
                    "cv24": "cv_24h_mj_per_m3",
                    "sg24": "relative_density_24h",
                    "cv": "cv_mj_per_m3",
                    "sg": "relative_density",
                    "wi": "wobbe_index_mj_per_m3",
                    "co2": "co2_mol_percent",
                    "n2": "n2_mol_percent",
                },
                time="published_at",
            ),
        ),
    ),
)

# --- Energy Transfer ---

ENERGY_TRANSFER: Final = Upstream(
    name="energy_transfer",
    conn_id="energy_transfer_default",
    host="https://twtransfer.energytransfer.com",
    health="",
    requests_per_second=0.5,
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
        items_expected=_one,
        publication=Publication(
            due=after_end(timedelta(0)), grace=timedelta(hours=12), poll=timedelta(minutes=10), may_never_come=True
        ),
        restated_after=(_day, 3 * _day),
        max_span=_day,
        cadence=clock.HALF_HOUR,
        scopes=scopes,
        member_column="asset",
        batch=_of_its_own,
        report="quality/capacity_file",
        influx=Projection(tags=("asset", "loc", "flow_ind", "nomination_cycle"), time="gas_day_start"),
    )


TRANSWESTERN_CAPACITY: Final = _capacity(
    "transwestern_capacity", "Transwestern: operationally available capacity", _transwestern
)
ENERGY_TRANSFER_CAPACITY: Final = _capacity(
    "energy_transfer_capacity", "Energy Transfer's other pipelines: operationally available capacity", _other_assets
)

DATASETS: Final = {
    dataset.name: dataset
    for dataset in (
        SYSTEM_PRICES,
        MARKET_INDEX,
        B1610,
        BOALF,
        BOD,
        PHYSICAL,
        NATIONAL_GAS_QUALITY,
        TRANSWESTERN_CAPACITY,
        ENERGY_TRANSFER_CAPACITY,
    )
}


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
