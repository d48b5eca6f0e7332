"""When devices will be free by the estimates, and where a task could start first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fedloom.scheduling.cluster.description import Cluster, Gpu
from fedloom.scheduling.policy import Devices
from fedloom.scheduling.task import Task

__all__ = ["Reservation", "Reservations"]

_NOWHERE = 1 << 62
"""Later than anything: where a task can never start."""


class Reservation(NamedTuple):
    """Devices that are kept for a task.

    Attributes:
        gpus: which; as many as the task needs.
        start_us: when all of them are free by the estimates.
    """

    gpus: frozenset[int]
    start_us: int


class Reservations:
    """Reserves devices for tasks that must wait.

    A gang takes devices of one server, or of all where gangs may span. When a pool of devices can
    hold a gang is remembered until something starts or ends there, so a reservation takes little
    time on a large cluster.

    Args:
        cluster: the devices; all are idle.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._pools: Sequence[Sequence[Gpu]] = (
            (cluster.gpus,) if cluster.allow_span else cluster.by_server
        )
        self._pool_of = {
            gpu.index: number for number, pool in enumerate(self._pools) for gpu in pool
        }
        self._until_us: dict[int, int] = {}
        """Busy device → when it is expected to be free."""
        self._known: list[dict[tuple[int, int], int]] = [{} for _ in self._pools]

    def started(self, gpus: Sequence[int], end_us: int) -> None:
        """Take note that devices are busy, by the estimates until `end_us`."""
        for gpu in gpus:
            self._until_us[gpu] = end_us
            self._known[self._pool_of[gpu]].clear()

    def ended(self, gpus: Sequence[int]) -> None:
        """Take note that devices are idle."""
        for gpu in gpus:
            del self._until_us[gpu]
            self._known[self._pool_of[gpu]].clear()

    def reserve(self, task: Task, devices: Devices) -> Reservation:
        """Return the devices on which a task can start first by the estimates, and when.

        Of those that are free by then, busy ones are taken before idle ones, and of the idle ones
        those that became idle last: what others could use now stays free as far as possible.
        """
        now_us = devices.now_us
        starts_us = [self._free_us(pool, task) for pool in range(len(self._pools))]
        # A device whose task is late is free by the estimates already.
        start_us = max(now_us, min(starts_us))
        pool = next(number for number, free_us in enumerate(starts_us) if free_us <= start_us)
        idle_since = {gpu: place for place, gpu in enumerate(devices.idle)}
        free = [
            gpu.index
            for gpu in self._pools[pool]
            if gpu.memory_mb >= task.memory_mb and self._until_us.get(gpu.index, 0) <= start_us
        ]
        free.sort(key=lambda gpu: (idle_since.get(gpu, -1) >= 0, -idle_since.get(gpu, 0), gpu))
        return Reservation(frozenset(free[: task.gpus]), start_us)

    def _free_us(self, pool: int, task: Task) -> int:
        """Return when enough devices of a pool are free for a task; 0 where they are idle."""
        key = (task.gpus, task.memory_mb)
        free_us = self._known[pool].get(key)
        if free_us is None:
            until_us = sorted(
                self._until_us.get(gpu.index, 0)
                for gpu in self._pools[pool]
                if gpu.memory_mb >= task.memory_mb
            )
            free_us = until_us[task.gpus - 1] if len(until_us) >= task.gpus else _NOWHERE
            self._known[pool][key] = free_us
        return free_us
