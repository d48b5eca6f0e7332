"""Where tasks ran: gangs, servers, and the time that follows from the devices' speed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.check.answer import Answer
from fedloom.scheduling.check.demand import Demand, seconds
from fedloom.scheduling.check.times import Ran
from fedloom.scheduling.check.violation import Violation, ViolationKind, Violations

__all__ = ["Occupied", "check_execution", "check_gangs"]

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

_TOLERANCE_US = 1.0 + 1e-6
"""Executions are whole microseconds, however they were rounded."""


@dataclass(frozen=True)
class Occupied:
    """Which tasks occupied which devices. One row for each pair.

    Attributes:
        task: numbers of tasks, each as often as it has devices.
        gpu: numbers of devices.
        whole: [T] whether a task ran on exactly the devices that it needs.
    """

    task: Whole
    gpu: Whole
    whole: Flags


def check_gangs(demand: Demand, answer: Answer, ran: Ran, found: Violations) -> Occupied:
    """Check that each task that ran has as many distinct devices as it needs."""
    gpus, count = answer.gpus, len(demand.problem.cluster.gpus)
    need = demand.gpus if answer.gangs_known else np.minimum(demand.gpus, 1)
    there = (gpus >= 0) & (gpus < count)
    wanted = np.arange(gpus.shape[1]) < need[:, None]
    whole = ((there == wanted) & (there | (gpus == -1))).all(axis=1)
    whole &= need <= gpus.shape[1]
    gangs = np.flatnonzero(whole & (need > 1))
    ordered = np.sort(gpus[gangs], axis=1)
    twice = ((np.diff(ordered, axis=1) == 0) & (ordered[:, 1:] >= 0)).any(axis=1)
    whole[gangs[twice]] = False

    def describe(task: int) -> Violation:
        has = [int(gpu) for gpu in gpus[task] if gpu != -1]
        text = f"needs {need[task]} distinct GPUs of {count}, but ran on {has}"
        numbers = {"needs": int(need[task]), "has": len(has)}
        return demand.violation(ViolationKind.GANG, task, text, numbers)

    found.report(ViolationKind.GANG, np.flatnonzero(ran.sound & ~whole), describe)
    rows, places = np.nonzero(there & ran.sound[:, None])
    return Occupied(rows, gpus[rows, places].astype(np.int64), whole & ran.sound)


def check_execution(demand: Demand, answer: Answer, occupied: Occupied, found: Violations) -> None:
    """Check servers, and that executions take duration ÷ slowest speed (× span), within 1 µs."""
    cluster = demand.problem.cluster
    known = occupied.whole & _is_speed_known(demand, answer)
    slowest, spans = _gang_speeds(demand, answer)
    if not cluster.allow_span:
        _report_spans(demand, answer, known & spans, found)
    expected = demand.problem.duration_us / slowest
    expected = np.where(spans, expected * cluster.span_slowdown, expected)
    executed = answer.end_us - answer.start_us - answer.switch_us

    def describe(task: int) -> Violation:
        text = (
            f"executes for {seconds(executed[task])}, "
            f"but its duration and the speed of its devices make {seconds(round(expected[task]))}"
        )
        numbers = {"executed_s": executed[task] / 1e6, "expected_s": expected[task] / 1e6}
        return demand.violation(ViolationKind.EXECUTION, task, text, numbers)

    wrong = known & (np.abs(executed - expected) > _TOLERANCE_US + answer.tolerance_us)
    found.report(ViolationKind.EXECUTION, np.flatnonzero(wrong), describe)


def _is_speed_known(demand: Demand, answer: Answer) -> Flags:
    """Return for which tasks the speed is known: not for gangs whose devices may differ."""
    cluster = demand.problem.cluster
    alike = len({gpu.speed for gpu in cluster.gpus}) == 1
    if answer.gangs_known or (alike and not (cluster.allow_span and cluster.span_slowdown != 1)):
        return np.ones(demand.problem.tasks, np.bool_)
    return demand.gpus <= 1


def _gang_speeds(demand: Demand, answer: Answer) -> tuple[NDArray[np.float64], Flags]:
    """Return the slowest speed of each task's devices, and whether they span servers.

    Devices that do not exist (and the −1 of unused columns) count as the dummy after the last one:
    infinitely fast, on no server. A task beside the devices runs at speed 1.
    """
    cluster = demand.problem.cluster
    speeds = np.array([*(gpu.speed for gpu in cluster.gpus), np.inf])
    servers = np.array([*(gpu.server for gpu in cluster.gpus), -1])
    slowest = np.full(demand.problem.tasks, np.inf)
    spans = np.zeros(demand.problem.tasks, np.bool_)
    for place in range(answer.gpus.shape[1]):
        gpu = answer.gpus[:, place]
        gpu = np.where((gpu < 0) | (gpu >= len(cluster.gpus)), len(cluster.gpus), gpu)
        slowest = np.minimum(slowest, speeds[gpu])
        if place == 0:
            first = servers[gpu]
        else:
            spans |= (servers[gpu] >= 0) & (servers[gpu] != first)
    slowest[np.isinf(slowest)] = 1.0
    return slowest, spans


def _report_spans(demand: Demand, answer: Answer, spans: Flags, found: Violations) -> None:
    cluster = demand.problem.cluster

    def describe(task: int) -> Violation:
        gang = [int(gpu) for gpu in answer.gpus[task] if gpu >= 0]
        names = sorted({cluster.servers[cluster.gpus[gpu].server] for gpu in gang})
        text = f"spans servers ({', '.join(names)}), which the cluster does not allow"
        return demand.violation(ViolationKind.SPAN, task, text, {"servers": len(names)})

    found.report(ViolationKind.SPAN, np.flatnonzero(spans), describe)
