"""A fleet in NumPy whose clients move the weights by amounts that a test names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fedloom.federation.fleet import Client, ClientResult, Evaluation, Failure, Order, Reply
from fedloom.federation.reduce import Reducer, Update, mean_by_examples
from fedloom.federation.weights import Weights


class FakeFleet:
    """Clients that move the first array by `moves[client]` and the second by 10 in every round.

    Args:
        moves: one number per client; None fails as `Failure.ERROR`.
        examples: training rows per client.
        drifts: what the objective returns per client, if it is stateful.
        clock: advanced by what each call takes, if given.
    """

    def __init__(
        self,
        moves: Sequence[float | None],
        examples: Sequence[int] | None = None,
        *,
        drifts: Sequence[float] = (),
        clock: FakeClock | None = None,
    ) -> None:
        sizes = examples or [1] * len(moves)
        self._clients = [Client(i, f"client_{i + 1}", n) for i, n in enumerate(sizes)]
        self._moves, self._drifts, self._clock = moves, drifts, clock
        self.orders: list[Order] = []

    def clients(self) -> Sequence[Client]:
        return self._clients

    def train(self, order: Order, reducer: Reducer) -> Reply:
        self.orders.append(order)
        if self._clock is not None:
            self._clock.now += 10.0
        state, drift, results = reducer.init(order.weights), None, []
        for client in order.cohort:
            move = self._moves[client]
            if move is None:
                results.append(ClientResult(client, Failure.ERROR, "as told"))
                continue
            delta = [np.full_like(order.weights[0], move), np.full_like(order.weights[1], 10)]
            examples = self._clients[client].num_examples
            state = reducer.add(state, Update(delta, examples))
            if self._drifts:
                given = [np.float32([self._drifts[client]])]
                drift = mean_by_examples().init(given) if drift is None else drift
                drift = mean_by_examples().add(drift, Update(given, examples))
            results.append(ClientResult(client, train_loss=1.0, divergence=abs(move)))
            if order.sink is not None:
                order.sink(client, [w + d for w, d in zip(order.weights, delta, strict=True)])
        return Reply(
            state=state,
            results=results,
            drift=() if drift is None else drift,
            evaluate_seconds=3.0,
            store_seconds=2.0,
        )

    def evaluate(self, weights: Weights) -> Evaluation:
        if self._clock is not None:
            self._clock.now += 0.5
        return Evaluation(loss=float(weights[0].sum()), score=float(weights[1].sum()))

    def cancel(self) -> None: ...

    def close(self) -> None: ...

    def save(self) -> dict[str, Any]:
        return {}

    def load(self, state: Mapping[str, Any]) -> None: ...


class FakeClock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now
