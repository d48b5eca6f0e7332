"""Waiting for an object that is still being uploaded, as both ends do."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep
from typing import Protocol

from fedloom.errors import LinkError

__all__ = ["ObjectGoneError", "ObjectPendingError", "pull_patiently"]

_FIRST_SECONDS = 0.05
_LAST_SECONDS = 0.5


class ObjectGoneError(LinkError):
    """An object is no longer there, or did not come in time."""


class ObjectPendingError(ObjectGoneError):
    """An object was announced, and is not there yet."""


class _Answer(Protocol):
    @property
    def object_found(self) -> bool: ...
    @property
    def object_available(self) -> bool: ...
    @property
    def object_content(self) -> bytes: ...


def pull_patiently(pull: Callable[[], _Answer], until: Callable[[], bool]) -> bytes:
    """Pull an object, again and again while it is announced but not there.

    Args:
        pull: one request.
        until: says when to give up.

    Raises:
        ObjectGoneError: it is unknown.
        ObjectPendingError: it was time to give up.
    """
    delay = _FIRST_SECONDS
    while True:
        answer = pull()
        if not answer.object_found:
            raise ObjectGoneError("an object of the message is no longer on the SuperLink")
        if answer.object_available:
            return answer.object_content
        if until():
            raise ObjectPendingError("an object of the message did not come in time")
        sleep(delay)
        delay = min(_LAST_SECONDS, delay * 2)
