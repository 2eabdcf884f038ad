"""What a dataset and its upstream are: the fields that every entry of the catalogue fills in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from energy_ingest import calendars, clock, settings
from energy_ingest.calendars import SETTLEMENT_DAYS, Bounds, Calendar
from energy_ingest.contracts import Contract
from energy_ingest.projection import Points, Projection
from energy_ingest.sources import Scope
from energy_ingest.windows import Publication, Window, pack

if TYPE_CHECKING:
    import polars as pl

DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Upstream:
    """One upstream service: its module in `sources/`, Airflow connection, address and limits.

    `health` is a path that answers quickly and costs the source nothing, empty where none is known;
    `pause` are the seconds to wait after a 429
    that names none; `accept` is the type of content to ask for.
    """

    name: str
    conn_id: str
    host: str
    health: str
    requests_per_second: float
    attribution: str
    pause: float | None = None
    accept: str = "application/json"


def periods(window: Window) -> int:
    """The settlement periods of the window's date: 46, 48 or 50."""
    return clock.settlement_periods(window.label)


def one(_: Window) -> int:
    """One item, whatever the window."""
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
    items_expected: Callable[[Window], int] = periods
    member_column: str = ""
    member_param: str = ""
    members: tuple[str, ...] = ()
    stamps_end: bool = False
    version_column: str | None = None
    cadence: timedelta = DAY
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


def whole() -> tuple[Scope, ...]:
    """All that the source has, as one scope."""
    return (Scope("all"),)
