"""What a log says about itself: checks that need nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.check.demand import seconds
from fedloom.scheduling.check.overlap import check_overlap
from fedloom.scheduling.check.violation import Violation, ViolationKind, Violations
from fedloom.scheduling.log.log import Log

__all__ = ["check_duplicates", "check_log_alone", "compare_summary"]

Whole = NDArray[np.int64]

_TOLERANCE_US = 2
"""Each time of a log was rounded to whole microseconds by itself."""


class _Names:
    """What messages call the executions of a log."""

    def __init__(self, log: Log) -> None:
        self._requests, self._nodes = log.executions["request_id"], log.executions["node_id"]

    def request(self, row: int) -> str:
        name: str = self._requests[row]
        return name

    def task(self, row: int) -> str:
        return f"{self._requests[row]}/{self._nodes[row]}"

    def violation(self, kind: ViolationKind, row: int, text: str) -> Violation:
        return Violation(kind, f"{self.task(row)} {text}", request=self.request(row))


def check_log_alone(log: Log, found: Violations) -> None:
    """Check times, devices, overlaps and the summary of a log by themselves."""
    names = _Names(log)
    start, end = _times(log, "start_time"), _times(log, "end_time")
    sound = _check_times(log, names, start, end, found)
    _check_gangs(log, names, found)
    rows, places = np.nonzero((log.gpus >= 0) & sound[:, None])
    gpus = log.gpus[rows, places].astype(np.int64)
    callers = (names.task, names.request, lambda gpu: f"GPU {gpu}")
    check_overlap(rows, gpus, (start, end), callers, found)
    _check_summary(log, end, found)


def check_duplicates(log: Log, found: Violations) -> NDArray[np.bool_]:
    """Report tasks that were executed more than once; return which executions are the first."""
    first = log.executions.select("request_id", "node_id").is_duplicated()
    if not first.any():
        return np.ones(len(log), np.bool_)
    pair = log.executions.select("request_id", "node_id").with_row_index()
    kept = pair.unique(["request_id", "node_id"], keep="first", maintain_order=True)["index"]
    firsts = np.zeros(len(log), np.bool_)
    firsts[kept.to_numpy()] = True
    names = _Names(log)

    def describe(row: int) -> Violation:
        text = f"was executed again (execution {row + 1})"
        return names.violation(ViolationKind.DUPLICATE, row, text)

    found.report(ViolationKind.DUPLICATE, np.flatnonzero(~firsts), describe)
    return firsts


def _times(log: Log, name: str) -> Whole:
    return log.executions[name].fill_null(0).to_numpy()


def _check_times(
    log: Log, names: _Names, start: Whole, end: Whole, found: Violations
) -> NDArray[np.bool_]:
    switch, executed = _times(log, "switch_time"), _times(log, "execution_time")
    sound = (start >= 0) & (end >= start) & (switch >= 0) & (executed >= 0)

    def describe(row: int) -> Violation:
        text = (
            f"has times that cannot be: start {seconds(start[row])}, end {seconds(end[row])}, "
            f"execution {seconds(executed[row])}, switch {seconds(switch[row])}"
        )
        return names.violation(ViolationKind.TIMES, row, text)

    def describe_occupation(row: int) -> Violation:
        text = (
            f"executes for {seconds(executed[row])} after a switch of {seconds(switch[row])}, "
            f"but occupies its devices for {seconds(end[row] - start[row])}"
        )
        return names.violation(ViolationKind.OCCUPATION, row, text)

    found.report(ViolationKind.TIMES, np.flatnonzero(~sound), describe)
    long = sound & (executed + switch > end - start + _TOLERANCE_US)
    found.report(ViolationKind.OCCUPATION, np.flatnonzero(long), describe_occupation)
    if (ready := log.times("ready_time")) is not None:
        _check_ready(log, names, start, ready, found)
    return sound


def _check_ready(log: Log, names: _Names, start: Whole, ready: Whole, found: Violations) -> None:
    waiting = _times(log, "waiting_time")
    arrival = log.times("arrival_time")
    early = start < ready
    if arrival is not None:
        early |= ready < arrival

    def describe(row: int) -> Violation:
        text = (
            f"was ready at {seconds(ready[row])} and started at {seconds(start[row])}, "
            f"but its waiting is {seconds(waiting[row])}; arrival ≤ ready ≤ start is needed"
        )
        return names.violation(ViolationKind.READY, row, text)

    wrong = early | (np.abs(start - ready - waiting) > _TOLERANCE_US)
    found.report(ViolationKind.READY, np.flatnonzero(wrong), describe)


def _check_gangs(log: Log, names: _Names, found: Violations) -> None:
    ordered = np.sort(log.gpus, axis=1)
    wrong = ((np.diff(ordered, axis=1) == 0) & (ordered[:, 1:] >= 0)).any(axis=1)
    wrong |= (np.diff((log.gpus >= 0).astype(np.int8), axis=1) > 0).any(axis=1)
    if log.gangs_known:
        wrong |= log.gpus[:, 0] != log.executions["gpu_id"].fill_null(-1).to_numpy()

    def describe(row: int) -> Violation:
        gang = [int(gpu) for gpu in log.gpus[row] if gpu >= 0]
        first = log.executions["gpu_id"][row]
        text = f"ran on {gang} with gpu_id {first}; distinct devices, the first one, are needed"
        return names.violation(ViolationKind.GANG, row, text)

    found.report(ViolationKind.GANG, np.flatnonzero(wrong), describe)


def _check_summary(log: Log, end: Whole, found: Violations) -> None:
    """Compare what the summary says with what the executions add up to."""
    switch = _times(log, "switch_time")
    rounded = 1e-6 * (len(log) + 1)
    compare_summary(log, "total_nodes_executed", len(log), found)
    compare_summary(log, "total_model_switches", int((switch > 0).sum()), found)
    compare_summary(log, "total_switch_time", float(switch.sum()) / 1e6, found, rounded)
    # The studied system may count from its first start, we count from the first arrival.
    starts = _times(log, "start_time")
    since = 0 if log.is_ours or not len(log) else int(starts.min())
    last = int(end.max(initial=0))
    said = log.summary.get("makespan")
    if not (isinstance(said, int | float) and abs(said - (last - since) / 1e6) <= 1e-5):
        compare_summary(log, "makespan", last / 1e6, found, 1e-5)


def compare_summary(
    log: Log, name: str, right: float, found: Violations, tolerance: float = 0.0
) -> None:
    """Report a number of the summary that is not what it should be; a missing one is fine.

    Args:
        log: with its summary.
        name: of the number.
        right: what it should be.
        found: where violations go.
        tolerance: by how much it may differ.
    """
    said: Any = log.summary.get(name)
    if not isinstance(said, int | float) or abs(said - right) <= tolerance:
        return
    message = f"the summary says {name} is {said:.10g}, but its executions make it {right:.10g}"
    numbers = {"stated": float(said), "counted": float(right)}
    violation = Violation(ViolationKind.SUMMARY, message, numbers=numbers)
    found.report(ViolationKind.SUMMARY, [0], lambda _: violation)
