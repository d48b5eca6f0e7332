"""The event loop: time goes from one event to the next, and the policy is asked at each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import islice
from operator import index
from typing import Any

from fedloom.scheduling.cluster.devices import LiveDevices
from fedloom.scheduling.policy import Policy
from fedloom.scheduling.problem import Problem
from fedloom.scheduling.queue import TaskQueue
from fedloom.scheduling.simulate.errors import PolicyError
from fedloom.scheduling.simulate.events import Arrivals, Progress, TaskMaker
from fedloom.scheduling.simulate.graph import task_models
from fedloom.scheduling.simulate.record import Record
from fedloom.scheduling.task import Task

__all__ = ["EventLoop"]

_Ending = tuple[int, int, Task | None, tuple[int, ...]]
"""When a task ends, its index, the task (None where it runs beside the GPUs), and its devices."""


class EventLoop:
    """A simulation under way.

    At each instant, in this order: tasks end, by index; requests arrive, by number; tasks that need
    no device start (and may end at once); all tasks that have become ready enter the queue, by
    index; the policy chooses, if something waits and a device is idle.

    The policy is given the queue, the devices and tasks; none of them holds the problem.

    Args:
        problem: what is to be done.
        policy: who decides; it has been prepared.
        until_us: when to stop; None: at the end.

    Attributes:
        record: what has happened.
        done: how many tasks have ended.
    """

    def __init__(self, problem: Problem, policy: Policy, until_us: int | None = None) -> None:
        self.record = Record.of(problem)
        self.done = 0
        self._until_us = until_us
        self._queue = TaskQueue(policy)
        self._policy = policy
        self._devices = LiveDevices(problem.cluster, problem.models, policy)
        self._arrivals = Arrivals(problem, self.record)
        self._progress = Progress(problem)
        self._tasks = TaskMaker(problem, self.record)
        self._endings: list[_Ending] = []
        self._duration_us = problem.duration_us.data
        beside = [model.gpus == 0 for model in problem.models]
        self._beside = (
            [beside[model] for model in task_models(problem).tolist()] if any(beside) else None
        )
        self._ready_us = self.record.ready_us.data
        self._start_us = self.record.start_us.data
        self._switch_us = self.record.switch_us.data
        self._end_us = self.record.end_us.data
        self._gang = self.record.gpus.shape[1]
        self._gpus = self.record.gpus.reshape(-1).data
        self._hears_start = type(policy).started is not Policy.started
        self._hears_end = type(policy).ended is not Policy.ended

    def advance(self, events: int) -> bool:
        """Go on by some events; return whether there are more of them."""
        until_us = self._until_us
        for _ in range(events):
            now_us = self._next_us()
            if now_us is None or (until_us is not None and now_us > until_us):
                return False
            self._devices.now_us = now_us
            self._happen(now_us)
            if self._queue and self._devices.any_idle():
                self._place(now_us)
        return True

    def has_more(self) -> bool:
        """Return whether anything is still to happen."""
        return self._next_us() is not None

    def first_waiting(self) -> int | None:
        """Return the task that is first in the queue; None where none waits."""
        task = self._queue.first()
        return None if task is None else task.index

    def _next_us(self) -> int | None:
        arrival_us = self._arrivals.next_us()
        if not self._endings:
            return arrival_us
        end_us = self._endings[0][0]
        return end_us if arrival_us is None else min(end_us, arrival_us)

    def _happen(self, now_us: int) -> None:
        """Let all happen that happens now, and put into the queue what is ready then."""
        endings, arrivals = self._endings, self._arrivals
        waiting: list[int] = []
        while True:
            ready: list[int] = []
            while endings and endings[0][0] == now_us:
                ready += self._end(heappop(endings))
            while (request := arrivals.pop(now_us)) is not None:
                ready += self._progress.begin(request)
            if not ready:
                break
            waiting += ready if self._beside is None else self._start_beside(ready, now_us)
        waiting.sort()
        for task in waiting:
            self._ready_us[task] = now_us
            self._queue.add(self._tasks.make(task, now_us))

    def _end(self, ending: _Ending) -> Iterable[int]:
        end_us, number, task, gpus = ending
        self.done += 1
        self._end_us[number] = end_us
        if task is not None:
            self._devices.end(gpus)
            if self._hears_end:
                self._policy.ended(task, gpus)
        request, ready = self._progress.end(number)
        if request >= 0:
            self._arrivals.ended(request, end_us)
        return ready

    def _start_beside(self, ready: list[int], now_us: int) -> list[int]:
        """Start the tasks that need no device; return the others."""
        assert self._beside is not None
        others = []
        for number in ready:
            if not self._beside[number]:
                others.append(number)
                continue
            self._ready_us[number] = self._start_us[number] = now_us
            self._switch_us[number] = 0
            heappush(self._endings, (now_us + self._duration_us[number], number, None, ()))
        return others

    def _place(self, now_us: int) -> None:
        devices = self._devices
        self._forget_questions()
        for placement in self._choices():
            task, gpus = self._checked(placement)
            switch_us = devices.start(task, gpus)
            if switch_us is None:
                raise self._refusal(task, f"there is no room for {task.model} on GPU {gpus}")
            self._queue.remove(task)
            number = task.index
            end_us = now_us + switch_us + devices.scaled_us(self._duration_us[number], gpus)
            self._start_us[number] = now_us
            self._switch_us[number] = switch_us
            for place, gpu in enumerate(gpus, number * self._gang):
                self._gpus[place] = gpu
            heappush(self._endings, (end_us, number, task, gpus))
            if self._hears_start:
                self._policy.started(task, gpus, devices.until_us(gpus[0]))
            self._forget_questions()

    def _choices(self) -> Iterator[Any]:
        choices: Any = self._policy.choose(self._queue, self._devices)
        try:
            return iter(choices)
        except TypeError:
            raise PolicyError(
                self._policy.name, f"choose() gives {choices!r}; it is to yield placements"
            ) from None

    def _forget_questions(self) -> None:
        self._queue.questions.asked = self._devices.questions.asked = 0

    def _checked(self, placement: Any) -> tuple[Task, tuple[int, ...]]:
        """Return a placement whose task waits and whose devices, ascending, can be taken."""
        try:
            task, gpus = placement
            gpus = tuple(sorted([index(gpu) for gpu in islice(gpus, self._gang + 1)]))
        except (TypeError, ValueError):
            raise PolicyError(
                self._policy.name,
                f"choose() yields {placement!r}; it is to yield a task and the numbers of GPUs",
            ) from None
        if task not in self._queue:
            raise self._refusal(task, "it is not in the queue")
        if len(gpus) != task.gpus or len(set(gpus)) != task.gpus:
            raise self._refusal(task, f"it needs {task.gpus} different GPUs and is given {gpus}")
        for gpu in gpus:
            if not self._devices.is_idle(gpu):
                raise self._refusal(task, self._why_not(gpu))
        if task.gpus > 1 and not self._devices.may_join(gpus):
            raise self._refusal(task, f"GPUs {gpus} stand in several servers; gangs may not span")
        return task, gpus

    def _why_not(self, gpu: int) -> str:
        return f"GPU {gpu} is busy" if self._devices.exists(gpu) else f"there is no GPU {gpu}"

    def _refusal(self, task: object, why: str) -> PolicyError:
        who = f"{task.node_id} of {task.request_id}" if isinstance(task, Task) else repr(task)
        return PolicyError(self._policy.name, f"cannot start {who}: {why}")
