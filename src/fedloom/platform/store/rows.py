"""Tasks in the database: read, locked, moved. The store's methods on tasks share these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import RowMapping

from fedloom.errors import InputError, NotFoundError
from fedloom.platform.store.columns import clean_text
from fedloom.platform.store.database import Transaction
from fedloom.platform.store.kinds import EventKind
from fedloom.platform.store.tables import TaskRow, table_of
from fedloom.platform.task import Queue, Task, TaskStatus, check_move, write_status

__all__ = [
    "MAX_ID",
    "MAX_PAGE",
    "MAX_REASON",
    "check_page",
    "lock_task",
    "may_write",
    "missing_task",
    "move_task",
    "put_rows",
    "read_round",
    "to_task",
]

MAX_ID = 2**31 - 1
"""The largest number that a task or a token can have; a larger one would be no number at all."""
MAX_REASON = 2000
"""Characters that are kept of a reason."""
MAX_PAGE = 1000
"""The most rows that one call returns."""

_TASK = table_of(TaskRow)


def to_task(row: Mapping[Any, Any]) -> Task:
    """Return the view of a row."""
    columns = dict(row)
    settings = columns.pop("settings") or {}
    columns["metrics"] = columns["metrics"] or {}
    return Task.model_validate({**columns, **settings})


def missing_task(task_id: int) -> NotFoundError:
    """Return the error for a task that is not there."""
    return NotFoundError(f"there is no task {task_id}")


def lock_task(transaction: Transaction, task_id: int) -> RowMapping | None:
    """Return a task's row, which nobody else changes before this transaction ends."""
    if not 1 <= task_id <= MAX_ID:
        return None
    query = select(_TASK).where(_TASK.c.id == task_id).with_for_update()
    return transaction.connection.execute(query).mappings().one_or_none()


def move_task(
    transaction: Transaction,
    row: RowMapping,
    target: TaskStatus,
    reason: str | None = None,
    **changes: Any,
) -> Task:
    """Move a locked task to another status, leave an event and a message, and return it.

    Raises:
        ConflictError: the move is not allowed.
    """
    check_move(row["id"], row["status"], target)
    changes |= {"status": target, "reason": reason and clean_text(reason, MAX_REASON)}
    if target.is_final:
        changes |= {"finished_at": transaction.now, "lease_owner": None, "lease_until": None}
    transaction.connection.execute(update(_TASK).where(_TASK.c.id == row["id"]).values(**changes))
    task = to_task({**row, **changes})
    transaction.add_event(
        EventKind.TASK_STATUS, task.id, status=target, reason=task.reason, attempt=task.attempt
    )
    transaction.send(Queue.STATUS, write_status(task.id, target))
    return task


def check_page(limit: int, offset: int = 0) -> None:
    """Refuse a page that nobody can want.

    Raises:
        InputError: the message says what would be right.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InputError(f"limit is {limit}; it goes from 1 to {MAX_PAGE}")
    if not 0 <= offset < 2**62:
        raise InputError(f"offset is {offset}; it goes from 0")


def read_round(row: Mapping[str, Any]) -> int:
    """Return the number of a row's round; it counts from 1."""
    number = int(row["round"])
    if not 1 <= number <= MAX_ID:
        raise ValueError(f"round is {number}; it counts from 1")
    return number


def may_write(transaction: Transaction, task_id: int, owner: str | None) -> bool:
    """Say whether a task runs, and under this lease; None asks for none. It is locked then."""
    row = lock_task(transaction, task_id)
    if row is None or row["status"] is not TaskStatus.RUNNING:
        return False
    return owner is None or row["lease_owner"] == owner


def put_rows(transaction: Transaction, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; each takes the place of the one with the same key."""
    dialect = postgresql if transaction.connection.dialect.name == "postgresql" else sqlite
    query = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {c.name: query.excluded[c.name] for c in table.c if c.name not in keys}
    transaction.connection.execute(
        query.on_conflict_do_update(index_elements=keys, set_=changed), list(rows)
    )
