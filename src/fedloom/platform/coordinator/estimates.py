"""How long tasks are expected to run, from those that have ended."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from fedloom.errors import FedloomError
from fedloom.platform.store import Store
from fedloom.platform.task import Task, TaskStatus

__all__ = ["DEFAULT_ROUND_S", "Estimates"]

DEFAULT_ROUND_S = 10.0
"""Seconds of a round where no task of the kind has ended yet."""

_LATEST = 20
_KEEP_S = 30.0


class Estimates:
    """Seconds per round by model and use case; of the latest tasks that ended well.

    Args:
        store: holds the tasks.
        clock: gives seconds.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = monotonic) -> None:
        self._store, self._clock = store, clock
        self._known: dict[tuple[str, str], tuple[float, float]] = {}

    def task_s(self, task: Task) -> float:
        """Return how long a task is expected to run from now, in seconds."""
        left = max(1, task.num_global_iterations - task.rounds_done)
        return left * self.round_s(task.model_name, task.use_case)

    def round_s(self, model: str, use_case: str) -> float:
        """Return how long a round of a model at a use case takes, in seconds."""
        key, now = (model, use_case), self._clock()
        if key not in self._known or now - self._known[key][1] > _KEEP_S:
            self._known[key] = (self._measure(model, use_case), now)
        return self._known[key][0]

    def _measure(self, model: str, use_case: str) -> float:
        try:
            page = self._store.list_tasks(
                status=TaskStatus.SUCCESS, model_name=model, use_case=use_case, limit=_LATEST
            )
        except FedloomError:
            return DEFAULT_ROUND_S
        spans = [
            (task.finished_at - task.started_at).total_seconds() / task.rounds_done
            for task in page.tasks
            if task.finished_at and task.started_at and task.rounds_done
        ]
        return sum(spans) / len(spans) if spans else DEFAULT_ROUND_S
