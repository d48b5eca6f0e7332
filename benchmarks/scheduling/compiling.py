"""The first simulation on the compiled core, with nothing compiled and with the code on disk."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from fedloom.scheduling.policies.ordered import Fifo
from harness.children import run_command
from harness.rate_times import RateTimes, parse_rate_options, print_rates
from harness.reports import find_report
from harness.stopwatch import MARK
from harness.turns import Turns, take_turns
from scheduling.problems import make_problem
from scheduling.simulating import run_policy

__all__ = ["measure_compiling"]

_CHILD = "child"
_TASKS = 100
_LIMIT_SECONDS = 300.0


def measure_compiling() -> RateTimes:
    """Time the first simulation of two processes, of which the first compiles for the second."""
    with TemporaryDirectory(prefix="fedloom-bench-") as folder:
        cold, warm = (_run_child(folder) for _ in range(2))
    return RateTimes("compile", 1, warm.seconds, warm.cpu_seconds, 1, cold.seconds)


def _run_child(cache: str) -> Turns:
    ended = run_command(
        [sys.executable, "-m", "scheduling.compiling", _CHILD],
        limit_seconds=_LIMIT_SECONDS,
        environment=os.environ | {"NUMBA_CACHE_DIR": cache},
        look_seconds=0.1,
        folder=Path(__file__).resolve().parents[1],
    )
    row, failure = find_report(ended, _LIMIT_SECONDS)
    if failure:
        raise SystemExit(failure)
    return Turns(tuple(row["seconds"]), tuple(row["cpu_seconds"]))


def _simulate_first() -> None:
    problem = make_problem(_TASKS)
    turns = take_turns(lambda: run_policy(problem, Fifo, "compiled"), None, 1, untimed=0)
    row = {"seconds": turns.seconds, "cpu_seconds": turns.cpu_seconds}
    print(MARK + json.dumps(row), flush=True)


def main() -> None:
    """Run what the command line says."""
    if parse_rate_options().part == _CHILD:
        _simulate_first()
    else:
        print_rates([measure_compiling()])


if __name__ == "__main__":
    main()
