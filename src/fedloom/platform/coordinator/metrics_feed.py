"""A task's metrics on their way to MLflow, which may be slow or away and holds up nobody."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic
from typing import Any

from fedloom.errors import FedloomError, LinkError
from fedloom.platform.registry import Registry, TaskRuns, open_task_runs
from fedloom.platform.task import Task, TaskStatus

__all__ = ["MetricsFeed"]

_LOGGER = logging.getLogger(__name__)
_RETRY_S = 5.0


@dataclass(frozen=True)
class _Round:
    number: int
    metrics: Mapping[str, Any]
    clients: Mapping[str, Mapping[str, Any]]


class MetricsFeed:
    """Writes the metrics of a task's rounds from a thread of its own.

    Args:
        registry: where to.
        task: whose.
    """

    def __init__(self, registry: Registry, task: Task) -> None:
        self._registry, self._task = registry, task
        self._rounds: deque[_Round] = deque()
        self._woken, self._closing = Event(), Event()
        self._ending: TaskStatus | None = None
        self._give_up_at = 0.0
        self._said = ""
        self._thread = Thread(target=self._work, name=f"fedloom-metrics-{task.id}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def add(
        self, number: int, metrics: Mapping[str, Any], clients: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Hand in a round; one that is there already is not written twice."""
        self._rounds.append(_Round(number, metrics, clients))
        self._woken.set()

    def close(self, status: TaskStatus | None, within_s: float) -> bool:
        """Write what is left, and end the runs.

        Args:
            status: how the task ended; None where another coordinator goes on with it.
            within_s: seconds that it may take.

        Returns:
            Whether all of it is written.
        """
        self._ending, self._give_up_at = status, monotonic() + within_s
        self._closing.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(within_s)
        return not self._thread.is_alive() and not self._rounds

    def _work(self) -> None:
        runs: TaskRuns | None = None
        while True:
            try:
                runs = runs or open_task_runs(self._registry, self._task)
                self._write(runs)
                if self._closing.is_set() and not self._rounds:
                    if self._ending is not None:
                        runs.end(self._ending)
                    return
            except LinkError as error:
                self._note(error)
                runs = None
                self._closing.wait(_RETRY_S)
            except FedloomError as error:
                self._note(error)
                return
            except Exception:
                _LOGGER.exception("the metrics of task %d are not written", self._task.id)
                return
            if self._closing.is_set() and monotonic() > self._give_up_at:
                return
            if not self._closing.is_set():
                self._woken.wait(_RETRY_S)
            self._woken.clear()

    def _write(self, runs: TaskRuns) -> None:
        while self._rounds:
            first = self._rounds[0]
            runs.log_round(first.number, first.metrics, first.clients)
            self._rounds.popleft()

    def _note(self, error: FedloomError) -> None:
        if str(error) != self._said:
            _LOGGER.warning("the metrics of task %d wait: %s", self._task.id, error)
        self._said = str(error)
