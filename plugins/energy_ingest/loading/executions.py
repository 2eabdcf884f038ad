"""Telemetry: a row for each time that aggregation, checks, clean-up or monitoring ran, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from psycopg.types.json import Jsonb

from energy_ingest import settings
from energy_ingest.alerts.redact import redact
from energy_ingest.loading.meter_files.privacy import masked_text
from energy_ingest.sql import statement

Kind = Literal["aggregation", "quality", "cleanup", "monitoring", "health", "migration"]


@dataclass(frozen=True)
class Caller:
    """Which Airflow task runs it; nothing of it from the command line."""

    dag_id: str | None = None
    run_id: str | None = None
    try_number: int | None = None


@dataclass
class Execution:
    """What is counted while it runs; `details` must be fit for JSON and free of MPANs."""

    processed: int = 0
    errors: int = 0
    warnings: int = 0
    message: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


@contextmanager
def recorded(connection: psycopg.Connection, kind: Kind, target: str, caller: Caller) -> Iterator[Execution]:
    """Record what the body does, on an autocommit connection; one that raises, or counts an error, has failed."""
    values = {"kind": kind, "target": target, **vars(caller), "code_version": settings.CODE_VERSION.get()}
    (execution_id,) = connection.execute(statement("executions/begin"), values).fetchone() or (None,)
    execution = Execution()
    try:
        yield execution
    except BaseException as error:
        execution.errors += 1
        execution.message = masked_text(redact(f"{error}") or type(error).__name__)
        raise
    finally:
        ended = {**vars(execution), "details": Jsonb(execution.details), "execution_id": execution_id}
        with suppress(psycopg.OperationalError):  # the next execution finds that this one is gone
            connection.execute(statement("executions/finish"), ended)
