"""What the calls of one round on one device yield: results, weights, states and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.federation.fleet import ClientResult, Evaluation, Failure, Order
from fedloom.federation.reduce import Reducer, Update
from fedloom.federation.weights import Weights
from fedloom.fleet.simulated.device_home import DeviceHome
from fedloom.fleet.simulated.lane import LaneYield
from fedloom.fleet.verdict import judge
from fedloom.learning.scored_rows import count_scored_rows
from fedloom.learning.trainer import EVALUATION_BATCH, EvaluationSums

__all__ = ["Collector", "DeviceYield"]


@dataclass
class DeviceYield:
    """What the lanes of one device hand out after a round."""

    folds: list[Any] = field(default_factory=list)
    drifts: list[Any] = field(default_factory=list)
    results: list[ClientResult] = field(default_factory=list)
    train_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    store_seconds: float = 0.0


@dataclass(frozen=True)
class _Call:
    """Which clients one call of the lane's program trained, and how long it took.

    Attributes:
        clients: for each lane, in the order of their slots.
        steps: shape (lanes, slots used), each client's number of batches.
        seconds: wall time.
    """

    clients: Sequence[Sequence[int]]
    steps: NDArray[np.int32]
    seconds: float

    def share(self, lane: int, slot: int) -> float:
        """Return a client's part of the seconds: the lane's, apportioned by batches."""
        part = int(self.steps[lane, slot]) / max(int(self.steps[lane].sum()), 1)
        return self.seconds * part / len(self.clients)


class Collector:
    """Hands out what lanes yield, call by call.

    Args:
        home: the device.
        lanes: the clients of each lane.
        order: the round's order.
        reducer: gets the updates one by one if it keeps them.
    """

    def __init__(
        self,
        home: DeviceHome,
        lanes: Sequence[Sequence[int]],
        order: Order,
        reducer: Reducer,
    ) -> None:
        self._home, self._lanes, self._order, self._reducer = home, lanes, order, reducer
        self._start = [np.asarray(w) for w in order.weights]
        self._updates = [reducer.init(self._start) for _ in lanes]
        self._scored_rows = count_scored_rows(order.local_evaluation, home.scored.row_count)
        self._fetches_weights = order.sink is not None or reducer.keeps_updates
        self._yield = DeviceYield()

    @property
    def keeps_weights(self) -> bool:
        """Whether the lanes must hand out each client's weights."""
        return self._fetches_weights or self._scored_rows > 0

    def take(
        self, given: LaneYield, steps: NDArray[np.int32], low: int, high: int, seconds: float
    ) -> None:
        """Hand out what the call for the clients `low` … `high` - 1 of each lane yielded."""
        call = _Call([clients[low:high] for clients in self._lanes], steps[:, low:high], seconds)
        self._yield.train_seconds += seconds
        scores, score_seconds = self._score(given, high - low)
        weights = given.weights if self._fetches_weights else ()
        views = self._home.fetch_lanes(given._replace(fold=(), drift=(), weights=weights))
        for lane, (clients, view) in enumerate(zip(call.clients, views, strict=True)):
            for slot, client in enumerate(clients):
                measured = ClientResult(
                    client=client,
                    train_seconds=call.share(lane, slot),
                    evaluate_seconds=score_seconds,
                )
                scored = scores[lane][slot] if scores else None
                loss, norm = float(view.losses[slot]), float(view.norms[slot])
                result = judge(measured, loss=loss, norm=norm, scored=scored)
                self._yield.results.append(result)
                if result.failure is None:
                    self._hand_over(client, lane, slot, view)

    def end(self, reached: int, fold: Any, drift: Any) -> DeviceYield:
        """Return all there is; clients from position `reached` on count as timed out."""
        for clients in self._lanes:
            self._yield.results += [
                ClientResult(c, Failure.TIMEOUT, "the round was ended before its turn")
                for c in clients[reached:]
            ]
        keeps_updates = self._reducer.keeps_updates
        self._yield.folds = self._updates if keeps_updates else self._home.fetch_lanes(fold)
        self._yield.drifts = self._home.fetch_lanes(drift)
        return self._yield

    def _hand_over(self, client: int, lane: int, slot: int, view: LaneYield) -> None:
        """Give weights to the sink, an update to a reducer that keeps it, a state to the memory."""
        weights: Weights = [w[slot] for w in view.weights]
        if self._order.sink is not None:
            began = perf_counter()
            self._order.sink(client, weights)
            self._yield.store_seconds += perf_counter() - began
        if self._reducer.keeps_updates:
            delta = [new - old for new, old in zip(weights, self._start, strict=True)]
            update = Update(delta, int(self._home.lists.sizes[client]))
            self._updates[lane] = self._reducer.add(self._updates[lane], update)
        if self._home.memory:
            self._home.memory.remember(client, [s[slot] for s in view.client_states])

    def _score(
        self, given: LaneYield, count: int
    ) -> tuple[list[list[Evaluation]] | None, float | None]:
        """Score the weights of one call: evaluations by lane and slot, and seconds per client."""
        if self._scored_rows == 0:
            return None, None
        home, rows = self._home, self._scored_rows
        began = perf_counter()
        batches = -(-rows // EVALUATION_BATCH)
        slots = given.losses.shape[-1]
        program = home.programs.evaluation(slots)
        test = home.scored.features, home.scored.labels, 0, batches, rows
        home.compile_once(
            ("evaluation", slots, id(program)), lambda: program(given.weights, 0, *test)
        )
        compiled = perf_counter()
        sums: list[EvaluationSums] = home.fetch_lanes(program(given.weights, count, *test))
        seconds = perf_counter() - compiled
        self._yield.evaluate_seconds += perf_counter() - began
        scores = [
            [
                home.trainer.summarise(EvaluationSums(lane.loss[slot], lane.hits[slot]), rows)
                for slot in range(count)
            ]
            for lane in sums
        ]
        return scores, seconds / max(count * len(self._lanes), 1)
