"""What a reducer is: a fold over updates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from fedloom.federation.weights import Array, Weights

__all__ = ["Reducer", "State", "Update"]

State: TypeAlias = Any
"""What a reducer remembers: a pytree of arrays, or the updates themselves."""


@dataclass(frozen=True)
class Update:
    """What a client returns.

    Attributes:
        delta: its weights minus the global weights it started from; the arrays must not be
            changed afterwards, since a reducer may keep them.
        num_examples: training rows behind it, a positive whole number; an array inside a trace.
    """

    delta: Weights
    num_examples: Array


@dataclass(frozen=True)
class Reducer:
    """How the updates of a round become one difference of the global weights.

    `add` may be called in any grouping: states of different workers are joined by `merge`. Neither
    changes its arguments, so a state may be added to twice.

    Attributes:
        name: what it is called in messages.
        init: from the global weights (their shapes and dtypes) to the state without any update.
        add: folds one update in.
        merge: joins two states that began with `init` of the same weights.
        finish: the aggregated difference; zeros where no update arrived.
        keeps_updates: False where the state has a fixed size and is a pytree of arrays, so that
            the fold also runs inside a JAX trace. True where the state holds every update (memory
            grows with the cohort) and the fold runs on the host.
        consume: does what `add` does, to the last bit, where state and update are NumPy arrays
            that nobody else needs: it uses both up, and needs no memory of its own. None where
            there is no such way.
        settle: does what `finish` does, to the last bit, with the memory of a state that nobody
            needs afterwards. None where there is no such way.
    """

    name: str
    init: Callable[[Weights], State]
    add: Callable[[State, Update], State]
    merge: Callable[[State, State], State]
    finish: Callable[[State], Weights]
    keeps_updates: bool
    consume: Callable[[State, Update], State] | None = None
    settle: Callable[[State], Weights] | None = None
