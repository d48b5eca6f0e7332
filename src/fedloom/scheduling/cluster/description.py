"""A cluster as it is described: servers with their GPUs, and what a change of models costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

__all__ = ["REFERENCE_LINK_GB_PER_S", "Cluster", "Gpu"]

REFERENCE_LINK_GB_PER_S = 16.0
"""The link over which a model's `load_time_seconds` is stated: PCIe 4 with 8 lanes."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device.

    Attributes:
        index: its number in the cluster, from 0.
        name: ``server/number``.
        server: its server's number, from 0.
        memory_mb: what fits on it; 1 GB is 1,000 MB.
        speed: what a task's time is divided by.
        link_gb_per_s: how fast models move on and off it.
    """

    index: int
    name: str
    server: int
    memory_mb: int
    speed: float = 1.0
    link_gb_per_s: float = REFERENCE_LINK_GB_PER_S


@dataclass(frozen=True)
class Cluster:
    """Servers with GPUs.

    Attributes:
        gpus: all devices, server by server.
        servers: names.
        allow_span: whether a gang may take devices of several servers.
        span_slowdown: what the time of a gang is multiplied by that does.
        switch_overhead_us: added to each load whose time the configuration does not state.
    """

    gpus: tuple[Gpu, ...]
    servers: tuple[str, ...]
    allow_span: bool = False
    span_slowdown: float = 1.0
    switch_overhead_us: int = 2_000_000

    @cached_property
    def by_server(self) -> tuple[tuple[Gpu, ...], ...]:
        """The devices of each server."""
        return tuple(
            tuple(gpu for gpu in self.gpus if gpu.server == server)
            for server in range(len(self.servers))
        )
