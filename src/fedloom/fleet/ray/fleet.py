"""The Ray fleet: the lanes of the simulated fleet, one on each worker of a Ray cluster.

Clients are packed by size onto as many lanes as there are workers, as the simulated fleet packs
them onto the cores of one machine. Each worker folds its clients; the reducer's states are merged
here, in the order of the lanes and whoever trained them, so that a round gives the same weights
when a worker is lost and its clients are trained by another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import pairwise
from math import inf
from threading import Event
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.federation.fleet import Client, Evaluation, Order, Reply
from fedloom.federation.reduce import Reducer, mean_by_examples
from fedloom.federation.weights import Weights, count_bytes
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.ray.connection import Connection, find_address
from fedloom.fleet.ray.crew import Crew
from fedloom.fleet.ray.gathered import Gathered
from fedloom.fleet.ray.hire import choose_count, make_actor, measure_dataset
from fedloom.fleet.ray.messages import Parcel, RoundOrder, Welcome
from fedloom.fleet.ray.work import Piece, Task
from fedloom.fleet.simulated.device_round import STACK_BYTES
from fedloom.fleet.simulated.packing import pack_lanes
from fedloom.fleet.simulated.round_table import Capacity
from fedloom.learning.batches import RowLists, count_batches
from fedloom.learning.local_training import LocalTraining
from fedloom.learning.trainer import EVALUATION_BATCH, EvaluationSums, KerasTrainer

__all__ = ["RayFleet"]


class RayFleet:
    """Clients in lanes on a Ray cluster; see `fedloom.federation.fleet.Fleet` for the calls.

    Args:
        trainer: what a client learns; in this process it says how weights begin.
        training: how every client trains, on the workers.
        client_ids: names of the clients.
        rows: one index array into the training part per client.
        workers: how many, though never more than clients; None takes one per core.
        address: of a cluster; None takes that of ``RAY_ADDRESS``, or else starts one on this
            machine that ends with the fleet.

    Raises:
        MissingExtraError: Ray is not installed.
        LinkError: the cluster cannot be reached, or gives no worker.
    """

    def __init__(
        self,
        trainer: KerasTrainer,
        training: LocalTraining,
        client_ids: Sequence[str],
        rows: Sequence[NDArray[np.int64]],
        *,
        workers: int | None = None,
        address: str | None = None,
    ) -> None:
        self._trainer, self._lists = trainer, RowLists.join(rows)
        named = zip(client_ids, self._lists.sizes.tolist(), strict=True)
        self._clients = [Client(i, name, size) for i, (name, size) in enumerate(named)]
        settings = trainer.settings
        self._steps = count_batches(self._lists.sizes, settings.batch_size, settings.epochs)
        weights = trainer.initial_weights
        trained = [weights[i] for i in trainer.trainable_indices]
        self._memory = ClientMemory(trainer.objective.init_client(trained))
        self._stop, self._number = Event(), 0
        self._reducers: dict[int, tuple[Reducer, bytes]] = {}
        dataset = trainer.dataset
        self._link = Connection(find_address(address), measure_dataset(dataset))
        try:
            self.workers = choose_count(self._link, workers, len(self._clients))
            state = self._memory.initial
            welcome = Welcome(dataset, training, trainer.objective, self._lists, state)
            self._crew = Crew(
                self._link, make_actor(self._link), self._link.ray.put(welcome), self.workers
            )
        except BaseException:
            self._link.close()
            raise

    def clients(self) -> Sequence[Client]:
        """Return all clients, in the order of their indices."""
        return self._clients

    def train(self, order: Order, reducer: Reducer) -> Reply:
        """Let the cohort train on the workers; see `Fleet.train`."""
        stop = self._stop = Event()
        until = inf if order.deadline_s is None else monotonic() + order.deadline_s
        self._number = number = self._number + 1
        sent = self._link.ray.put(self._make_round_order(order, reducer, number))
        gathered = Gathered(order, self._memory)

        def submit(worker: Any, piece: Piece) -> Any:
            return worker.train.remote(sent, self._make_parcel(piece, until))

        task = Task(
            submit=submit,
            take=gathered.take,
            divisible=True,
            until=until,
            stop=stop,
            halt=lambda worker: _halt(worker, number),
        )
        gathered.end(self._crew.carry_out(task, self._cut(order, reducer)))
        return self._join(order, reducer, gathered)

    def evaluate(self, weights: Weights) -> Evaluation:
        """Score weights on the whole test part, shared out over the workers."""
        row_count = self._trainer.test_rows.row_count
        batches = -(-row_count // EVALUATION_BATCH)
        bounds = np.linspace(0, batches, self.workers + 1).astype(int).tolist()
        ranges = list(pairwise(bounds))
        sent = self._link.ray.put([np.asarray(w) for w in weights])
        parts: dict[tuple[int, ...], EvaluationSums] = {}

        def take(piece: Piece, sums: EvaluationSums) -> None:
            parts[piece.place] = sums

        def submit(worker: Any, piece: Piece) -> Any:
            return worker.score.remote(sent, *piece.content)

        pieces = [Piece((i,), span) for i, span in enumerate(ranges) if span[0] < span[1]]
        self._crew.carry_out_all(Task(submit=submit, take=take, divisible=False), pieces)
        ordered = [parts[place] for place in sorted(parts)]
        sums = EvaluationSums(sum(p.loss for p in ordered), sum(p.hits for p in ordered))
        return self._trainer.summarise(sums, row_count)

    def cancel(self) -> None:
        """Let a running `train` return after the calls that its lanes are in."""
        self._stop.set()

    def close(self) -> None:
        """End the workers, and the cluster if it is ours; may be called twice."""
        self._stop.set()
        try:
            self._crew.close()
        finally:
            self._link.close()

    def save(self) -> dict[str, Any]:
        """Return what is remembered of the clients."""
        return self._memory.save()

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `save` returned."""
        self._memory.load(state)

    def _make_round_order(self, order: Order, reducer: Reducer, number: int) -> RoundOrder:
        return RoundOrder(
            number=number,
            round=order.round,
            weights=[np.asarray(w) for w in order.weights],
            seed=order.seed,
            shared=_to_host(order.shared),
            local_evaluation=order.local_evaluation,
            reducer=self._pickle(reducer),
            capacity=Capacity.expect(
                self._lists, len(order.cohort), self.workers, self._trainer.settings
            ),
            wants_weights=order.sink is not None,
        )

    def _pickle(self, reducer: Reducer) -> bytes:
        """Pickle a reducer once, so that workers know it again."""
        if id(reducer) not in self._reducers:
            pickled = self._link.ray.cloudpickle.dumps(reducer)
            self._reducers[id(reducer)] = reducer, pickled
        return self._reducers[id(reducer)][1]

    def _make_parcel(self, piece: Piece, until: float) -> Parcel:
        states = {c: self._memory.recall(c) for c in piece.content} if self._memory else {}
        return Parcel(
            clients=piece.content,
            states=states,
            time_left_s=None if until == inf else max(0.0, until - monotonic()),
        )

    def _cut(self, order: Order, reducer: Reducer) -> list[Piece]:
        """Pack the cohort; where every client's weights come back, in portions that fit memory."""
        cohort = order.cohort
        lanes = pack_lanes(self._steps[list(cohort)].tolist(), self.workers)
        most = len(cohort)
        if order.sink is not None or reducer.keeps_updates:
            most = max(1, STACK_BYTES // max(count_bytes(order.weights), 1))
        pieces = []
        for place, lane in enumerate(lanes):
            for low in range(0, len(lane), most):
                held = tuple(cohort[position] for position in lane[low : low + most])
                pieces.append(Piece((place, low), held))
        # The first portion of every lane comes before the second of any.
        return sorted(pieces, key=lambda piece: (piece.place[1], piece.place[0]))

    def _join(self, order: Order, reducer: Reducer, gathered: Gathered) -> Reply:
        folds, drifts = gathered.folds, gathered.drifts
        start = [np.asarray(w) for w in order.weights]
        stateful = self._trainer.objective.stateful
        return Reply(
            state=reduce(reducer.merge, folds) if folds else reducer.init(start),
            results=[gathered.results[client] for client in order.cohort],
            drift=reduce(mean_by_examples().merge, drifts) if stateful and drifts else (),
            evaluate_seconds=gathered.evaluate_seconds,
            store_seconds=gathered.store_seconds,
        )


def _halt(worker: Any, number: int) -> None:
    worker.stop.options(concurrency_group="control").remote(number)


def _to_host(tree: Any) -> Any:
    """Copy the arrays of a list, or of lists in it, to the host."""
    if isinstance(tree, list | tuple):
        return type(tree)(_to_host(part) for part in tree)
    return np.asarray(tree)
