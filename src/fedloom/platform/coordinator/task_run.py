"""One task from its claim to its end: clients, rounds, the published version, the status."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING

from fedloom.errors import FedloomError, IncompatibleError, LinkError
from fedloom.platform.coordinator.interruption import Cause, Interruption, StoppedError
from fedloom.platform.coordinator.surroundings import Surroundings
from fedloom.platform.coordinator.task_log import TaskLog, WarningsToLog
from fedloom.platform.task import Task, TaskResult, TaskStatus

if TYPE_CHECKING:
    from fedloom.platform.coordinator.learning import Learning

__all__ = ["TaskRun"]

_LOGGER = logging.getLogger(__name__)


class TaskRun:
    """Carries out one claimed task; `run` is for one thread, `interrupt` for any.

    Args:
        around: what all tasks share.
        task: as it was claimed.
        wait_s: seconds that its clients are waited for.
    """

    def __init__(self, around: Surroundings, task: Task, wait_s: float) -> None:
        self.task, self._around, self._wait_s = task, around, wait_s
        self.interruption = Interruption()
        self.link_error: str | None = None
        self._log = TaskLog(around.store, task.id)
        self._learning: Learning | None = None
        self._lock = Lock()

    def interrupt(self, cause: Cause) -> None:
        """Ask the task to stop; to be repeated until it has.

        A fleet forgets an earlier request when it begins something new, so one would not do.
        """
        self.interruption.ask(cause)
        with self._lock:
            if self._learning is not None:
                self._learning.cancel()

    def run(self) -> None:
        """Carry the task out, and leave it ended, or for the next coordinator; raises nothing."""
        try:
            with WarningsToLog(self._log):
                self._end(*self._work())
        except StoppedError:
            _LOGGER.info("task %d is no longer ours", self.task.id)
        except FedloomError as error:
            # The lease runs out, and whoever comes next finds the task as it was left.
            _LOGGER.warning("task %d is left as it is: %s", self.task.id, error)
            self.link_error = str(error)
        except Exception:
            _LOGGER.exception("task %d is left as it is", self.task.id)

    def _work(self) -> tuple[TaskStatus | None, str | None, TaskResult | None]:
        """Return how the task ends; no status means that another is to go on with it."""
        try:
            return TaskStatus.SUCCESS, None, self._learn()
        except StoppedError as stopped:
            if stopped.cause is Cause.TAKEN:
                raise
            if stopped.cause is Cause.RELEASED:
                return None, None, None
            deadline = self.task.deadline
            when = "" if deadline is None else f" {deadline.isoformat(timespec='seconds')}"
            return TaskStatus.FAILED, f"its deadline{when} has passed", None
        except IncompatibleError as error:
            return TaskStatus.FAILED, str(error), None
        except LinkError as error:
            self.link_error = str(error)
            if self.task.attempt < self._around.settings.max_attempts:
                return None, str(error), None
            attempts = f"gave up after {self.task.attempt} attempts: {error}"
            return TaskStatus.FAILED, attempts, None
        except FedloomError as error:
            return TaskStatus.FAILED, str(error), None
        except Exception as error:
            _LOGGER.exception("task %d met what nobody expected", self.task.id)
            return TaskStatus.FAILED, f"unexpected: {type(error).__name__}: {error}", None

    def _end(self, status: TaskStatus | None, reason: str | None, left: TaskResult | None) -> None:
        """Write down how the task ends; its owner learns it from the store alone."""
        store, task, owner = self._around.store, self.task, self._around.owner
        if status is None:
            counts = reason is not None
            if reason:
                self._log.say(f"stopped, to be taken up again: {reason}")
            store.release_lease(task.id, owner, counts=counts)
            return
        if reason:
            self._log.say(f"{status}: {reason}")
        # A stop that is asked for only now comes too late: all is done.
        ending = Interruption()
        ending.insist(lambda: store.finish_task(task.id, owner, status, reason, left))
        self._drop_checkpoint()

    def _learn(self) -> TaskResult:
        # Frameworks, which it needs, are imported when the first task comes.
        from fedloom.platform.coordinator.learning import Learning

        self.interruption.check()
        around, task = self._around, self.task
        learning = Learning(around, task, self.interruption, self._log, self._wait_s)
        with self._lock:
            self._learning = learning
        try:
            return learning.run()
        finally:
            with self._lock:
                self._learning = None

    def _drop_checkpoint(self) -> None:
        from fedloom.platform.coordinator.checkpoints import Checkpoints

        around = self._around
        Checkpoints(around.store, self.task, around.owner, around.folder).drop()
