"""The queue: the tasks that wait are claimed, kept by a lease, and finished by who holds it.

A lease is a promise to come back in time. Its owner renews it; if the owner is killed, the lease
runs out and another coordinator claims the task. Whoever has lost a lease can change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.engine import RowMapping

from fedloom.platform.store.columns import to_plain
from fedloom.platform.store.database import Database, Transaction
from fedloom.platform.store.kinds import EventKind
from fedloom.platform.store.rows import MAX_ID, lock_task, move_task, to_task
from fedloom.platform.store.tables import TaskRow, table_of
from fedloom.platform.task import Task, TaskResult, TaskStatus

__all__ = ["CLAIM_WINDOW", "Choose", "QueueMethods"]

Choose = Callable[[Sequence[Task]], int | None]
"""The coordinator's policy: gets the tasks that may be claimed, those of the highest priority and
among them the oldest first, and returns the number (`Task.id`) of the next, or None."""

CLAIM_WINDOW = 1000
"""The most tasks that a policy sees at once."""

_TASK = table_of(TaskRow)


class QueueMethods(Database):
    """What coordinators do with tasks. An owner is a text that no other process ever uses."""

    def claim_task(self, owner: str, lease_s: float, choose: Choose) -> Task | None:
        """Let a policy choose among the tasks that wait, and take the one it chooses.

        Two claimers never get the same task; who comes second is asked again without it. No lock
        is held while the policy thinks.

        Args:
            owner: unique for the life of a coordinator's process.
            lease_s: seconds until another may take it, unless `renew_lease` is called.
            choose: see `Choose`.

        Returns:
            The running task, whose `attempt` is above 1 if another had it before; None where none
            waits or none was chosen.

        Raises:
            ValueError: the policy returned a number that is not among the candidates.
        """
        candidates = self.claimable_tasks()
        while candidates and (chosen := choose(candidates)) is not None:
            if chosen not in {task.id for task in candidates}:
                raise ValueError(f"the policy chose {chosen}, which is not among the candidates")
            if (task := self._take(chosen, owner, lease_s)) is not None:
                return task
            candidates = [task for task in candidates if task.id != chosen]
        return None

    def claimable_tasks(self) -> Sequence[Task]:
        """Return the tasks that wait: pending, or running under a lease that has run out."""
        query = select(_TASK).order_by(_TASK.c.priority.desc(), _TASK.c.id).limit(CLAIM_WINDOW)
        with self._read() as transaction:
            query = query.where(_is_claimable(transaction.now))
            return [to_task(row) for row in transaction.connection.execute(query).mappings()]

    def _take(self, task_id: int, owner: str, lease_s: float) -> Task | None:
        query = select(_TASK).where(_TASK.c.id == task_id).with_for_update(skip_locked=True)
        with self._write() as transaction:
            query = query.where(_is_claimable(transaction.now))
            row = transaction.connection.execute(query).mappings().one_or_none()
            return None if row is None else _take_row(transaction, row, owner, lease_s)

    def renew_lease(self, task_id: int, owner: str, lease_s: float) -> bool:
        """Keep a task for another `lease_s` seconds.

        Returns:
            Whether it is still the owner's and still runs. False means: stop, change nothing. It
            was cancelled, deleted, or taken by another.
        """
        with self._write() as transaction:
            return _set_lease(transaction, task_id, owner, timedelta(seconds=lease_s))

    def release_lease(self, task_id: int, owner: str, *, counts: bool = True) -> bool:
        """Give a running task back at once, so that the next claimer goes on with it.

        Args:
            task_id: which.
            owner: who holds its lease.
            counts: whether this was an attempt; it was none where a coordinator just stops.
        """
        with self._write() as transaction:
            if not _set_lease(transaction, task_id, owner, timedelta(0)):
                return False
            if not counts:
                query = update(_TASK).where(_TASK.c.id == task_id, _TASK.c.attempt > 0)
                transaction.connection.execute(query.values(attempt=_TASK.c.attempt - 1))
        return True

    def free_leases(self) -> int:
        """Let every running task be taken up at once; return how many there were.

        Only for a coordinator that knows that it is alone, as the one of an embedded database: a
        lease that it finds at its start is of one that was killed.
        """
        query = update(_TASK).where(
            _TASK.c.status == TaskStatus.RUNNING, _TASK.c.lease_until.is_not(None)
        )
        with self._write() as transaction:
            query = query.where(_TASK.c.lease_until > transaction.now)
            freed = transaction.connection.execute(query.values(lease_until=transaction.now))
            return freed.rowcount

    def finish_task(
        self,
        task_id: int,
        owner: str,
        status: TaskStatus,
        reason: str | None = None,
        result: TaskResult | None = None,
    ) -> bool:
        """End a running task.

        Args:
            task_id: which.
            owner: who holds its lease.
            status: success, failed or cancelled.
            reason: why; a failure must have one.
            result: what it leaves.

        Returns:
            False where the lease is lost or the task has ended otherwise; then nothing changed.

        Raises:
            ValueError: the status is not final, or a failure has no reason.
        """
        if not status.is_final or (status is TaskStatus.FAILED and not reason):
            raise ValueError(f"a task cannot end as {status} with reason {reason!r}")
        with self._write() as transaction:
            if (row := lock_task(transaction, task_id)) is None or not _is_held(row, owner):
                return False
            left = result or TaskResult()
            move_task(
                transaction,
                row,
                status,
                reason,
                result_model=left.model,
                result_version=left.version,
                records=left.records,
                metrics=to_plain(left.metrics),
            )
        return True

    def fail_task(self, task_id: int, reason: str, owner: str | None = None) -> bool:
        """Let a task fail: a running one by its owner, a pending one by anybody.

        Returns:
            False where it is not so; then nothing changed.
        """
        if owner is not None:
            return self.finish_task(task_id, owner, TaskStatus.FAILED, reason)
        with self._write() as transaction:
            row = lock_task(transaction, task_id)
            if row is None or row["status"] is not TaskStatus.PENDING:
                return False
            move_task(transaction, row, TaskStatus.FAILED, reason)
        return True


def _is_claimable(now: datetime) -> ColumnElement[bool]:
    expired = or_(_TASK.c.lease_until.is_(None), _TASK.c.lease_until <= now)
    return or_(
        _TASK.c.status == TaskStatus.PENDING,
        and_(_TASK.c.status == TaskStatus.RUNNING, expired),
    )


def _is_held(row: RowMapping, owner: str) -> bool:
    return row["status"] is TaskStatus.RUNNING and row["lease_owner"] == owner


def _take_row(transaction: Transaction, row: RowMapping, owner: str, lease_s: float) -> Task:
    changes = {
        "attempt": row["attempt"] + 1,
        "started_at": row["started_at"] or transaction.now,
        "lease_owner": owner,
        "lease_until": transaction.now + timedelta(seconds=lease_s),
    }
    if row["status"] is TaskStatus.PENDING:
        return move_task(transaction, row, TaskStatus.RUNNING, **changes)
    query = update(_TASK).where(_TASK.c.id == row["id"]).values(**changes)
    transaction.connection.execute(query)
    task = to_task({**row, **changes})
    transaction.add_event(
        EventKind.TASK_RESUMED, task.id, attempt=task.attempt, rounds_done=task.rounds_done
    )
    return task


def _set_lease(transaction: Transaction, task_id: int, owner: str, span: timedelta) -> bool:
    if not 1 <= task_id <= MAX_ID:
        return False
    query = update(_TASK).where(
        _TASK.c.id == task_id,
        _TASK.c.status == TaskStatus.RUNNING,
        _TASK.c.lease_owner == owner,
    )
    changed = transaction.connection.execute(query.values(lease_until=transaction.now + span))
    return changed.rowcount == 1
