"""Memory: all that must have been resident at one moment fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.check.answer import Answer
from fedloom.scheduling.check.demand import Demand, seconds
from fedloom.scheduling.check.residency import Stays
from fedloom.scheduling.check.segments import sort_by
from fedloom.scheduling.check.violation import Violation, ViolationKind, Violations

__all__ = ["Loads", "check_memory"]

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Loads:
    """Starts of stays, device by device, in order of time; a gang's is on each of its devices.

    Attributes:
        stay: [L] which stay.
        gpu: [L] on which device.
        limit_mb: [L] memory of the device.
        share_mb: [L] what the stay needs there.
        single: [L] whether that is the whole model.
        singles_mb: [L] whole models whose stays go on through this moment.
        gangs_mb: [L] the same for shares of gangs.
    """

    stay: Whole
    gpu: Whole
    limit_mb: Whole
    share_mb: Whole
    single: Flags
    singles_mb: Whole
    gangs_mb: Whole


def check_memory(demand: Demand, answer: Answer, stays: Stays, found: Violations) -> Loads | None:
    """Check that stays fit their devices; return their starts, None where there is none."""
    if len(stays.task) == 0:
        return None
    loads = _sweep(demand, answer, stays)
    needed = loads.singles_mb + loads.gangs_mb + loads.share_mb
    _report_memory(demand, stays, loads, needed, np.flatnonzero(needed > loads.limit_mb), found)
    return loads


def _sweep(demand: Demand, answer: Answer, stays: Stays) -> Loads:
    """Add up shares over time on each device, and return how it stands at each start.

    At one moment, ends come first, then stays that take no time, one after another, then starts.
    """
    gangs = answer.gpus[stays.task]
    stay, place = np.nonzero(gangs >= 0)
    gpu = gangs[stay, place].astype(np.int64)
    share = demand.memory_mb[stays.task[stay]]
    single = demand.gpus[stays.task[stay]] == 1
    start, end = stays.start_us[stay], stays.end_us[stay]
    # Starts at even positions, each followed by its end: equal moments keep this order.
    moment = np.empty(2 * len(stay), np.int64)
    moment[0::2] = 4 * start + np.where(end > start, 3, 1)
    moment[1::2] = 4 * end + np.where(end > start, 0, 1)
    order = sort_by(np.repeat(gpu, 2), moment)
    row, is_start = order // 2, order % 2 == 0
    change = np.where(is_start, share[row], -share[row])
    # Each device's changes add up to nothing, so one sum runs over all devices.
    total, singles = np.cumsum(change), np.cumsum(np.where(single[row], change, 0))
    starts = np.flatnonzero(is_start)
    row = row[starts]
    before = total[starts] - share[row]
    before_singles = singles[starts] - np.where(single[row], share[row], 0)
    before_gangs = before - before_singles
    return Loads(
        stay=stay[row],
        gpu=gpu[row],
        limit_mb=np.array([g.memory_mb for g in demand.problem.cluster.gpus], np.int64)[gpu[row]],
        share_mb=share[row],
        single=single[row],
        singles_mb=before_singles,
        gangs_mb=before_gangs,
    )


def _report_memory(
    demand: Demand, stays: Stays, loads: Loads, needed: Whole, rows: Whole, found: Violations
) -> None:
    def describe(row: int) -> Violation:
        gpu, stay = int(loads.gpu[row]), int(loads.stay[row])
        now, task = int(stays.start_us[stay]), int(stays.task[stay])
        others = loads.stay[loads.gpu == gpu]
        others = others[(stays.start_us[others] <= now) & (stays.end_us[others] > now)]
        models = ", ".join(sorted({demand.model_id(int(t)) for t in stays.task[others]}))
        limit = demand.problem.cluster.gpus[gpu].memory_mb
        text = (
            f"starts at {seconds(now)} on {demand.gpu_name(gpu)}, where {models} must be resident "
            f"together: {needed[row]} MB of {limit} MB"
        )
        numbers = {"needed_mb": int(needed[row]), "memory_mb": limit, "start_s": now / 1e6}
        return demand.violation(ViolationKind.MEMORY, task, text, numbers, gpu)

    found.report(ViolationKind.MEMORY, rows, describe)
