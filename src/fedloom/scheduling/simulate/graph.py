"""Columns of tasks that follow from the graphs of their requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.problem import Problem
from fedloom.workload.config.workflow import Workflow

__all__ = ["predecessor_counts", "remaining_us", "task_models", "task_requests"]

Whole = NDArray[np.int64]


def task_requests(problem: Problem) -> Whole:
    """Return the request of each task, [T]."""
    return np.repeat(np.arange(problem.requests), np.diff(problem.first_task))


def task_models(problem: Problem) -> Whole:
    """Return the position of each task's service model in `problem.models`, [T]."""
    return _by_node(problem, lambda number, _: problem.node_models[number])


def predecessor_counts(problem: Problem) -> Whole:
    """Return how many tasks each task waits for, [T]."""
    return _by_node(problem, lambda _, workflow: [len(p) for p in workflow.predecessors])


def remaining_us(problem: Problem) -> Whole:
    """Return the longest path from each task to the end of its request, by estimates, [T]."""
    remaining = problem.estimate_us.copy()
    for number, workflow in enumerate(problem.workflows):
        first = problem.first_task[:-1][problem.workflow == number]
        for node in reversed(workflow.order):
            if workflow.successors[node]:
                paths = [remaining[first + after] for after in workflow.successors[node]]
                remaining[first + node] += np.maximum.reduce(paths)
    return remaining


def _by_node(problem: Problem, values: Callable[[int, Workflow], Sequence[int]]) -> Whole:
    """Return a column that repeats, for each request, the values of its workflow's nodes."""
    rows = [
        np.asarray(values(number, workflow), np.int64)
        for number, workflow in enumerate(problem.workflows)
    ]
    offsets = np.cumsum([0, *map(len, rows)])[problem.workflow]
    node = np.arange(problem.tasks) - np.repeat(
        problem.first_task[:-1], np.diff(problem.first_task)
    )
    return np.concatenate(rows)[np.repeat(offsets, np.diff(problem.first_task)) + node]
