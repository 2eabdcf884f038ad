"""Run the twin: `python include/twin/server.py --port 8099`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from contextlib import closing
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:1] = [str(HERE.parent), str(HERE.parents[1] / "plugins")]  # not this folder: its modules belong to `twin`

from twin.app import Clock, Server, an_instant  # noqa: E402
from twin.elexon import Elexon  # noqa: E402
from twin.elexon_b1610 import B1610, WHOLE_MARKET  # noqa: E402
from twin.energy_transfer import EnergyTransfer  # noqa: E402
from twin.national_gas import NationalGas  # noqa: E402


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="A local server that answers like the upstreams, and misbehaves on demand."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8099, help="port; 0 takes a free one (%(default)s)")
    parser.add_argument("--now", type=an_instant, metavar="ISO", help="fix the clock, e.g. 2024-11-20T12:00:00Z")
    parser.add_argument("--b1610-units", type=int, metavar="N", help=f"size of the market, up to {WHOLE_MARKET}")
    parser.add_argument(
        "--no-run-type", action="store_true", help="B1610 without settlementRunType, as before August 2026"
    )
    parser.add_argument("--cache-mb", type=int, default=4000, help="disk for whole-market days (%(default)s)")
    parser.add_argument("--verbose", action="store_true", help="log every request")
    chosen = parser.parse_args(arguments)
    if chosen.b1610_units is not None and not 1 <= chosen.b1610_units <= WHOLE_MARKET:
        parser.error(f"--b1610-units must be 1 to {WHOLE_MARKET}")
    return chosen


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    chosen = options()
    with (
        closing(B1610(chosen.b1610_units, not chosen.no_run_type, chosen.cache_mb)) as b1610,
        Server(
            (chosen.host, chosen.port),
            [Elexon(b1610), NationalGas(), EnergyTransfer()],
            Clock(chosen.now),
            chosen.verbose,
        ) as server,
    ):
        for number in (signal.SIGTERM, signal.SIGINT):
            # shutdown() waits for the loop, which this very thread runs
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        print(json.dumps({"url": server.url}), flush=True)
        server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
