"""What policies may rank tasks by, for all tasks at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.problem import Problem
from fedloom.scheduling.simulate.graph import remaining_us, task_requests

__all__ = ["TaskColumns", "task_columns"]

Whole = NDArray[np.int64]


class TaskColumns(NamedTuple):
    """The fields of `Task` that are known before anything runs, [T] each.

    A policy whose `rank` depends on nothing else may say so by a second method, and is then
    simulated by the compiled core, if it changes nothing but the order::

        def rank_all(self, tasks: TaskColumns) -> NDArray[Any]:
            return tasks.estimate_us

    Attributes:
        estimate_us: as in `Task`.
        remaining_us: as in `Task`.
        deadline_us: as in `Task`; the largest whole number where there is no deadline.
        priority: as in `Task`.
    """

    estimate_us: Whole
    remaining_us: Whole
    deadline_us: Whole
    priority: Whole


def task_columns(problem: Problem) -> TaskColumns:
    """Return what all tasks of a problem can be ranked by."""
    request = task_requests(problem)
    deadline_us = problem.deadline_us[request]
    return TaskColumns(
        problem.estimate_us,
        remaining_us(problem),
        np.where(deadline_us < 0, np.iinfo(np.int64).max, deadline_us),
        problem.priority[request],
    )
