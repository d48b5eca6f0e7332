"""Which models must have been resident where, and from when to when.

A schedule does not say what was evicted, but much follows from what was paid. An *instance* is a
model on exactly its devices (a gang's shards differ, so other devices make another instance). A
task that paid no switch found its instance resident, so the instance had been there without a break
since the task of it before. The uses between two loads are one *stay*: from the start of the load
to the end of the last use before the next load. All stays on a device must fit it at every moment,
whichever rule of eviction was followed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.check.answer import Answer
from fedloom.scheduling.check.demand import Demand, seconds
from fedloom.scheduling.check.placement import Occupied
from fedloom.scheduling.check.prices import load_times
from fedloom.scheduling.check.segments import sort_by
from fedloom.scheduling.check.violation import Violation, ViolationKind, Violations

__all__ = ["Stays", "find_stays"]

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

_TOLERANCE_US = 1.0
_WIDEST_CODE = 1 << 40


@dataclass(frozen=True)
class Stays:
    """Stays of instances. [S] columns.

    Attributes:
        task: the first task of each, which loaded it.
        start_us: from when the instance must have been resident.
        end_us: until when.
        loaded: whether the first task certainly loaded it; where loading takes no time and nothing
            was paid, the instance may as well have been there.
        load_us: [models, devices] what loading costs.
    """

    task: Whole
    start_us: Whole
    end_us: Whole
    loaded: Flags
    load_us: NDArray[np.float64]


def find_stays(demand: Demand, answer: Answer, occupied: Occupied, found: Violations) -> Stays:
    """Return the stays; report loads that were too short, and uses that were never loaded."""
    _check_without_devices(demand, answer, occupied, found)
    fits = demand.gpus >= 1 if answer.gangs_known else demand.gpus == 1
    tasks = np.flatnonzero(occupied.whole & fits)
    load_us = load_times(demand.problem)
    least = _least_load(demand, answer, tasks, load_us)
    instance = _instances(demand, answer, tasks)
    start, end = answer.start_us[tasks], answer.end_us[tasks]
    order = sort_by(instance, 2 * start + (end > start))
    tasks, least, instance = tasks[order], least[order], instance[order]
    switch = answer.switch_us[tasks]
    first = np.ones(len(tasks), np.bool_)
    first[1:] = instance[1:] != instance[:-1]
    # Where a load takes no time, nobody can tell whether there was one: assume so.
    loaded = (switch > 0) | (least < _TOLERANCE_US)
    if answer.own_prices:
        _report_not_loaded(demand, answer, tasks[first & ~loaded], found)
        short = (switch > 0) & (switch + _TOLERANCE_US < least)
        _report_short(demand, answer, tasks[short], least[short], found)
    begins = np.flatnonzero(first | loaded)
    there_before = (first & ~loaded)[begins]
    if len(begins) == 0:
        return Stays(tasks, tasks, tasks, first, load_us)
    since = answer.start_us[tasks[begins]]
    if not answer.own_prices:
        since = np.where(there_before, 0, since)
    until = np.maximum.reduceat(answer.end_us[tasks], begins)
    certain = (first | (switch > 0))[begins]
    return Stays(tasks[begins], since, until, certain, load_us)


def _check_without_devices(
    demand: Demand, answer: Answer, occupied: Occupied, found: Violations
) -> None:
    def describe(task: int) -> Violation:
        paid = answer.switch_us[task]
        text = f"takes no device, yet it paid a switch of {seconds(paid)}"
        return demand.violation(ViolationKind.SWITCH, task, text, {"switch_s": paid / 1e6})

    wrong = occupied.whole & (demand.gpus == 0) & (answer.switch_us > 0)
    found.report(ViolationKind.SWITCH, np.flatnonzero(wrong), describe)


def _least_load(
    demand: Demand, answer: Answer, tasks: Whole, load_us: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what loading onto empty devices costs each task: the slowest of its gang."""
    model, gpus = demand.model[tasks], answer.gpus[tasks]
    least = np.zeros(len(tasks))
    for place in range(gpus.shape[1]):
        gpu = gpus[:, place]
        rows = np.flatnonzero(gpu >= 0)
        least[rows] = np.maximum(least[rows], load_us[model[rows], gpu[rows]])
    return least


def _instances(demand: Demand, answer: Answer, tasks: Whole) -> Whole:
    """Return a number for each task's instance: equal for the same model on the same devices."""
    gpus = np.sort(answer.gpus[tasks], axis=1)
    count = len(demand.problem.cluster.gpus) + 1
    code = demand.model[tasks].copy()
    for place in range(gpus.shape[1]):
        column = gpus[:, place].astype(np.int64)
        if place == gpus.shape[1] - 1 or (column >= 0).any():
            code = code * count + (column + 1)
        if len(code) and code.max() >= _WIDEST_CODE // count:
            code = np.unique(code, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return code


def _report_not_loaded(demand: Demand, answer: Answer, tasks: Whole, found: Violations) -> None:
    def describe(task: int) -> Violation:
        where = ", ".join(demand.gpu_name(int(gpu)) for gpu in answer.gpus[task] if gpu >= 0)
        text = f"paid no switch, but {demand.model_id(task)} had never been loaded on {where}"
        gpu = int(answer.gpus[task].max()) if demand.gpus[task] == 1 else None
        return demand.violation(ViolationKind.NOT_LOADED, task, text, gpu=gpu)

    found.report(ViolationKind.NOT_LOADED, tasks, describe)


def _report_short(
    demand: Demand, answer: Answer, tasks: Whole, least: NDArray[np.float64], found: Violations
) -> None:
    def describe(row: int) -> Violation:
        task = int(tasks[row])
        paid = answer.switch_us[task]
        text = (
            f"paid a switch of {seconds(paid)}, "
            f"but loading {demand.model_id(task)} takes {seconds(least[row])}"
        )
        numbers = {"switch_s": paid / 1e6, "load_s": least[row] / 1e6}
        return demand.violation(ViolationKind.SWITCH, task, text, numbers)

    found.report(ViolationKind.SWITCH, np.arange(len(tasks)), describe)
