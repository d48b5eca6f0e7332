"""Bringing the jobs of a trace into time order, holding back no more of them than it takes."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush, merge
from operator import attrgetter
from pathlib import Path

import numpy as np

from fedloom.workload.traces.job import Job

__all__ = ["OutOfOrderError", "in_time_order", "merge_in_time", "needed_buffer", "require_order"]


class OutOfOrderError(Exception):
    """A job arrives before one that was read earlier; caught within this folder."""


def require_order(jobs: Iterable[Job]) -> Iterator[Job]:
    """Yield the jobs as they are.

    Raises:
        OutOfOrderError: one arrives before its predecessor.
    """
    last = -(2**63)
    for job in jobs:
        if job.time_us < last:
            raise OutOfOrderError
        last = job.time_us
        yield job


def needed_buffer(times: array[int]) -> int:
    """Return how many rows must be held back at most to emit them in time order.

    Args:
        times: the arrival of each row, in the order of the file.

    Example:
        >>> needed_buffer(array("q", [1, 2, 3])), needed_buffer(array("q", [3, 1, 2]))
        (1, 2)
    """
    order = np.argsort(np.frombuffer(times, np.int64), kind="stable")
    read = np.maximum.accumulate(order) + 1
    return int((read - np.arange(len(order))).max(initial=1))


def in_time_order(jobs: Iterable[Job], buffer: int) -> Iterator[Job]:
    """Yield jobs by time; those of one time in the order of the file.

    Args:
        jobs: in the order of the file.
        buffer: from `needed_buffer`; as many jobs are in memory at a time.
    """
    if buffer <= 1:
        yield from jobs
        return
    held: list[tuple[int, int, Job]] = []
    for number, job in enumerate(jobs):
        heappush(held, (job.time_us, number, job))
        if len(held) == buffer:
            yield heappop(held)[2]
    while held:
        yield heappop(held)[2]


def merge_in_time(paths: Sequence[Path], read: Callable[[Path], Iterator[Job]]) -> Iterator[Job]:
    """Yield the jobs of several files, in time order if each file is.

    One job per file is in memory at a time.
    """
    files = [read(path) for path in paths]
    return files[0] if len(files) == 1 else merge(*files, key=attrgetter("time_us"))
