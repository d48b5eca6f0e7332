"""Forgetting what is old."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete

from fedloom.platform.store.database import Database
from fedloom.platform.store.kinds import EventKind
from fedloom.platform.store.tables import EventRow, OutboxRow, TaskRow, TokenRow, table_of

__all__ = ["RetentionMethods"]

_TASK, _EVENT = table_of(TaskRow), table_of(EventRow)
_OUTBOX, _TOKEN = table_of(OutboxRow), table_of(TokenRow)


class RetentionMethods(Database):
    """Forgetting what is old."""

    def prune(self, older_than: datetime) -> dict[str, int]:
        """Delete what ended before a point in time, and return how many of each.

        Args:
            older_than: UTC. Tasks that ended before it go, with their rounds, rows and logs;
                events, unsent messages, and tokens that no longer held then go as well. What
                waits or runs stays, however old.
        """
        rules = {
            "tasks": delete(_TASK).where(_TASK.c.finished_at < older_than),
            "events": delete(_EVENT).where(_EVENT.c.at < older_than),
            "messages": delete(_OUTBOX).where(_OUTBOX.c.created_at < older_than),
            "tokens": delete(_TOKEN).where(
                (_TOKEN.c.expires_at < older_than) | (_TOKEN.c.revoked_at < older_than)
            ),
        }
        with self._write() as transaction:
            counts = {
                name: transaction.connection.execute(rule).rowcount for name, rule in rules.items()
            }
            if counts["tasks"]:
                transaction.add_event(EventKind.TASK_DELETED, count=counts["tasks"])
        return counts
