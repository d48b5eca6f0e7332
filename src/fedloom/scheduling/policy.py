"""A policy: which waiting task starts next, and where.

The simulator and the platform's own task queue call the same object. A policy of your own is a
subclass with one method or two::

    class ShortestFirst(Policy):
        name = "shortest-first"

        def rank(self, task: Task) -> float:
            return task.estimate_us
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

from fedloom.scheduling.cluster.description import Cluster
from fedloom.scheduling.task import Task

__all__ = ["Devices", "Foresight", "Placement", "Policy", "Queue", "Rank", "Setting"]

Rank = Any
"""Whatever can be compared: a number, a tuple of numbers. The smallest comes first."""


class Placement(NamedTuple):
    """A task and the devices it is to take now."""

    task: Task
    gpus: tuple[int, ...]


class Queue(Protocol):
    """The tasks that are ready and wait; what a policy may ask of it.

    Tasks stand in the order of `Policy.rank`, those of equal rank in the order in which they became
    ready. With `Policy.group` there is one such line per group.
    """

    def __len__(self) -> int:
        """How many tasks wait."""
        ...

    def first(self, group: Any = None) -> Task | None:
        """Return the first task, of all or of one group; None where none waits."""
        ...

    def groups(self) -> Iterable[Any]:
        """Return the groups in which tasks wait."""
        ...

    def in_order(self, limit: int, group: Any = None) -> Iterator[Task]:
        """Yield the first `limit` tasks in order; they may be placed meanwhile."""
        ...


class Devices(Protocol):
    """The cluster as it is at this moment; what a policy may ask of it.

    A device runs one task at a time. Models stay resident after their task until they are evicted.
    """

    now_us: int
    """The present."""

    cluster: Cluster
    """What the devices are: memory, speed and link of each, and which server it is in."""

    @property
    def idle(self) -> Sequence[int]:
        """Devices that run nothing, the one that has been idle longest first."""
        ...

    def free_at_us(self, gpu: int) -> int:
        """Return when a device will be free by the estimates; the present if it is idle."""
        ...

    def resident(self, gpu: int) -> Mapping[str, int]:
        """Return the models on a device, with the MB that each occupies there."""
        ...

    def memory_mb(self, gpu: int) -> int:
        """Return what fits on a device in all."""
        ...

    def switch_us(self, task: Task, gpus: Sequence[int]) -> int:
        """Return how long models would be evicted and loaded if the task started there now."""
        ...

    def run_us(self, task: Task, gpus: Sequence[int]) -> int:
        """Return how long the task is expected to execute there, without the switch."""
        ...

    def candidates(self, task: Task) -> Iterator[tuple[int, ...]]:
        """Yield sets of idle devices on which the task could start now.

        Alike sets are yielded once, so there are few, however large the cluster is; a gang is
        offered the devices that already hold its model, and the cheapest of each server.
        """
        ...

    def find(self, task: Task) -> tuple[int, ...] | None:
        """Return the idle devices on which the task would end first; None: not enough are idle.

        Of equal ones the longest idle is taken, then the one with the smaller number.
        """
        ...


class Foresight(Protocol):
    """What is still to come; only offline."""

    def next_use_us(self, model: str, after_us: int) -> int | None:
        """Return the next arrival, after a time, of a request that calls a model; None: none."""
        ...


class Setting(NamedTuple):
    """What a policy learns before the first task.

    Attributes:
        seed: for policies that draw.
        tenant_weights: tenant → share.
        foresight: the future; None online.
        options: what the user set, ``--policy greedy:wait=1,switch=0.5``.
    """

    seed: int = 0
    tenant_weights: Mapping[str, float] = {}
    foresight: Foresight | None = None
    options: Mapping[str, str] = {}


class Policy:
    """First come, first served; the defaults that other policies change.

    Attributes:
        name: what it is called on the command line and in results.
    """

    name: ClassVar[str] = "fifo"

    def prepare(self, setting: Setting) -> None:
        """Take note of the setting; called once, before anything else.

        Raises:
            InputError: an option is unknown or has no sensible value.
        """

    def rank(self, task: Task) -> Rank:  # noqa: ARG002 - what others decide by
        """Return the task's place in the queue: smaller is earlier; asked once, when ready."""
        return 0

    def group(self, task: Task) -> Any:  # noqa: ARG002 - what others decide by
        """Return the line that the task stands in; one line for all unless changed."""
        return None

    def place(self, task: Task, devices: Devices) -> tuple[int, ...] | None:
        """Return the devices for a task that is next, or None to let it wait."""
        return devices.find(task)

    def choose(self, queue: Queue, devices: Devices) -> Iterator[Placement]:
        """Yield what starts now.

        Each placement is carried out before the next is asked for, so `queue` and `devices` are
        always up to date. The default serves the queue strictly in order: a first task that must
        wait holds up all others.
        """
        while (task := queue.first()) is not None:
            gpus = self.place(task, devices)
            if gpus is None:
                return
            yield Placement(task, gpus)

    def evict(
        self,
        resident: Sequence[str],
        devices: Devices,  # noqa: ARG002 - what others decide by
        gpu: int,  # noqa: ARG002
    ) -> Sequence[str]:
        """Return the models of a device in the order in which they may be evicted.

        Args:
            resident: the models there, the least recently used first.
            devices: the cluster.
            gpu: the device.
        """
        return resident

    def started(self, task: Task, gpus: Sequence[int], end_us: int) -> None:
        """Hear that a task has started and is expected to end at `end_us`."""

    def ended(self, task: Task, gpus: Sequence[int]) -> None:
        """Hear that a task has ended."""
