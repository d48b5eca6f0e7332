"""Columns that several metrics are made of: tasks and requests side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.problem import NEVER, Problem, Schedule

__all__ = ["Columns", "columns_of", "longest_paths", "requests_by_workflow", "task_models"]

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Columns:
    """A problem and its schedule as columns; [T] of tasks, [R] of requests.

    Attributes:
        request: [T] number of the request.
        model: [T] position of the model.
        gpus: [T] devices that a task takes.
        ran: [T] whether it ran to its end.
        waiting_us: [T] from ready to start; 0 where it did not run.
        executed_us: [T] end − start − switch; 0 where it did not run.
        switch_us: [T] 0 where it did not run.
        complete: [R] whether all its tasks ran.
        response_us: [R] end of its last task − arrival; 0 where it is not complete.
        critical_us: [R] longest path at speed 1.
        makespan_us: the end of the last task; times count from the first arrival.
    """

    request: Whole
    model: Whole
    gpus: Whole
    ran: Flags
    waiting_us: Whole
    executed_us: Whole
    switch_us: Whole
    complete: Flags
    response_us: Whole
    critical_us: Whole
    makespan_us: int


def columns_of(problem: Problem, schedule: Schedule) -> Columns:
    """Return the columns of a schedule."""
    ran = schedule.end_us != NEVER
    switch = np.where(ran, schedule.switch_us, 0)
    model = task_models(problem)
    bounds = problem.first_task[:-1]
    empty = problem.requests == 0
    complete = np.zeros(0, np.bool_) if empty else np.logical_and.reduceat(ran, bounds)
    last = schedule.arrival_us if empty else np.maximum.reduceat(schedule.end_us, bounds)
    return Columns(
        request=np.repeat(np.arange(problem.requests, dtype=np.int64), np.diff(problem.first_task)),
        model=model,
        gpus=np.array([needs.gpus for needs in problem.models], np.int64)[model],
        ran=ran,
        waiting_us=np.where(ran, schedule.start_us - schedule.ready_us, 0),
        executed_us=np.where(ran, schedule.end_us - schedule.start_us - switch, 0),
        switch_us=switch,
        complete=complete,
        response_us=np.where(complete, last - schedule.arrival_us, 0),
        critical_us=longest_paths(problem, problem.duration_us),
        makespan_us=max(0, int(schedule.end_us.max())) if problem.tasks else 0,
    )


def requests_by_workflow(problem: Problem) -> Iterator[tuple[int, Whole]]:
    """Yield each workflow that has requests, with their numbers, ascending."""
    order = np.argsort(problem.workflow, kind="stable")
    count = len(problem.workflows)
    bounds = np.searchsorted(problem.workflow[order], np.arange(count + 1))
    for workflow, (low, high) in enumerate(pairwise(bounds)):
        if low < high:
            yield workflow, order[low:high]


def task_models(problem: Problem) -> Whole:
    """Return [T] the position of each task's model."""
    model = np.zeros(problem.tasks, np.int64)
    for workflow, requests in requests_by_workflow(problem):
        first = problem.first_task[requests]
        for node, position in enumerate(problem.node_models[workflow]):
            model[first + node] = position
    return model


def longest_paths(problem: Problem, time: NDArray[np.int64]) -> Whole:
    """Return [R] the longest path through each request's graph, given a time for each task."""
    longest = np.zeros(problem.requests, np.int64)
    for workflow, requests in requests_by_workflow(problem):
        graph, first = problem.workflows[workflow], problem.first_task[requests]
        end: dict[int, Whole] = {}
        for node in graph.order:
            end[node] = time[first + node]
            if before := graph.predecessors[node]:
                latest = end[before[0]]
                for other in before[1:]:
                    latest = np.maximum(latest, end[other])
                end[node] = end[node] + latest
            longest[requests] = np.maximum(longest[requests], end[node])
    return longest
