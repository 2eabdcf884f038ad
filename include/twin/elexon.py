"""The Elexon Insights API: paths, parameters, envelopes and error bodies as they were seen on the real service."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from energy_ingest.clock import HALF_HOUR, ONE_DAY, settlement_day, settlement_of, settlement_periods

from . import elexon_bm as bm
from . import elexon_prices as prices
from .elexon_b1610 import B1610, Span, published
from .wire import Answer, FileSlice, Request, Resource, Row, decode, encode, json_answer, problem

PREFIX: Final = "/bmrs/api/v1"
HEADERS: Final = {"Cache-Control": "no-store,must-revalidate,no-cache"}
MARKET_OPENED: Final = settlement_day(date(2001, 3, 27))[0]
"""Settlement by half hours began with the New Electricity Trading Arrangements; before, there are no rows."""
CAP: Final = timedelta(days=7)
CAP_TEXT: Final = "The date range between From and To inclusive must not exceed 7 days"

Envelope = tuple[bytes, bytes]
BARE: Final = (b"[", b"]")
DATA: Final = (b'{"data":[', b"]}")


def with_metadata(dataset: str) -> Envelope:
    """The envelope of the paths below /balancing."""
    return b'{"metadata":{"datasets":["%s"]},"data":[' % dataset.encode(), b"]}"


# --- parameters ---


class Refused(Exception):
    """The request is wrong; `errors` says what is wrong with which parameter, `""` being the request as a whole."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(errors)
        self.errors = errors


class Parameters:
    """Query parameters, read one by one; what is wrong with them is collected and refused by `check`."""

    def __init__(self, query: dict[str, list[str]]) -> None:
        self._query = query
        self._errors: dict[str, list[str]] = {}

    def every(self, name: str) -> list[str]:
        """All values of a parameter that may be repeated."""
        return self._query.get(name.lower(), [])

    def read(self, name: str, parse: Callable[[str], Any], required: bool = False) -> Any:
        """A parsed parameter; None if it is absent or wrong."""
        values = self.every(name)
        if not values:
            if required:
                self._errors[name] = [f"A value for the '{name}' parameter or property was not provided."]
            return None
        try:
            return parse(values[-1])
        except ValueError:
            self._errors[name] = [f"The value '{values[-1]}' is not valid."]
            return None

    def check(self) -> None:
        """Refuse the request if anything was wrong."""
        if self._errors:
            raise Refused(self._errors)


def an_instant(text: str) -> datetime:
    """A date or an RFC 3339 date and time; a date is its midnight in UTC."""
    if not re.match(r"\d{4}-\d\d-\d\d(T|$)", text, re.IGNORECASE):
        raise ValueError(text)
    instant = datetime.fromisoformat(text)
    a_date(text[:10])
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


def a_date(text: str) -> date:
    """A date of our times, written yyyy-MM-dd and in no other way."""
    if not re.fullmatch(r"(19|20|21)\d\d-\d\d-\d\d", text):
        raise ValueError(text)
    return date.fromisoformat(text)


def a_period(text: str) -> int:
    """A settlement period, 1 to 50."""
    if not 1 <= int(text) <= 50:
        raise ValueError(text)
    return int(text)


def a_format(text: str) -> str:
    """A response format."""
    if text.lower() not in ("json", "csv", "xml"):
        raise ValueError(text)
    return text.lower()


# --- windows ---


