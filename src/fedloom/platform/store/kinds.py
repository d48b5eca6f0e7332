"""What the store hands out beside tasks and tokens: events, logs, nodes, messages, pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from fedloom.platform.task import Queue, Task

__all__ = [
    "DocumentKind",
    "Event",
    "EventKind",
    "Log",
    "Node",
    "OutboxMessage",
    "StoredDocument",
    "TaskPage",
]


class EventKind(StrEnum):
    """What changed."""

    TASK_CREATED = "task_created"
    """A task is there; data: user_id, use_case, model_name, model_version."""
    TASK_STATUS = "task_status"
    """A task moved; data: status, reason, attempt."""
    TASK_RESUMED = "task_resumed"
    """Another coordinator took over a running task; data: attempt, rounds_done."""
    TASK_DELETED = "task_deleted"
    """A task is gone; without a task's number: data says how many are (count)."""
    ROUND = "round"
    """A round is done; data: the round's row."""
    ROUNDS_CUT = "rounds_cut"
    """Rounds are to be repeated; data: after, the last one that stays."""
    CLIENTS = "clients"
    """Clients' rows of a round are there; data: round, count."""
    LOG = "log"
    """A piece of log is there; data: id, source."""
    NODE = "node"
    """A node is new, or says something else than before; data: name, use_cases."""
    NODE_REMOVED = "node_removed"
    """A node is no longer known; data: name."""
    TOKEN = "token"
    """A token was made or revoked; data: id, change."""


class DocumentKind(StrEnum):
    """What a client's document is."""

    METADATA = "metadata"
    """What it says of its training, beside its weights."""
    VALIDATION = "validation"
    """What its validation of the new weights gave, whole."""


@dataclass(frozen=True)
class Event:
    """Something that changed.

    Attributes:
        id: grows with every event, in the order in which they can be read.
        task_id: the task that it is about, or None.
        kind: what changed; see `EventKind`.
        data: what about it, as JSON has it.
        at: UTC.
    """

    id: int
    task_id: int | None
    kind: EventKind
    data: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True)
class Log:
    """A piece of a task's log, with who says it (a node's name, "coordinator") and when, in UTC."""

    id: int
    task_id: int
    source: str
    text: str
    at: datetime


@dataclass(frozen=True)
class StoredDocument:
    """A document of a client in a round of a task, and when it came, in UTC."""

    task_id: int
    round: int
    client_id: str
    kind: DocumentKind
    document: Any
    at: datetime


@dataclass(frozen=True)
class Node:
    """A node as it last reported.

    Attributes:
        name: unique.
        public_key: the key that it is registered with; reports under another are refused.
        use_cases: what it holds data for.
        versions: part → version ("fedloom", "python", …).
        attributes: whatever else it says of itself.
        first_seen: UTC.
        last_seen: UTC.
    """

    name: str
    public_key: str
    use_cases: Sequence[str]
    versions: Mapping[str, str]
    attributes: Mapping[str, Any]
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class OutboxMessage:
    """A message for the broker: its number, the queue, and the body."""

    id: int
    queue: Queue
    body: str


@dataclass(frozen=True)
class TaskPage:
    """Some of the tasks that fit, newest first, and how many there are altogether."""

    tasks: Sequence[Task]
    total: int
