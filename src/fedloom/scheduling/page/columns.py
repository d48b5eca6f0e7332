"""Columns of a schedule that the page plots: response times, and how many tasks wait."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.metrics.columns import task_models
from fedloom.scheduling.problem import Problem, Schedule

__all__ = ["ran", "response_times", "takes_gpus", "waiting_tasks"]

Whole = NDArray[np.int64]


def ran(schedule: Schedule) -> NDArray[np.bool_]:
    """Return [T] whether a task ran to its end."""
    return (schedule.start_us >= 0) & (schedule.end_us >= schedule.start_us)


def response_times(problem: Problem, schedule: Schedule) -> Whole:
    """Return the response times of the completed requests, in µs, ascending."""
    if not problem.requests or not problem.tasks:
        return np.zeros(0, np.int64)
    first = problem.first_task[:-1]
    done = np.logical_and.reduceat(ran(schedule), first)
    last = np.maximum.reduceat(schedule.end_us, first)
    return np.sort((last - schedule.arrival_us)[done])


def takes_gpus(problem: Problem) -> NDArray[np.bool_]:
    """Return [T] whether a task takes GPUs; one that does not starts as soon as it is ready."""
    needed = np.array([needs.gpus > 0 for needs in problem.models], np.bool_)
    return needed[task_models(problem)]


def waiting_tasks(
    schedule: Schedule, edges: NDArray[np.float64], queued: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Return the mean number of tasks that are ready and wait, between each two edges.

    Args:
        schedule: tasks that never start wait to the end.
        edges: n + 1 times in µs, ascending.
        queued: [T] which tasks can wait: those that take GPUs (`takes_gpus`). None: all.

    Returns:
        [n] means.
    """
    is_ready = schedule.ready_us >= 0
    if queued is not None:
        is_ready &= queued
    started = is_ready & (schedule.start_us >= 0)
    arrived = _elapsed(schedule.ready_us[is_ready], edges)
    left = _elapsed(schedule.start_us[started], edges)
    waited: NDArray[np.float64] = np.diff(arrived - left) / np.diff(edges)
    return np.maximum(0, waited)


def _elapsed(times: Whole, moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, for each moment, how long ago all earlier times were, added up."""
    ordered = np.sort(times)
    before = np.searchsorted(ordered, moments)
    sums = np.concatenate(([0], np.cumsum(ordered)))
    elapsed: NDArray[np.float64] = before * moments - sums[before]
    return elapsed
