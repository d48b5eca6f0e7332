"""Tasks: add, read, list, cancel, delete."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, func, insert, select

from fedloom.errors import ConflictError, InputError
from fedloom.platform.store.columns import is_storable
from fedloom.platform.store.database import Database
from fedloom.platform.store.kinds import EventKind, TaskPage
from fedloom.platform.store.rows import (
    MAX_ID,
    check_page,
    lock_task,
    missing_task,
    move_task,
    to_task,
)
from fedloom.platform.store.tables import TaskRow, table_of
from fedloom.platform.task import NewTask, Queue, Task, TaskSettings, TaskStatus, write_dispatch

__all__ = ["TaskMethods"]

_TASK = table_of(TaskRow)
_SETTINGS = set(TaskSettings.model_fields)


class TaskMethods(Database):
    """What the store does with tasks, apart from the queue."""

    def add_task(self, new: NewTask) -> Task:
        """Add a pending task, its event, and the message that it waits, in one transaction.

        Raises:
            InputError: its deadline has passed.
        """
        settings = new.model_dump(mode="json", include=_SETTINGS, exclude_unset=True, by_alias=True)
        row = new.model_dump(exclude=_SETTINGS) | {
            "settings": settings,
            "priority": new.priority,
            "deadline": new.deadline,
            "status": TaskStatus.PENDING,
        }
        with self._write() as transaction:
            if new.deadline is not None and new.deadline <= transaction.now:
                raise InputError(f"deadline is {new.deadline.isoformat()}, which has passed")
            row["created_at"] = transaction.now
            key = transaction.connection.execute(insert(_TASK), row).inserted_primary_key
            assert key is not None
            empty = {column.name: None for column in _TASK.c}
            task = to_task({**empty, "attempt": 0, "rounds_done": 0, **row, "id": key[0]})
            transaction.add_event(
                EventKind.TASK_CREATED,
                task.id,
                user_id=task.user_id,
                use_case=task.use_case,
                model_name=task.model_name,
                model_version=task.model_version,
            )
            transaction.send(Queue.DISPATCH, write_dispatch(task))
        return task

    def get_task(self, task_id: int) -> Task:
        """Return a task.

        Raises:
            NotFoundError: there is none with that number.
        """
        if 1 <= task_id <= MAX_ID:
            with self._read() as transaction:
                query = select(_TASK).where(_TASK.c.id == task_id)
                row = transaction.connection.execute(query).mappings().one_or_none()
            if row is not None:
                return to_task(row)
        raise missing_task(task_id)

    def list_tasks(
        self,
        *,
        user_id: str | None = None,
        status: TaskStatus | None = None,
        use_case: str | None = None,
        model_name: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> TaskPage:
        """Return tasks, newest first, and how many there are.

        Args:
            user_id: only this user's.
            status: only those that stand there.
            use_case: only those for it.
            model_name: only those that train it.
            limit: at most so many, 1 to 1,000.
            offset: leave out so many of the newest.

        Raises:
            InputError: limit or offset cannot be meant.
        """
        check_page(limit, offset)
        texts = {"user_id": user_id, "use_case": use_case, "model_name": model_name}
        wanted = {name: value for name, value in texts.items() if value is not None}
        if not all(is_storable(value) for value in wanted.values()):
            return TaskPage([], 0)
        rules: list[ColumnElement[bool]] = [_TASK.c[name] == wanted[name] for name in wanted]
        if status is not None:
            rules.append(_TASK.c.status == status)
        query = select(_TASK).where(*rules).order_by(_TASK.c.id.desc())
        with self._read() as transaction:
            total = transaction.connection.execute(
                select(func.count()).select_from(_TASK).where(*rules)
            ).scalar_one()
            rows = transaction.connection.execute(query.limit(limit).offset(offset)).mappings()
            return TaskPage([to_task(row) for row in rows], total)

    def cancel_task(self, task_id: int, reason: str) -> Task:
        """Cancel a task; cancelling a cancelled one changes nothing.

        Its coordinator learns it from `renew_lease`, others from the event and the message.

        Raises:
            NotFoundError: there is none with that number.
            ConflictError: it has ended otherwise.
        """
        with self._write() as transaction:
            if (row := lock_task(transaction, task_id)) is None:
                raise missing_task(task_id)
            if row["status"] is TaskStatus.CANCELLED:
                return to_task(row)
            return move_task(transaction, row, TaskStatus.CANCELLED, reason)

    def delete_task(self, task_id: int) -> None:
        """Delete a task that has ended, with its rounds, rows and logs.

        Raises:
            NotFoundError: there is none with that number.
            ConflictError: it has not ended.
        """
        with self._write() as transaction:
            if (row := lock_task(transaction, task_id)) is None:
                raise missing_task(task_id)
            if not row["status"].is_final:
                raise ConflictError(f"task {task_id} is {row['status']}: cancel it first")
            transaction.connection.execute(delete(_TASK).where(_TASK.c.id == task_id))
            transaction.add_event(EventKind.TASK_DELETED, task_id)

    def delete_all_tasks(self) -> int:
        """Delete every task, ended or not, and return how many; coordinators drop what they run."""
        with self._write() as transaction:
            count = transaction.connection.execute(delete(_TASK)).rowcount
            if count:
                transaction.add_event(EventKind.TASK_DELETED, count=count)
        return count