def spans(first: datetime, last: datetime, now: datetime) -> list[Span]:
    """The periods that start within [first, last], by settlement date; none in the future."""
    first, last = max(first, MARKET_OPENED), min(last, now)
    found = []
    day = settlement_of(first)[0]
    while first <= last and (start := settlement_day(day)[0]) <= last:
        low = max(0, -((start - first) // HALF_HOUR))  # the first half hour that starts at `first` or later
        high = min(settlement_periods(day) - 1, (last - start) // HALF_HOUR)
        if low <= high:
            found.append((day, range(low + 1, high + 2)))
        day += ONE_DAY
    return found


def spans_of(day: date, period: int | None, now: datetime) -> list[Span]:
    """All periods of a settlement date, or one: none if the date has no such period."""
    start, end = settlement_day(day)
    whole = spans(start, end - HALF_HOUR, now)
    return [(day, range(period, period + 1)) for _, periods in whole if period in periods] if period else whole


def dates(first: datetime, last: datetime) -> tuple[date, date]:
    """The settlement dates that a window touches."""
    return settlement_of(first)[0], settlement_of(last)[0]


def by_period(instant: datetime, period: int | None, last: bool) -> datetime:
    """A bound given as settlement date and period (the time of day is ignored then), or as it is without a period.

    Period 50 of a day of 48 means the end of that day.
    """
    if period is None:
        return instant
    start, end = settlement_day(instant.date())
    return min(start + (period - 1) * HALF_HOUR, end - HALF_HOUR if last else end)


# --- bodies ---


def answer(
    parts: Sequence[bytes | FileSlice], envelope: Envelope, label: str, file_format: str | None = None
) -> Answer:
    """Rows in their envelope, labelled as recorded, mixed or generated."""
    if file_format == "xml":
        return json_answer({"message": "No answer in XML was ever recorded: ask for format=json or format=csv."}, 501)
    made = Answer([envelope[0], *parts, envelope[1]], headers=HEADERS | {"X-Twin-Data": label})
    if file_format == "csv":
        document = decode(made.body())
        made.close()
        rows = document if isinstance(document, list) else document["data"]
        return Answer([as_csv(rows)], content_type="text/csv; charset=utf-8", headers=made.headers)
    return made


def as_csv(rows: list[Row]) -> bytes:
    """CSV as the API writes it: names in PascalCase, CRLF, date and time in US order."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    if rows:
        writer.writerow([name[0].upper() + name[1:] for name in rows[0]])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
        return f"{datetime.fromisoformat(value):%m/%d/%Y %H:%M:%S}"
    return value if isinstance(value, str) else encode(value).decode()


def label_of(marks: Iterable[bool | None]) -> str:
    """What an answer is made of, from (recorded? None: in part) of each row."""
    seen = set(marks)
    return "recorded" if seen == {True} else "generated" if seen <= {False} else "mixed"


class Elexon:
    """The paths of the Insights API that this project uses, and their neighbours /health and /datasets/metadata."""

    prefix = PREFIX

    def __init__(self, b1610: B1610) -> None:
        self._b1610 = b1610
        date_and_period = r"/(?P<day>[^/]+)(?:/(?P<period>[^/]+))?"
        self._views: tuple[tuple[str, Callable[..., Resource]], ...] = (
            (r"/health", self._health),
            (r"/datasets/metadata/latest", self._metadata),
            (r"/reference/bmunits/all", self._register),
            (r"/datasets/b1610", self._b1610_period),
            (r"/datasets/b1610/stream", self._b1610_stream),
            (r"/datasets/mid(?P<stream>/stream)?", self._mid),
            (r"/balancing/pricing/market-index", self._market_index),
            (r"/balancing/settlement/system-prices" + date_and_period, self._system_prices),
            (r"/balancing/(?P<kind>physical|bid-offer|acceptances)", self._bm_unit),
        )

    def resource(self, request: Request) -> Resource:
        """What a request asks for; a wrong one asks for its error body."""
        if request.method != "GET":
            return _fixed(json_answer({"statusCode": 405, "message": "Method not allowed"}, 405))
        path = request.path.removeprefix(PREFIX).rstrip("/").lower()
        for pattern, view in self._views:
            if match := re.fullmatch(pattern, path):
                try:
                    return view(Parameters(request.query), **match.groupdict())
                except Refused as refused:
                    return _fixed(problem(request, 400, "One or more validation errors occurred.", refused.errors))
        return _fixed(json_answer({"statusCode": 404, "message": "Resource not found"}, 404))

    def _health(self, query: Parameters) -> Resource:
        return _fixed(json_answer({"entries": {"health": {"status": 2}}, "status": 2}))

    def _metadata(self, query: Parameters) -> Resource:
        file_format = _format(query)
        return Resource(lambda now: answer([encode(latest(now))[1:-1]], DATA, "generated", file_format))

    def _register(self, query: Parameters) -> Resource:
        rows = [unit.registered() for unit in self._b1610.units]
        return Resource(lambda now: answer([encode(rows)[1:-1]], BARE, "generated"))

    def _b1610_period(self, query: Parameters) -> Resource:
        day = query.read("settlementDate", a_date, required=True)
        period = query.read("settlementPeriod", a_period, required=True)
        file_format = _format(query)
        return self._b1610_rows(query, lambda now: spans_of(day, period, now), (day, day), DATA, file_format)

    def _b1610_stream(self, query: Parameters) -> Resource:
        first, last = _window(query)
        for name in ("settlementPeriodFrom", "settlementPeriodTo"):  # checked, but on this path they do not filter
            query.read(name, int)
        query.check()
        return self._b1610_rows(query, lambda now: spans(first, last, now), dates(first, last), BARE)

    def _b1610_rows(
        self,
        query: Parameters,
        window: Callable[[datetime], list[Span]],
        days: tuple[date, date],
        envelope: Envelope,
        file_format: str | None = None,
    ) -> Resource:
        units, run = query.every("bmUnit"), query.read("settlementRunType", str.upper)

        def build(now: datetime) -> Answer:
            parts, rows, recorded = self._b1610.rows(window(now), units, run, now)
            label = "generated" if not recorded else "recorded" if recorded == rows else "mixed"
            return answer(parts, envelope, label, file_format)

        return Resource(build, "B1610", days)

    def _mid(self, query: Parameters, stream: str | None) -> Resource:
        return self._mid_rows(query, BARE if stream else DATA, capped=not stream, head={"dataset": "MID"})

    def _market_index(self, query: Parameters) -> Resource:
        return self._mid_rows(query, with_metadata("MID"), capped=True, head={})

    def _mid_rows(self, query: Parameters, envelope: Envelope, capped: bool, head: Row) -> Resource:
        first, last = _window(query)
        first_period, last_period = (query.read(f"settlementPeriod{end}", a_period) for end in ("From", "To"))
        providers = query.every("dataProviders") or prices.PROVIDERS
        file_format = _format(query) if capped else None
        query.check()
        if capped and last - first > CAP:
            raise Refused({"": [CAP_TEXT]})
        first, last = by_period(first, first_period, last=False), by_period(last, last_period, last=True)

        def build(now: datetime) -> Answer:
            window = reversed(spans(first, last, now))  # latest first, as on the real path
            found = [
                (mark, encode(head | row))
                for day, periods in window
                for mark, row in _latest_first(prices.market_index(day, periods, now))
                if row["dataProvider"] in providers
            ]
            return _rows_answer(found, envelope, file_format)

        return Resource(build, "MID", dates(first, last))

    def _bm_unit(self, query: Parameters, kind: str) -> Resource:
        first, last = _window(query)
        unit, file_format = query.read("bmUnit", str, required=True), _format(query)
        query.check()
        if last - first > CAP:
            raise Refused({"": [CAP_TEXT]})

        def build(now: datetime) -> Answer:
            window = spans(first, last, now)
            found = [(False, encode(row)) for day, periods in window for row in bm.rows(kind, unit, day, periods)]
            return _rows_answer(found, with_metadata(bm.KINDS[kind]), file_format)

        return Resource(build, bm.KINDS[kind], dates(first, last))

    def _system_prices(self, query: Parameters, day: str, period: str | None) -> Resource:
        path = Parameters({"settlementdate": [day]} | ({"settlementperiod": [period]} if period else {}))
        on, only = path.read("settlementDate", a_date), path.read("settlementPeriod", a_period)
        path.check()
        file_format = _format(query)

        def build(now: datetime) -> Answer:
            found = [
                (mark, encode(row))
                for _, periods in spans_of(on, only, now)
                for mark, row in prices.system_prices(on, periods, now)
            ]
            return _rows_answer(found, with_metadata("DISEBSP"), file_format)

        return Resource(build, "DISEBSP", (on, on))


def _fixed(made: Answer) -> Resource:
    """An answer that is the same at any time."""
    return Resource(lambda now: made)


def _window(query: Parameters) -> tuple[datetime, datetime]:
    first, last = (query.read(name, an_instant, required=True) for name in ("from", "to"))
    query.check()
    return first, last


def _format(query: Parameters) -> str | None:
    file_format: str | None = query.read("format", a_format)
    query.check()
    return file_format


def _latest_first(rows: Iterable[tuple[bool, Row]]) -> Iterator[tuple[bool, Row]]:
    return iter(sorted(rows, key=lambda found: found[1]["startTime"], reverse=True))


def _rows_answer(found: list[tuple[Any, bytes]], envelope: Envelope, file_format: str | None) -> Answer:
    return answer([b",".join([row for _, row in found])], envelope, label_of(mark for mark, _ in found), file_format)


def latest(now: datetime) -> list[Row]:
    """When each dataset was last updated, as of now."""
    today = settlement_of(now)[0]
    recent = [today - timedelta(days=age) for age in range(14)]
    b1610 = max(at for day in recent if (at := published(day, "II")) <= now)
    disebsp = max(
        row["createdDateTime"]
        for day in recent[:2]
        for _, row in prices.system_prices(day, range(1, settlement_periods(day) + 1), now)
    )
    mid = now.replace(minute=now.minute // 30 * 30, second=0)
    stamps = {"B1610": prices.stamp(b1610), "DISEBSP": disebsp, "MID": prices.stamp(mid)}
    return [{"dataset": name, "lastUpdated": at} for name, at in stamps.items()]
