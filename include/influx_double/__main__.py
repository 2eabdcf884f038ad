"""Run the double: `python -m include.influx_double --port 8086` from the repository."""

from __future__ import annotations

import argparse
import json
import signal
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from . import engine
from .server import InfluxDouble, State, Token
from .stores import Engine, Memory, Store


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="A local server that answers like InfluxDB 2.7.")
    parser.add_argument("--port", type=int, default=8086, help="port; 0 takes a free one (%(default)s)")
    parser.add_argument("--org", default="org", help="organization (%(default)s)")
    parser.add_argument("--bucket", action="append", help="bucket, may be repeated (bucket)")
    parser.add_argument("--token", default="token", help="token (%(default)s)")
    parser.add_argument("--engine", action="store_true", help="keep points in the real engine of InfluxDB 1.6.7")
    parser.add_argument("--engine-parses", action="store_true", help="let the engine alone parse: faster, less exact")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        store: Store = Memory()
        if chosen.engine:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
            store = Engine(stack.enter_context(engine.running(folder)))
        buckets, tokens = tuple(chosen.bucket or ["bucket"]), {chosen.token: Token()}
        state = State(store, chosen.org, buckets, tokens, check_lines=not chosen.engine_parses)
        server = InfluxDouble(state, chosen.port)
        for number in (signal.SIGTERM, signal.SIGINT):
            # shutdown() waits for the loop, which this very thread runs
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        print(json.dumps({"url": server.url}), flush=True)
        server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
