"""Rows of tables that several pages show."""

from __future__ import annotations

from typing import Any

from fedloom.platform.task import Task
from fedloom.platform.ui.tables import Cell, Field
from fedloom.platform.ui.wording import say_time, took

__all__ = ["TASK_FIELDS", "progress_of", "task_row"]

TASK_FIELDS = (
    Field("id", "Task", Cell.LINK, wide=True),
    Field("run_name", "Name", Cell.LINK),
    Field("status", "Status", Cell.STATUS),
    Field("progress", "Rounds", Cell.PROGRESS),
    Field("model", "Model", wide=True),
    Field("use_case", "Use case", wide=True),
    Field("user_id", "By", wide=True),
    Field("took", "Took", wide=True, number=True),
    Field("created", "Asked for", wide=True),
)


def task_row(task: Task) -> dict[str, Any]:
    """Return a task's row."""
    return {
        "id": task.id,
        "id_path": f"/tasks/{task.id}",
        "run_name": task.run_name,
        "run_name_path": f"/tasks/{task.id}",
        "status": str(task.status),
        "progress": progress_of(task),
        "progress_text": f"{task.rounds_done} of {task.num_global_iterations}",
        "model": f"{task.model_name} v{task.model_version}",
        "use_case": task.use_case,
        "user_id": task.user_id,
        "took": took(task),
        "created": say_time(task.created_at),
    }


def progress_of(task: Task) -> float:
    """Return the share of a task's rounds that are done."""
    return min(1.0, task.rounds_done / task.num_global_iterations)
