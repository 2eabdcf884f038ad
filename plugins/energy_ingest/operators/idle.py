"""Tasks that know beforehand that they have nothing to do are skipped unstarted, which saves a CPU second for each."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)


def skip_idle(task: Any, context: Mapping[str, Any], result: Any) -> None:
    """End `task` here and skip those behind it that are idle; on Airflow 2 they are started, and skip themselves.

    A task behind is idle if it has a method `idle` that gives a reason.

    Raises:
        DownstreamTasksSkipped: some are; Airflow takes it for success.
    """
    try:
        from airflow.providers.common.compat.sdk import DownstreamTasksSkipped
    except ImportError:
        return
    reasons = {other.task_id: getattr(other, "idle", lambda: None)() for other in task.downstream_list}
    idle = {task_id: reason for task_id, reason in reasons.items() if reason}
    if idle:
        for task_id, reason in idle.items():
            log.info("%s is skipped: %s", task_id, reason)
        context["ti"].xcom_push(key="return_value", value=result)  # Airflow does not, after an exception
        raise DownstreamTasksSkipped(tasks=list(idle))
