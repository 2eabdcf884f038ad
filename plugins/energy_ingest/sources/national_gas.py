"""National Gas: gas quality, the latest publication (GET) or those of some dates (POST).

Both answers nest metrics in sites; here they become rows of one publication and site. What the source is free to change
is kept: its stamps as they came, metrics without a column, values that are no numbers. An answer may hold more than was
asked for (whole dates, the next half hour): such rows belong to other windows, which ask for themselves.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from energy_ingest import clock, reading, settings
from energy_ingest.catalog.national_gas import is_live
from energy_ingest.errors import Misconfigured, Rejected
from energy_ingest.reading import Checked
from energy_ingest.sources import Request, Scope
from energy_ingest.sources.json_rows import json_document

if TYPE_CHECKING:
    from energy_ingest.catalog import Dataset
    from energy_ingest.windows import Window

log = logging.getLogger(__name__)
Row = dict[str, Any]

EVERY: Final = timedelta(minutes=12)
"""How often the latest data may be asked for."""

METRICS: Final = ("cv24", "sg24", "cv", "sg", "wi", "co2", "n2")
_NUMBER: Final = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?\s*")


def request(dataset: Dataset, windows: Sequence[Window], scope: Scope, now: datetime) -> Request:
    """The latest data, or those of a date; whether the last date is included is not known, so the next one is named."""
    if is_live(windows[-1], now):
        return Request(f"{dataset.path}/latestdata", every=EVERY)
    first = windows[0].label
    body = {"fromDate": f"{first}", "toDate": f"{first + clock.ONE_DAY}"}
    return Request(f"{dataset.path}/historicdata", body=json.dumps(body))


def parse(
    dataset: Dataset,
    chunks: Iterable[bytes],
    windows: Sequence[Window],
    scope: Scope,
    headers: Mapping[str, str] = {},
) -> Iterator[Checked]:
    """Check every row of the windows against the contract.

    Raises:
        Retryable, Rejected: see `json_document` and `reading`; the structure is another, or no known metric is left.
        Misconfigured: the time zone of the stamps does not exist.
    """
    rows, starts = list(_rows(json_document(chunks))), {window.start for window in windows}
    own = [row for row in rows if row["start"] is None or row["start"] in starts]
    if len(own) < len(rows):
        log.info("%d rows are of other half hours, such as %s", len(rows) - len(own), rows[-1]["publishedTime"])
    unknown = tuple(dict.fromkeys(name for row in own for name in row["unknown"]))
    if own and not any(name in row for row in own for name in METRICS):
        raise Rejected(
            f"the answer has none of the metrics {', '.join(METRICS)}, but {', '.join(unknown) or 'nothing'}: renamed? "
            "If so, change `source` of the columns in catalog/ and METRICS in sources/national_gas.py"
        )
    for row in own:
        del row["start"], row["unknown"]
    frame, misfits = reading.decode(dataset.contract, [json.dumps(own).encode()])
    typed = reading.typed(dataset.contract, frame)
    problems = [*misfits, *reading.problems(dataset.contract, frame, typed)]
    piece = reading.sift(dataset.contract, frame, typed, problems, 1)
    yield replace(piece, unknown_fields=(*piece.unknown_fields, *unknown))


def _rows(document: Any) -> Iterator[Row]:
    """Each publication of each site."""
    match document:
        case {"gasQualityData": list(sites)}:
            stamp = document.get("publishedTime")
        case list(sites):
            stamp = None
        case _:
            raise Rejected("the answer is neither a list of sites nor has `gasQualityData`: the parser must follow")
    for site in sites:
        if not isinstance(site, dict) or not isinstance(site.get("siteGasQualityDetail", []), list | dict | None):
            raise Rejected(
                f"the answer has a site of another structure, the parser must follow: {json.dumps(site)[:80]}"
            )
        details = site.get("siteGasQualityDetail") or []
        for detail in [details] if isinstance(details, dict) else details:
            yield _row(site, detail, detail.get("publishedTime", stamp))


def _row(site: Row, detail: Row, stamp: Any) -> Row:
    instant, number = _instant(stamp), site.get("siteId")
    others = {name: value for name, value in detail.items() if name not in (*METRICS, "publishedTime")}
    values = {name: detail[name] for name in METRICS if name in detail}
    texts = {name: value for name, value in values.items() if not _is_number(value)}
    kept = {name: value for name, value in (others | texts).items() if value is not None}
    return {
        "publishedAt": instant.isoformat() if instant else stamp,
        "publishedTime": stamp,
        "siteId": int(number) if isinstance(number, str) and number.isdecimal() else number,
        "siteName": site.get("siteName"),
        "areaName": site.get("areaName"),
        **{name: None if name in texts else value for name, value in values.items()},
        # PostgreSQL's jsonb has no NUL
        "otherMetrics": json.dumps(kept).replace("\\u0000", "\\ufffd") if kept else None,
        "start": instant and instant - (instant - datetime.min.replace(tzinfo=UTC)) % clock.HALF_HOUR,
        "unknown": list(others),
    }


def _is_number(value: object) -> bool:
    return isinstance(value, str) and bool(_NUMBER.fullmatch(value))


def _instant(stamp: Any) -> datetime | None:
    """The UTC instant of a stamp; None where it is none."""
    try:
        found = datetime.fromisoformat(stamp)
    except (TypeError, ValueError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=_zone())).astimezone(UTC)


def _zone() -> ZoneInfo:
    name = settings.STAMP_ZONE.get()
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise Misconfigured(f"{settings.STAMP_ZONE.env}={name!r} is no time zone: use such as Europe/London") from None
