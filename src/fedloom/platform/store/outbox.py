"""Messages for the broker, written with the change that they tell of and sent afterwards.

So a broker that is down loses nothing and stops nobody. A message may be sent twice (its sender
was killed before it said so); it is a wake-up, so that does no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, or_, select, update

from fedloom.platform.store.database import Database
from fedloom.platform.store.kinds import OutboxMessage
from fedloom.platform.store.rows import check_page
from fedloom.platform.store.tables import OutboxRow, table_of
from fedloom.platform.task import Queue

__all__ = ["OutboxMethods"]

_OUTBOX = table_of(OutboxRow)


class OutboxMethods(Database):
    """What a publisher of messages does."""

    def take_outbox(self, limit: int = 100, lease_s: float = 30.0) -> list[OutboxMessage]:
        """Take the oldest messages that nobody else is sending.

        Args:
            limit: at most so many, 1 to 1,000.
            lease_s: seconds until another may take them, unless `mark_sent` is called.

        Raises:
            InputError: the limit cannot be meant.
        """
        check_page(limit)
        with self._read() as transaction:  # most often there is nothing, and no need to write
            if not transaction.connection.execute(select(_OUTBOX.c.id).limit(1)).first():
                return []
        with self._write() as transaction:
            free = or_(_OUTBOX.c.taken_until.is_(None), _OUTBOX.c.taken_until <= transaction.now)
            query = select(_OUTBOX.c.id, _OUTBOX.c.queue, _OUTBOX.c.body).where(free)
            query = query.order_by(_OUTBOX.c.id).limit(limit).with_for_update(skip_locked=True)
            rows = transaction.connection.execute(query).all()
            until = transaction.now + timedelta(seconds=lease_s)
            ids = [row.id for row in rows]
            taken = update(_OUTBOX).where(_OUTBOX.c.id.in_(ids)).values(taken_until=until)
            transaction.connection.execute(taken)
        return [OutboxMessage(row.id, Queue(row.queue), row.body) for row in rows]

    def mark_sent(self, ids: Sequence[int]) -> None:
        """Forget messages that the broker has confirmed."""
        with self._write() as transaction:
            transaction.connection.execute(delete(_OUTBOX).where(_OUTBOX.c.id.in_(ids)))

    def release_outbox(self, ids: Sequence[int]) -> None:
        """Put back messages that could not be sent, so that the next try need not wait."""
        with self._write() as transaction:
            query = update(_OUTBOX).where(_OUTBOX.c.id.in_(ids)).values(taken_until=None)
            transaction.connection.execute(query)
