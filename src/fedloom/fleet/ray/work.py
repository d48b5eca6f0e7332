"""Pieces of work, who does them, and what happens to a piece whose worker is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from threading import Event
from typing import Any

__all__ = ["MAX_TRIES", "Outcome", "Piece", "Task"]

MAX_TRIES = 3
"""How often a piece is tried. The third worker that it takes with it is the last."""


@dataclass(frozen=True)
class Piece:
    """Work for one worker.

    Attributes:
        place: orders the pieces, so that results are joined in one order whoever did them.
        content: what is to be done: clients to train, or batches to score.
        tries: how many workers were lost over it.
        lost_how: how the last of them was lost.
    """

    place: tuple[int, ...]
    content: tuple[int, ...]
    tries: int = 0
    lost_how: str = ""

    def again(self, how: str, *, divisible: bool) -> list[Piece]:
        """Return what is to be tried after a loss.

        From the second loss on, each client is on its own: one that ends every worker it meets
        must not take others with it.
        """
        tries = self.tries + 1
        if tries == 1 or not divisible:
            return [Piece(self.place, self.content, tries, how)]
        return [Piece((*self.place, i), (item,), tries, how) for i, item in enumerate(self.content)]


@dataclass(frozen=True)
class Task:
    """What a crew is to do.

    Attributes:
        submit: gives a piece to a worker, and returns what to wait for.
        take: is handed each result as it comes.
        divisible: whether a piece may be cut into its items.
        until: `time.monotonic` from which no piece is begun; workers know it too.
        stop: set when it is to end early.
        halt: asks a worker to end its piece early.
    """

    submit: Callable[[Any, Piece], Any]
    take: Callable[[Piece, Any], None]
    divisible: bool
    until: float = inf
    stop: Event = field(default_factory=Event)
    halt: Callable[[Any], None] = lambda _: None


@dataclass
class Outcome:
    """How it went.

    Attributes:
        unfinished: pieces that were not begun, or not ended, in time.
        given_up: pieces that lost `MAX_TRIES` workers.
    """

    unfinished: list[Piece] = field(default_factory=list)
    given_up: list[Piece] = field(default_factory=list)
