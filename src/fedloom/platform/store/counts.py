"""How many there are of what: for those who watch the platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from fedloom.platform.store.database import Database
from fedloom.platform.store.tables import OutboxRow, TaskRow, table_of
from fedloom.platform.task import TaskStatus

__all__ = ["CountMethods", "TaskCounts"]

_TASK, _OUTBOX = table_of(TaskRow), table_of(OutboxRow)


@dataclass(frozen=True)
class TaskCounts:
    """Numbers of the tables.

    Attributes:
        tasks: how many there are of each status.
        rounds: finished rounds of all of them.
        unsent: messages that wait for the broker.
    """

    tasks: Mapping[TaskStatus, int]
    rounds: int
    unsent: int


class CountMethods(Database):
    """Counting."""

    def counts(self) -> TaskCounts:
        """Count, in one transaction."""
        by_status = select(_TASK.c.status, func.count(), func.sum(_TASK.c.rounds_done))
        with self._read() as transaction:
            rows = transaction.connection.execute(by_status.group_by(_TASK.c.status)).all()
            waiting = select(func.count()).select_from(_OUTBOX)
            unsent = transaction.connection.execute(waiting).scalar_one()
        found = {status: count for status, count, _ in rows}
        rounds = sum(int(done or 0) for _, _, done in rows)
        return TaskCounts({status: found.get(status, 0) for status in TaskStatus}, rounds, unsent)
