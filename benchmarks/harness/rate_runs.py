"""Measuring the figures of workloads and of scheduling, each module in a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.children import Ended, run_command
from harness.one_core import ONE_THREAD
from harness.rate_figures import RATE_FIGURES
from harness.rate_times import RateTimes, read_rates
from harness.reports import find_report

__all__ = ["measure_rates", "read_rate_report"]

_BENCHMARKS = Path(__file__).resolve().parent.parent


def measure_rates(group: str, repeats: int, *, quick: bool, limit: float) -> Iterator[RateTimes]:
    """Yield the times of every figure of a group, process by process, as each ends.

    Args:
        group: a key of `RATE_GROUPS`.
        repeats: timed calls of each kind.
        quick: take smaller inputs where no goal is.
        limit: seconds for one process.
    """
    for module, part in dict.fromkeys((f.module, f.part) for f in RATE_FIGURES if f.group == group):
        words = [*([part] if part else []), "--repeats", str(repeats)]
        ended = run_command(
            [sys.executable, "-m", module, *words, *(["--quick"] if quick else [])],
            limit_seconds=limit,
            look_seconds=0.1,
            environment=os.environ | ONE_THREAD,
            folder=_BENCHMARKS,
        )
        yield from read_rate_report(module, part, ended, limit)


def read_rate_report(module: str, part: str, ended: Ended, limit_seconds: float) -> list[RateTimes]:
    """Return what a measuring process told, or for each of its figures why it did not."""
    rows, failure = find_report(ended, limit_seconds)
    if not failure:
        return read_rates(rows)
    figures = [f for f in RATE_FIGURES if (f.module, f.part) == (module, part)]
    return [RateTimes(figure.name, failure=failure) for figure in figures]
