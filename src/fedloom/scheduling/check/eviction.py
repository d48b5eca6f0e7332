"""Evictions: what had to leave a device had time to leave.

On each device, what has been loaded minus what the switches left time to evict is still there. With
s what a load brings, p what its switch leaves time to evict, and F what must stay, the models there
are at least x ← max(F, x − p) + s. Only models on one device count: a gang's share may vanish
unpaid, because another of its devices was cleared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.check.answer import Answer
from fedloom.scheduling.check.demand import Demand, seconds
from fedloom.scheduling.check.memory import Loads
from fedloom.scheduling.check.prices import kilobytes_moved
from fedloom.scheduling.check.residency import Stays
from fedloom.scheduling.check.segments import running_maximum
from fedloom.scheduling.check.violation import Violation, ViolationKind, Violations

__all__ = ["check_evictions"]

Whole = NDArray[np.int64]

_KB = 1_000
_TOLERANCE_US = 1.0


@dataclass(frozen=True)
class _Balance:
    """[L] columns, in KB: what a load brings, may evict, must leave, and needs beside all that."""

    brings: Whole
    paid: Whole
    keeps: Whole
    beside: Whole
    limit: Whole


def check_evictions(
    demand: Demand, answer: Answer, stays: Stays, loads: Loads, found: Violations
) -> None:
    """Check that the switches left time for all evictions that there must have been."""
    balance = _balance(demand, answer, stays, loads)
    certain = stays.loaded[loads.stay] & (balance.keeps + balance.beside <= balance.limit)
    over = np.flatnonzero(certain & (_least_resident(balance, loads.gpu) > balance.limit))
    rows, needed = [], []
    for gpu in np.unique(loads.gpu[over]).tolist():
        for row, kb in _unpaid(balance, np.flatnonzero(loads.gpu == gpu), certain):
            rows.append(row)
            needed.append(-(-kb // _KB))

    def describe(position: int) -> Violation:
        row = rows[position]
        gpu, task = int(loads.gpu[row]), int(stays.task[loads.stay[row]])
        limit, there = int(loads.limit_mb[row]), needed[position]
        text = (
            f"loads {demand.model_id(task)} on {demand.gpu_name(gpu)} at "
            f"{seconds(answer.start_us[task])}, but its switch and those before leave no time to "
            f"evict enough: {there} MB of {limit} MB would be there"
        )
        numbers = {"needed_mb": there, "memory_mb": limit}
        return demand.violation(ViolationKind.EVICTION, task, text, numbers, gpu)

    found.report(ViolationKind.EVICTION, range(len(rows)), describe)


def _balance(demand: Demand, answer: Answer, stays: Stays, loads: Loads) -> _Balance:
    task = stays.task[loads.stay]
    links = np.array([gpu.link_gb_per_s for gpu in demand.problem.cluster.gpus])[loads.gpu]
    spare = answer.switch_us[task] - stays.load_us[demand.model[task], loads.gpu] + _TOLERANCE_US
    paid = np.minimum(kilobytes_moved(spare, links), loads.limit_mb * _KB)
    paid[answer.switch_us[task] == 0] = 0
    return _Balance(
        brings=np.where(loads.single & stays.loaded[loads.stay], loads.share_mb, 0) * _KB,
        paid=paid,
        keeps=np.maximum(loads.singles_mb, 0) * _KB,
        beside=(np.maximum(loads.gangs_mb, 0) + loads.share_mb) * _KB,
        limit=loads.limit_mb * _KB,
    )


def _least_resident(balance: _Balance, gpu: Whole) -> Whole:
    """Return the least KB on the device right after each load, all devices at once.

    The recursion unrolled: x = C + running maximum of (F + s − C), with C the running sum of s − p.
    """
    change = np.cumsum(balance.brings - balance.paid)
    left = change + running_maximum(balance.keeps + balance.brings - change, gpu)
    needed: Whole = left - balance.brings + balance.beside
    return needed


def _unpaid(balance: _Balance, rows: Whole, certain: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the loads of one device that had no room, with the KB that were needed.

    Step by step: after each of them the device counts as just full, so that one fault is not
    reported again with every later load.
    """
    found, left = [], 0
    columns = (balance.brings, balance.paid, balance.keeps, balance.beside, balance.limit)
    steps = zip(rows.tolist(), *(column[rows].tolist() for column in columns), strict=True)
    for row, brings, paid, keeps, beside, limit in steps:
        left = max(keeps, left - paid)
        if left + beside > limit and certain[row]:
            found.append((row, left + beside))
            left = max(keeps, limit - beside)
        left += brings
    return found
