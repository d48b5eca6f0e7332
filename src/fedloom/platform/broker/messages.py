"""Reading messages, of which nobody knows who sent them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedloom.errors import InputError
from fedloom.platform.task import Queue, TaskStatus

__all__ = [
    "Dispatch",
    "GarbledMessageError",
    "StatusChange",
    "read_message",
]

_STATUS = re.compile(r"Task ([0-9]{1,18}) ([a-z]+)", re.ASCII)
_LARGEST_BYTES = 10_000_000
_SHOWN = 80


class GarbledMessageError(InputError):
    """A message that is not as agreed; it stays between the listener and its log."""


@dataclass(frozen=True)
class Dispatch:
    """A task waits.

    Attributes:
        task_id: its number.
        task: the task as JSON had it; only a database says what holds now.
    """

    task_id: int
    task: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class StatusChange:
    """A task moved, or is said to have: only a database says what holds now.

    Attributes:
        task_id: its number.
        status: where it stands.
    """

    task_id: int
    status: TaskStatus


def read_message(queue: Queue, body: bytes) -> Dispatch | StatusChange:
    """Read a message.

    Args:
        queue: where it came from.
        body: UTF-8.

    Raises:
        GarbledMessageError: it is not as agreed; the message shows its beginning.

    Example:
        >>> read_message(Queue.STATUS, b"Task 7 success")
        StatusChange(task_id=7, status=<TaskStatus.SUCCESS: 'success'>)
    """
    if len(body) > _LARGEST_BYTES:
        raise GarbledMessageError(f"{len(body):,} bytes: at most {_LARGEST_BYTES:,} are read")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise GarbledMessageError(f"{body[:_SHOWN]!r} is no UTF-8") from None
    return _read_dispatch(text) if queue is Queue.DISPATCH else _read_status(text)


def _read_dispatch(text: str) -> Dispatch:
    try:
        task = json.loads(text)
    except (ValueError, RecursionError):
        raise GarbledMessageError(f"{text[:_SHOWN]!r} is no JSON") from None
    task_id = task.get("id") if isinstance(task, dict) else None
    if type(task_id) is not int or task_id < 1:
        raise GarbledMessageError(
            f"{text[:_SHOWN]!r} names no task: wanted is an id, counted from 1"
        )
    return Dispatch(task_id, task)


def _read_status(text: str) -> StatusChange:
    found = _STATUS.fullmatch(text.strip())
    if found is None or found[2] not in set(TaskStatus):
        raise GarbledMessageError(f"{text[:_SHOWN]!r} is no 'Task <id> <status>'")
    return StatusChange(int(found[1]), TaskStatus(found[2]))
