"""What comes back from the workers in a round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fedloom.federation.fleet import ClientResult, Failure, Order
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.folding import store_weights
from fedloom.fleet.ray.messages import ParcelDone
from fedloom.fleet.ray.work import Outcome, Piece

__all__ = ["Gathered"]

_TOO_LATE = "the round was ended before its turn"


class Gathered:
    """Results as they arrive: weights go to the order's sink at once, states to the memory.

    Args:
        order: the round's order.
        memory: what is remembered of the clients.
    """

    def __init__(self, order: Order, memory: ClientMemory) -> None:
        self._order, self._memory = order, memory
        self._done: dict[tuple[int, ...], tuple[Any, Any]] = {}
        self._evaluate_seconds: dict[int, float] = {}
        self.results: dict[int, ClientResult] = {}
        self.store_seconds = 0.0

    @property
    def folds(self) -> Sequence[Any]:
        """The reducer's states, in the order of the lanes."""
        return [self._done[place][0] for place in sorted(self._done)]

    @property
    def drifts(self) -> Sequence[Any]:
        """The states of the mean over drifts, in the same order."""
        return [self._done[place][1] for place in sorted(self._done)]

    @property
    def evaluate_seconds(self) -> float:
        """The longest that any lane spent on scoring clients' own weights."""
        return max(self._evaluate_seconds.values(), default=0.0)

    def take(self, piece: Piece, done: ParcelDone) -> None:
        """Keep what a worker returned."""
        self._done[piece.place] = done.fold, done.drift
        self.results.update((result.client, result) for result in done.results)
        for client, state in done.states.items():
            self._memory.remember(client, state)
        for client, weights in done.weights.items():
            self.store_seconds += store_weights(self._order, client, weights)
        lane = piece.place[0]
        before = self._evaluate_seconds.get(lane, 0.0)
        self._evaluate_seconds[lane] = before + done.evaluate_seconds

    def end(self, outcome: Outcome) -> None:
        """Note those who did not get to the end."""
        for piece in outcome.unfinished:
            for client in piece.content:
                self.results[client] = ClientResult(client, Failure.TIMEOUT, _TOO_LATE)
        for piece in outcome.given_up:
            why = f"{piece.tries} workers were lost while it trained, the last: {piece.lost_how}"
            for client in piece.content:
                self.results[client] = ClientResult(client, Failure.LOST, why)
