"""What stays on a device from round to round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.simulated.programs import Programs
from fedloom.learning.batches import RowLists
from fedloom.learning.scored_rows import ScoredRows
from fedloom.learning.trainer import KerasTrainer

__all__ = ["DeviceHome", "wait"]

wait: Callable[[Any], Any] = jax.block_until_ready
"""Return when the arrays of a tree are there."""


@dataclass
class DeviceHome:
    """A device, its lanes, the data set on it, and how fast it is.

    With one lane, arrays have no axis of lanes at all; with more, it comes first.

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
        kept: arrays that every round needs anew and none changes.
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
    kept: dict[Any, Any] = field(default_factory=dict)

    def put(self, values: Any) -> Any:
        """Copy arrays to the device."""
        return jax.device_put(values, self.device)

    def keep(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what `make` returned when it was first asked for under this key."""
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def compile_once(self, key: Any, call_idly: Callable[[], Any]) -> None:
        """Compile a program by a call over nobody, lest its first client be charged for that."""
        if key not in self.compiled:
            wait(call_idly())
            self.compiled.add(key)

    def spread(self, tree: Any) -> Any:
        """Give the same arrays to every lane."""
        if self.abreast == 1:
            return tree
        return jax.tree.map(lambda a: np.broadcast_to(a, (self.abreast, *np.shape(a))), tree)

    def squeeze(self, tree: Any) -> Any:
        """Drop the axis of lanes from arrays that have one, where there is just one lane."""
        return jax.tree.map(lambda a: a[0], tree) if self.abreast == 1 else tree

    def fetch_lanes(self, tree: Any) -> list[Any]:
        """Copy arrays to the host, once for all lanes, and return each lane's own."""
        host = jax.tree.map(np.asarray, tree)
        if self.abreast == 1:
            return [host]
        return [jax.tree.map(lambda a, i=i: a[i], host) for i in range(self.abreast)]
