"""The clients' free slots, as a scheduling policy sees devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from fedloom.platform.coordinator.census import Present
from fedloom.scheduling.cluster.description import Cluster, Gpu
from fedloom.scheduling.task import Task

__all__ = ["ClientSlots"]


class ClientSlots:
    """Devices in the sense of `fedloom.scheduling.policy.Devices`: a device is a slot of a client.

    A server of the cluster is a client. A task takes slots of as many different clients as it
    needs; nothing has to be loaded, so changing costs nothing.

    Args:
        clients: who is online.
        use_cases: of the tasks that may be asked about, by their number.
        now_us: the present.
    """

    def __init__(
        self, clients: Sequence[Present], use_cases: Mapping[int, str], now_us: int
    ) -> None:
        self.now_us = now_us
        self._clients, self._use_cases = list(clients), use_cases
        owners = [n for n, client in enumerate(self._clients) for _ in range(client.slots)]
        self._owners = owners
        gpus = (
            Gpu(i, f"{self._clients[n].name}/{i}", n, memory_mb=1) for i, n in enumerate(owners)
        )
        names = tuple(client.name for client in self._clients)
        self.cluster = Cluster(tuple(gpus), names, allow_span=True, switch_overhead_us=0)
        self._free_at: dict[int, int] = {}

    @property
    def idle(self) -> Sequence[int]:
        """Slots that are free."""
        return [slot for slot in range(len(self._owners)) if slot not in self._free_at]

    def free_at_us(self, gpu: int) -> int:
        """Return when a slot will be free by the estimates."""
        return self._free_at.get(gpu, self.now_us)

    def resident(self, gpu: int) -> Mapping[str, int]:  # noqa: ARG002
        """Return nothing: what clients keep warm is their affair."""
        return {}

    def memory_mb(self, gpu: int) -> int:
        """Return what fits on a slot; tasks need nothing of it."""
        return self.cluster.gpus[gpu].memory_mb

    def switch_us(self, task: Task, gpus: Sequence[int]) -> int:  # noqa: ARG002
        """Return 0: changing costs nothing."""
        return 0

    def run_us(self, task: Task, gpus: Sequence[int]) -> int:  # noqa: ARG002
        """Return how long a task is expected to run."""
        return task.estimate_us

    def candidates(self, task: Task) -> Iterator[tuple[int, ...]]:
        """Yield the slots that `find` returns, if there are any."""
        found = self.find(task)
        if found is not None:
            yield found

    def find(self, task: Task) -> tuple[int, ...] | None:
        """Return a free slot of each of as many clients as a task needs, the least busy first."""
        use_case = self._use_cases.get(task.index, "")
        free: dict[int, list[int]] = {}
        for slot in self.idle:
            if self._clients[self._owners[slot]].serves(use_case):
                free.setdefault(self._owners[slot], []).append(slot)
        busy = Counter(self._owners[slot] for slot in self._free_at)
        ordered = sorted(free, key=lambda client: (busy[client], client))
        if len(ordered) < task.gpus:
            return None
        return tuple(free[client][0] for client in ordered[: task.gpus])

    def take(self, slots: Sequence[int], until_us: int) -> None:
        """Let a task have slots."""
        self._free_at |= dict.fromkeys(slots, until_us)
