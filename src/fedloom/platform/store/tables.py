"""The tables, as SQLModel classes.

The table ``task`` keeps the columns and status labels of the system that Fedloom replaces; what is
new stands in columns of its own. Statements are built on the bare tables (`table_of`): the queue's
speed is the reason. A change here needs a migration beside it; a test holds the two together.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import BigInteger, Enum, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from fedloom.platform.identity.role import Role
from fedloom.platform.store.columns import JsonText, UtcDateTime
from fedloom.platform.task import TaskStatus

__all__ = [
    "CheckpointRow",
    "ClientRow",
    "DocumentRow",
    "EventRow",
    "LogRow",
    "NodeRow",
    "OutboxRow",
    "RoundRow",
    "Row",
    "TaskRow",
    "TokenRow",
    "table_of",
]

# SQLite counts up by itself only where the type is INTEGER.
_LONG = BigInteger().with_variant(Integer, "sqlite")
# Numbers are never used again: a late message must not meet another task under its number.
_NEVER_AGAIN = {"sqlite_autoincrement": True}


def _label(kind: type[Role] | type[TaskStatus]) -> Enum:
    """Return a column type that holds the upper-case names of the members as text."""
    return Enum(kind, native_enum=False, length=16)


class Row(SQLModel, registry=registry()):
    """Base of all tables; it has metadata of its own, apart from other users of SQLModel."""


class TaskRow(Row, table=True):
    """A task; the first ten columns are the original's."""

    __tablename__ = "task"
    __table_args__ = (
        Index("ix_task_status", "status"),
        Index("ix_task_user_id", "user_id"),
        _NEVER_AGAIN,
    )

    id: int | None = Field(default=None, primary_key=True)
    user_id: str
    use_case: str
    model_name: str
    model_version: int
    num_global_iterations: int
    run_name: str
    experiment_name: str
    status: TaskStatus = Field(sa_type=cast(Any, _label(TaskStatus)))
    created_at: datetime = Field(sa_type=UtcDateTime)
    settings: dict[str, Any] = Field(sa_type=JsonText)
    priority: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    deadline: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reason: str | None = Field(default=None, sa_type=Text)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    attempt: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    rounds_done: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    result_model: str | None = None
    result_version: int | None = None
    records: str | None = Field(default=None, sa_type=Text)
    metrics: dict[str, Any] | None = Field(default=None, sa_type=JsonText)
    lease_owner: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RoundRow(Row, table=True):
    """A finished round of a task."""

    __tablename__ = "task_round"

    task_id: int = Field(primary_key=True, foreign_key="task.id", ondelete="CASCADE")
    round: int = Field(primary_key=True)
    data: dict[str, Any] = Field(sa_type=JsonText)
    at: datetime = Field(sa_type=UtcDateTime)


class ClientRow(Row, table=True):
    """One client in one round of a task."""

    __tablename__ = "task_client"

    task_id: int = Field(primary_key=True, foreign_key="task.id", ondelete="CASCADE")
    round: int = Field(primary_key=True)
    client_id: str = Field(primary_key=True)
    data: dict[str, Any] = Field(sa_type=JsonText)


class DocumentRow(Row, table=True):
    """A document that a client gave in a round of a task."""

    __tablename__ = "task_document"

    task_id: int = Field(primary_key=True, foreign_key="task.id", ondelete="CASCADE")
    round: int = Field(primary_key=True)
    client_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    document: Any = Field(default=None, sa_type=JsonText, nullable=True)
    at: datetime = Field(sa_type=UtcDateTime)


class CheckpointRow(Row, table=True):
    """A part of what a running task goes on from."""

    __tablename__ = "task_checkpoint"

    task_id: int = Field(primary_key=True, foreign_key="task.id", ondelete="CASCADE")
    part: int = Field(primary_key=True)
    round: int
    data: bytes = Field(sa_type=LargeBinary)


class LogRow(Row, table=True):
    """A piece of a task's log."""

    __tablename__ = "task_log"
    __table_args__ = (Index("ix_task_log_task_id_id", "task_id", "id"), _NEVER_AGAIN)

    id: int | None = Field(default=None, primary_key=True, sa_type=cast(Any, _LONG))
    task_id: int = Field(foreign_key="task.id", ondelete="CASCADE")
    source: str
    text: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=UtcDateTime)


class EventRow(Row, table=True):
    """Something that changed; stays when its task is deleted."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_task_id_id", "task_id", "id"), _NEVER_AGAIN)

    id: int | None = Field(default=None, primary_key=True, sa_type=cast(Any, _LONG))
    task_id: int | None = None
    kind: str
    data: dict[str, Any] = Field(sa_type=JsonText)
    at: datetime = Field(sa_type=UtcDateTime)


class OutboxRow(Row, table=True):
    """A message for the broker that has not been sent."""

    __tablename__ = "outbox"
    __table_args__ = (_NEVER_AGAIN,)

    id: int | None = Field(default=None, primary_key=True, sa_type=cast(Any, _LONG))
    queue: str
    body: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=UtcDateTime)
    taken_until: datetime | None = Field(default=None, sa_type=UtcDateTime)


class NodeRow(Row, table=True):
    """A node that has reported."""

    __tablename__ = "node"

    name: str = Field(primary_key=True)
    public_key: str = Field(sa_type=Text)
    use_cases: list[str] = Field(sa_type=JsonText)
    versions: dict[str, str] = Field(sa_type=JsonText)
    attributes: dict[str, Any] = Field(sa_type=JsonText)
    first_seen: datetime = Field(sa_type=UtcDateTime)
    last_seen: datetime = Field(sa_type=UtcDateTime)


class TokenRow(Row, table=True):
    """An API token, by the digest of its secret."""

    __tablename__ = "token"
    __table_args__ = (_NEVER_AGAIN,)

    id: int | None = Field(default=None, primary_key=True)
    name: str
    user_id: str
    role: Role = Field(sa_type=cast(Any, _label(Role)))
    secret_hash: str = Field(unique=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


def table_of(row: type[Row]) -> Table:
    """Return the bare table of a class, for statements."""
    return cast(Table, row.__table__)  # type: ignore[attr-defined]
