"""Fleets on Ray for tests, and reducers that do harm where they run: in a worker's process."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedloom.federation.reduce import Reducer, Update, median
from fedloom.fleet.ray import RayFleet

from .worlds import World

__all__ = ["open_fleet", "with_harm"]


def open_fleet(world: World, workers: int = 2) -> RayFleet:
    return RayFleet(world.trainer(), world.training, world.client_ids, world.rows, workers=workers)


def with_harm(harm: Any, *arguments: Any) -> Reducer:
    """Return the median, whose `add` first does some harm; by value, since workers lack tests."""
    import ray.cloudpickle

    plain = median()

    def add(state: Any, update: Update) -> Any:
        harm(update, *arguments)
        return plain.add(state, update)

    ray.cloudpickle.register_pickle_by_value(__import__(__name__, fromlist=["_"]))
    return replace(plain, add=add)


def die_once(update: Update, examples: int, marker: Path) -> None:
    """Kill the worker that trains the client of that size, the first time."""
    if update.num_examples == examples and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def die(update: Update, examples: int) -> None:
    """Kill every worker that trains the client of that size."""
    if update.num_examples == examples:
        os.kill(os.getpid(), signal.SIGKILL)


def freeze(update: Update, examples: int, marker: Path) -> None:
    """Stop the worker for good, and say so."""
    if update.num_examples == examples:
        marker.touch()
        os.kill(os.getpid(), signal.SIGSTOP)


def wait_for(update: Update, examples: int, began: Path, go_on: Path) -> None:
    """Say that the client of that size trains, and wait until the worker may go on."""
    if update.num_examples == examples:
        began.touch()
        until = time.monotonic() + 120
        while not go_on.exists() and time.monotonic() < until:
            time.sleep(0.02)


def break_down(update: Update) -> None:
    """Raise in the worker."""
    raise ArithmeticError("no such sum")
