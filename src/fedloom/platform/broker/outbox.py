"""What a publisher needs of a store: messages that were written with the change they tell of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Outbox", "OutgoingMessage"]


class OutgoingMessage(Protocol):
    """A message that waits in the outbox."""

    @property
    def id(self) -> int:
        """Its number, which `Outbox.mark_sent` takes."""

    @property
    def queue(self) -> str:
        """The queue that it is for: ``dispatch`` or ``status``."""

    @property
    def body(self) -> str:
        """Its text."""


class Outbox(Protocol):
    """Where messages wait until the broker has confirmed them; `platform.store.Store` is one."""

    def take_outbox(self, limit: int = ..., lease_s: float = ...) -> Sequence[OutgoingMessage]:
        """Return the oldest messages that nobody else is sending; nobody else gets them for a time.

        Args:
            limit: at most so many.
            lease_s: for so many seconds.
        """

    def mark_sent(self, ids: Sequence[int]) -> None:
        """Forget messages that the broker has confirmed."""

    def release_outbox(self, ids: Sequence[int]) -> None:
        """Put back messages that could not be sent."""
