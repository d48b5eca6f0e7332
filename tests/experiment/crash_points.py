"""Runs that die at a point of a round, as by a power cut: ``python crash_points.py < JSON``.

Standard input holds ``[[point, options], …]``. Each run happens in a fork of this process, which
has imported everything and started nothing; it ends by ``os._exit(9)`` when the point is reached.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import fedloom.experiment.simulate
import fedloom.fleet.simulated
import fedloom.learning
from fedloom.experiment import execution
from fedloom.experiment.weights_store import WeightsStore
from fedloom.records import RecordWriter, write

ROUND = 3
"""The round in which a run dies."""

DIED = 9

# The name in its package is the function.
SIMULATE = sys.modules["fedloom.experiment.simulate"]


def die(*_: Any, **__: Any) -> Any:
    os._exit(DIED)


def on_call(number: int, function: Callable[..., Any], instead: Callable[..., Any]) -> Any:
    """Return `function`, which on its call of that number, from 1, does something else."""
    calls = 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        return (instead if calls == number else function)(*args, **kwargs)

    return counted


def after(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does its work and dies then."""

    def work(*args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)
        die()

    return work


def tear(descriptor: int, data: bytes) -> None:
    """Write half of what there is to write, and die."""
    os.write(descriptor, data[: len(data) // 2])
    die()


APPENDS = 3  # files that grow by a round: the user's table, the full one, that of rounds


def arrange(point: str) -> None:
    """Make the run of this process die at a point."""
    third = APPENDS * (ROUND - 1)
    # fsync is called once for the plan, then once per table and once for the checkpoint.
    checkpoint_sync = 1 + (APPENDS + 1) * ROUND
    targets: dict[str, tuple[Any, str, int, Callable[..., Any] | None]] = {
        "after the plan": (SIMULATE, "write_plan", 1, after),
        "before the first checkpoint": (execution, "write_checkpoint", 1, None),
        "before the weights": (WeightsStore, "finish", ROUND, None),
        "after the weights": (WeightsStore, "finish", ROUND, after),
        "in the first table": (write, "_write_all", third + 1, lambda _: tear),
        "between the tables": (write, "append_rows", third + 2, None),
        "in the table of rounds": (write, "_write_all", third + 3, lambda _: tear),
        "before the checkpoint": (execution, "write_checkpoint", ROUND, None),
        "in the checkpoint": (os, "fsync", checkpoint_sync, None),
        "after the checkpoint": (execution, "write_checkpoint", ROUND, after),
        "before the Parquet files": (RecordWriter, "write_parquet", 1, None),
    }
    home, name, number, change = targets[point]
    function = getattr(home, name)
    setattr(home, name, on_call(number, function, change(function) if change else die))


def main() -> None:
    for point, options in json.load(sys.stdin):
        if (child := os.fork()) == 0:
            arrange(point)
            fedloom.simulate(**options)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != DIED:
            sys.exit(f"{point}: the run did not die there, but ended with {status}")


if __name__ == "__main__":
    main()
