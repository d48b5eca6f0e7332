"""Finished tasks as a workload, and numbers for those who watch the platform."""

from __future__ import annotations

from typing import Any

from fedloom.platform.identity import Identity, Permission, require
from fedloom.platform.service.desk import Desk
from fedloom.platform.store import TaskCounts
from fedloom.platform.task import Task

__all__ = ["HistoryService"]

_PAGE = 1000
_MOST_TASKS = 10_000
"""The newest tasks are exported; older ones say little of what comes."""


class HistoryService(Desk):
    """What became of tasks, all together."""

    def history(self, who: Identity) -> dict[str, Any]:
        """Return the task history as a workload: ``config`` and ``requests``."""
        require(who, Permission.VIEW)
        from fedloom.platform.coordinator.history import export_history

        tasks = self._list_newest()
        cohorts = self.store.cohorts([task.id for task in tasks])
        rounds = {number: [{"cohort_size": size}] for number, size in cohorts.items()}
        config, requests = export_history(tasks, rounds)
        return {"config": config, "requests": requests}

    def counts(self, who: Identity) -> TaskCounts:
        """Return how many tasks there are by status, rounds, and messages that wait."""
        require(who, Permission.VIEW)
        return self.store.counts()

    def _list_newest(self) -> list[Task]:
        found: list[Task] = []
        while len(found) < _MOST_TASKS:
            page = self.store.list_tasks(limit=_PAGE, offset=len(found))
            found += page.tasks
            if len(page.tasks) < _PAGE:
                break
        return found
