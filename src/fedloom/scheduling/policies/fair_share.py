"""Fair share: tenants take turns in proportion to their weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush

from fedloom.scheduling.policies.options import read_numbers
from fedloom.scheduling.policy import Devices, Placement, Policy, Queue, Rank, Setting
from fedloom.scheduling.task import Task

__all__ = ["FairShare"]


class FairShare(Policy):
    """The tenant that has had least device time for its weight is next; its own tasks in order.

    A task is charged what it is expected to execute when it starts, and what it really did when it
    ends, so nobody gains by estimates that are too low. Switches are charged to nobody. A tenant
    that comes back after a pause starts level with the others, so it cannot use what it left unused
    before (start-time fair queueing: Goyal, Vin and Cheng, SIGCOMM 1996). A tenant of weight 0 is
    served when no other waits; one without a weight, and tasks without a tenant, weigh 1.
    """

    name = "fair-share"

    def prepare(self, setting: Setting) -> None:
        """Take note of the tenants' weights."""
        read_numbers(self.name, setting.options, {})
        self._weights = setting.tenant_weights
        self._waiting: Counter[str] = Counter()
        self._served: dict[str, float] = {}
        """Tenant → device time ÷ weight, µs, from the level where it began."""
        self._level = {True: 0.0, False: 0.0}
        """Whether tenants have a weight → what the one that was served last had had by then."""
        self._turns: list[tuple[bool, float, str]] = []
        """A heap; entries that no longer hold are dropped when they come first."""
        self._running: dict[int, tuple[int, float]] = {}
        """Task → when it begins to execute, and what was charged for it."""
        self._devices: Devices | None = None

    def rank(self, task: Task) -> Rank:
        """Return 0: in order of readiness; a tenant that had nothing waiting starts level."""
        tenant = task.tenant
        if not self._waiting[tenant]:
            level = self._level[self._weight(tenant) > 0]
            self._served[tenant] = max(self._served.get(tenant, 0.0), level)
        self._waiting[tenant] += 1
        if self._waiting[tenant] == 1:
            self._take_turn(tenant)
        return 0

    def group(self, task: Task) -> str:
        """Return the tenant."""
        return task.tenant

    def choose(self, queue: Queue, devices: Devices) -> Iterator[Placement]:
        """Serve the tenant that has had least; its first task may hold up all others."""
        self._devices = devices
        while (tenant := self._next_tenant()) is not None:
            task = queue.first(tenant)
            gpus = None if task is None else devices.find(task)
            if task is None or gpus is None:
                return
            yield Placement(task, gpus)

    def started(self, task: Task, gpus: Sequence[int], end_us: int) -> None:
        """Charge the tenant for the expected time of the devices."""
        tenant = task.tenant
        self._waiting[tenant] -= 1
        self._level[self._weight(tenant) > 0] = self._served[tenant]
        assert self._devices is not None, "tasks start because they were chosen"
        runs_us = self._devices.run_us(task, gpus)
        charge = self._charge(tenant, runs_us * len(gpus))
        self._running[task.index] = (end_us - runs_us, charge)

    def ended(self, task: Task, gpus: Sequence[int]) -> None:
        """Settle what was charged too much or too little."""
        begun_us, charged = self._running.pop(task.index)
        assert self._devices is not None, "it was started"
        self._served[task.tenant] -= charged
        self._charge(task.tenant, (self._devices.now_us - begun_us) * len(gpus))

    def _charge(self, tenant: str, device_us: int) -> float:
        charge = device_us / (self._weight(tenant) or 1.0)
        self._served[tenant] += charge
        if self._waiting[tenant]:
            self._take_turn(tenant)
        return charge

    def _weight(self, tenant: str) -> float:
        return self._weights.get(tenant, 1.0)

    def _take_turn(self, tenant: str) -> None:
        if len(self._turns) > 4 * len(self._served) + 64:
            self._turns = [turn for turn in dict.fromkeys(self._turns) if self._holds(turn)]
            heapify(self._turns)
        heappush(self._turns, (self._weight(tenant) == 0, self._served[tenant], tenant))

    def _holds(self, turn: tuple[bool, float, str]) -> bool:
        _, served, tenant = turn
        return self._waiting[tenant] > 0 and self._served[tenant] == served

    def _next_tenant(self) -> str | None:
        while self._turns and not self._holds(self._turns[0]):
            heappop(self._turns)
        return self._turns[0][2] if self._turns else None
