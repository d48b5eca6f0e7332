"""Turns: what is measured and what it is compared with, call by call, so that drift meets both."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, process_time

__all__ = ["Turns", "take_turns"]


@dataclass(frozen=True)
class Turns:
    """Times of calls.

    Attributes:
        seconds: wall time of each.
        cpu_seconds: processor time of each.
        beside: wall time of each call of what it is compared with; empty for nothing.
    """

    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]
    beside: tuple[float, ...] = ()


def take_turns(
    own: Callable[[], object],
    other: Callable[[], object] | None,
    repeats: int,
    *,
    untimed: int = 1,
) -> Turns:
    """Time both; who is first changes from turn to turn.

    Args:
        own: what is measured.
        other: what it is compared with; None for nothing.
        repeats: timed turns.
        untimed: turns before those.
    """
    acts = [own] if other is None else [own, other]
    times: list[list[tuple[float, float]]] = [[] for _ in acts]
    for turn in range(untimed + repeats):
        order = range(len(acts)) if turn % 2 == 0 else reversed(range(len(acts)))
        for which in order:
            times[which].append(_time(acts[which]))
    timed = [each[untimed:] for each in times]
    return Turns(
        tuple(wall for wall, _ in timed[0]),
        tuple(used for _, used in timed[0]),
        tuple(wall for wall, _ in timed[1]) if other is not None else (),
    )


def _time(act: Callable[[], object]) -> tuple[float, float]:
    os.sync()  # nobody is to pay for what the one before wrote
    begun, used = perf_counter(), process_time()
    kept = act()
    times = perf_counter() - begun, process_time() - used
    del kept  # giving memory back is not timed
    return times
