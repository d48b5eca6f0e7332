"""Waiting for the broker's word that it has what was sent: for many messages at once.

Waiting after every message costs a turn of the broker's disk each: 300 messages a second where
thousands go.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fedloom.errors import LinkError

if TYPE_CHECKING:
    from kombu import Connection

__all__ = ["Confirms"]


class Confirms:
    """Counts what a channel has sent and what the broker has confirmed of it.

    Args:
        connection: the channel's connection.
        channel: sends messages; a broker inside of this process needs no confirmation.
        in_memory: whether it is such a broker.
    """

    def __init__(self, connection: Connection, channel: Any, *, in_memory: bool) -> None:
        self._connection, self._asked = connection, not in_memory
        self._sent, self._open, self._refused = 0, set[int](), 0
        if self._asked:
            channel.confirm_select()
            channel.events["basic_ack"].add(self._confirm)
            channel.events["basic_nack"].add(self._refuse)

    def count(self) -> None:
        """Count a message that was sent."""
        self._sent += 1
        if self._asked:
            self._open.add(self._sent)

    def wait(self, limit_s: float) -> None:
        """Return when the broker has confirmed all that was sent.

        Raises:
            LinkError: it refused a message, or did not answer within `limit_s` seconds.
        """
        until = time.monotonic() + limit_s
        while self._open:
            left = until - time.monotonic()
            if left <= 0:
                raise LinkError(
                    f"the broker did not confirm {len(self._open)} messages within {limit_s:g} s"
                )
            try:
                self._connection.drain_events(timeout=left)
            except TimeoutError:
                continue
        if self._refused:
            raise LinkError(f"the broker refused {self._refused} messages")

    def _confirm(self, delivery_tag: int, multiple: bool) -> None:
        if multiple:
            self._open = {tag for tag in self._open if tag > delivery_tag}
        else:
            self._open.discard(delivery_tag)

    def _refuse(self, delivery_tag: int, multiple: bool) -> None:
        before = len(self._open)
        self._confirm(delivery_tag, multiple)
        self._refused += before - len(self._open)
