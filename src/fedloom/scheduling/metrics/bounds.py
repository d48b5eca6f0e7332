"""Lower bounds: no schedule whatever can be shorter than these.

They leave switches, memory beyond what one model needs, and the order of work aside, so the best
schedule may be longer; none can be shorter.

A request of a closed loop arrives after the one before it, so when it arrives depends on the
schedule. Here it arrives as early as it possibly can: after the one before it ran along its
critical path on the fastest devices. All bounds use these earliest arrivals, and hold for closed
loops too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.cluster.description import Cluster, Gpu
from fedloom.scheduling.metrics.columns import longest_paths, task_models
from fedloom.scheduling.problem import Problem
from fedloom.workload.units import MICROSECONDS

__all__ = ["Bounds", "lower_bounds"]

Whole = NDArray[np.int64]

_ALL = (1, 0)
"""The class of all models that take a device."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower bounds of the makespan, microseconds since the first request's arrival.

    Attributes:
        work_us: GPU-time ÷ capacity, whenever it arrives.
        arrivals_us: the largest, over all moments, of the moment plus the GPU-time that arrives
            from then on ÷ capacity.
        gangs_us: the same for tasks of at least so many devices and so much memory, which only
            some of the devices can hold, and of which each server runs few at once.
        critical_path_us: the latest end if every request ran alone on the fastest devices.
    """

    work_us: int
    arrivals_us: int
    gangs_us: int
    critical_path_us: int

    @property
    def makespan_us(self) -> int:
        """The largest of them: no schedule can end earlier."""
        return max(self.work_us, self.arrivals_us, self.gangs_us, self.critical_path_us)

    def to_dict(self) -> Mapping[str, float]:
        """Return the bounds in seconds."""
        return {
            "work_s": self.work_us / MICROSECONDS,
            "arrivals_s": self.arrivals_us / MICROSECONDS,
            "gangs_s": self.gangs_us / MICROSECONDS,
            "critical_path_s": self.critical_path_us / MICROSECONDS,
        }


def lower_bounds(problem: Problem) -> Bounds:
    """Return the bounds of a problem; linear in its tasks but for one sort."""
    if problem.tasks == 0:
        return Bounds(0, 0, 0, 0)
    model = task_models(problem)
    path = longest_paths(problem, _fastest_times(problem, model))
    arrival = _earliest_arrivals(problem, path)
    by_arrival = np.argsort(arrival, kind="stable")
    work = arrivals = gangs = 0
    for threshold in _thresholds(problem):
        for weights, capacity in _loads(problem, threshold):
            amount = _amounts(problem, model, weights)[by_arrival]
            left = np.cumsum(amount[::-1])[::-1]
            latest = int((arrival[by_arrival] + np.floor(left / capacity).astype(np.int64)).max())
            if threshold == _ALL:
                work, arrivals = max(work, math.floor(left[0] / capacity)), max(arrivals, latest)
            else:
                gangs = max(gangs, latest)
    return Bounds(work, arrivals, gangs, int((arrival + path).max()))


def _thresholds(problem: Problem) -> Iterator[tuple[int, int]]:
    """Yield (devices, MB): classes of models that need at least that, and can be held by fewer.

    Of memory only those thresholds are of use that rule some device out.
    """
    used = problem.models
    sizes = sorted({model.gpus for model in used if model.gpus > 1})
    memory = {0}
    for size in {gpu.memory_mb for gpu in problem.cluster.gpus}:
        memory.update(sorted(m.memory_mb for m in used if m.memory_mb > size)[:1])
    for gpus in [1, *sizes]:
        for memory_mb in sorted(memory):
            yield gpus, memory_mb


def _loads(
    problem: Problem, threshold: tuple[int, int]
) -> Iterator[tuple[NDArray[np.int64], float]]:
    """Yield, for a class, what each model's time weighs, and how much of that is done at once.

    Once by GPU-time and the speed of all devices; once by time and the number of gangs that fit.
    """
    gpus, memory_mb = threshold
    chosen = [m.gpus >= gpus and m.memory_mb >= memory_mb for m in problem.models]
    groups = list(_groups(problem.cluster, gpus, memory_mb))
    in_class = np.array(chosen, np.int64)
    if speed := sum(sum(speeds) for speeds in groups):
        yield in_class * np.array([m.gpus for m in problem.models], np.int64), speed
    # The best gangs of a group are the fastest devices together, then the next fastest, …
    slots = sum(sum(speeds[gpus - 1 :: gpus]) for speeds in groups)
    if gpus > 1 and slots:
        yield in_class, slots / _span_factor(problem.cluster)


def _groups(cluster: Cluster, gpus: int, memory_mb: int) -> Iterator[list[float]]:
    """Yield the speeds, the fastest first, of devices that can form a gang together."""
    servers: Sequence[Sequence[Gpu]] = [cluster.gpus] if cluster.allow_span else cluster.by_server
    for server in servers:
        speeds = sorted((g.speed for g in server if g.memory_mb >= memory_mb), reverse=True)
        if len(speeds) >= gpus:
            yield speeds


def _span_factor(cluster: Cluster) -> float:
    """Return what a gang's time is multiplied by at least; 1 unless spanning made it faster."""
    return min(1.0, cluster.span_slowdown) if cluster.allow_span else 1.0


def _slack_us(cluster: Cluster) -> int:
    """Return by how much rounding can shorten a task: nothing where time is not scaled."""
    scaled = cluster.allow_span and cluster.span_slowdown != 1
    return int(scaled or any(gpu.speed != 1 for gpu in cluster.gpus))


def _amounts(problem: Problem, model: Whole, weights: Whole) -> Whole:
    """Return [R] the weighted time of each request's tasks, at speed 1."""
    slack = _slack_us(problem.cluster) * math.ceil(max(gpu.speed for gpu in problem.cluster.gpus))
    time = np.maximum(problem.duration_us - slack, 0) * weights[model]
    amounts: Whole = np.add.reduceat(time, problem.first_task[:-1])
    return amounts


def _fastest_times(problem: Problem, model: Whole) -> Whole:
    """Return [T] the least time of each task: on the fastest gang that can hold its model."""
    cluster = problem.cluster
    fastest = []
    for needs in problem.models:
        groups = _groups(cluster, max(1, needs.gpus), needs.memory_mb)
        best = max((speeds[max(1, needs.gpus) - 1] for speeds in groups), default=1.0)
        fastest.append(best / _span_factor(cluster) if needs.gpus else 1.0)
    speed = np.array(fastest)[model]
    time: Whole = np.floor(problem.duration_us / speed).astype(np.int64) - _slack_us(cluster)
    return np.maximum(time, 0, out=time)


def _earliest_arrivals(problem: Problem, path: Whole) -> Whole:
    """Return [R] when each request can arrive at the earliest, closed loops included."""
    waits = np.flatnonzero(problem.after >= 0).tolist()
    if not waits:
        return problem.arrival_us
    arrival, paths = problem.arrival_us.tolist(), path.tolist()
    after, think = problem.after.tolist(), problem.think_us.tolist()
    for request in waits:
        before = after[request]
        arrival[request] = arrival[before] + paths[before] + think[request]
    return np.array(arrival, np.int64)
