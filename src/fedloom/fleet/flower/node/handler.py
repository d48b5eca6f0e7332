"""What a node does with a message: the seam between Flower and whatever trains."""

from __future__ import annotations

from threading import Event
from typing import Protocol

from fedloom.fleet.flower.messages import Answer, Request

__all__ = ["Handler"]


class Handler(Protocol):
    """Carries out requests; the same handler serves many tasks, several at a time.

    A policy, an audit log or a limit is a handler around a handler.
    """

    def handle(self, request: Request, stop: Event) -> Answer:
        """Carry out one request; called from several threads.

        Args:
            request: `Describe`, `Train` or `Evaluate`; also `Forget`, after which nothing of the
                task may be left.
            stop: set when the answer is no longer wanted; look at it every second or so. What is
                returned then is thrown away.

        Returns:
            `Description`, `Trained`, `Evaluated`, `Done`, or `Failed` where it could not be done.
            An exception counts as `Failed` with what it says.

        Raises:
            LinkError: what belongs to an order, such as its package, cannot be fetched. It is not
                kept as the answer: the order may come again from where it can be.
        """

    def close(self) -> None:
        """Release processes, threads and memory."""
