"""Idle devices, grouped so that alike ones are looked at once.

Devices are alike when they are of one kind (memory, speed, link) and hold the same models in the
same order of use: to bring a model to either costs the same. (A gang's shares count as alike. For a
gang that is not exact, but it is only chosen by what devices cost; what it pays is then planned.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from fedloom.scheduling.cluster.costs import TOO_LARGE
from fedloom.scheduling.cluster.description import Cluster
from fedloom.scheduling.cluster.residency import Residency

__all__ = ["DeviceState", "IdleDevices"]

_STATES = 50_000
"""So many states are remembered; then those that no idle device is in are forgotten."""

StateKey: TypeAlias = tuple[int | str | tuple[str], ...]


class DeviceState:
    """What alike devices have in common.

    Attributes:
        key: their kind and their models; those of gangs as tuples.
        speed: of the kind.
        gpus: the idle ones, the one that has been idle longest first.
        costs_us: model → what bringing it to one of them takes; filled when asked for.
    """

    __slots__ = ("costs_us", "gpus", "key", "speed")

    def __init__(self, key: StateKey, speed: float) -> None:
        self.key = key
        self.speed = speed
        self.gpus: dict[int, None] = {}
        self.costs_us: dict[str, int] = {}

    @property
    def first(self) -> int:
        """The device that has been idle longest."""
        return next(iter(self.gpus))


class IdleDevices:
    """The idle devices of a cluster; at first all, in the order of their numbers.

    Args:
        cluster: the devices.
        residency: what is on them.
        keep_costs: whether what is evicted for a model follows from the device's state alone.

    Attributes:
        stamps: idle device → when it became idle, as a count; the longest idle first.
        states: of idle devices.
        by_server: for each server, its idle devices.
    """

    def __init__(self, cluster: Cluster, residency: Residency, *, keep_costs: bool) -> None:
        self._residency = residency
        self._keep_costs = keep_costs
        kinds = [(gpu.memory_mb, gpu.speed, gpu.link_gb_per_s) for gpu in cluster.gpus]
        numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
        self._kinds = [numbers[kind] for kind in kinds]
        self._speeds = [gpu.speed for gpu in cluster.gpus]
        self._servers = [gpu.server for gpu in cluster.gpus]
        self._known: dict[StateKey, DeviceState] = {}
        self._state_of: list[DeviceState | None] = [None] * len(cluster.gpus)
        self._stamp = 0
        self.stamps: dict[int, int] = {}
        self.states: dict[DeviceState, None] = {}
        self.by_server: list[dict[int, None]] = [{} for _ in cluster.servers]
        self._largest = max(map(len, cluster.by_server))
        self._by_count: list[dict[int, None]] = [{} for _ in range(self._largest + 1)]
        self._by_count[0] = dict.fromkeys(range(len(cluster.servers)))
        self.add(range(len(cluster.gpus)))

    def add(self, gpus: Iterable[int]) -> None:
        """Let devices become idle, one after the other."""
        for gpu in gpus:
            self.stamps[gpu] = self._stamp
            self._stamp += 1
            self._join(gpu)
            self._count(self._servers[gpu], +1)
            self.by_server[self._servers[gpu]][gpu] = None

    def remove(self, gpus: Iterable[int]) -> None:
        """Let devices be idle no longer."""
        for gpu in gpus:
            del self.stamps[gpu]
            self._leave(gpu)
            self._count(self._servers[gpu], -1)
            del self.by_server[self._servers[gpu]][gpu]

    def change(self, gpu: int) -> None:
        """Take note that a device has lost an instance; nothing happens if it is not idle."""
        if gpu not in self.stamps:
            return
        self._leave(gpu)
        state = self._join(gpu)
        state.gpus = dict.fromkeys(sorted(state.gpus, key=self.stamps.__getitem__))

    def servers_with(self, count: int) -> Iterator[int]:
        """Yield the servers that have at least so many idle devices."""
        for servers in self._by_count[count : self._largest + 1]:
            yield from servers

    def state(self, gpu: int) -> DeviceState:
        """Return the state of an idle device."""
        state = self._state_of[gpu]
        assert state is not None, f"GPU {gpu} is not idle"
        return state

    def cost_us(self, model: str, share_mb: int, gpu: int) -> int:
        """Return what bringing a model to an idle device takes, by itself; or `TOO_LARGE`."""
        state = self.state(gpu)
        cost_us = state.costs_us.get(model)
        if cost_us is None:
            move = self._residency.plan(model, share_mb, (gpu,))
            cost_us = TOO_LARGE if move is None else move.switch_us
            if self._keep_costs or (move is not None and not move.evicted):
                state.costs_us[model] = cost_us
        return cost_us

    def _count(self, server: int, change: int) -> None:
        """Take note that a server is about to have one idle device more or less."""
        before = len(self.by_server[server])
        del self._by_count[before][server]
        self._by_count[before + change][server] = None

    def _join(self, gpu: int) -> DeviceState:
        residents = self._residency.on(gpu)
        models = [each if isinstance(each, str) else each[:1] for each in residents]
        key = (self._kinds[gpu], *models)
        state = self._known.get(key)
        if state is None:
            if len(self._known) >= _STATES:
                self._known = {each.key: each for each in self.states}
            state = self._known[key] = DeviceState(key, self._speeds[gpu])
        if not state.gpus:
            self.states[state] = None
        state.gpus[gpu] = None
        self._state_of[gpu] = state
        return state

    def _leave(self, gpu: int) -> None:
        state = self.state(gpu)
        del state.gpus[gpu]
        if not state.gpus:
            del self.states[state]
        self._state_of[gpu] = None
