"""`energy-ingest doctor`: everything that a load needs, looked at in turn; what is not well names its fix."""

from __future__ import annotations

from energy_ingest.doctor import machine, services, warehouse
from energy_ingest.doctor.report import Check, Report
from energy_ingest.errors import IngestError

__all__ = ["Check", "Report", "examine"]


def examine() -> Report:
    """Look at everything; only what a failed check makes pointless is left out."""
    report = Report()
    parts = (machine.environment, machine.configuration, warehouse.warehouse, warehouse.owner)
    for part in (*parts, machine.archive, services.upstreams, services.influxdb, services.alerts, services.airflow):
        try:
            for check in part(report):
                report.checks.append(check)
        except IngestError as error:
            what, _, fix = str(error).rpartition(": ")
            report.checks.append(Check(part.__name__, "failed", what, fix))
    return report
