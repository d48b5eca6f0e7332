"""What a coordinator tidies: overdue tasks, folders of ended ones, what is old."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

from fedloom.platform.coordinator.surroundings import Surroundings
from fedloom.platform.task import TaskStatus

__all__ = ["Housekeeping"]

_LOGGER = logging.getLogger(__name__)
_FOLDERS_S, _PRUNE_S = 600.0, 3600.0


class Housekeeping:
    """Tidies up; for one thread.

    Args:
        around: what all tasks share.
        clock: gives seconds.
    """

    def __init__(self, around: Surroundings, clock: Callable[[], float] = monotonic) -> None:
        self._around, self._clock = around, clock
        self._folders_at = self._pruned_at = -float("inf")

    def tidy(self) -> None:
        """Do what is due.

        Raises:
            LinkError: the database cannot be reached.
        """
        now = self._clock()
        self._fail_overdue()
        if now - self._folders_at >= _FOLDERS_S:
            self._folders_at = now
            self._remove_folders()
        if self._around.settings.keep_days is not None and now - self._pruned_at >= _PRUNE_S:
            self._pruned_at = now
            self._prune(self._around.settings.keep_days)

    def _fail_overdue(self) -> None:
        """End the tasks that still wait when their deadline passes."""
        store, now = self._around.store, datetime.now(UTC)
        for task in store.claimable_tasks():
            if task.deadline is None or task.deadline > now:
                continue
            when = task.deadline.isoformat(timespec="seconds")
            reason = f"its deadline {when} passed before a coordinator could take it up"
            if task.status is TaskStatus.PENDING:
                store.fail_task(task.id, reason)

    def _remove_folders(self) -> None:
        """Remove the checkpoints of tasks that have ended elsewhere, or were deleted."""
        folder, store = self._around.folder, self._around.store
        if not folder.is_dir() or not any(folder.iterdir()):
            return
        from fedloom.platform.coordinator.checkpoints import name_task_folder, remove_task_folders

        page = store.list_tasks(status=TaskStatus.RUNNING, limit=1000)
        if page.total > len(page.tasks):
            return
        remove_task_folders(folder, {name_task_folder(task) for task in page.tasks})

    def _prune(self, keep_days: float) -> None:
        counts = self._around.store.prune(datetime.now(UTC) - timedelta(days=keep_days))
        if any(counts.values()):
            told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
            _LOGGER.info("forgotten after %g days: %s", keep_days, told)
