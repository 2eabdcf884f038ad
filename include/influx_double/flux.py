"""As much of Flux as counting needs: from, range, filter by equality, count. Answers in annotated CSV."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from .stores import Contents


def count(query: str, buckets: Sequence[str], contents: Callable[[str], Contents]) -> str:
    """The counts per series and field, as `/api/v2/query` sends them."""
    bucket = re.search(r'from\(bucket:\s*"([^"]*)"\)', query)
    first, last = re.findall(r"(?:start|stop):\s*([0-9TZ:.-]+)", query)
    wanted = dict(
        re.findall(r'r\["?(\w+)"?\]\s*==\s*"([^"]*)"', query) + re.findall(r'r\.(\w+)\s*==\s*"([^"]*)"', query)
    )
    if not bucket or bucket[1] not in buckets or "count()" not in query:
        raise ValueError(f"the double only counts: {query}")
    measurement, name = wanted.pop("_measurement", None), wanted.pop("_field", None)
    found: Counter[tuple[str, str]] = Counter()
    for (series, tags), points in contents(bucket[1]).items():
        if series == (measurement or series) and wanted.items() <= dict(tags).items():
            for time, fields in points.items():
                if _instant(first) <= time < _instant(last):
                    found.update((series, field) for field in fields if field == (name or field))
    head = "#datatype,string,long,long,string,string\r\n#group,false,false,false,true,true\r\n#default,_result,,,,\r\n"
    rows = (f",,{table},{n},{field},{series}\r\n" for table, ((series, field), n) in enumerate(sorted(found.items())))
    return head + ",result,table,_value,_field,_measurement\r\n" + "".join(rows) + "\r\n"


def _instant(text: str) -> int:
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC).timestamp()) * 1_000_000_000
