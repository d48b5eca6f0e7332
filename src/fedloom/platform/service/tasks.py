"""Tasks: asked for, listed, cancelled, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedloom.platform.identity import ForbiddenError, Identity, Permission, may_cancel, require
from fedloom.platform.service.asked_task import check_trainer, read_task
from fedloom.platform.service.desk import Desk
from fedloom.platform.store import TaskPage
from fedloom.platform.task import Task, TaskStatus

__all__ = ["TaskService"]


class TaskService(Desk):
    """What people do with tasks."""

    def create_task(self, who: Identity, values: Mapping[str, Any]) -> Task:
        """Check a task in every respect, and queue it.

        Args:
            who: asks.
            values: the fields of `fedloom.platform.task.NewTask`; `user_id` is the asker's own if
                it is not given, and with a plan the other six are the plan's.

        Raises:
            ForbiddenError: they may not, or not in another's name.
            TaskFieldsError: fields are missing or wrong; it lists all of them.
            InputError: the fields are right, but not together or not for this model.
            NotFoundError: there is no such model or version.
            LinkError: the registry or the database cannot be reached; nothing was queued.
        """
        require(who, Permission.CREATE_TASK)
        asked = read_task(values, who.user_id)
        if asked.user_id != who.user_id and not who.may(Permission.CANCEL_ANY_TASK):
            raise ForbiddenError(
                f"{who.user_id} is a {who.role} and may not ask in the name of {asked.user_id}:"
                " leave user_id out, or let an operator ask"
            )
        check_trainer(asked, self._versions.get)
        task = self.store.add_task(asked)
        self._wake()
        return task

    def get_task(self, who: Identity, task_id: int) -> Task:
        """Return a task; raises `NotFoundError` where there is none with that number."""
        require(who, Permission.VIEW)
        return self.store.get_task(task_id)

    def list_tasks(
        self,
        who: Identity,
        *,
        user_id: str | None = None,
        status: TaskStatus | None = None,
        use_case: str | None = None,
        model_name: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> TaskPage:
        """Return tasks that fit, newest first; see `Store.list_tasks`."""
        require(who, Permission.VIEW)
        return self.store.list_tasks(
            user_id=user_id,
            status=status,
            use_case=use_case,
            model_name=model_name,
            limit=limit,
            offset=offset,
        )

    def cancel_task(self, who: Identity, task_id: int) -> Task:
        """Cancel a task; cancelling a cancelled one changes nothing.

        Raises:
            NotFoundError: there is none with that number.
            ForbiddenError: it is another's, and they are no operator.
            ConflictError: it has ended otherwise.
        """
        require(who, Permission.CANCEL_OWN_TASK)
        task = self.store.get_task(task_id)
        if not may_cancel(who, task.user_id):
            raise ForbiddenError(
                f"{who.user_id} is a {who.role} and may not cancel task {task_id} of"
                f" {task.user_id}: that takes the role operator or higher"
            )
        cancelled = self.store.cancel_task(task_id, f"cancelled by {who.user_id}")
        self._wake()
        return cancelled

    def delete_task(self, who: Identity, task_id: int) -> None:
        """Delete a task that has ended, with all its rows.

        Raises:
            NotFoundError: there is none with that number.
            ConflictError: it has not ended.
        """
        require(who, Permission.DELETE_TASK)
        self.store.delete_task(task_id)

    def delete_all_tasks(self, who: Identity) -> int:
        """Delete every task, ended or not, and return how many."""
        require(who, Permission.DELETE_ALL_TASKS)
        count = self.store.delete_all_tasks()
        self._wake()
        return count
