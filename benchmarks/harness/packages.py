"""Compute packages: how long one waits for their parts, each measured in a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.children import Ended, run_command
from harness.package_times import FIGURES, PackageTimes, read_times
from harness.stopwatch import MARK

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
    lines = [line for line in ended.output.splitlines() if line.startswith(MARK)]
    if ended.code == 0 and lines:
        return read_times(json.loads(lines[-1].removeprefix(MARK)))
    last = (ended.errors.strip().splitlines() or ["it printed nothing"])[-1]
    failure = f"exit code {ended.code}: {last[:200]}"
    if ended.code is None:
        failure = f"more than {limit_seconds:.0f} s"
    return [PackageTimes(f.name, failure=failure) for f in FIGURES if f.module == module]
