"""What a fleet takes from the larger one that it is a part of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

__all__ = ["Part"]


@dataclass(frozen=True)
class Part:
    """A fleet's part in a larger one.

    Attributes:
        number: from a client's index here to its index in the whole.
        turn: held while something of the caller's is called, so that it is called by one thread.
    """

    number: Callable[[int], int]
    turn: Lock = field(default_factory=Lock)
