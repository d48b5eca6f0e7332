"""Measuring a schedule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.metrics.bounds import lower_bounds
from fedloom.scheduling.metrics.columns import Columns, columns_of
from fedloom.scheduling.metrics.groups import by_model, by_tenant, by_workflow, jain_index
from fedloom.scheduling.metrics.metrics import Deadlines, Metrics
from fedloom.scheduling.metrics.spread import exact_sum, spread_of, spread_of_times
from fedloom.scheduling.metrics.utilisation import utilisation
from fedloom.scheduling.problem import NEVER, Problem, Schedule, deadlines_of
from fedloom.workload.units import MICROSECONDS

__all__ = ["SHORTEST_US", "measure"]

Whole = NDArray[np.int64]

SHORTEST_US = 10_000_000
"""Bounded slowdown divides by no less than this: 10 s, as is usual."""


def measure(problem: Problem, schedule: Schedule) -> Metrics:
    """Return all metrics of a schedule, and the lower bounds of its problem.

    What did not end is counted as unfinished and is in no mean; it misses its deadline.

    Args:
        problem: what was scheduled.
        schedule: the result; `fedloom.scheduling.check` says whether it could have happened.
    """
    columns = columns_of(problem, schedule)
    done, ran = columns.complete, columns.ran
    slowdown = columns.response_us / np.maximum(columns.critical_us, 1)
    bounded = np.maximum(1.0, columns.response_us / np.maximum(columns.critical_us, SHORTEST_US))
    tenants = by_tenant(problem, columns, slowdown)
    deadlines, good = _deadlines(problem, schedule, columns)
    span_s = columns.makespan_us / MICROSECONDS
    switch = columns.switch_us
    return Metrics(
        policy=schedule.policy,
        offline=schedule.offline,
        stopped=schedule.stopped,
        gpus=len(problem.cluster.gpus),
        requests=problem.requests,
        completed_requests=int(done.sum()),
        tasks=problem.tasks,
        executed_tasks=int(ran.sum()),
        makespan_us=columns.makespan_us,
        bounds=lower_bounds(problem),
        waiting=spread_of_times(columns.waiting_us[ran]),
        request_waiting=spread_of_times(_request_waiting(problem, schedule, columns)),
        task_response=spread_of_times((schedule.end_us - schedule.ready_us)[ran]),
        response=spread_of_times(columns.response_us[done]),
        slowdown=spread_of(slowdown[done]),
        bounded_slowdown=spread_of(bounded[done]),
        deadlines=deadlines,
        fairness_slowdown=jain_index(
            [_slowness(group["mean_slowdown"]) for group in tenants.values() if group["requests"]]
        ),
        fairness_gpu_time=jain_index(
            [
                group["gpu_seconds"] / group["weight"]
                for group in tenants.values()
                if group["requests"] and group["weight"] > 0
            ]
            if columns.ran.any()
            else []
        ),
        utilisation=utilisation(problem, schedule, columns),
        switches=int((switch > 0).sum()),
        switch_us=exact_sum(switch),
        switch_gpu_us=exact_sum(switch * columns.gpus),
        gpu_us=exact_sum(columns.executed_us * columns.gpus),
        throughput_per_s=int(done.sum()) / span_s if span_s else 0.0,
        goodput_per_s=good / span_s if span_s else 0.0,
        tenants=tenants,
        workflows=by_workflow(problem, columns, slowdown),
        models=by_model(problem, columns),
    )


def _slowness(mean_slowdown: float | None) -> float:
    """Return a tenant's mean slowdown; infinite where none of its requests was completed."""
    return np.inf if mean_slowdown is None else mean_slowdown


def _request_waiting(problem: Problem, schedule: Schedule, columns: Columns) -> Whole:
    """Return, for each request that started, the time from its arrival to its first task."""
    if problem.requests == 0:
        return np.zeros(0, np.int64)
    never = np.iinfo(np.int64).max
    starts = np.where(columns.ran, schedule.start_us, never)
    first = np.minimum.reduceat(starts, problem.first_task[:-1])
    begun = first != never
    waiting: Whole = first[begun] - schedule.arrival_us[begun]
    return waiting


def _deadlines(problem: Problem, schedule: Schedule, columns: Columns) -> tuple[Deadlines, int]:
    """Return how deadlines were kept, and how many requests are of use.

    Of use are those that met their deadline, and completed ones that have none.
    """
    deadline_us = deadlines_of(problem, schedule)
    due = deadline_us != NEVER
    in_time = columns.complete & (schedule.arrival_us + columns.response_us <= deadline_us)
    met = int((due & in_time).sum())
    return Deadlines(int(due.sum()), met), met + int((columns.complete & ~due).sum())
