"""The executions of a schedule, in the order in which they started, some thousand at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.problem import NEVER, Problem, Schedule, deadlines_of

__all__ = ["ROWS_PER_CHUNK", "ExecutionRows", "execution_rows", "row_times", "unfinished_requests"]

Whole = NDArray[np.int64]

ROWS_PER_CHUNK = 65_536
"""Executions that are rendered at once."""


@dataclass(frozen=True)
class ExecutionRows:
    """Consecutive executions as columns; n of them.

    Attributes:
        task: numbers of the tasks.
        request: numbers of their requests.
        workflow: positions of the workflows.
        node: positions of the nodes in all workflows laid end to end.
        gpus: [n, K] devices; −1 beyond a task's own number.
        met: 1 where the request met its deadline, 0 where it missed it, −1 where it has none.
    """

    task: Whole
    request: Whole
    workflow: Whole
    node: Whole
    gpus: NDArray[np.int32]
    met: Whole

    def __len__(self) -> int:
        return len(self.task)


def execution_rows(
    problem: Problem, schedule: Schedule, rows: int = ROWS_PER_CHUNK
) -> Iterator[ExecutionRows]:
    """Yield the tasks that ran to their end, by start, then by number."""
    ran = np.flatnonzero(schedule.end_us != NEVER)
    order = ran[np.argsort(schedule.start_us[ran], kind="stable")]
    request_of = np.repeat(np.arange(problem.requests), np.diff(problem.first_task))
    gpus = schedule.gpus if schedule.gpus.shape[1] else np.full((problem.tasks, 1), -1, np.int32)
    nodes_before = np.cumsum([0, *(len(workflow.nodes) for workflow in problem.workflows)])
    met = _deadlines_met(problem, schedule)
    for low in range(0, len(order), rows):
        task = order[low : low + rows]
        request = request_of[task]
        workflow = problem.workflow[request]
        node = nodes_before[workflow] + task - problem.first_task[request]
        yield ExecutionRows(task, request, workflow, node, gpus[task], met[request])


def row_times(problem: Problem, schedule: Schedule, rows: ExecutionRows) -> dict[str, Whole]:
    """Return the times of executions by the names of a log's fields, in whole microseconds.

    A ``deadline`` of `NEVER` stands for none.
    """
    task, request = rows.task, rows.request
    start, end, switch = schedule.start_us[task], schedule.end_us[task], schedule.switch_us[task]
    return {
        "start_time": start,
        "end_time": end,
        "execution_time": end - start - switch,
        "estimated_time": problem.estimate_us[task],
        "switch_time": switch,
        "waiting_time": start - schedule.ready_us[task],
        "ready_time": schedule.ready_us[task],
        "arrival_time": schedule.arrival_us[request],
        "deadline": deadlines_of(problem, schedule)[request],
    }


def unfinished_requests(problem: Problem, schedule: Schedule) -> Whole:
    """Return the numbers of the requests of which not all tasks ran."""
    if problem.requests == 0:
        return np.zeros(0, np.int64)
    complete = np.logical_and.reduceat(schedule.end_us != NEVER, problem.first_task[:-1])
    return np.flatnonzero(~complete)


def _deadlines_met(problem: Problem, schedule: Schedule) -> Whole:
    """Return [R] 1, 0, or −1 where there is no deadline; what is unfinished missed it."""
    if problem.requests == 0:
        return np.zeros(0, np.int64)
    end = np.maximum.reduceat(schedule.end_us, problem.first_task[:-1])
    deadline_us = deadlines_of(problem, schedule)
    met = (end <= deadline_us).astype(np.int64)
    met[unfinished_requests(problem, schedule)] = 0
    return np.where(deadline_us == NEVER, -1, met)
