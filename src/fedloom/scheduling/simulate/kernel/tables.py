"""A problem, and its simulation under way, as the tables that the compiled core works on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.cluster.costs import TOO_LARGE, load_us
from fedloom.scheduling.problem import NEVER, Problem
from fedloom.scheduling.simulate.graph import predecessor_counts, task_models, task_requests
from fedloom.scheduling.simulate.kernel import layout

__all__ = ["Tables", "make_tables", "resident_places"]

Whole = NDArray[np.int64]


class Tables(NamedTuple):
    """T tasks, R requests, M models, G devices; columns are named in `layout`.

    Attributes:
        tasks: [T, columns].
        requests: [R + 1, columns].
        first_successor: [nodes of all workflows + 1] offsets in `successors`.
        successors: which nodes wait for a node, counted within its workflow.
        followers: which requests wait for the end of a request.
        opened: [2, …] requests that wait for none, as they arrive: time, number.
        gpus: [T, largest gang] devices of each task; -1 where there is none.
        models: [M, columns].
        devices: [G, columns].
        real: [G + 1, columns].
        servers: [servers + 1, columns].
        slots: [slots, columns].
        line: [3, T] heap of waiting tasks: place, number in the order of becoming ready, task.
        endings: [3, …] heap of ends: time, task.
        later: [3, …] heap of arrivals in closed loops: time, request.
        fresh: [3, T] heap of tasks that have become ready at this moment.
        notes: [rows, …].
    """

    tasks: Whole
    requests: Whole
    first_successor: Whole
    successors: Whole
    followers: Whole
    opened: Whole
    gpus: Whole
    models: Whole
    devices: Whole
    real: NDArray[np.float64]
    servers: Whole
    slots: Whole
    line: Whole
    endings: Whole
    later: Whole
    fresh: Whole
    notes: Whole


def make_tables(problem: Problem, key: Whole) -> Tables:
    """Return the tables of a simulation that has not begun.

    Args:
        problem: what is to be done.
        key: [T] place of each task in the queue; the smallest is first.
    """
    gangs = max(1, *(model.gpus for model in problem.models))
    devices, places = len(problem.cluster.gpus), resident_places(problem)
    followers = np.flatnonzero(problem.after >= 0)
    opened = np.flatnonzero(problem.after < 0)
    successors = [after for workflow in problem.workflows for after in workflow.successors]
    beside = np.array([model.gpus == 0 for model in problem.models])[task_models(problem)]
    notes = np.zeros((layout.NOTE_ROWS, layout.COUNTS + places * gangs), dtype=np.int64)
    notes[layout.COUNT, [layout.STAMPS, layout.IN_IDLE]] = devices
    return Tables(
        tasks=_tasks(problem, key),
        requests=_requests(problem),
        first_successor=_offsets([len(after) for after in successors]),
        successors=np.array([node for after in successors for node in after], dtype=np.int64),
        followers=followers[np.argsort(problem.after[followers], kind="stable")],
        opened=np.stack([problem.arrival_us[opened], opened]).astype(np.int64),
        gpus=np.full((problem.tasks, gangs), -1, dtype=np.int64),
        models=_models(problem),
        devices=_devices(problem, places),
        real=_real(problem),
        servers=_servers(problem),
        slots=_slots(devices * places // 2 + 1, gangs),
        line=np.empty((3, problem.tasks), dtype=np.int64),
        endings=np.empty((3, devices + int(beside.sum())), dtype=np.int64),
        later=np.empty((3, len(followers)), dtype=np.int64),
        fresh=np.empty((3, problem.tasks), dtype=np.int64),
        notes=notes,
    )


def resident_places(problem: Problem) -> int:
    """Return how many instances a device can hold at most."""
    largest_mb = max(gpu.memory_mb for gpu in problem.cluster.gpus)
    singles = sum(model.gpus == 1 for model in problem.models)
    shares = [model.memory_mb for model in problem.models if model.gpus > 1]
    return 1 + singles + (largest_mb // min(shares) if shares else 0)


def _tasks(problem: Problem, key: Whole) -> Whole:
    table = np.full((problem.tasks, layout.TASK_COLUMNS), NEVER, dtype=np.int64)
    table[:, layout.MODEL] = task_models(problem)
    table[:, layout.REQUEST] = task_requests(problem)
    table[:, layout.DURATION] = problem.duration_us
    table[:, layout.ESTIMATE] = problem.estimate_us
    table[:, layout.KEY] = key
    table[:, layout.WAITING] = predecessor_counts(problem)
    return table


def _requests(problem: Problem) -> Whole:
    table = np.zeros((problem.requests + 1, layout.REQUEST_COLUMNS), dtype=np.int64)
    nodes = _offsets([len(workflow.nodes) for workflow in problem.workflows])
    waited_for = problem.after[problem.after >= 0]
    table[:, layout.FIRST_TASK] = problem.first_task
    table[:-1, layout.FIRST_NODE] = nodes[problem.workflow]
    table[:, layout.FOLLOWERS] = _offsets(np.bincount(waited_for, minlength=problem.requests))
    table[:-1, layout.THINK] = problem.think_us
    table[:-1, layout.LEFT] = np.diff(problem.first_task)
    table[:-1, layout.ARRIVAL] = np.where(problem.after < 0, problem.arrival_us, NEVER)
    return table


def _models(problem: Problem) -> Whole:
    cluster = problem.cluster
    rows = [
        [
            model.gpus,
            model.memory_mb,
            *(
                load_us(model, gpu.link_gb_per_s, cluster.switch_overhead_us)
                if model.memory_mb <= gpu.memory_mb
                else TOO_LARGE
                for gpu in cluster.gpus
            ),
        ]
        for model in problem.models
    ]
    return np.array(rows, dtype=np.int64)


def _devices(problem: Problem, places: int) -> Whole:
    gpus = problem.cluster.gpus
    width = layout.RESIDENTS + places + len(problem.models)
    table = np.full((len(gpus), width), layout.UNKNOWN, dtype=np.int64)
    table[:, layout.SERVER] = [gpu.server for gpu in gpus]
    table[:, layout.HELD] = 0
    table[:, layout.FREE] = [gpu.memory_mb for gpu in gpus]
    for column in (layout.PLACE, layout.STAMP, layout.IDLE):
        table[:, column] = np.arange(len(gpus))
    table[:, layout.BY_SERVER] = np.argsort(table[:, layout.SERVER], kind="stable")
    return table


def _real(problem: Problem) -> NDArray[np.float64]:
    cluster = problem.cluster
    rows = [(gpu.speed, gpu.link_gb_per_s) for gpu in cluster.gpus]
    return np.array([*rows, (cluster.span_slowdown, 1.0)], dtype=np.float64)


def _servers(problem: Problem) -> Whole:
    cluster = problem.cluster
    counts = np.bincount([gpu.server for gpu in cluster.gpus], minlength=len(cluster.servers))
    return np.stack([_offsets(counts), np.append(counts, 0)], axis=1)


def _slots(count: int, gangs: int) -> Whole:
    table = np.zeros((count, layout.MEMBERS + gangs), dtype=np.int64)
    table[:, layout.SLOTS] = table[:, layout.AT] = np.arange(count)
    return table


def _offsets(counts: Any) -> Whole:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
