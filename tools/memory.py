"""What a process took at most, for the benchmarks; imports next to nothing, as that would count."""

from __future__ import annotations

import resource
from pathlib import Path


def peak_mb() -> float:
    """Most memory that this process ever had.

    Linux's `ru_maxrss` would count what its parent had when it was forked.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes, on macOS
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
