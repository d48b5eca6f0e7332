"""Folding what nodes answer, one answer after the other."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from fedloom.federation.fleet import ClientResult, Evaluation, Failure, Order, Reply
from fedloom.federation.reduce import Reducer, Update, mean_by_examples
from fedloom.federation.weights import Weights, find_fault
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.flower.messages import Failed, Trained
from fedloom.fleet.flower.tail import clean_tail
from fedloom.fleet.folding import store_weights
from fedloom.fleet.verdict import find_update_fault, judge

__all__ = ["Fold"]

_FAILURES = frozenset(Failure)
_BLOCK_VALUES = 1 << 18


class Fold:
    """The aggregate of a round as it grows.

    Args:
        order: of the round.
        reducer: folds the updates.
        memory: takes what the algorithm remembers of each client.
    """

    def __init__(self, order: Order, reducer: Reducer, memory: ClientMemory) -> None:
        self.start = [np.asarray(w, order="C") for w in order.weights]
        self._order, self._reducer, self._memory = order, reducer, memory
        self._state, self._drift = reducer.init(self.start), None
        self._store_seconds = 0.0

    def take(self, client: int, answer: Any) -> ClientResult:
        """Fold an answer in, or say why not; its arrays are used up."""
        if isinstance(answer, Failed):
            known = answer.failure in _FAILURES
            failure = Failure(answer.failure) if known else Failure.ERROR
            return ClientResult(client, failure, answer.reason, printed=clean_tail(answer.tail))
        if not isinstance(answer, Trained):
            said = type(answer).__name__
            return ClientResult(client, Failure.REJECTED, f"it answered with {said}")
        fault = find_update_fault(answer.weights, self.start, answer.num_examples)
        fault = fault or self._find_memory_fault(answer)
        if fault is not None:
            return ClientResult(client, Failure.REJECTED, fault)
        return self._accept(client, answer)

    def reply(self, results: list[ClientResult]) -> Reply:
        """Return the fleet's answer, given all results in the cohort's order."""
        spent = [r.evaluate_seconds for r in results if r.evaluate_seconds is not None]
        return Reply(
            state=self._state,
            results=results,
            drift=() if self._drift is None else self._drift,
            evaluate_seconds=max(spent, default=0.0),  # nodes score side by side
            store_seconds=self._store_seconds,
        )

    def _accept(self, client: int, answer: Trained) -> ClientResult:
        stored = [w.copy() for w in answer.weights] if self._order.sink else []
        norm = _subtract_in_place(answer.weights, self.start)
        result = judge(
            ClientResult(
                client,
                train_seconds=_number(answer.train_seconds),
                evaluate_seconds=_number(answer.evaluate_seconds),
                cpu_seconds=_number(answer.cpu_seconds),
            ),
            loss=_loss(answer),
            norm=norm,
            scored=_scored(answer),
        )
        if result.failure is not None:
            return result
        self._state = _fold(self._reducer, self._state, answer.weights, answer.num_examples)
        self._remember(client, answer)
        self._store_seconds += store_weights(self._order, client, stored)
        return result

    def _remember(self, client: int, answer: Trained) -> None:
        if not self._memory:
            return
        mean = mean_by_examples()
        drift = mean.init(answer.drift) if self._drift is None else self._drift
        self._drift = _fold(mean, drift, answer.drift, answer.num_examples)
        self._memory.remember(client, answer.client_state)

    def _find_memory_fault(self, answer: Trained) -> str | None:
        """Return why what the algorithm is to remember cannot be right."""
        if not self._memory:
            return None
        for name, arrays in (("client_state", answer.client_state), ("drift", answer.drift)):
            fault = find_fault(list(arrays), self._memory.initial)
            if fault is not None:
                return f"{name}: {fault}"
        return None


def _fold(reducer: Reducer, state: Any, delta: Weights, num_examples: int) -> Any:
    """Fold a difference in; state and difference are ours alone, so both may be used up."""
    add = reducer.add if reducer.consume is None else reducer.consume
    return add(state, Update(delta, num_examples))


def _subtract_in_place(ended: Weights, start: Weights) -> float:
    """Turn weights into what training changed, and return the L2 norm of that.

    In blocks, because large weights should not be there a second time, and each block is still in
    the processor's cache when its norm is taken.
    """
    squares: Any = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for new, old in zip(ended, start, strict=True):
            changed, before = new.reshape(-1), old.reshape(-1)
            for place in range(0, len(changed), _BLOCK_VALUES):
                block = changed[place : place + _BLOCK_VALUES]
                np.subtract(block, before[place : place + _BLOCK_VALUES], out=block)
                squares = squares + (block * block).sum()
        return float(squares**0.5)


def _number(value: Any) -> float | None:
    """Return a measurement that a node sent, or None where it is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if isfinite(value) else None


def _loss(answer: Trained) -> float:
    found = _number(answer.train_loss)
    return float("nan") if found is None else found


def _scored(answer: Trained) -> Evaluation | None:
    loss, score = _number(answer.local_loss), _number(answer.local_score)
    if loss is None and score is None:
        return None
    nan = float("nan")
    return Evaluation(nan if loss is None else loss, nan if score is None else score)
