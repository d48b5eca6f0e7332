"""What an offline policy knows of the future."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.problem import Problem

__all__ = ["KnownArrivals"]


class KnownArrivals:
    """All arrivals of a problem: `policy.Foresight`.

    Requests of a closed loop count as arriving when they would if none before them ever waited.

    Args:
        problem: whose arrivals.

    Example:
        ``KnownArrivals(problem).next_use_us("llm", after_us=2_000_000)``
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._arrivals: dict[str, NDArray[np.int64]] = {}

    def next_use_us(self, model: str, after_us: int) -> int | None:
        """Return the next arrival, after a time, of a request that calls a model; None: none."""
        arrivals = self._arrivals.get(model)
        if arrivals is None:
            arrivals = self._arrivals[model] = self._find(model)
        at = int(np.searchsorted(arrivals, after_us, side="right"))
        return int(arrivals[at]) if at < len(arrivals) else None

    def _find(self, model: str) -> NDArray[np.int64]:
        callers = [
            number
            for number, workflow in enumerate(self._problem.workflows)
            if any(node.model_id == model for node in workflow.nodes)
        ]
        return np.sort(self._problem.arrival_us[np.isin(self._problem.workflow, callers)])
