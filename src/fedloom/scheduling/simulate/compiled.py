"""Simulating, by compiled code, policies that change nothing but the order of the queue."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.policy import Policy
from fedloom.scheduling.problem import Problem
from fedloom.scheduling.simulate.kernel import layout
from fedloom.scheduling.simulate.kernel.loop import NOTHING, advance
from fedloom.scheduling.simulate.kernel.tables import make_tables
from fedloom.scheduling.simulate.record import Record
from fedloom.scheduling.task_columns import task_columns

__all__ = ["CompiledLoop"]

Whole = NDArray[np.int64]


class CompiledLoop:
    """A simulation under way, as `EventLoop`, without calling the policy.

    Args:
        problem: what is to be done.
        policy: whose order is kept; `is_static` holds for it.
        until_us: when to stop; None: at the end.
    """

    def __init__(self, problem: Problem, policy: Policy, until_us: int | None) -> None:
        self._tables = make_tables(problem, _keys(problem, policy))
        self._until_us = NOTHING if until_us is None else until_us
        self._span = problem.cluster.allow_span

    @property
    def record(self) -> Record:
        """What has happened."""
        tasks, requests = self._tables.tasks, self._tables.requests
        return Record(
            ready_us=tasks[:, layout.READY].copy(),
            start_us=tasks[:, layout.START].copy(),
            switch_us=tasks[:, layout.SWITCH].copy(),
            end_us=tasks[:, layout.END].copy(),
            gpus=self._tables.gpus.astype(np.int32),
            arrival_us=requests[:-1, layout.ARRIVAL].copy(),
        )

    @property
    def done(self) -> int:
        """How many tasks have ended."""
        return int(self._tables.notes[layout.COUNT, layout.DONE])

    def advance(self, events: int) -> bool:
        """Go on by some events; return whether there are more of them."""
        return bool(advance(*self._tables, self._span, self._until_us, events))

    def has_more(self) -> bool:
        """Return whether anything is still to happen."""
        counts = self._tables.notes[layout.COUNT]
        heaps = counts[layout.IN_ENDINGS] + counts[layout.IN_LATER]
        return bool(heaps or counts[layout.OPENED] < self._tables.opened.shape[1])

    def first_waiting(self) -> int | None:
        """Return the task that is first in the queue; None where none waits."""
        waiting = self._tables.notes[layout.COUNT, layout.IN_LINE]
        return int(self._tables.line[2, 0]) if waiting else None


def _keys(problem: Problem, policy: Policy) -> Whole:
    """Return the places of the tasks in the queue as whole numbers, the smallest first."""
    rank_all: Any = getattr(policy, "rank_all", None)
    if type(policy).rank is Policy.rank or rank_all is None:
        return np.zeros(problem.tasks, dtype=np.int64)
    keys = np.asarray(rank_all(task_columns(problem)))
    if keys.dtype.kind == "i":
        return keys.astype(np.int64)
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)
