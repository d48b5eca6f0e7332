"""The compiled programs of a simulated fleet, one of each kind and size."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import jax

from fedloom.federation.reduce import Reducer
from fedloom.fleet.simulated.lane import LaneTable, build_evaluation, build_lane
from fedloom.learning.trainer import KerasTrainer

__all__ = ["Programs"]

_LANE_AXES = (None, None, 0, 0, 0, LaneTable(0, 0, 0, 0, 0, 0), None, None, None, None)
_EVALUATION_AXES = (0, None, None, None, None, None, None)


class Programs:
    """Makes each program once; JAX compiles it per device and shape when it is first called.

    Args:
        trainer: gives the steps.
        abreast: lanes per device; above 1 the programs are mapped over a leading lane axis.
    """

    def __init__(self, trainer: KerasTrainer, abreast: int) -> None:
        self._trainer = trainer
        self._abreast = abreast
        self._made: dict[Any, Callable[..., Any]] = {}
        self._lock = Lock()

    def lane(self, reducer: Reducer, slots: int, *, keep_weights: bool) -> Callable[..., Any]:
        """Return the compiled form of `build_lane`."""
        # A reducer that keeps updates has no part in the program.
        folded = None if reducer.keeps_updates else id(reducer)
        return self._make(
            ("lane", folded, slots, keep_weights),
            lambda: build_lane(self._trainer, reducer, slots, keep_weights=keep_weights),
            _LANE_AXES,
            reducer,
        )

    def evaluation(self, slots: int) -> Callable[..., Any]:
        """Return the compiled form of `build_evaluation`, mapped over lanes where they are."""
        return self._make(
            ("evaluation", slots),
            lambda: build_evaluation(self._trainer, slots),
            _EVALUATION_AXES,
            None,
        )

    def central_evaluation(self) -> Callable[..., Any]:
        """Return the compiled program that scores one set of weights on one device."""
        with self._lock:
            if "central" not in self._made:
                self._made["central"] = jax.jit(build_evaluation(self._trainer, 1))
            return self._made["central"]

    def _make(
        self, key: Any, build: Callable[[], Callable[..., Any]], axes: Any, kept_alive: Any
    ) -> Callable[..., Any]:
        with self._lock:
            if key not in self._made:
                program = build()
                mapped = jax.vmap(program, in_axes=axes) if self._abreast > 1 else program
                self._made[key] = jax.jit(mapped)
                # An id is only unique while its object lives.
                self._made[(*key, "owner")] = kept_alive
            return self._made[key]
