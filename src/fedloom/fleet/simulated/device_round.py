"""One round on one device: batches in, results, weights and scores out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import jax
import numpy as np

from fedloom.federation.fleet import ClientResult, Evaluation, Failure, LocalEvaluation, Order
from fedloom.federation.reduce import Reducer, Update, mean_by_examples
from fedloom.federation.weights import count_bytes
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.simulated.lane import LaneYield
from fedloom.fleet.simulated.programs import Programs
from fedloom.fleet.simulated.round_table import Capacity, build_lane_table
from fedloom.learning.batches import RowLists
from fedloom.learning.scored_rows import ScoredRows, count_scored_rows
from fedloom.learning.trainer import EVALUATION_BATCH, EvaluationSums, KerasTrainer

wait: Callable[[Any], Any] = jax.block_until_ready
"""Return when the arrays of a tree are there."""

__all__ = ["DeviceHome", "DeviceRound", "DeviceYield"]

STACK_BYTES = 128 * 2**20
"""Memory for the weights of clients that wait to be scored or stored, per device."""

CALL_SECONDS = 2.0
"""How long one call of a lane's program should take, so that a run can be stopped."""

FIRST_CALL_BATCHES = 64
"""Batches of the first call, which tells how long a batch takes."""


@dataclass
class DeviceYield:
    """What the lanes of one device hand out after a round."""

    folds: list[Any] = field(default_factory=list)
    drifts: list[Any] = field(default_factory=list)
    results: list[ClientResult] = field(default_factory=list)
    train_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    store_seconds: float = 0.0


@dataclass
class DeviceHome:
    """What stays on a device from round to round.

    Attributes:
        device: a JAX device.
        abreast: lanes that run on it together.
        trainer: gives the steps.
        programs: the compiled programs, shared by all devices.
        lists: the rows of all clients.
        memory: what the algorithm remembers of the clients; shared by all devices.
        features: the training part, on the device.
        labels: likewise.
        scored: the test part, on the device.
        seconds_per_batch: how long a batch took in the last call.
        compiled: programs and sizes that were called before.
    """

    device: Any
    abreast: int
    trainer: KerasTrainer
    programs: Programs
    lists: RowLists
    memory: ClientMemory
    features: Any
    labels: Any
    scored: ScoredRows
    seconds_per_batch: float | None = None
    compiled: set[Any] = field(default_factory=set)

    def put(self, values: Any) -> Any:
        """Copy arrays to the device."""
        return jax.device_put(values, self.device)


