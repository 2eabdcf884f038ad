"""The generated parts of docs/: a page per dataset from the catalogue and its DAG, and that of configuration.

python -m tools.docs
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from datetime import UTC, date, timedelta
from pathlib import Path

from energy_ingest import catalog, clock
from energy_ingest.catalog import Dataset
from energy_ingest.contracts import SQL_TYPES, Column, Kind
from energy_ingest.projection import Scaled
from energy_ingest.quality import RULES
from energy_ingest.settings import SETTINGS
from tools import configuration
from tools.bootstrap import ROOT
from tools.configuration import table

DOCS = ROOT / "docs"
NOTE = "<!-- written by `make docs`: edit the catalogue or the DAG instead -->"
EXAMPLE = date(2024, 10, 21)  # a Monday


def main() -> None:
    """Write every generated page."""
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def pages() -> dict[Path, str]:
    """Return each generated page and its text."""
    return {
        DOCS / "configuration.md": between_marks(DOCS / "configuration.md", configuration.tables(), "tables"),
        ROOT / "docker-compose.yaml": between_marks(
            ROOT / "docker-compose.yaml", "".join(f"  {setting.env}:\n" for setting in SETTINGS)
        ),
        ROOT / ".env.example": between_marks(
            ROOT / ".env.example", "".join(f"# {s.doc}\n#{s.env}={s.default}\n" for s in SETTINGS)
        ),
        DOCS / "quality.md": between_marks(DOCS / "quality.md", rules_table(), "rules"),
        DOCS / "sources" / "README.md": index(),
        **{DOCS / "sources" / f"{name}.md": page(dataset) for name, dataset in catalog.DATASETS.items()},
    }


def between_marks(path: Path, text: str, what: str = "settings") -> str:
    """Return a file with its generated part, between `settings: ...` and `/settings`, replaced."""
    marks = rf"(?s)([^\n]*{what}: written by[^\n]*\n(?:x-settings:[^\n]*\n)?).*?([^\n]*/{what}\b)"
    return re.sub(marks, lambda match: match[1] + text + match[2], path.read_text())


def rules_table() -> str:
    """Return the rules of data quality as a Markdown table."""
    rows = ((rule.dataset, f"`{rule.name}`", rule.severity, rule.doc) for rule in RULES)
    return table(("dataset", "rule", "severity", "what is found"), rows)


def index() -> str:
    """Return the list of all datasets."""
    rows = (
        (f"[{name}]({name}.md)", dataset.title, dataset.grain, f"`energy.{dataset.table}`")
        for name, dataset in catalog.DATASETS.items()
    )
    terms = "\n".join(f"- {upstream.name}: {upstream.attribution}." for upstream in catalog.upstreams())
    return f"# Sources\n\n{NOTE}\n\n{table(('dataset', 'what', 'grain', 'table'), rows)}\n## Attribution\n\n{terms}\n"


def page(dataset: Dataset) -> str:
    """Return the page of one dataset: what its DAG says, the catalogue's facts, and its columns."""
    parts = (
        f"# {dataset.name}",
        NOTE,
        dag_text(dataset.name),
        "## Facts",
        table(("fact", "value"), facts(dataset)),
        "## Columns",
        f"Table `energy.{dataset.table}`; key: {names(dataset.contract.key)}.",
        table(("column", "type", "upstream field", "meaning"), columns(dataset)),
        "## In InfluxDB" if dataset.influx else "",
        table(("mapping", "measurement", "time", "tags", "fields"), projections(dataset)) if dataset.influx else "",
    )
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def dag_text(name: str) -> str:
    """Return the docstring of a DAG file, which the Airflow UI shows, without its heading and a paragraph per topic."""
    module = ast.parse((ROOT / "dags" / f"{name}.py").read_text())
    return (ast.get_docstring(module) or "").partition("\n\n")[2].replace("\n**", "\n\n**")


