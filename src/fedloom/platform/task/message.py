"""What the broker's messages say of a task: that it waits, or that it moved.

Queues and bodies are the original's. The store writes them in the transaction of what they tell;
the broker carries and reads them.
"""

from __future__ import annotations

import json
from enum import StrEnum

from fedloom.platform.task.status import TaskStatus
from fedloom.platform.task.task import Task

__all__ = ["Queue", "write_dispatch", "write_status"]

_DISPATCHED = (
    "user_id",
    "use_case",
    "model_name",
    "model_version",
    "num_global_iterations",
    "run_name",
    "experiment_name",
    "id",
    "status",
    "created_at",
)
"""The fields of the original's message, in its order."""


class Queue(StrEnum):
    """The queues, by the names that they have behind the broker's prefix."""

    DISPATCH = "dispatch"
    """A task waits; the body is the task as the original's API showed it, as JSON."""
    STATUS = "status"
    """A task moved; the body is ``Task <id> <status>``."""


def write_dispatch(task: Task) -> str:
    """Return the body for the queue `dispatch`: the task as the original's API showed it."""
    shown = task.model_dump(mode="json", include=set(_DISPATCHED))
    return json.dumps({name: shown[name] for name in _DISPATCHED})


def write_status(task_id: int, status: TaskStatus) -> str:
    """Return the body for the queue `status`.

    Example:
        >>> write_status(7, TaskStatus.SUCCESS)
        'Task 7 success'
    """
    return f"Task {task_id} {status}"
