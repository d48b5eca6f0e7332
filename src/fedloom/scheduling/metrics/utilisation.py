"""Utilisation: what each device did over the makespan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.metrics.columns import Columns
from fedloom.scheduling.metrics.spread import to_number
from fedloom.scheduling.problem import Problem, Schedule

__all__ = ["utilisation"]


def utilisation(problem: Problem, schedule: Schedule, columns: Columns) -> Mapping[str, Any]:
    """Return the shares of the makespan that devices executed, switched and idled.

    Returns:
        ``mean`` (executing), ``switching`` and ``idle`` over all devices, and ``by_gpu``: for each
        device its name (``gpu``), number (``index``), and the three shares. All zero but ``idle``
        where nothing ran.
    """
    devices = problem.cluster.gpus
    executing = np.zeros(len(devices), np.int64)
    switching = np.zeros(len(devices), np.int64)
    for gpus in schedule.gpus.T:
        tasks = np.flatnonzero((gpus >= 0) & columns.ran)
        on = gpus[tasks]
        executing += _add_up(on, columns.executed_us[tasks], len(devices))
        switching += _add_up(on, columns.switch_us[tasks], len(devices))
    span = max(1, columns.makespan_us)
    by_gpu = [
        {"gpu": device.name, "index": device.index, **_shares(int(run), int(switch), span)}
        for device, run, switch in zip(devices, executing, switching, strict=True)
    ]
    total = span * len(devices)
    mean = _shares(int(executing.sum()), int(switching.sum()), total)
    return {
        "mean": mean["executing"],
        "switching": mean["switching"],
        "idle": mean["idle"],
        "by_gpu": by_gpu,
    }


def _shares(executing: int, switching: int, span: int) -> dict[str, float | None]:
    return {
        "executing": to_number(executing / span),
        "switching": to_number(switching / span),
        "idle": to_number((span - executing - switching) / span),
    }


def _add_up(gpu: NDArray[np.int32], time_us: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the exact sum of times by device: 64-bit floats would round above 2⁵³ µs."""
    order = np.argsort(gpu, kind="stable")
    sums = np.concatenate([[0], np.cumsum(time_us[order])])
    bounds = np.searchsorted(gpu[order], np.arange(count + 1))
    return np.diff(sums[bounds])
