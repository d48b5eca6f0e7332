"""One core: what generating, reading and simulating are measured on."""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["ONE_THREAD", "stay_on_one_core"]

ONE_THREAD: Mapping[str, str] = {
    "POLARS_MAX_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}
"""Environment of a process that has one core; libraries read it when they are imported."""


def stay_on_one_core() -> None:
    """Let this process run on one of its cores only: the last, which has the fewest interrupts."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
