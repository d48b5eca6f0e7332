"""Which task is next: a policy of the scheduling side, asked about the tasks that wait."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from math import ceil
from time import monotonic

from fedloom.platform.coordinator.census import Present
from fedloom.platform.coordinator.client_slots import ClientSlots
from fedloom.platform.coordinator.estimates import Estimates
from fedloom.platform.task import Task
from fedloom.scheduling.policies.registry import read_policy
from fedloom.scheduling.policy import Policy, Setting
from fedloom.scheduling.queue import TaskQueue
from fedloom.scheduling.task import Task as QueuedTask

__all__ = ["QueuePolicy", "count_demand"]

_LOGGER = logging.getLogger(__name__)


class QueuePolicy:
    """Chooses among the tasks that may be claimed; for one thread.

    A task whose clients are not there waits beside the queue, so that it holds up nobody. When it
    has waited for `wait_s` it is chosen all the same, and fails with the reason.

    Args:
        text: which policy, as `fedloom schedule --policy` takes it.
        estimates: of running times.
        wait_s: seconds that a task waits for its clients.
        clock: gives seconds.

    Raises:
        InputError: there is no such policy.
    """

    def __init__(
        self,
        text: str,
        estimates: Estimates,
        wait_s: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._named, self._estimates = read_policy(text), estimates
        self._wait_s, self._clock = wait_s, clock
        self._policy = self._make()
        self._queue = TaskQueue(self._policy)
        self._queued: dict[int, QueuedTask] = {}
        self._first_seen: dict[int, float] = {}
        self._running: dict[int, QueuedTask] = {}

    def waited_s(self, task_id: int) -> float:
        """Return how long a task has been seen waiting."""
        return self._clock() - self._first_seen.get(task_id, self._clock())

    def choose(
        self,
        waiting: Sequence[Task],
        running: Sequence[Task],
        clients: Sequence[Present] | None,
    ) -> int | None:
        """Return the task to start now, or None.

        Args:
            waiting: the tasks that may be claimed.
            running: the tasks that run, here or elsewhere.
            clients: who is online; None where that is not known yet.
        """
        now = self._clock()
        self._first_seen = {task.id: self._first_seen.get(task.id, now) for task in waiting}
        if clients is None:
            late = [task for task in waiting if now - self._first_seen[task.id] >= self._wait_s]
            return late[0].id if late else None
        served = [task for task in waiting if _count_serving(task, clients) >= task.min_clients]
        kept = {task.id for task in served}
        for task in waiting:
            if task.id not in kept and self.waited_s(task.id) >= self._wait_s:
                return task.id
        try:
            return self._ask(served, running, clients)
        except Exception:  # a user's own policy may raise anything
            _LOGGER.exception("policy %s fails; the oldest task is next", self._named.label)
            self._policy = self._make()
            self._queue, self._queued = TaskQueue(self._policy), {}
            return min(kept, default=None)

    def _ask(
        self, waiting: Sequence[Task], running: Sequence[Task], clients: Sequence[Present]
    ) -> int | None:
        now_us = _to_us(datetime.now(UTC))
        known = {task.id: task for task in [*waiting, *running]}
        slots = ClientSlots(clients, {n: task.use_case for n, task in known.items()}, now_us)
        self._settle(running)
        for task in running:
            told = self._describe(task, clients, now_us)
            found = slots.find(told)
            if found is not None:
                slots.take(found, now_us + told.estimate_us)
        self._update(waiting, clients, now_us)
        for placement in self._policy.choose(self._queue, slots):
            if placement.task.index not in self._queued:
                break
            return placement.task.index
        return None

    def started(self, task: Task) -> None:
        """Hear that a chosen task was claimed here."""
        told = self._queued.pop(task.id, None)
        if told is None:
            return
        self._queue.remove(told)
        self._running[task.id] = told
        with self._forgiving():
            end_us = _to_us(datetime.now(UTC)) + told.estimate_us
            self._policy.started(told, tuple(range(told.gpus)), end_us)

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Let a user's own policy fail at hearing news; the queue goes on without it."""
        try:
            yield
        except Exception:
            _LOGGER.exception("policy %s fails at news of a task", self._named.label)

    def _settle(self, running: Sequence[Task]) -> None:
        """Tell the policy which of its tasks have ended."""
        alive = {task.id for task in running}
        for number in [n for n in self._running if n not in alive]:
            told = self._running.pop(number)
            with self._forgiving():
                self._policy.ended(told, tuple(range(told.gpus)))

    def _update(
        self,
        waiting: Sequence[Task],
        clients: Sequence[Present],
        now_us: int,
    ) -> None:
        """Put into the queue who is new, and take out who is gone."""
        there = {task.id for task in waiting}
        for number in [n for n in self._queued if n not in there]:
            told = self._queued.pop(number)
            self._queue.remove(told)
            # Some policies count who waits; one that went elsewhere has had nothing of it.
            with self._forgiving():
                self._policy.started(told, (), now_us)
                self._policy.ended(told, ())
        for task in sorted(waiting, key=lambda one: one.id):
            if task.id not in self._queued:
                self._queued[task.id] = self._describe(task, clients, now_us)
                self._queue.add(self._queued[task.id])
            else:
                self._queued[task.id].gpus = count_demand(task, clients)

    def _describe(self, task: Task, clients: Sequence[Present], now_us: int) -> QueuedTask:
        estimate_us = int(self._estimates.task_s(task) * 1e6)
        return QueuedTask(
            index=task.id,
            request=task.id,
            request_id=task.run_name,
            node_id="task",
            model=task.model_name,
            gpus=count_demand(task, clients),
            memory_mb=0,
            arrival_us=_to_us(task.created_at),
            ready_us=now_us,
            estimate_us=estimate_us,
            remaining_us=estimate_us,
            deadline_us=None if task.deadline is None else _to_us(task.deadline),
            priority=task.priority,
            tenant=task.user_id,
        )

    def _make(self) -> Policy:
        policy = self._named.make()
        policy.prepare(Setting(options=self._named.options))
        return policy


def count_demand(task: Task, clients: Sequence[Present]) -> int:
    """Return how many clients' slots a task takes: its cohort, or the least that it needs.

    A task that takes all clients there are takes them in turn with others, so it counts with the
    least that it needs.
    """
    serving = _count_serving(task, clients)
    cohort = task.cohort if task.plan is None else task.plan.get("cohort")
    if isinstance(cohort, int) and not isinstance(cohort, bool):
        wanted = cohort
    elif isinstance(cohort, float):
        wanted = ceil(cohort * serving)
    else:
        wanted = task.min_clients
    return max(1, min(max(wanted, task.min_clients), serving))


def _count_serving(task: Task, clients: Sequence[Present]) -> int:
    return sum(client.serves(task.use_case) for client in clients)


def _to_us(moment: datetime) -> int:
    return int(moment.timestamp() * 1e6)
