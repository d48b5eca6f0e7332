"""The cluster as it is at one moment: what runs, what is idle, and where a task could start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fedloom.scheduling.cluster.costs import TOO_LARGE, run_us
from fedloom.scheduling.cluster.description import Cluster
from fedloom.scheduling.cluster.gangs import GangOffer, GangOffers
from fedloom.scheduling.cluster.idle import IdleDevices
from fedloom.scheduling.cluster.residency import EvictionOrder, Residency
from fedloom.scheduling.policy import Policy
from fedloom.scheduling.problem import ModelNeeds
from fedloom.scheduling.questions import Questions
from fedloom.scheduling.task import Task

__all__ = ["LiveDevices"]


class LiveDevices:
    """The live state of a cluster: `policy.Devices`, with what starts and ends tasks on it.

    Args:
        cluster: the devices; all are idle, nothing is resident.
        models: all models that tasks may need.
        policy: whose `evict` is asked; None: the least recently used model goes first.

    Attributes:
        now_us: the present; whoever starts and ends tasks sets it.
        cluster: the devices as they are described.
        questions: what was asked since the last placement.
    """

    def __init__(
        self, cluster: Cluster, models: Sequence[ModelNeeds], policy: Policy | None = None
    ) -> None:
        self.now_us = 0
        self.questions = Questions()
        self.cluster = cluster
        order = _eviction_order(policy, self)
        self._residency = Residency(cluster, models, order)
        self._idle = IdleDevices(cluster, self._residency, keep_costs=order is None)
        self._gangs = GangOffers(cluster, self._residency, self._idle, keep_costs=order is None)
        self._has_gangs = any(model.gpus > 1 for model in models)
        self._speeds = [gpu.speed for gpu in cluster.gpus]
        self._servers = [gpu.server for gpu in cluster.gpus]
        self._until_us = [0] * len(cluster.gpus)

    @property
    def idle(self) -> Sequence[int]:
        """Devices that run nothing, the one that has been idle longest first."""
        self.questions.count()
        return list(self._idle.stamps)

    def any_idle(self) -> bool:
        """Return whether a device runs nothing."""
        return bool(self._idle.stamps)

    def is_idle(self, gpu: int) -> bool:
        """Return whether a device exists and runs nothing."""
        return gpu in self._idle.stamps

    def exists(self, gpu: int) -> bool:
        """Return whether a device has this number."""
        return 0 <= gpu < len(self._speeds)

    def may_join(self, gpus: Sequence[int]) -> bool:
        """Return whether devices may form a gang."""
        return self.cluster.allow_span or not self.spans(gpus)

    def free_at_us(self, gpu: int) -> int:
        """Return when a device will be free by the estimates; the present if it is idle or late."""
        return self.now_us if self.is_idle(gpu) else max(self.now_us, self.until_us(gpu))

    def until_us(self, gpu: int) -> int:
        """Return when the last task that a device was given was expected to end."""
        return self._until_us[self._known(gpu)]

    def resident(self, gpu: int) -> Mapping[str, int]:
        """Return the models on a device, with the MB that each occupies there."""
        return self._residency.models_on(self._known(gpu))

    def memory_mb(self, gpu: int) -> int:
        """Return what fits on a device in all."""
        return self.cluster.gpus[self._known(gpu)].memory_mb

    def switch_us(self, task: Task, gpus: Sequence[int]) -> int:
        """Return how long models would be evicted and loaded if the task started there now.

        Raises:
            ValueError: there is no room to be made for the model.
        """
        chosen = tuple(sorted(map(self._known, gpus)))
        if len(chosen) == 1 and chosen[0] in self._idle.stamps:
            cost_us = self._idle.cost_us(task.model, task.memory_mb, chosen[0])
        else:
            move = self._residency.plan(task.model, task.memory_mb, chosen)
            cost_us = TOO_LARGE if move is None else move.switch_us
        if cost_us == TOO_LARGE:
            raise ValueError(f"there is no room for {task.model} on GPU {chosen}")
        return cost_us

    def run_us(self, task: Task, gpus: Sequence[int]) -> int:
        """Return how long the task is expected to execute there, without the switch."""
        return self.scaled_us(task.estimate_us, gpus)

    def scaled_us(self, duration_us: int, gpus: Sequence[int]) -> int:
        """Return how long something that takes `duration_us` at speed 1 executes on devices."""
        if len(gpus) == 1:
            speed = self._speeds[gpus[0]]
            return duration_us if speed == 1.0 else run_us(duration_us, speed)
        slowest = min(self._speeds[gpu] for gpu in gpus)
        return run_us(duration_us, slowest, self._slowdown(self.spans(gpus)))

    def spans(self, gpus: Sequence[int]) -> bool:
        """Return whether devices stand in several servers."""
        first = self._servers[gpus[0]]
        return any(self._servers[gpu] != first for gpu in gpus)

    def candidates(self, task: Task) -> Iterator[tuple[int, ...]]:
        """Yield sets of idle devices on which the task could start now.

        Alike sets are yielded once, the one that has been idle longest. Devices are alike if they
        are of one kind and hold the same models in the same order of use. For gangs see
        `fedloom.scheduling.cluster.gangs`.
        """
        self.questions.count()
        if task.gpus > 1:
            for offer in self._gangs.unlike(task):
                yield offer.gpus
            return
        firsts = [state.first for state in self._idle.states]
        for gpu in sorted(firsts, key=self._idle.stamps.__getitem__):
            if self._idle.cost_us(task.model, task.memory_mb, gpu) != TOO_LARGE:
                yield (gpu,)

    def find(self, task: Task) -> tuple[int, ...] | None:
        """Return the idle devices on which the task would end first; None: not enough are idle.

        It is the best of `candidates`. Of equal ones that is taken whose last device has been idle
        longest, then the one with the smaller numbers.
        """
        self.questions.count()
        if len(self._idle.stamps) < task.gpus:
            return None
        if task.gpus == 1:
            return self._find_one(task)
        return self._find_gang(task)

    def start(self, task: Task, gpus: tuple[int, ...]) -> int | None:
        """Let a task take idle devices, ascending, and return its switch time.

        Returns None, and changes nothing, where there is no room to be made for its model.
        """
        move = self._residency.bring(task.model, task.memory_mb, gpus)
        if move is None:
            return None
        expected_us = self.now_us + move.switch_us + self.scaled_us(task.estimate_us, gpus)
        for gpu in gpus:
            self._until_us[gpu] = expected_us
        self._idle.remove(gpus)
        if self._has_gangs:
            self._gangs.forget(gpus)
            for _, instance in move.evicted:  # a gang's model is gone from devices elsewhere, too
                if not isinstance(instance, str):
                    self._gangs.forget(instance[1])
                    for gpu in instance[1]:
                        self._idle.change(gpu)
        return move.switch_us

    def end(self, gpus: Sequence[int]) -> None:
        """Let the devices of a task become idle, in the order given."""
        self._idle.add(gpus)
        if self._has_gangs:
            self._gangs.forget(gpus)

    def _find_one(self, task: Task) -> tuple[int, ...] | None:
        idle, model, estimate_us = self._idle, task.model, task.estimate_us
        best_us = best_stamp = best = -1
        for state in idle.states:
            switch_us = state.costs_us.get(model)
            if switch_us is None:
                switch_us = idle.cost_us(model, task.memory_mb, state.first)
            if switch_us == TOO_LARGE:
                continue
            speed = state.speed
            end_us = switch_us + (estimate_us if speed == 1.0 else run_us(estimate_us, speed))
            if best < 0 or end_us <= best_us:
                gpu = state.first
                stamp = idle.stamps[gpu]
                if best < 0 or end_us < best_us or stamp < best_stamp:
                    best_us, best_stamp, best = end_us, stamp, gpu
        return None if best < 0 else (best,)

    def _find_gang(self, task: Task) -> tuple[int, ...] | None:
        runs_us: dict[tuple[float, bool], int] = {}
        best: GangOffer | None = None
        best_us = 0
        for offer in self._gangs.best(task):
            _, switch_us, speed, stamp, spans = offer
            ran_us = runs_us.get((speed, spans))
            if ran_us is None:
                ran_us = run_us(task.estimate_us, speed, self._slowdown(spans))
                runs_us[speed, spans] = ran_us
            end_us = switch_us + ran_us
            if best is None or (end_us, stamp, offer.gpus) < (best_us, best.stamp, best.gpus):
                best, best_us = offer, end_us
        return None if best is None else best.gpus

    def _slowdown(self, spans: bool) -> float:
        return self.cluster.span_slowdown if spans else 1.0

    def _known(self, gpu: int) -> int:
        if not self.exists(gpu):
            last = len(self._speeds) - 1
            raise IndexError(f"there is no GPU {gpu}; they are numbered from 0 to {last}")
        return gpu


def _eviction_order(policy: Policy | None, devices: LiveDevices) -> EvictionOrder | None:
    """Return how a policy evicts; None: by the default, whose costs can be remembered."""
    # The object is asked, not its class: a policy may come to evict only once it is prepared.
    if policy is None or getattr(policy.evict, "__func__", None) is Policy.evict:
        return None

    def order(resident: Sequence[str], gpu: int) -> Sequence[str]:
        return policy.evict(resident, devices, gpu)

    return order
