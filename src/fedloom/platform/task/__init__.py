"""A task: a run that is asked for through the API, and what became of it.

`NewTask` is what somebody asks for, `Task` what the platform says about it, and `TaskStatus` where
it stands; `check_move` holds every change of a status to the allowed ones.
"""

from __future__ import annotations

from fedloom.platform.task.message import Queue, write_dispatch, write_status
from fedloom.platform.task.new_task import NewTask
from fedloom.platform.task.settings import LocalSettings, Name, TaskSettings
from fedloom.platform.task.status import (
    ALLOWED_MOVES,
    FINAL_STATUSES,
    TaskStatus,
    can_move,
    check_move,
)
from fedloom.platform.task.task import Task, TaskResult

__all__ = [
    "ALLOWED_MOVES",
    "FINAL_STATUSES",
    "LocalSettings",
    "Name",
    "NewTask",
    "Queue",
    "Task",
    "TaskResult",
    "TaskSettings",
    "TaskStatus",
    "can_move",
    "check_move",
    "write_dispatch",
    "write_status",
]
