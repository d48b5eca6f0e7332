"""The columns of a schedule while it is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.problem import NEVER, Problem, Schedule

__all__ = ["Record"]

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Record:
    """The columns of a `Schedule`, with `NEVER` where nothing has happened yet."""

    ready_us: Whole
    start_us: Whole
    switch_us: Whole
    end_us: Whole
    gpus: NDArray[np.int32]
    arrival_us: Whole

    @classmethod
    def of(cls, problem: Problem) -> Record:
        """Return empty columns; requests that wait for no other have their arrivals."""
        gang = max((model.gpus for model in problem.models), default=0)
        ready, start, switch, end = (
            np.full(problem.tasks, NEVER, dtype=np.int64) for _ in range(4)
        )
        gpus = np.full((problem.tasks, max(gang, 1)), -1, dtype=np.int32)
        arrival = np.where(problem.after < 0, problem.arrival_us, NEVER)
        return cls(ready, start, switch, end, gpus, arrival)

    def schedule(self, policy: str, seconds: float, offline: bool, stopped: str) -> Schedule:
        """Return the schedule; what did not run to its end counts as never run, but was ready."""
        undone = self.end_us == NEVER
        for column in (self.start_us, self.switch_us, self.gpus):
            column[undone] = NEVER
        return Schedule(
            policy=policy,
            ready_us=self.ready_us,
            start_us=self.start_us,
            switch_us=self.switch_us,
            end_us=self.end_us,
            gpus=self.gpus,
            arrival_us=self.arrival_us,
            seconds=seconds,
            offline=offline,
            stopped=stopped,
        )
