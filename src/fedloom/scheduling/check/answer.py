"""An answer to a problem as the checker sees it: from a schedule, or from a log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.check.violation import Violation, ViolationKind, Violations
from fedloom.scheduling.problem import Problem, Schedule

__all__ = ["LATEST_US", "UNSTATED", "Answer", "answer_of", "check_shape"]

LATEST_US = 1 << 60
"""No time is later than this (36,000 years), so that sums of two stay within 64 bits."""

UNSTATED = -2
"""Stands for an arrival that a log does not state."""

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Answer:
    """What is claimed to have happened. [T] columns; `NEVER` where a task did not run.

    Attributes:
        start_us: when each task took its devices.
        switch_us: how long models were evicted and loaded for it.
        end_us: when it was done.
        gpus: [T, K] devices, −1 beyond the task's own number.
        ready_us: when it was ready, as stated; None: not stated.
        arrival_us: [R] when each request arrived, as stated; `UNSTATED` or None: not stated.
        named: [R] whether a request is named as unfinished.
        gangs_known: whether `gpus` holds whole gangs; otherwise the first device alone.
        own_prices: whether switches were priced as our cluster does. The studied system has other
            prices, and models that are resident from the start.
        tolerance_us: by how much an execution may differ, beyond 1 µs, because its times were
            rounded to whole microseconds.
    """

    start_us: Whole
    switch_us: Whole
    end_us: Whole
    gpus: NDArray[np.int32]
    named: Flags
    ready_us: Whole | None = None
    arrival_us: Whole | None = None
    gangs_known: bool = True
    own_prices: bool = True
    tolerance_us: float = 0.0


def answer_of(problem: Problem, schedule: Schedule) -> Answer:
    """Return a schedule as an answer; why it stopped stands for the names of what is left over."""
    return Answer(
        start_us=schedule.start_us,
        switch_us=schedule.switch_us,
        end_us=schedule.end_us,
        gpus=schedule.gpus,
        named=np.full(problem.requests, bool(schedule.stopped)),
        ready_us=schedule.ready_us,
        arrival_us=schedule.arrival_us,
    )


def check_shape(problem: Problem, schedule: Schedule, found: Violations) -> None:
    """Report columns that have not one whole number for each task or request."""
    tasks, requests = (problem.tasks,), (problem.requests,)
    for name, shape in {
        "ready_us": tasks,
        "start_us": tasks,
        "switch_us": tasks,
        "end_us": tasks,
        "arrival_us": requests,
    }.items():
        column = getattr(schedule, name)
        if column.shape != shape or column.dtype.kind != "i":
            _report_column(found, name, column, f"{shape[0]} whole numbers")
    gpus = schedule.gpus
    if gpus.ndim != 2 or len(gpus) != problem.tasks or gpus.dtype.kind != "i":
        _report_column(found, "gpus", gpus, f"{problem.tasks} rows of whole numbers")


def _report_column(
    found: Violations, name: str, column: NDArray[np.signedinteger], right: str
) -> None:
    message = f"{name} has shape {column.shape} of {column.dtype}; the problem needs {right}"
    found.report(ViolationKind.SHAPE, [0], lambda _: Violation(ViolationKind.SHAPE, message))
