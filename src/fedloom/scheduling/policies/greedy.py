"""Greedy cost: the placement with the best balance of waiting, switching, future and load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from fedloom.scheduling.policies.demand import DemandAware
from fedloom.scheduling.policies.options import read_numbers
from fedloom.scheduling.policy import Devices, Placement, Queue, Setting
from fedloom.scheduling.task import Task

__all__ = ["Greedy"]

_DEFAULTS = {"wait": 1.0, "switch": 1.5, "future": 0.3, "balance": 0.5, "lookahead": 8.0}


class Greedy(DemandAware):
    """Of the first tasks of the queue and all their places, the pair with the lowest cost starts.

    cost = − wait · (seconds waited) + switch · (seconds of switching)
           + future · (tasks looked at that call a model which would have to leave)
           + balance · (seconds by which the devices are busier than the average)

    A gang that finds too few idle devices is passed over, and may be so for as long as enough
    others wait; `Backfill` would reserve devices for it.

    Options:
        wait, switch, future, balance: the weights; 1, 1.5, 0.3 and 0.5.
        lookahead: how many tasks are looked at, at least 1; 8.
    """

    name = "greedy"

    def prepare(self, setting: Setting) -> None:
        """Read the weights."""
        super().prepare(setting)
        self._weights = read_numbers(self.name, setting.options, _DEFAULTS)
        self._lookahead = max(1, int(self._weights["lookahead"]))
        self._busy_us: Counter[int] = Counter()
        self._total_us = 0

    def choose(self, queue: Queue, devices: Devices) -> Iterator[Placement]:
        """Place the cheapest pair as long as there is one."""
        while devices.idle:
            waiting = list(queue.in_order(self._lookahead))
            calls = Counter(task.model for task in waiting)
            # Of tasks that call one model the first has waited longest, so no other costs less.
            firsts = {task.model: task for task in reversed(waiting)}
            heads = [task for task in waiting if firsts[task.model] is task]
            pairs = [(task, gpus) for task in heads for gpus in devices.candidates(task)]
            if not pairs:
                return
            yield Placement(*min(pairs, key=lambda pair: self._cost(devices, calls, *pair)))

    def started(self, task: Task, gpus: Sequence[int], end_us: int) -> None:
        """Note how long the devices will be busy with it."""
        super().started(task, gpus, end_us)
        for gpu in gpus:
            self._busy_us[gpu] += task.estimate_us
        self._total_us += task.estimate_us * len(gpus)

    def _cost(
        self, devices: Devices, calls: Mapping[str, int], task: Task, gpus: Sequence[int]
    ) -> float:
        weights = self._weights
        waited_us = devices.now_us - task.ready_us
        switch_us = devices.switch_us(task, gpus)
        missed = self._missed(task, gpus, devices, calls) if switch_us else 0
        mean_us = self._total_us / len(devices.cluster.gpus)
        ahead_us = sum(self._busy_us[gpu] - mean_us for gpu in gpus) / len(gpus)
        seconds = -weights["wait"] * waited_us + weights["switch"] * switch_us
        return (seconds + weights["balance"] * ahead_us) / 1e6 + weights["future"] * missed

    def _missed(
        self, task: Task, gpus: Sequence[int], devices: Devices, calls: Mapping[str, int]
    ) -> int:
        """Count the tasks looked at whose models would have to leave these devices."""
        missed = 0
        for gpu in gpus:
            resident = devices.resident(gpu)
            free = devices.memory_mb(gpu) - sum(resident.values())
            for model in self.evict(list(resident), devices, gpu):
                if free >= task.memory_mb:
                    break
                free += resident[model]
                missed += calls.get(model, 0) * (model != task.model)
        return missed
