"""The simulated fleet: all clients in compiled lanes of this process.

Each device has a thread that drives it: it lays out the batches of its clients, sends them to the
device, runs the lane's program over as many clients at a time as fit, and hands results, weights
and scores out. The lanes' reducer states are merged at the end, in the order of the lanes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from functools import reduce
from threading import Event
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.federation.fleet import Client, ClientResult, Evaluation, Order, Reply
from fedloom.federation.reduce import Reducer, mean_by_examples
from fedloom.federation.weights import Weights
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.simulated.collector import DeviceYield
from fedloom.fleet.simulated.device_lanes import DeviceLanes
from fedloom.fleet.simulated.devices import LaneLayout, open_lanes
from fedloom.fleet.simulated.packing import pack_abreast, pack_lanes
from fedloom.fleet.simulated.programs import Programs
from fedloom.fleet.simulated.round_table import Capacity
from fedloom.fleet.simulated.shared_rows import align_array
from fedloom.learning.batches import RowLists, count_batches
from fedloom.learning.trainer import EVALUATION_BATCH, EvaluationSums, KerasTrainer

__all__ = ["SimulatedFleet"]

STOP_SECONDS = 60.0
"""How long a failed round waits for its other lanes; each ends after the call that it is in."""


class SimulatedFleet:
    """Clients in compiled lanes; see `fedloom.federation.fleet.Fleet` for the calls.

    Args:
        trainer: how a client learns.
        client_ids: names of the clients.
        rows: one index array into the training part per client.
        layout: the lanes, from `open_lanes`; None takes one per core.
    """

    def __init__(
        self,
        trainer: KerasTrainer,
        client_ids: Sequence[str],
        rows: Sequence[NDArray[np.int64]],
        layout: LaneLayout | None = None,
    ) -> None:
        self._trainer = trainer
        self._layout = layout or open_lanes()
        self._lists = RowLists.join(rows)
        sizes = self._lists.sizes.tolist()
        named = zip(client_ids, sizes, strict=True)
        self._clients = [Client(i, name, size) for i, (name, size) in enumerate(named)]
        settings = trainer.settings
        self._steps = count_batches(self._lists.sizes, settings.batch_size, settings.epochs)
        weights = trainer.initial_weights
        trained = [weights[i] for i in trainer.trainable_indices]
        self._memory = ClientMemory(trainer.objective.init_client(trained))
        programs = Programs(trainer, self._layout.lanes_per_device)
        dataset = trainer.dataset
        shared: tuple[Any, Any] = (dataset.train_features, dataset.train_labels)
        if self._layout.on_cpu:
            shared = (align_array(shared[0]), align_array(shared[1]))
        self._devices = [
            DeviceLanes(
                device,
                self._layout.lanes_per_device,
                trainer,
                programs,
                self._lists,
                self._memory,
                shared,
                trainer.test_rows,
            )
            for device in self._layout.devices
        ]
        self._capacities: dict[int, Capacity] = {}
        self._threads = ThreadPoolExecutor(len(self._devices), thread_name_prefix="lane")
        self._stop = Event()

    def clients(self) -> Sequence[Client]:
        """Return all clients, in the order of their indices."""
        return self._clients

    def train(self, order: Order, reducer: Reducer) -> Reply:
        """Let the cohort train in the lanes; see `Fleet.train`."""
        stop = self._stop = Event()
        deadline = None if order.deadline_s is None else perf_counter() + order.deadline_s

        def stopped() -> bool:
            late = deadline is not None and perf_counter() > deadline
            return late or stop.is_set()

        began_cpu = process_time()
        per_device = self._assign(order.cohort)
        capacity = self._expect(len(order.cohort))
        futures = [
            self._threads.submit(device.train, lanes, order, reducer, capacity, stopped)
            for device, lanes in zip(self._devices, per_device, strict=True)
            if any(lanes)
        ]
        yields = self._await(futures)
        return self._join(order, reducer, yields, process_time() - began_cpu)

    def evaluate(self, weights: Weights) -> Evaluation:
        """Score weights on the whole test part, shared out over the devices."""
        row_count = self._trainer.test_rows.row_count
        batches = -(-row_count // EVALUATION_BATCH)
        bounds = np.linspace(0, batches, len(self._devices) + 1).astype(int).tolist()
        futures = [
            self._threads.submit(device.score, weights, low, high)
            for device, low, high in zip(self._devices, bounds, bounds[1:], strict=False)
        ]
        parts = self._await(futures)
        sums = EvaluationSums(sum(p.loss for p in parts), sum(p.hits for p in parts))
        return self._trainer.summarise(sums, row_count)

    def cancel(self) -> None:
        """Let a running `train` return after the calls that its lanes are in."""
        self._stop.set()

    def close(self) -> None:
        """End the threads; the fleet cannot train afterwards."""
        self._stop.set()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def save(self) -> dict[str, Any]:
        """Return what is remembered of the clients."""
        return self._memory.save()

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `save` returned."""
        self._memory.load(state)

    def _await(self, futures: Sequence[Any]) -> list[Any]:
        """Collect results; an interrupt or an error stops the other lanes before it goes on."""
        try:
            return [future.result() for future in futures]
        except BaseException:
            self.cancel()
            wait(futures, timeout=STOP_SECONDS)
            raise

    def _expect(self, cohort: int) -> Capacity:
        if cohort not in self._capacities:
            self._capacities[cohort] = Capacity.expect(
                self._lists, cohort, self._layout.lanes, self._trainer.settings
            )
        return self._capacities[cohort]

    def _assign(self, cohort: Sequence[int]) -> list[list[list[int]]]:
        """Return the clients of every lane of every device."""
        layout = self._layout
        pack = pack_lanes if layout.lanes_per_device == 1 else pack_abreast
        packed = pack(self._steps[list(cohort)].tolist(), layout.lanes)
        lanes = [[cohort[position] for position in lane] for lane in packed]
        width = layout.lanes_per_device
        return [lanes[i * width : (i + 1) * width] for i in range(len(layout.devices))]

    def _join(
        self, order: Order, reducer: Reducer, yields: Sequence[DeviceYield], cpu_seconds: float
    ) -> Reply:
        folds = [fold for y in yields for fold in y.folds]
        drifts = [drift for y in yields for drift in y.drifts]
        busy = sum(y.train_seconds + y.evaluate_seconds for y in yields)
        rate = cpu_seconds / busy if busy else 0.0
        results = {r.client: _with_cpu(r, rate) for y in yields for r in y.results}
        stateful = self._trainer.objective.stateful
        start = [np.asarray(w) for w in order.weights]
        return Reply(
            state=reduce(reducer.merge, folds) if folds else reducer.init(start),
            results=[results[client] for client in order.cohort],
            drift=reduce(mean_by_examples().merge, drifts) if stateful and drifts else (),
            evaluate_seconds=max((y.evaluate_seconds for y in yields), default=0.0),
            store_seconds=max((y.store_seconds for y in yields), default=0.0),
        )


def _with_cpu(result: ClientResult, rate: float) -> ClientResult:
    """Apportion processor time by the lanes' seconds."""
    if result.train_seconds is None:
        return result
    return replace(result, cpu_seconds=result.train_seconds * rate)
