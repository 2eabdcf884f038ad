"""Loading in processes of their own, which stand still where a test wants to kill them or to let them race."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any

import pytest

Work = Callable[..., None]
"""Runs in the process; its first argument is called with the name of each step, and may never return."""


@cache
def _context() -> Any:
    """Children of a server that has imported everything: a process costs a tenth of a second, not two."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.postgres.processes", "tests.postgres.world"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # the server is told the path too late for preloading
        forkserver.ensure_running()
    return context


def _run(work: Work, stop_at: str | None, report: Connection, arguments: tuple[Any, ...]) -> None:
    def tap(step: str) -> None:
        if step == stop_at:
            report.send(step)
            signal.pause()

    try:
        work(tap, *arguments)
        report.send("done")
    except BaseException as error:
        report.send(repr(error))


@contextmanager
def process_at(step: str, work: Work, *arguments: Any) -> Iterator[int]:
    """The number of a process that works, and stands still at a step."""
    with _started(work, step, arguments) as (process, report):
        _hear(report, step)
        yield process.pid


def together(work: Work, *argument_sets: tuple[Any, ...]) -> None:
    """Do the work with each set of arguments at the same time, and expect that all succeed."""
    if not argument_sets:
        return
    with _started(work, None, argument_sets[0]) as (_, report):
        together(work, *argument_sets[1:])
        _hear(report, "done")


def _hear(report: Connection, expected: str) -> None:
    assert report.poll(60), f"{expected!r} was not reached within a minute"
    said = report.recv()
    assert said == expected, said


@contextmanager
def _started(work: Work, step: str | None, arguments: tuple[Any, ...]) -> Iterator[tuple[Any, Connection]]:
    ours, theirs = _context().Pipe()
    process = _context().Process(target=_run, args=(work, step, theirs, arguments), daemon=True)
    process.start()
    try:
        yield process, ours
    finally:
        process.kill()
        process.join()
