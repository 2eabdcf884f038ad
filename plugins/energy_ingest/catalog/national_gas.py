"""National Gas: gas quality at the sites of the transmission system."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from energy_ingest import clock, settings
from energy_ingest.calendars import HalfHours
from energy_ingest.catalog.dataset import DAY, Dataset, Upstream, one, whole
from energy_ingest.contracts import Column, Contract
from energy_ingest.projection import Points, Projection
from energy_ingest.windows import Publication, Window, after_end

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
    items_expected=one,
    publication=Publication(due=after_end(timedelta(minutes=5)), grace=DAY, poll=timedelta(minutes=30)),
    restated_after=(),
    max_span=DAY,
    cadence=clock.HALF_HOUR,
    scopes=whole,
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
