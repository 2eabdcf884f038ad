"""What each managed Airflow is given: its folders, its archive of plugins, its requirements, in `dist/<platform>/`.

    python -m tools.package mwaa [--version 3.3.1] [--layout plugins|dags]
    python -m tools.package composer
    python -m tools.package astro

The same sources give the same bytes, so that an upload that changes nothing is no new version. What to do with each
package is in docs/managed.md.
"""

from __future__ import annotations

import argparse
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools.bootstrap import MWAA, MWAA_VERSIONS, ROOT, code_version, mwaa_constraints

DAGS, PLUGINS, LIBRARY = ROOT / "dags", ROOT / "plugins", "energy_ingest"
MWAA_VERSION: Final = MWAA_VERSIONS[-1]
ASTRO_RUNTIME: Final = "3.3-2"
"""Newest known with Airflow 3.3: https://www.astronomer.io/docs/runtime/runtime-provider-reference."""

_LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "*.pyc", "*.pyo")
_ANY_TIME: Final = (1980, 1, 1, 0, 0, 0)

STARTUP: Final = """\
#!/bin/sh
# Sourced by every component of the environment before Airflow starts; docs/configuration.md lists all settings.
export ENERGY_CODE_VERSION='{version}'
# export ENERGY_START='2024-01-01'
# export ENERGY_ARCHIVE_URL='s3://<bucket>/energy-archive'
# export ENERGY_INBOX_URL='s3://<bucket>/energy-inbox'
"""

DOCKERFILE: Final = """\
FROM astrocrpublic.azurecr.io/runtime:{runtime}
ENV ENERGY_CODE_VERSION='{version}'
"""


def main() -> None:
    """Write one package and say where it is."""
    parser = argparse.ArgumentParser(description="Make what a managed Airflow is given.")
    parser.add_argument("platform", choices=sorted(PLATFORMS))
    parser.add_argument("--layout", choices=("plugins", "dags"), default="plugins", help="MWAA: where the library lies")
    parser.add_argument(
        "--version", choices=MWAA_VERSIONS, default=MWAA_VERSION, help="MWAA: the environment's Airflow"
    )
    arguments = parser.parse_args()
    folder = ROOT / "dist" / arguments.platform
    build(arguments.platform, folder, arguments.layout, arguments.version)
    for path in sorted(folder.iterdir()):
        print(path.relative_to(ROOT))


def build(platform: str, folder: Path, layout: str = "plugins", version: str = MWAA_VERSION) -> None:
    """Write the package of a platform into a folder of its own, which is made anew.

    Args:
        platform: one of PLATFORMS.
        folder: what it is written to.
        layout: of MWAA only: whether the library is in `plugins` or below `dags`.
        version: of MWAA only: the Airflow of the environment, whose constraints are named.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copytree(DAGS, folder / "dags", ignore=_LEFT_OUT)
    PLATFORMS[platform](folder, layout, version)


def _mwaa(folder: Path, layout: str, version: str) -> None:
    """A bucket's `dags/`, `plugins.zip`, requirements with their constraints, and the start-up script."""
    if layout == "dags":  # what Amazon advises: a change of code needs no update of the environment
        shutil.copytree(PLUGINS / LIBRARY, folder / "dags" / LIBRARY, ignore=_LEFT_OUT)
        shutil.copy(PLUGINS / ".airflowignore", folder / "dags")
    else:
        _zip(PLUGINS, folder / "plugins.zip")
    (folder / "requirements.txt").write_text(
        "\n".join([f'--constraint "{mwaa_constraints(version)}"', *pinned(version), ""])
    )
    (folder / "startup.sh").write_text(STARTUP.format(version=code_version()))


def _composer(folder: Path, *_: str) -> None:
    """A bucket's `dags/` and `plugins/`, and the packages for the environment."""
    shutil.copytree(PLUGINS, folder / "plugins", ignore=_LEFT_OUT)
    (folder / "requirements.txt").write_text("\n".join([*_requirements(ROOT / "requirements.txt"), ""]))


def _astro(folder: Path, *_: str) -> None:
    """A project as `astro dev init` lays it out."""
    shutil.copytree(PLUGINS, folder / "plugins", ignore=_LEFT_OUT)
    shutil.copy(ROOT / ".airflowignore", folder)
    (folder / "requirements.txt").write_text("\n".join([*_requirements(ROOT / "requirements.txt"), ""]))
    (folder / "packages.txt").write_text("")
    (folder / "Dockerfile").write_text(DOCKERFILE.format(runtime=ASTRO_RUNTIME, version=code_version()))


PLATFORMS: Final[dict[str, Callable[..., None]]] = {"mwaa": _mwaa, "composer": _composer, "astro": _astro}


def pinned(version: str) -> list[str]:
    """What MWAA installs of ours, in the versions that were tested: what its constraints leave open must not drift."""
    lock = (MWAA / f"{version}.lock").read_text()
    versions = dict(re.findall(r"^([a-z0-9-]+)(?:\[\S+\])?==(\S+)", lock, re.M))
    wanted = [*_requirements(ROOT / "requirements.txt"), *_requirements(MWAA / "packages.txt")]
    names = [re.split("[<>=]", line)[0] for line in wanted]
    return [f"{name}=={versions[name.partition('[')[0]]}" for name in names]


def _requirements(path: Path) -> list[str]:
    """The lines of a file of requirements, without comments and the line of constraints."""
    lines = (line.partition("  #")[0] for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith(("#", "--constraint"))]


def _zip(source: Path, target: Path) -> None:
    """The contents of a folder, dot files among them, in the order of their names, without times."""
    files = sorted(path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(source).as_posix(), _ANY_TIME)
            entry.external_attr, entry.compress_type = 0o755 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    main()
