"""Folding updates in the clients' order, whichever arrived first.

Sums of floats depend on their order, so a fold in the order of arrival would make two runs of the
same plan differ in the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fedloom.federation.fleet import ClientResult
from fedloom.federation.reduce import Reducer, Update

__all__ = ["InOrder"]


@dataclass
class InOrder:
    """Holds updates back until it is their turn.

    A fleet folds an update and then tells its result; so the update that came last belongs to
    the next result that is told.

    Attributes:
        reducer: that really folds.
        cohort: clients of the round, in the order in which they are folded.
    """

    reducer: Reducer
    cohort: Sequence[int]
    _nameless: Update | None = None
    _held: dict[int, Update | None] = field(default_factory=dict)
    _next: int = 0
    _state: Any = None

    def wrapped(self) -> Reducer:
        """Return what a fleet is given in place of the reducer; its states mean nothing."""
        return replace(
            self.reducer, init=self._init, add=self._add, consume=self._add, merge=_refuse
        )

    def tell(self, result: ClientResult) -> None:
        """Learn of a client's result, right after its update was added."""
        update, self._nameless = self._nameless, None
        self._held[result.client] = update if result.failure is None else None
        while self._next < len(self.cohort) and self.cohort[self._next] in self._held:
            self._fold(self._held.pop(self.cohort[self._next]))
            self._next += 1

    def finish(self) -> Any:
        """Return the reducer's state over all updates."""
        for client in self.cohort[self._next :]:
            self._fold(self._held.pop(client, None))
        self._next = len(self.cohort)
        return self._state

    def _init(self, weights: Any) -> Any:
        self._state = self.reducer.init(weights)
        return ()

    def _add(self, state: Any, update: Update) -> Any:
        self._nameless = update
        return state

    def _fold(self, update: Update | None) -> None:
        if update is not None:
            add = self.reducer.consume or self.reducer.add
            self._state = add(self._state, update)


def _refuse(_left: Any, _right: Any) -> Any:
    raise NotImplementedError("a cell has one fold")
