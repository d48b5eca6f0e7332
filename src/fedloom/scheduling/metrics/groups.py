"""Metrics of parts of a workload: by tenant, by workflow, by model; and how fair it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.metrics.columns import Columns
from fedloom.scheduling.metrics.spread import exact_sum, spread_of, spread_of_times, to_number
from fedloom.scheduling.problem import Problem
from fedloom.workload.units import MICROSECONDS

__all__ = ["by_model", "by_tenant", "by_workflow", "jain_index"]

Whole = NDArray[np.int64]
Groups = Mapping[str, Mapping[str, Any]]


def jain_index(values: Sequence[float]) -> float | None:
    """Return Jain's fairness index (Σx)² / (n Σx²): 1 when all are equal, 1/n when one has all.

    Infinite values, of tenants that got nothing, count as equal and infinitely larger than others.

    Args:
        values: one for each tenant, not negative.

    Returns:
        The index; None where there is no value or all are infinite: nobody got anything to
        compare. 1 where all are zero.

    Source:
        R. Jain, D. Chiu, W. Hawe: A Quantitative Measure of Fairness and Discrimination for
        Resource Allocation in Shared Computer Systems. DEC-TR-301, 1984.

    Example:
        >>> jain_index([1.0, 1.0, 2.0, 0.0])
        0.6666666666666666
    """
    if not values:
        return None
    endless = sum(np.isinf(value) for value in values)
    if endless == len(values):
        return None
    if endless:
        return float(endless / len(values))
    total, squares = sum(values), sum(value * value for value in values)
    return float(total * total / (len(values) * squares)) if squares else 1.0


def by_tenant(problem: Problem, columns: Columns, slowdown: NDArray[np.float64]) -> Groups:
    """Return, for each tenant, its requests, how long they took, and the GPU-time that it got.

    Requests without a tenant are under "" where there are tenants.
    """
    if not problem.tenants:
        return {}
    names = {-1: "", **dict(enumerate(problem.tenants))}
    weights = {-1: 1.0, **dict(enumerate(problem.tenant_weights))}
    time = columns.executed_us * columns.gpus
    used = np.add.reduceat(time, problem.first_task[:-1]) if problem.requests else time
    total = exact_sum(time)
    groups = {}
    parts = {tenant: np.zeros(0, np.int64) for tenant in range(len(problem.tenants))}
    parts |= dict(_parts(problem.tenant))
    for tenant, requests in parts.items():
        own = exact_sum(used[requests])
        groups[names[tenant]] = {
            "weight": weights[tenant],
            **_requests(columns, slowdown, requests),
            "gpu_seconds": own / MICROSECONDS,
            "share": to_number(own / total if total else 0.0),
        }
    return groups


def by_workflow(problem: Problem, columns: Columns, slowdown: NDArray[np.float64]) -> Groups:
    """Return, for each workflow with requests, how many they are and how long they took.

    Waiting is that of its tasks, from ready to start.
    """
    groups = {}
    workflow_of = problem.workflow[columns.request]
    tasks = dict(_parts(workflow_of))
    for workflow, requests in _parts(problem.workflow):
        ran = tasks[workflow][columns.ran[tasks[workflow]]]
        groups[problem.workflows[workflow].workflow_id] = {
            **_requests(columns, slowdown, requests),
            "waiting_s": spread_of_times(columns.waiting_us[ran]).to_dict(),
            "gpu_seconds": exact_sum((columns.executed_us * columns.gpus)[ran]) / MICROSECONDS,
        }
    return groups


def by_model(problem: Problem, columns: Columns) -> Groups:
    """Return, for each model that is called, its tasks, its GPU-time and its switches."""
    groups = {}
    for model, tasks in _parts(columns.model):
        ran = tasks[columns.ran[tasks]]
        switch = columns.switch_us[ran]
        groups[problem.models[model].model_id] = {
            "tasks": len(tasks),
            "executed_tasks": len(ran),
            "gpu_seconds": exact_sum((columns.executed_us * columns.gpus)[ran]) / MICROSECONDS,
            "waiting_s": spread_of_times(columns.waiting_us[ran]).to_dict(),
            "switches": int((switch > 0).sum()),
            "switch_seconds": exact_sum(switch) / MICROSECONDS,
        }
    return groups


def _requests(columns: Columns, slowdown: NDArray[np.float64], requests: Whole) -> dict[str, Any]:
    done = requests[columns.complete[requests]]
    response, slow = spread_of_times(columns.response_us[done]), spread_of(slowdown[done])
    return {
        "requests": len(requests),
        "completed_requests": len(done),
        "unfinished_requests": len(requests) - len(done),
        "response_s": response.to_dict(),
        "slowdown": slow.to_dict(),
        "mean_response_s": to_number(response.mean),
        "mean_slowdown": to_number(slow.mean),
    }


def _parts(group: Whole) -> Iterator[tuple[int, Whole]]:
    """Yield each group that occurs with its positions, both ascending."""
    if len(group) == 0:
        return
    order = np.argsort(group, kind="stable")
    bounds = np.flatnonzero(np.diff(group[order])) + 1
    for low, high in pairwise([0, *bounds.tolist(), len(group)]):
        yield int(group[order[low]]), order[low:high]
