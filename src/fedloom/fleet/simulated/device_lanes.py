"""The lanes of one device, driven by one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from fedloom.federation.fleet import Order
from fedloom.federation.reduce import Reducer
from fedloom.federation.weights import Weights
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.simulated.collector import DeviceYield
from fedloom.fleet.simulated.device_home import DeviceHome
from fedloom.fleet.simulated.device_round import DeviceRound
from fedloom.fleet.simulated.programs import Programs
from fedloom.fleet.simulated.round_table import Capacity
from fedloom.learning.batches import RowLists
from fedloom.learning.scored_rows import ScoredRows
from fedloom.learning.trainer import EvaluationSums, KerasTrainer

__all__ = ["DeviceLanes"]


class DeviceLanes:
    """One device with the data set on it and `abreast` lanes.

    Args:
        device: a JAX device.
        abreast: lanes that run on it together.
        trainer: gives the steps.
        programs: the compiled programs, shared by all devices.
        lists: the rows of all clients.
        memory: what the algorithm remembers of the clients; shared by all devices.
        rows: features and labels of the training part.
        scored: the test part.
    """

    def __init__(
        self,
        device: Any,
        abreast: int,
        trainer: KerasTrainer,
        programs: Programs,
        lists: RowLists,
        memory: ClientMemory,
        rows: tuple[Any, Any],
        scored: ScoredRows,
    ) -> None:
        features, labels = jax.device_put(rows, device)
        test_features, test_labels = jax.device_put((scored.features, scored.labels), device)
        on_device = ScoredRows(test_features, test_labels, scored.row_count)
        self._home = DeviceHome(
            device, abreast, trainer, programs, lists, memory, features, labels, on_device
        )

    def train(
        self,
        lanes: Sequence[Sequence[int]],
        order: Order,
        reducer: Reducer,
        capacity: Capacity,
        stopped: Callable[[], bool],
    ) -> DeviceYield:
        """Train the clients of each lane in turn.

        Args:
            lanes: clients of each lane, `abreast` lists.
            order: the round's order.
            reducer: folds the updates.
            capacity: size of the tables.
            stopped: asked between calls; True ends the round, the rest counts as timed out.
        """
        return DeviceRound(self._home, lanes, order, reducer, capacity).run(stopped)

    def score(self, weights: Weights, low: int, high: int) -> EvaluationSums:
        """Sum loss and hits of one set of weights over some batches of the test part."""
        home = self._home
        stack = home.put([np.asarray(w)[None] for w in weights])
        scored = home.scored
        sums = home.programs.central_evaluation()(
            stack, 1, scored.features, scored.labels, low, high, scored.row_count
        )
        return EvaluationSums(float(sums.loss[0]), float(sums.hits[0]))
