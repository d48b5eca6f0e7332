"""Compute packages: how long one waits for their parts, each measured in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from harness.children import Ended, run_command
from harness.package_times import FIGURES, PackageTimes, read_times
from harness.reports import find_report

__all__ = ["PACKAGES", "measure_packages", "read_report"]

PACKAGES = "packages"
"""What `--workload` takes for them; they are no workload of the study, and no engine runs them."""

_BENCHMARKS = Path(__file__).resolve().parent.parent


def measure_packages(repeats: int, limit_seconds: float) -> Iterator[PackageTimes]:
    """Yield the times of every figure, module by module, as each ends.

    Args:
        repeats: timed calls of each kind.
        limit_seconds: for one module.
    """
    for module in dict.fromkeys(figure.module for figure in FIGURES):
        ended = run_command(
            [sys.executable, "-m", f"{PACKAGES}.{module}", "--repeats", str(repeats)],
            limit_seconds=limit_seconds,
            look_seconds=0.1,
            folder=_BENCHMARKS,
        )
        yield from read_report(module, ended, limit_seconds)


def read_report(module: str, ended: Ended, limit_seconds: float) -> list[PackageTimes]:
    """Return what a module in `packages` told, or for each of its figures why it did not."""
    rows, failure = find_report(ended, limit_seconds)
    if not failure:
        return read_times(rows)
    return [PackageTimes(f.name, failure=failure) for f in FIGURES if f.module == module]
