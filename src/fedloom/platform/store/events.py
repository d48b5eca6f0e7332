"""Events and logs: what changed, in the order in which it can be read."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from fedloom.platform.store.columns import clean_text
from fedloom.platform.store.database import Database
from fedloom.platform.store.kinds import Event, EventKind, Log
from fedloom.platform.store.rows import MAX_ID, check_page, missing_task
from fedloom.platform.store.tables import EventRow, LogRow, table_of

__all__ = ["MAX_LOG", "EventMethods"]

MAX_LOG = 64 * 1024
"""Characters that are kept of one piece of log."""

_MAX_EVENT_ID = 2**63 - 1
_EVENT, _LOG = table_of(EventRow), table_of(LogRow)


class EventMethods(Database):
    """Events and logs."""

    def events(
        self, after_id: int = 0, task_id: int | None = None, limit: int = 100
    ) -> list[Event]:
        """Return the events after one, in their order.

        Who asks again with the last number it got misses none and gets none twice.

        Args:
            after_id: number of the last event that is known.
            task_id: only those about this task.
            limit: at most so many, 1 to 1,000.

        Raises:
            InputError: the limit cannot be meant.
        """
        check_page(limit)
        if after_id > _MAX_EVENT_ID or (task_id is not None and not 1 <= task_id <= MAX_ID):
            return []
        query = select(_EVENT).where(_EVENT.c.id > max(0, after_id))
        if task_id is not None:
            query = query.where(_EVENT.c.task_id == task_id)
        with self._read() as transaction:
            found = transaction.connection.execute(query.order_by(_EVENT.c.id).limit(limit))
            return [_to_event(dict(row)) for row in found.mappings()]

    def last_event_id(self) -> int:
        """Return the number of the newest event, 0 before the first; a stream may begin there."""
        with self._read() as transaction:
            found = transaction.connection.execute(select(func.max(_EVENT.c.id))).scalar_one()
        return found or 0

    def add_log(self, task_id: int, source: str, text: str) -> int:
        """Add a piece to a task's log, and return its number; what is beyond `MAX_LOG` is cut.

        Args:
            task_id: which task.
            source: who says it: a node's name, "coordinator".
            text: one line or more.

        Raises:
            NotFoundError: there is no such task.
        """
        if not 1 <= task_id <= MAX_ID:
            raise missing_task(task_id)
        source, text = clean_text(source, 200), clean_text(text, MAX_LOG)
        with self._write() as transaction:
            row = {"task_id": task_id, "source": source, "text": text, "at": transaction.now}
            try:
                key = transaction.connection.execute(insert(_LOG), row).inserted_primary_key
            except IntegrityError:
                raise missing_task(task_id) from None
            assert key is not None
            transaction.add_event(EventKind.LOG, task_id, id=key[0], source=source)
        return int(key[0])

    def logs(self, task_id: int, after: int = 0, limit: int = 1000) -> list[Log]:
        """Return pieces of a task's log after one, in their order; none for an unknown task.

        Raises:
            InputError: the limit cannot be meant.
        """
        check_page(limit)
        if not 1 <= task_id <= MAX_ID or after > _MAX_EVENT_ID:
            return []
        query = select(_LOG).where(_LOG.c.task_id == task_id, _LOG.c.id > max(0, after))
        with self._read() as transaction:
            found = transaction.connection.execute(query.order_by(_LOG.c.id).limit(limit))
            return [Log(**row) for row in found.mappings()]


def _to_event(row: dict[str, Any]) -> Event:
    return Event(**{**row, "kind": EventKind(row["kind"])})
