"""Counters, gauges and timings through Airflow's own statistics: StatsD or OpenTelemetry, wherever those are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from energy_ingest.alerts import thresholds
from energy_ingest.alerts.thresholds import Figures

try:
    from airflow.providers.common.compat.sdk import Stats
except ImportError:  # the provider of Airflow 2.11 has no name for it
    from airflow.stats import Stats

PREFIX: Final = "energy_ingest"


def counters(dataset: str, counts: Mapping[str, int], seconds: float) -> None:
    """What one task has loaded, such as `energy_ingest.elexon_b1610.inserted`, and how long it took."""
    for name, count in counts.items():
        Stats.incr(f"{PREFIX}.{dataset}.{name}", count)
    Stats.timing(f"{PREFIX}.{dataset}.duration", seconds * 1000)


def gauges(figures: Figures) -> None:
    """The key figures, such as `energy_ingest.success_rate`, and those of each upstream."""
    values: dict[str, Any] = {kpi.name: kpi.value for kpi in thresholds.kpis(figures)}
    for group in figures.groups:
        values |= {f"{group.name}.failure_rate": group.failure_rate, f"{group.name}.waiting": group.waiting}
    for name, value in values.items():
        Stats.gauge(f"{PREFIX}.{name}", value)
