"""The devices of this process and the lanes on them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
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
        lanes: how many; None takes one per core, or `LANES_PER_GPU` per GPU. GPUs get equally
            many each, so there may be some more.
        abreast: lanes per device under ``vmap``; None takes 1 on a processor, all of them on GPUs.

    Raises:
        InputError: fewer than one lane, or a number that devices of `abreast` lanes cannot give.
    """
    for name, value in (("lanes", lanes), ("abreast", abreast)):
        if value is not None and value < 1:
            raise InputError(f"{name} must be at least 1, not {value}")
    if lanes is not None and abreast is not None and lanes % abreast:
        raise InputError(f"lanes={lanes}: a multiple of abreast={abreast} would be right")
    wanted = lanes // (abreast or 1) if lanes else count_cores()
    _ask_for_host_devices(wanted)
    devices = jax.local_devices()
    if devices[0].platform != "cpu":
        return _lay_out_gpus(devices, lanes, abreast)
    if len(devices) < wanted:
        _LOGGER.warning(
            "JAX had started with %d host device(s) before Fedloom: running %d lane(s), not %d",
            len(devices),
            len(devices) * (abreast or 1),
            wanted * (abreast or 1),
        )
    return LaneLayout(tuple(devices[:wanted]), abreast or 1)


def _lay_out_gpus(devices: Sequence[Any], lanes: int | None, abreast: int | None) -> LaneLayout:
    if lanes is None:
        return LaneLayout(tuple(devices), abreast or LANES_PER_GPU)
    per_device = abreast or -(-lanes // len(devices))
    return LaneLayout(tuple(devices[: -(-lanes // per_device)]), per_device)


def _ask_for_host_devices(count: int) -> None:
    """Ask JAX for at least `count` host devices, if it has not started yet."""
    try:
        config: Any = jax.config  # its options are not typed
        if config.jax_num_cpu_devices < count:
            config.update("jax_num_cpu_devices", count)
    except RuntimeError:
        _LOGGER.debug("JAX has started; its host devices stay as they are")