def facts(dataset: Dataset) -> Iterable[tuple[str, str]]:
    """Yield what the catalogue knows of a dataset, name and value."""
    source, publication = dataset.source, dataset.publication
    every = list(dataset.windows(EXAMPLE, EXAMPLE))
    window = every[0]
    due = publication.due(window).astimezone(UTC)
    yield "upstream", f"`{source.host}{dataset.path}`, at most {source.requests_per_second:.2g} requests/s"
    yield "connection", f"`{source.conn_id}`"
    if len(every) > 1:
        yield "windows", f"{len(every)} a date, such as {window}"
    else:
        yield "window", f"one settlement date; one request covers at most {span(dataset.max_span)}"
    yield "published", f"for example {f'{EXAMPLE:%a %d %b %Y} {window.part}'.strip()}: due {due:%a %d %b %Y %H:%M} UTC"
    yield "waiting", f"asks every {span(publication.poll)}; a gap {span(publication.grace)} after it was due"
    if ages := ", ".join(str(age.days) for age in dataset.restated_after):
        yield "read again", f"{ages} days after the window"
    if dataset.members:
        yield "members", f"each window has {names(dataset.members)}"
    if dataset.item_column == "settlement_period":
        days = (clock.settlement_periods(day) for day in (date(2024, 3, 31), EXAMPLE, date(2024, 10, 27)))
        yield "settlement periods", f"{', '.join(map(str, days))} on the day of spring, on others, on the day of autumn"


def columns(dataset: Dataset) -> Iterable[tuple[str, str, str, str]]:
    """Yield a row per column of the contract, then those that the project derives."""
    for column in dataset.contract.columns:
        name = f"`{column.name}`" if column.loaded else "(checked, not loaded)"
        yield name, sql_type(column.kind), f"`{column.source}`", f"{column.doc}{limits(column)}"
    for name, kind in dataset.contract.derived.items():
        yield f"`{name}`", sql_type(kind), "", "derived"


def projections(dataset: Dataset) -> Iterable[tuple[str, str, str, str, str]]:
    """Yield a row per kind of point that the dataset's rows become."""
    assert dataset.influx  # noqa: S101 - the caller looked
    lean = dataset.influx.lean(dataset.name, dataset.contract)
    for mapping, points in (("lean", lean), *(("compat", points) for points in dataset.influx.compat)):
        behind = f" + {span(points.shift)}" if points.shift else ""
        apart = f" + microseconds by `{points.spread}`" if points.spread else ""
        tags = [*points.tags.items(), *((tag, repr(value)) for tag, value in points.constants.items())]
        fields = (
            (field, f"{source.factor} x {source.column}" if isinstance(source, Scaled) else source)
            for field, source in points.fields.items()
        )
        yield mapping, f"`{points.measurement}`", f"`{points.time}`{behind}{apart}", renamed(tags), renamed(fields)


def renamed(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names in InfluxDB, with the column in brackets where it is called otherwise."""
    return ", ".join(f"`{name}`" if name == source else f"`{name}` ({source})" for name, source in pairs)


def sql_type(kind: Kind) -> str:
    """Return a column's type in PostgreSQL; how text is collated is no concern of a reader."""
    return f"`{SQL_TYPES[kind].split()[0]}`"


def limits(column: Column) -> str:
    """Return what a value may be, in words."""
    words = []
    if column.low is not None and column.high is not None:
        words.append(f"{column.low:,.0f} to {column.high:,.0f}")
    words += [word for word, holds in (("may be null", column.nullable), ("may be absent", column.optional)) if holds]
    return f" ({', '.join(words)})" if words else ""


def span(duration: timedelta) -> str:
    """Return a duration in its largest whole unit."""
    for unit, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if duration % size == timedelta(0):
            return f"{duration // size} {unit}{'' if duration == size else 's'}"
    return str(duration)


def names(items: Iterable[str]) -> str:
    """Return names as code, comma-separated."""
    return ", ".join(f"`{item}`" for item in items)


if __name__ == "__main__":
    main()
