"""A task at work: its thread, its lease, and the looks at whether it is still to go on."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from threading import Thread

from fedloom.errors import FedloomError
from fedloom.platform.coordinator.interruption import Cause
from fedloom.platform.coordinator.surroundings import Surroundings
from fedloom.platform.coordinator.task_run import TaskRun
from fedloom.platform.task import Task

__all__ = ["TaskThread"]

_LOGGER = logging.getLogger(__name__)


class TaskThread:
    """A claimed task in a thread of its own.

    Args:
        around: what all tasks share.
        task: as it was claimed.
        wait_s: seconds that its clients are waited for.
    """

    def __init__(self, around: Surroundings, task: Task, wait_s: float) -> None:
        self._around = around
        self.run = TaskRun(around, task, wait_s)
        self._thread = Thread(target=self.run.run, name=f"fedloom-task-{task.id}", daemon=True)

    @property
    def task(self) -> Task:
        """The task as it was claimed."""
        return self.run.task

    @property
    def alive(self) -> bool:
        """Whether it is at work."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def watch(self) -> None:
        """Renew the lease, and stop what must not go on; called about once a second."""
        deadline = self.task.deadline
        if deadline is not None and datetime.now(UTC) >= deadline:
            self.run.interrupt(Cause.OVERDUE)
        try:
            if not self._renew():
                self.run.interrupt(Cause.TAKEN)
        except FedloomError as error:
            # Nobody can take it either while the database is away.
            _LOGGER.warning("the lease of task %d is not renewed: %s", self.task.id, error)
        if self.run.interruption:
            self.run.interrupt(self.run.interruption.cause or Cause.RELEASED)

    def release(self) -> None:
        """Let it stop and be given back."""
        self.run.interrupt(Cause.RELEASED)

    def join(self, timeout_s: float) -> None:
        """Wait for its end."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _renew(self) -> bool:
        lease_s = self._around.settings.lease_s
        renewed = self._around.store.renew_lease(self.task.id, self._around.owner, lease_s)
        # Whoever has just ended it holds no lease any more, and is not to be told that it is lost.
        return renewed or not self.alive
