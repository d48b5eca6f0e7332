"""Which models are wanted, and so which of a device's models may leave first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import inf

from fedloom.scheduling.policy import Devices, Foresight, Policy, Rank, Setting
from fedloom.scheduling.task import Task

__all__ = ["Demand", "DemandAware"]


class Demand:
    """How many waiting tasks call each model, and when the next one comes.

    Args:
        foresight: what is still to come.
    """

    def __init__(self, foresight: Foresight) -> None:
        self._foresight = foresight
        self._waiting: Counter[str] = Counter()
        self._next_us: dict[str, float] = {}

    def enter(self, task: Task) -> None:
        """Count a task that waits."""
        self._waiting[task.model] += 1

    def leave(self, task: Task) -> None:
        """Discount a task that has started."""
        self._waiting[task.model] -= 1

    def order(self, resident: Sequence[str], now_us: int) -> list[str]:
        """Return models in the order in which they may leave.

        The one that is called again last is first (Belady, "A study of replacement algorithms for
        a virtual-storage computer", IBM Systems Journal 5, 1966); what tasks already wait for
        comes at the end.
        """

        def missed(model: str) -> tuple[int, float]:
            if waiting := self._waiting[model]:
                return waiting, 0.0
            return 0, -self._next_use(model, now_us)

        return sorted(resident, key=missed)

    def _next_use(self, model: str, now_us: int) -> float:
        # Time only goes on, so what was next stays next until it has come.
        known = self._next_us.get(model, -inf)
        if known <= now_us:
            coming = self._foresight.next_use_us(model, now_us)
            known = self._next_us[model] = inf if coming is None else float(coming)
        return known


class DemandAware(Policy):
    """In the order of readiness, evicting with foresight where there is one; others build on it.

    Without foresight the least recently used model leaves first, as in `Policy`: who will be called
    next is not known, and a model that nobody waits for just now may be the busiest.
    """

    def prepare(self, setting: Setting) -> None:
        """Begin to count, if the future is known."""
        self._demand = None if setting.foresight is None else Demand(setting.foresight)
        vars(self).pop("evict", None)
        if self._demand is not None and type(self).evict is Policy.evict:
            # Only now, as the simulator remembers what switches cost where nobody decides so.
            self.evict = self._evict_last_wanted  # type: ignore[method-assign]

    def rank(self, task: Task) -> Rank:
        """Return when the task became ready, and count it."""
        if self._demand is not None:
            self._demand.enter(task)
        return task.ready_us

    def started(self, task: Task, gpus: Sequence[int], end_us: int) -> None:  # noqa: ARG002
        """Discount the task."""
        if self._demand is not None:
            self._demand.leave(task)

    def _evict_last_wanted(
        self,
        resident: Sequence[str],
        devices: Devices,
        gpu: int,  # noqa: ARG002
    ) -> Sequence[str]:
        assert self._demand is not None
        return self._demand.order(resident, devices.now_us)
