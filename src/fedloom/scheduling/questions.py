"""Noticing that a policy asks and asks and never decides."""

from __future__ import annotations

from fedloom.errors import InputError

__all__ = ["MOST_QUESTIONS", "Questions"]

MOST_QUESTIONS = 10_000_000
"""So often may a policy ask the queue, or the devices, between two placements."""


class Questions:
    """Counts what a policy asks, so that a loop that cannot end is ended.

    Attributes:
        asked: how often, since the last placement.
    """

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.asked = 0

    def count(self) -> None:
        """Count one more.

        Raises:
            InputError: there were more than `MOST_QUESTIONS`.
        """
        self.asked += 1
        if self.asked > MOST_QUESTIONS:
            raise InputError(
                f"choose() has asked {MOST_QUESTIONS:,} times without placing anything; "
                "it is to return when nothing more can start"
            )
