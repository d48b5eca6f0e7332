"""Where a task stands, and the only ways it may go on from there.

::

    pending ──→ running ──→ success
       │           ├──────→ failed
       │           └──────→ cancelled
       ├──────────────────→ failed
       └──────────────────→ cancelled
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from fedloom.errors import ConflictError

__all__ = ["ALLOWED_MOVES", "FINAL_STATUSES", "TaskStatus", "can_move", "check_move"]


class TaskStatus(StrEnum):
    """Where a task stands; the names of the members are what the database holds."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing can change it any more."""
        return self in FINAL_STATUSES


FINAL_STATUSES = frozenset({TaskStatus.SUCCESS, TaskStatus.FAILED, TaskStatus.CANCELLED})
"""The statuses that nothing leaves."""

ALLOWED_MOVES: Mapping[TaskStatus, frozenset[TaskStatus]] = MappingProxyType(
    {
        TaskStatus.PENDING: frozenset(
            {TaskStatus.RUNNING, TaskStatus.FAILED, TaskStatus.CANCELLED}
        ),
        TaskStatus.RUNNING: FINAL_STATUSES,
        **dict.fromkeys(FINAL_STATUSES, frozenset()),
    }
)
"""From each status, the ones that may follow."""


def can_move(source: TaskStatus, target: TaskStatus) -> bool:
    """Say whether a task may go from one status to another; staying is no move.

    Example:
        >>> can_move(TaskStatus.PENDING, TaskStatus.RUNNING)
        True
        >>> can_move(TaskStatus.CANCELLED, TaskStatus.SUCCESS)
        False
    """
    return target in ALLOWED_MOVES[source]


def check_move(task_id: int, source: TaskStatus, target: TaskStatus) -> None:
    """Refuse a move that is not allowed.

    Raises:
        ConflictError: the message names the task, where it stands, and what was wanted.
    """
    if not can_move(source, target):
        raise ConflictError(f"task {task_id} is {source}, so it cannot become {target}")
