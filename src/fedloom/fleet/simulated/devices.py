"""The devices of this process and the lanes on them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import jax

from fedloom.errors import InputError
from fedloom.fleet.cores import count_cores

__all__ = ["LaneLayout", "open_lanes"]

_LOGGER = logging.getLogger(__name__)

LANES_PER_GPU = 32
"""Lanes that share a GPU where the plan names no number."""


@dataclass(frozen=True)
class LaneLayout:
    """Where the lanes are.

    Attributes:
        devices: JAX devices, each driven by a thread of its own.
        lanes_per_device: 1 on a processor core; on a GPU, lanes that run abreast under ``vmap``.
    """

    devices: tuple[Any, ...]
    lanes_per_device: int

    @property
    def lanes(self) -> int:
        """All lanes together."""
        return len(self.devices) * self.lanes_per_device

    @property
    def on_cpu(self) -> bool:
        """Whether the lanes are processor cores."""
        return bool(self.devices[0].platform == "cpu")


def open_lanes(lanes: int | None = None, *, abreast: int | None = None) -> LaneLayout:
    """Start JAX and lay out the lanes.

    On a processor each lane is an XLA host device, one per core by default. Their number must be
    set before JAX starts; where the program has started it already, what is there is used.

    Args:
        lanes: how many; None takes one per core, or `LANES_PER_GPU` per GPU.
        abreast: lanes per device under ``vmap``; None takes 1 on a processor, all of them on GPUs.

    Raises:
        InputError: fewer than one lane.
    """
    if lanes is not None and lanes < 1:
        raise InputError(f"lanes must be at least 1, not {lanes}")
    wanted = max(1, (lanes or count_cores()) // (abreast or 1))
    _ask_for_host_devices(wanted)
    devices = jax.local_devices()
    if devices[0].platform != "cpu":
        per_device = abreast or -(-(lanes or LANES_PER_GPU * len(devices)) // len(devices))
        return LaneLayout(tuple(devices), per_device)
    if len(devices) < wanted:
        _LOGGER.warning(
            "JAX had started with %d host device(s) before Fedloom: running %d lane(s), not %d",
            len(devices),
            len(devices) * (abreast or 1),
            wanted * (abreast or 1),
        )
    return LaneLayout(tuple(devices[:wanted]), abreast or 1)


def _ask_for_host_devices(count: int) -> None:
    """Ask JAX for at least `count` host devices, if it has not started yet."""
    try:
        config: Any = jax.config  # its options are not typed
        if config.jax_num_cpu_devices < count:
            config.update("jax_num_cpu_devices", count)
    except RuntimeError:
        _LOGGER.debug("JAX has started; its host devices stay as they are")