class DeviceRound:
    """One round on one device: state that lives as long as the order."""

    def __init__(
        self,
        home: DeviceHome,
        lanes: Sequence[Sequence[int]],
        order: Order,
        reducer: Reducer,
        capacity: Capacity,
    ) -> None:
        self._home, self._order, self._reducer = home, order, reducer
        self._lanes = lanes
        self._trainer = home.trainer
        self._yield = DeviceYield()
        self._table, self._capacity = build_lane_table(
            home.lists,
            lanes,
            capacity,
            self._trainer.settings,
            seed=order.seed,
            round_number=order.round,
            draws_noise=self._trainer.functional.draws_noise,
        )
        self._start = [np.asarray(w) for w in order.weights]
        self._keeps_weights = (
            order.sink is not None
            or reducer.keeps_updates
            or order.local_evaluation is not LocalEvaluation.NONE
        )
        self._slots = self._count_slots()
        self._updates = [reducer.init(self._start) for _ in lanes]

    def run(self, stopped: Callable[[], bool]) -> DeviceYield:
        """Train all clients, some at a time."""
        home, put = self._home, self._home.put
        fixed = put((self._start, self._order.shared))
        table = put(self._squeeze(self._table))
        program = home.programs.lane(self._reducer, self._slots, keep_weights=self._keeps_weights)
        fold, drift = put(self._initial_states())
        low, most = 0, max(len(clients) for clients in self._lanes)
        first_memory = put(self._gather_memory(0, 0))
        self._compile(
            ("lane", self._capacity, self._slots, id(program)),
            lambda: program(
                *fixed, fold, drift, first_memory, table, home.features, home.labels, 0, 0
            ),
        )
        while low < most and not stopped():
            high = self._choose_high(low, most)
            memory = put(self._gather_memory(low, high))
            began = perf_counter()
            given = program(
                *fixed, fold, drift, memory, table, home.features, home.labels, low, high
            )
            wait(given)
            fold, drift = given.fold, given.drift
            self._take(given, low, high, perf_counter() - began)
            low = high
        self._time_out(low)
        self._end(fold, drift)
        return self._yield

    def _compile(self, key: Any, call_idly: Callable[[], Any]) -> None:
        """Compile a program by a call over nobody, lest its first client be charged for that."""
        if key not in self._home.compiled:
            wait(call_idly())
            self._home.compiled.add(key)

    def _count_slots(self) -> int:
        if not self._keeps_weights and not self._trainer.objective.stateful:
            return self._capacity.clients
        held = count_bytes(self._start) * self._home.abreast
        return max(1, min(self._capacity.clients, STACK_BYTES // max(held, 1)))

    def _initial_states(self) -> Any:
        fold = () if self._reducer.keeps_updates else self._reducer.init(self._start)
        drift: Any = ()
        if self._trainer.objective.stateful:
            trained = [self._start[i] for i in self._trainer.trainable_indices]
            drift = mean_by_examples().init(trained)
        if self._home.abreast == 1:
            return fold, drift
        spread = self._home.abreast
        return jax.tree.map(lambda a: np.broadcast_to(a, (spread, *np.shape(a))), (fold, drift))

    def _squeeze(self, tree: Any) -> Any:
        """Drop the axis of lanes where there is just one."""
        return jax.tree.map(lambda a: a[0], tree) if self._home.abreast == 1 else tree

    def _lane_view(self, tree: Any, lane: int) -> Any:
        return tree if self._home.abreast == 1 else jax.tree.map(lambda a: a[lane], tree)

    def _choose_high(self, low: int, most: int) -> int:
        """Return how far the next call may go: slots and `CALL_SECONDS` bound it."""
        pace = self._home.seconds_per_batch
        budget = FIRST_CALL_BATCHES if pace is None else max(1, int(CALL_SECONDS / pace))
        steps = self._table.lengths.max(axis=0)[low : min(most, low + self._slots)]
        within = int(np.searchsorted(np.cumsum(steps), budget, side="right"))
        return low + max(1, within)

    def _gather_memory(self, low: int, high: int) -> Any:
        if not self._home.memory:
            return ()
        unseen = self._home.memory.recall(-1)
        stacks = [
            np.broadcast_to(a, (len(self._lanes), self._slots, *a.shape)).copy() for a in unseen
        ]
        for lane, clients in enumerate(self._lanes):
            for slot, client in enumerate(clients[low:high]):
                for stack, array in zip(stacks, self._home.memory.recall(client), strict=True):
                    stack[lane, slot] = array
        return self._squeeze(stacks)

    def _take(self, given: LaneYield, low: int, high: int, seconds: float) -> None:
        """Hand out what one call yielded."""
        self._yield.train_seconds += seconds
        steps = self._table.lengths[:, low:high]
        longest = int(steps.max(axis=0).sum())
        self._home.seconds_per_batch = seconds / max(longest, 1)
        scores, score_seconds = self._score(given, high - low)
        for lane, clients in enumerate(self._lanes):
            view = self._lane_view(given._replace(fold=(), drift=()), lane)
            host = jax.tree.map(np.asarray, view)
            share = 1.0 / max(int(steps[lane].sum()), 1)
            for slot, client in enumerate(clients[low:high]):
                part = int(steps[lane, slot]) * share / len(self._lanes)
                score = scores(lane, slot) if scores else None
                self._add_result(client, host, slot, seconds * part, score, score_seconds)
            self._hand_over(clients[low:high], host, lane)

    def _add_result(
        self,
        client: int,
        host: LaneYield,
        slot: int,
        seconds: float,
        score: Evaluation | None,
        score_seconds: float | None,
    ) -> None:
        norm = float(host.norms[slot])
        diverged = not np.isfinite(norm)
        self._yield.results.append(
            ClientResult(
                client=client,
                failure=Failure.DIVERGED if diverged else None,
                failure_detail="its weights are no longer finite" if diverged else "",
                train_loss=_finite(float(host.losses[slot])),
                divergence=_finite(norm),
                local_loss=None if score is None or diverged else _finite(score.loss),
                local_score=None if score is None or diverged else _finite(score.score),
                train_seconds=seconds,
                evaluate_seconds=score_seconds,
            )
        )

    def _hand_over(self, clients: Sequence[int], host: LaneYield, lane: int) -> None:
        """Give weights to the sink, updates to a reducer that keeps them, states to the memory."""
        reducer, examples = self._reducer, self._home.lists.sizes
        for slot, client in enumerate(clients):
            if not np.isfinite(host.norms[slot]):
                continue
            weights = [w[slot] for w in host.weights] if self._keeps_weights else []
            if self._order.sink is not None:
                began = perf_counter()
                self._order.sink(client, weights)
                self._yield.store_seconds += perf_counter() - began
            if reducer.keeps_updates:
                delta = [new - old for new, old in zip(weights, self._start, strict=True)]
                update = Update(delta, int(examples[client]))
                self._updates[lane] = reducer.add(self._updates[lane], update)
            if self._home.memory:
                self._home.memory.remember(client, [s[slot] for s in host.client_states])

    def _score(
        self, given: LaneYield, count: int
    ) -> tuple[Callable[[int, int], Evaluation] | None, float | None]:
        """Score the weights of one call: a look-up by lane and slot, and seconds per client."""
        home = self._home
        row_count = count_scored_rows(self._order.local_evaluation, home.scored.row_count)
        if row_count == 0:
            return None, None
        began = perf_counter()
        batches = -(-row_count // EVALUATION_BATCH)
        program = home.programs.evaluation(self._slots)

        def call(count: int) -> EvaluationSums:
            each: Any = count if home.abreast == 1 else np.full(home.abreast, count, np.int32)
            test = home.scored
            scored: EvaluationSums = program(
                given.weights, each, test.features, test.labels, 0, batches, row_count
            )
            return scored

        self._compile(("evaluation", self._slots, id(program)), lambda: call(0))
        compiled = perf_counter()
        sums = call(count)
        host = EvaluationSums(np.asarray(sums.loss), np.asarray(sums.hits))
        seconds = perf_counter() - compiled
        self._yield.evaluate_seconds += perf_counter() - began

        def look_up(lane: int, slot: int) -> Evaluation:
            view = self._lane_view(host, lane)
            sums = EvaluationSums(view.loss[slot], view.hits[slot])
            return self._trainer.summarise(sums, row_count)

        return look_up, seconds / max(count * len(self._lanes), 1)

    def _time_out(self, reached: int) -> None:
        for clients in self._lanes:
            self._yield.results += [
                ClientResult(
                    client=c, failure=Failure.TIMEOUT, failure_detail="the run was stopped"
                )
                for c in clients[reached:]
            ]

    def _end(self, fold: Any, drift: Any) -> None:
        for lane in range(len(self._lanes)):
            state = self._updates[lane]
            if not self._reducer.keeps_updates:
                state = jax.tree.map(np.asarray, self._lane_view(fold, lane))
            self._yield.folds.append(state)
            self._yield.drifts.append(jax.tree.map(np.asarray, self._lane_view(drift, lane)))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
