"""This machine: versions, settings, archive."""

from __future__ import annotations

import difflib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final
from uuid import uuid4

from energy_ingest import catalog, settings
from energy_ingest.doctor.report import Check, Report, Status
from energy_ingest.errors import Misconfigured

PACKAGES: Final = ("apache-airflow", "apache-airflow-providers-common-compat", "polars", "psycopg", "alembic", "typer")
TESTED_AIRFLOW: Final = ("2.11", "3.2", "3.3")
DATES: Final = (settings.START, settings.UNTIL, settings.NATIONAL_GAS_START, settings.CAPACITY_START)
NO_SPACE: Final = 2**29
LOW_SPACE: Final = 5 * 2**30
"""Bytes free on the archive's disk."""


def environment(report: Report) -> Iterator[Check]:
    """Python and packages."""
    report.versions |= {"energy-ingest": settings.CODE_VERSION.get(), "python": sys.version.split()[0]}
    report.versions |= {name: found for name in PACKAGES if (found := _version(name))}
    python, airflow = sys.version_info[:2], report.versions.get("apache-airflow", "")
    found = f"Python {report.versions['python']}, Airflow {airflow or 'not installed'}"
    if not (3, 11) <= python <= (3, 13):
        yield Check("environment", "failed", found, "use Python 3.11, 3.12 or 3.13")
    elif not airflow.startswith(TESTED_AIRFLOW):
        fix = f"tested are Airflow {', '.join(TESTED_AIRFLOW)}; `load` needs Airflow, the other commands do not"
        yield Check("environment", "warning", found, fix)
    else:
        yield Check("environment", "ok", found)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def configuration(_: Report) -> Iterator[Check]:
    """Every setting, and variables that look like one."""
    problems = []
    for setting in settings.SETTINGS:
        try:
            setting.get_date() if setting in DATES else setting.get_int() if setting.default.isdecimal() else None
        except Misconfigured as error:
            problems.append(Check("settings", "failed", str(error), f"{setting.env}: {setting.doc}"))
    for dataset in catalog.DATASETS.values():
        try:
            dataset.scopes()
        except Misconfigured as error:
            problems.append(Check("settings", "failed", str(error), f"without it {dataset.name} is not loaded"))
    if "" < settings.UNTIL.get() < settings.START.get():
        found = f"{settings.UNTIL.env}={settings.UNTIL.get()} is before {settings.START.env}={settings.START.get()}"
        problems.append(Check("settings", "failed", found, "swap the two dates, or unset the last one"))
    names = [setting.env for setting in settings.SETTINGS]
    for name in sorted(name for name in os.environ if name.startswith("ENERGY_") and name not in names):
        meant = difflib.get_close_matches(name, names, 1)
        fix = f"did you mean {meant[0]}?" if meant else f"the settings are {', '.join(names)}"
        problems.append(Check("settings", "warning", f"{name} is not a setting", fix))
    yield from problems or [Check("settings", "ok", f"{len(names)} settings are valid")]


def archive(_: Report) -> Iterator[Check]:
    """Whether the raw archive can be written, and for how long."""
    url = settings.archive_url()
    if "://" in url and not url.startswith("file://"):
        yield _remote_archive(url)
        return
    folder = Path(url.removeprefix("file://"))
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:  # rights alone say nothing to root, nor of a disk that is read-only
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(b"energy-ingest doctor")
    except OSError as error:
        fix = f"set {settings.ARCHIVE_URL.env} to a folder that can"
        yield Check("archive", "failed", f"{folder} cannot be written ({error.strerror})", fix)
        return
    disk = shutil.disk_usage(there)
    found = f"{folder}, {disk.free / 2**30:,.1f} of {disk.total / 2**30:,.1f} GiB free"
    if disk.free >= LOW_SPACE:
        yield Check("archive", "ok", found)
    else:
        status: Status = "failed" if disk.free < NO_SPACE else "warning"
        yield Check("archive", status, found, f"make room, or move the archive ({settings.ARCHIVE_URL.env})")


def _remote_archive(url: str) -> Check:
    try:
        from energy_ingest.hooks.loader import archive_root

        probe = archive_root() / f"doctor-{uuid4().hex}.part"  # would be cleaned up as an orphan, if left behind
        probe.write_bytes(b"energy-ingest doctor")
        probe.unlink()
    except Exception as error:  # each store has errors of its own
        fix = "install the store's provider (such as apache-airflow-providers-amazon[s3fs]), and check its credentials"
        return Check("archive", "failed", f"{url}: {type(error).__name__}: {error}", fix)
    return Check("archive", "ok", f"{url} can be written")
