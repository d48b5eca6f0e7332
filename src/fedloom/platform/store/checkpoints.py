"""What a task goes on from, where several coordinators share no folder."""

from __future__ import annotations

from sqlalchemy import delete, insert, select

from fedloom.platform.store.database import Database
from fedloom.platform.store.rows import MAX_ID, may_write
from fedloom.platform.store.tables import CheckpointRow, table_of

__all__ = ["CheckpointMethods"]

_CHECKPOINT = table_of(CheckpointRow)
_PART_BYTES = 4 * 1024**2
"""A whole model as one value would be in memory several times over."""


class CheckpointMethods(Database):
    """The last checkpoint of each task that runs."""

    def keep_checkpoint(self, task_id: int, round: int, data: bytes, owner: str) -> bool:  # noqa: A002
        """Keep a checkpoint in place of the one before, in one step.

        Args:
            task_id: which task.
            round: that it was made after.
            data: the file.
            owner: who holds the task's lease.

        Returns:
            False, with nothing changed, where the task does not run or another has its lease.
        """
        view, begins = memoryview(data), range(0, max(1, len(data)), _PART_BYTES)
        with self._write() as transaction:
            if not may_write(transaction, task_id, owner):
                return False
            connection = transaction.connection
            connection.execute(delete(_CHECKPOINT).where(_CHECKPOINT.c.task_id == task_id))
            for part, begin in enumerate(begins):
                piece = bytes(view[begin : begin + _PART_BYTES])
                row = {"task_id": task_id, "part": part, "round": round, "data": piece}
                connection.execute(insert(_CHECKPOINT), row)
        return True

    def checkpoint(self, task_id: int) -> tuple[int, bytes] | None:
        """Return the round of a task's checkpoint, and the file; None where none is kept."""
        if not 1 <= task_id <= MAX_ID:
            return None
        query = select(_CHECKPOINT.c.round, _CHECKPOINT.c.data)
        query = query.where(_CHECKPOINT.c.task_id == task_id).order_by(_CHECKPOINT.c.part)
        with self._read() as transaction:
            rows = transaction.connection.execute(query).all()
        return (rows[0].round, b"".join(row.data for row in rows)) if rows else None

    def drop_checkpoint(self, task_id: int) -> None:
        """Forget a task's checkpoint; it has ended."""
        with self._write() as transaction:
            query = delete(_CHECKPOINT).where(_CHECKPOINT.c.task_id == task_id)
            transaction.connection.execute(query)
