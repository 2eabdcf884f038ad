"""Whether a package in the locks has a known vulnerability: `make audit`, by pip-audit and the OSV database.

A clean answer counts only if it can be believed. An audit whose index or database is unreachable, or has another shape
than expected, passes over what it does not know and says "No known vulnerabilities found". Therefore a canary, which
everybody knows to be vulnerable, must be found in the same way first, and no package may be passed over.

What is accepted for a while stands in pyproject.toml, `[[tool.audit.accepted]]`, with package, id, reason and last day.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from tools.bootstrap import ENVIRONMENTS, IMAGE_LOCK, ROOT

CANARY: Final = "jinja2==2.10"
"""CVE-2019-10906 and others: a sandbox that can be left, since 2019."""

OSV: Final = "https://api.osv.dev/v1/query"
LOCKS: Final = (*(lock for _, lock in ENVIRONMENTS.values()), IMAGE_LOCK)


@dataclass(frozen=True)
class Found:
    """One vulnerability of one pinned package, with all its names."""

    package: str
    version: str
    ids: frozenset[str]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        fix = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "no fix is known"
        return f"{self.package} {self.version}: {', '.join(sorted(self.ids))}; {fix}"


class Blind(Exception):
    """The audit cannot be believed."""


def audit(requirements: Path, database: str) -> list[Found]:
    """Ask for every package of a file of pins.

    Raises:
        Blind: pip-audit failed, or passed over a package.
    """
    command = (
        Path(sys.executable).parent / "pip-audit",
        *("--requirement", requirements, "--no-deps", "--disable-pip", "--strict", "--aliases", "on"),
        *("--vulnerability-service", "osv", "--osv-url", database),
        *("--format", "json", "--progress-spinner", "off"),
    )
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        raise Blind(f"pip-audit gave no answer for {requirements.name}: {done.stderr.strip()[-500:]}") from None
    passed_over = [f"{package['name']} ({package['skip_reason']})" for package in packages if "skip_reason" in package]
    if passed_over or not packages:
        raise Blind(f"{requirements.name}: {len(passed_over)} of {len(packages)} packages passed over: {passed_over}")
    return [_found(package, known) for package in packages for known in package["vulns"]]


def _found(package: dict[str, Any], known: dict[str, Any]) -> Found:
    ids = frozenset([known["id"], *known.get("aliases", ())])
    return Found(package["name"], package["version"], ids, tuple(known["fix_versions"]))


def see_canary(database: str) -> None:
    """Find what must be found.

    Raises:
        Blind: it was not.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(f"{CANARY}\n")
        file.flush()
        if not audit(Path(file.name), database):
            raise Blind(f"{CANARY} has vulnerabilities since 2019, but none was found: {database} knows nothing")


def accepted(today: date, text: str) -> list[dict[str, Any]]:
    """What pyproject.toml accepts today; an entry ends with its last day."""
    entries = tomllib.loads(text).get("tool", {}).get("audit", {}).get("accepted", [])
    return [entry for entry in entries if entry["reason"] and entry["until"] >= today]


def _reason(found: Found, allowed: list[dict[str, Any]]) -> str:
    return next((str(a["reason"]) for a in allowed if a["package"] == found.package and a["id"] in found.ids), "")


def main() -> int:
    """Audit the locks: 0 nothing, 1 something is vulnerable, 2 the audit is blind."""
    parser = argparse.ArgumentParser(description="Known vulnerabilities in the locks.")
    parser.add_argument("locks", nargs="*", type=Path, default=LOCKS)
    parser.add_argument("--database", default=OSV, help="address of an OSV database")
    chosen = parser.parse_args()
    allowed = accepted(datetime.now(UTC).date(), (ROOT / "pyproject.toml").read_text())
    count = 0
    try:
        see_canary(chosen.database)
        for lock in chosen.locks:
            for found in audit(lock, chosen.database):
                reason = _reason(found, allowed)
                count += not reason
                print(f"{lock.name}: {found}{f' (accepted: {reason})' if reason else ''}")
    except Blind as blind:
        print(f"The audit is blind: {blind}", file=sys.stderr)
        return 2
    print(f"{count} to mend: make lock ARGS='--upgrade-package NAME'" if count else "nothing is known")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
