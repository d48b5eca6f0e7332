"""One task at a time on each device."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.check.demand import seconds
from fedloom.scheduling.check.segments import running_maximum, sort_by
from fedloom.scheduling.check.violation import Violation, ViolationKind, Violations

__all__ = ["check_overlap"]

Whole = NDArray[np.int64]


def check_overlap(
    task: Whole,
    gpu: Whole,
    times: tuple[Whole, Whole],
    names: tuple[Callable[[int], str], Callable[[int], str], Callable[[int], str]],
    found: Violations,
) -> None:
    """Check that no two tasks occupy a device at once; one may start as the other ends.

    Args:
        task: for each pair of a task and a device, the task.
        gpu: and the device.
        times: start and end of each task, from start to end of occupation.
        names: how messages call a task, its request, and a device.
        found: where violations go.
    """
    start, end = times[0][task], times[1][task]
    # What takes no time goes before what starts at the same moment.
    order = sort_by(gpu, 2 * start + (end > start))
    on, begins = gpu[order], start[order]
    busy_until = running_maximum(end[order], on)
    clash = (on[1:] == on[:-1]) & (begins[1:] < busy_until[:-1])
    clash &= np.diff(task[order]) != 0  # a device named twice is another fault
    name, request, gpu_name = names

    def describe(row: int) -> Violation:
        later = int(task[order[row + 1]])
        since = np.flatnonzero(on[: row + 1] == on[row])[0]
        earlier = int(task[order[since + np.argmax(end[order][since : row + 1])]])
        numbers = {
            "start_s": begins[row + 1] / 1e6,
            "busy_until_s": busy_until[row] / 1e6,
        }
        message = (
            f"{name(later)} starts at {seconds(begins[row + 1])} on {gpu_name(int(on[row]))}, "
            f"which {name(earlier)} occupies until {seconds(busy_until[row])}"
        )
        return Violation(
            ViolationKind.OVERLAP, message, later, request(later), int(on[row]), numbers
        )

    found.report(ViolationKind.OVERLAP, np.flatnonzero(clash), describe)
