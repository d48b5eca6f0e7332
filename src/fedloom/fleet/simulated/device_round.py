"""One round on one device: the lane's program, called over some clients at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from fedloom.federation.fleet import Order
from fedloom.federation.reduce import Reducer, mean_by_examples
from fedloom.federation.weights import count_bytes
from fedloom.fleet.simulated.collector import Collector, DeviceYield
from fedloom.fleet.simulated.device_home import DeviceHome, wait
from fedloom.fleet.simulated.round_table import Capacity, build_lane_table

__all__ = ["DeviceRound"]

STACK_BYTES = 128 * 2**20
"""Memory for the weights of clients that wait to be scored or stored, per device."""

CALL_SECONDS = 2.0
"""How long one call of a lane's program should take, so that a run can be stopped."""

FIRST_CALL_BATCHES = 64
"""Batches of the first call, which tells how long a batch takes."""


class DeviceRound:
    """One round on one device: state that lives as long as the order.

    Args:
        home: the device.
        lanes: the clients of each lane, one list for each of the lanes abreast.
        order: the round's order.
        reducer: folds the updates.
        capacity: size of the tables; the lanes must fit.
    """

    def __init__(
        self,
        home: DeviceHome,
        lanes: Sequence[Sequence[int]],
        order: Order,
        reducer: Reducer,
        capacity: Capacity,
    ) -> None:
        self._home, self._lanes, self._order, self._reducer = home, lanes, order, reducer
        self._capacity = capacity
        self._start = [np.asarray(w) for w in order.weights]
        self._collector = Collector(home, lanes, order, reducer)
        self._slots = self._count_slots()
        self._table = build_lane_table(
            home.lists,
            lanes,
            capacity,
            home.trainer.settings,
            seed=order.seed,
            round_number=order.round,
            draws_noise=home.trainer.functional.draws_noise,
        )

    def run(self, stopped: Callable[[], bool]) -> DeviceYield:
        """Train all clients, some at a time, until `stopped` says so."""
        home, collector = self._home, self._collector
        call, (fold, drift) = self._prepare()
        low, most = 0, max(len(clients) for clients in self._lanes)
        while low < most and not stopped():
            high = self._choose_high(low, most)
            memory = home.put(self._gather_memory(low, high))
            began = perf_counter()
            given = call(fold, drift, memory, low, high)
            wait(given)
            seconds = perf_counter() - began
            fold, drift = given.fold, given.drift
            self._note_pace(low, high, seconds)
            collector.take(given, self._table.lengths, low, high, seconds)
            low = high
        return collector.end(low, fold, drift)

    def _prepare(self) -> tuple[Callable[..., Any], Any]:
        """Send what the round needs to the device; return its compiled program and its states."""
        home = self._home
        fixed = home.put((self._start, self._order.shared))
        table = home.put(home.squeeze(self._table))
        keep_weights = self._collector.keeps_weights
        program = home.programs.lane(self._reducer, self._slots, keep_weights=keep_weights)

        def call(fold: Any, drift: Any, memory: Any, low: int, high: int) -> Any:
            return program(
                *fixed, fold, drift, memory, table, home.features, home.labels, low, high
            )

        fold, drift = home.keep(
            ("states", id(program)), lambda: home.put(home.spread(self._initial_states()))
        )
        home.compile_once(
            ("lane", self._capacity, self._slots, id(program)),
            lambda: call(fold, drift, home.put(self._gather_memory(0, 0)), 0, 0),
        )
        return call, (fold, drift)

    def _initial_states(self) -> tuple[Any, Any]:
        """Return the reducer's state and the objective's drift before the first client."""
        fold = () if self._reducer.keeps_updates else self._reducer.init(self._start)
        trainer = self._home.trainer
        if not trainer.objective.stateful:
            return fold, ()
        return fold, mean_by_examples().init([self._start[i] for i in trainer.trainable_indices])

    def _count_slots(self) -> int:
        """Return how many clients a call may have at most."""
        if not self._collector.keeps_weights and not self._home.trainer.objective.stateful:
            return self._capacity.clients
        held = count_bytes(self._start) * self._home.abreast
        return max(1, min(self._capacity.clients, STACK_BYTES // max(held, 1)))

    def _choose_high(self, low: int, most: int) -> int:
        """Return how far the next call may go: slots and `CALL_SECONDS` bound it."""
        pace = self._home.seconds_per_batch
        budget = FIRST_CALL_BATCHES if pace is None else max(1, int(CALL_SECONDS / pace))
        steps = self._table.lengths.max(axis=0)[low : min(most, low + self._slots)]
        within = int(np.searchsorted(np.cumsum(steps), budget, side="right"))
        return low + max(1, within)

    def _note_pace(self, low: int, high: int, seconds: float) -> None:
        steps = int(self._table.lengths[:, low:high].max(axis=0).sum())
        self._home.seconds_per_batch = seconds / max(steps, 1)

    def _gather_memory(self, low: int, high: int) -> Any:
        """Return what is remembered of the clients of one call, stacked by lane and slot."""
        memory = self._home.memory
        if not memory:
            return ()
        shape = (len(self._lanes), self._slots)
        stacks = [np.broadcast_to(a, (*shape, *a.shape)).copy() for a in memory.initial]
        for lane, clients in enumerate(self._lanes):
            for slot, client in enumerate(clients[low:high]):
                for stack, array in zip(stacks, memory.recall(client), strict=True):
                    stack[lane, slot] = array
        return self._home.squeeze(stacks)
