"""The store: tasks and their queue, progress, events, nodes, messages and tokens in a database.

`open_store` opens one in SQLite or PostgreSQL by its address. `platform.store` is the only part of
Fedloom that knows a database.
"""

from __future__ import annotations

from fedloom.platform.store.counts import TaskCounts
from fedloom.platform.store.kinds import (
    DocumentKind,
    Event,
    EventKind,
    Log,
    Node,
    OutboxMessage,
    StoredDocument,
    TaskPage,
)
from fedloom.platform.store.queue import Choose
from fedloom.platform.store.store import Store, open_store

__all__ = [
    "Choose",
    "DocumentKind",
    "Event",
    "EventKind",
    "Log",
    "Node",
    "OutboxMessage",
    "Store",
    "StoredDocument",
    "TaskCounts",
    "TaskPage",
    "open_store",
]
