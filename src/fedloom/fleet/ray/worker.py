"""What runs in a worker's process: one compiled lane of the simulated fleet."""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter, process_time

import numpy as np

from fedloom._version import __version__
from fedloom.federation.fleet import ClientResult, Order
from fedloom.federation.reduce import Reducer
from fedloom.federation.weights import Weights
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.ray.messages import Hello, Parcel, ParcelDone, RoundOrder, Welcome
from fedloom.fleet.simulated.collector import DeviceYield
from fedloom.fleet.simulated.device_lanes import DeviceLanes
from fedloom.fleet.simulated.devices import open_lanes
from fedloom.fleet.simulated.programs import Programs
from fedloom.fleet.simulated.shared_rows import align_array
from fedloom.learning import build_trainer
from fedloom.learning.trainer import EvaluationSums

__all__ = ["LaneWorker"]


class LaneWorker:
    """One lane on one core; Ray makes it an actor.

    Args:
        welcome: data, model and clients.
    """

    def __init__(self, welcome: Welcome) -> None:
        # JAX warms up before the first client is measured.
        layout = open_lanes(1)
        trainer = build_trainer(
            welcome.training, welcome.dataset, welcome.objective, fast_loops=layout.on_cpu
        )
        dataset = welcome.dataset
        self._memory = ClientMemory(welcome.client_state)
        self._reducers: dict[bytes, Reducer] = {}
        self._stopped_up_to = 0
        self._lanes = DeviceLanes(
            layout.devices[0],
            layout.lanes_per_device,
            trainer,
            Programs(trainer, layout.lanes_per_device),
            welcome.lists,
            self._memory,
            (align_array(dataset.train_features), align_array(dataset.train_labels)),
            trainer.test_rows,
        )

    def hello(self) -> Hello:
        """Say that the worker is ready."""
        return Hello(os.getpid(), socket.gethostname(), __version__)

    def stop(self, number: int) -> None:
        """Let the order of that number, and those before it, end early; from any thread."""
        self._stopped_up_to = max(self._stopped_up_to, number)

    def train(self, order: RoundOrder, parcel: Parcel) -> ParcelDone:
        """Train some clients and fold their updates."""
        self._memory.load({})
        for client, state in parcel.states.items():
            self._memory.remember(client, state)
        kept: dict[int, Weights] = {}
        given = self._make_order(order, parcel, kept)
        began_cpu = process_time()
        ended = self._lanes.train(
            [parcel.clients],
            given,
            self._find_reducer(order.reducer),
            order.capacity,
            self._watch(order.number, parcel.time_left_s),
        )
        return self._pack(ended, kept, process_time() - began_cpu)

    def score(self, weights: Weights, low: int, high: int) -> EvaluationSums:
        """Sum loss and hits of weights over some batches of the test part."""
        return self._lanes.score(weights, low, high)

    def _make_order(self, order: RoundOrder, parcel: Parcel, kept: dict[int, Weights]) -> Order:
        def keep(client: int, weights: Weights) -> None:
            kept[client] = [np.array(w) for w in weights]

        return Order(
            round=order.round,
            cohort=parcel.clients,
            weights=order.weights,
            seed=order.seed,
            shared=order.shared,
            local_evaluation=order.local_evaluation,
            sink=keep if order.wants_weights else None,
        )

    def _find_reducer(self, pickled: bytes) -> Reducer:
        if pickled not in self._reducers:
            self._reducers[pickled] = pickle.loads(pickled)
        return self._reducers[pickled]

    def _watch(self, number: int, time_left_s: float | None) -> Callable[[], bool]:
        until = None if time_left_s is None else perf_counter() + time_left_s

        def stopped() -> bool:
            late = until is not None and perf_counter() > until
            return late or number <= self._stopped_up_to

        return stopped

    def _pack(self, ended: DeviceYield, kept: dict[int, Weights], cpu_seconds: float) -> ParcelDone:
        accepted = [r.client for r in ended.results if r.failure is None]
        busy = ended.train_seconds + ended.evaluate_seconds
        rate = cpu_seconds / busy if busy else 0.0
        return ParcelDone(
            fold=ended.folds[0],
            drift=ended.drifts[0],
            results=[_with_cpu(result, rate) for result in ended.results],
            states={c: self._memory.recall(c) for c in accepted} if self._memory else {},
            weights=kept,
            evaluate_seconds=ended.evaluate_seconds,
        )


def _with_cpu(result: ClientResult, rate: float) -> ClientResult:
    """Apportion processor time by the lane's seconds."""
    if result.train_seconds is None:
        return result
    return replace(result, cpu_seconds=result.train_seconds * rate)
