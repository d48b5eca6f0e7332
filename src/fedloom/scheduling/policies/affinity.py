"""Model affinity: what is loaded is used, so models move as rarely as can be."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from fedloom.scheduling.policies.demand import DemandAware
from fedloom.scheduling.policies.options import read_numbers
from fedloom.scheduling.policy import Devices, Placement, Queue, Setting
from fedloom.scheduling.task import Task

__all__ = ["Affinity"]

_readiness = attrgetter("ready_us", "index")


class Affinity(DemandAware):
    """The task that costs the least switching comes first; of equal ones, the first to be ready.

    Nobody starves: a task is never overtaken by one that became ready more than the patience later.
    So the order of readiness is kept on the large scale, however long the queue is, and models are
    grouped on the small one.

    Options:
        patience: seconds by which a task may become ready later than another and yet start first;
            120. With 0 only tasks that became ready at once change places.
    """

    name = "affinity"

    def prepare(self, setting: Setting) -> None:
        """Read the patience."""
        super().prepare(setting)
        numbers = read_numbers(self.name, setting.options, {"patience": 120.0})
        self._patience_us = numbers["patience"] * 1e6

    def group(self, task: Task) -> str:
        """Return the model: tasks that call the same one are alike here."""
        return task.model

    def choose(self, queue: Queue, devices: Devices) -> Iterator[Placement]:
        """Place whatever costs the least switching, of those that may start."""
        while devices.idle and (placement := self._cheapest(queue, devices)):
            yield placement

    def _cheapest(self, queue: Queue, devices: Devices) -> Placement | None:
        """Return the placement that switches the shortest; None: nothing can start now."""
        heads = [task for model in queue.groups() if (task := queue.first(model)) is not None]
        heads.sort(key=_readiness)
        best, least_us, runs_us = None, 0, 0
        for task in heads:
            if task.ready_us > heads[0].ready_us + self._patience_us or (best and not least_us):
                break
            for gpus in devices.candidates(task):
                switch_us = devices.switch_us(task, gpus)
                if best is not None and switch_us > least_us:
                    continue
                run_us = devices.run_us(task, gpus)
                is_better = best is None or switch_us < least_us
                if is_better or (best is not None and best.task is task and run_us < runs_us):
                    best, least_us, runs_us = Placement(task, gpus), switch_us, run_us
        return best
