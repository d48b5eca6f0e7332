"""Taking up tasks: the policy chooses, and what cannot be done fails at once with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from fedloom.platform.coordinator.census import Present
from fedloom.platform.coordinator.estimates import Estimates
from fedloom.platform.coordinator.queue_policy import QueuePolicy
from fedloom.platform.coordinator.surroundings import Surroundings
from fedloom.platform.store.queue import CLAIM_WINDOW
from fedloom.platform.task import Task, TaskStatus

__all__ = ["Claimed", "Claiming"]

_SHORT_S = 12.0
"""Seconds that nodes have to say why they take no part, where there are too few anyway."""

_PUT_OFF_S = 5.0


@dataclass(frozen=True)
class Claimed:
    """A task that was taken up.

    Attributes:
        task: it.
        wait_s: seconds that its clients are waited for; None where it has ended already.
    """

    task: Task
    wait_s: float | None


class Claiming:
    """Takes up tasks for a coordinator; for one thread.

    Args:
        around: what all tasks share.
        clock: gives seconds.
    """

    def __init__(self, around: Surroundings, clock: Callable[[], float] = monotonic) -> None:
        self._around, self._clock = around, clock
        settings = around.settings
        self._policy = QueuePolicy(settings.policy, Estimates(around.store), settings.wait_s, clock)
        self._not_before: dict[int, float] = {}
        self._errors: dict[int, str] = {}

    def put_off(self, task: Task, error: str) -> None:
        """Leave a task alone for a while that met an outage.

        Args:
            task: as it was claimed.
            error: what it met.
        """
        self._not_before[task.id] = self._clock() + _PUT_OFF_S * task.attempt
        self._errors[task.id] = error

    def claim(self, clients: Sequence[Present] | None) -> Claimed | None:
        """Take up the next task, if there is one to be taken up.

        Args:
            clients: who is online; None where that is not known yet.

        Raises:
            LinkError: the database cannot be reached.
        """
        store, settings = self._around.store, self._around.settings
        running = store.list_tasks(status=TaskStatus.RUNNING, limit=CLAIM_WINDOW).tasks
        running = [task for task in running if task.lease_owner is not None]

        def choose(waiting: Sequence[Task]) -> int | None:
            now = self._clock()
            ready = [t for t in waiting if self._not_before.get(t.id, 0.0) <= now]
            at_work = {t.id for t in waiting}
            others = [t for t in running if t.id not in at_work]
            return self._policy.choose(ready, others, clients)

        task = store.claim_task(self._around.owner, settings.lease_s, choose)
        if task is None:
            return None
        waited_s = self._policy.waited_s(task.id)
        self._policy.started(task)
        if reason := self._find_reason(task, clients, waited_s):
            store.add_log(task.id, "coordinator", f"failed: {reason}")
            store.fail_task(task.id, reason, self._around.owner)
            self._errors.pop(task.id, None)
            return Claimed(task, None)
        least_s = min(_SHORT_S, settings.wait_s)
        return Claimed(task, max(least_s, settings.wait_s - waited_s))

    def _find_reason(
        self, task: Task, clients: Sequence[Present] | None, waited_s: float
    ) -> str | None:
        """Return why a task cannot be carried out, where that is plain."""
        most = self._around.settings.max_attempts
        if task.attempt > most:
            last = self._errors.get(task.id, "its coordinator was killed or lost each time")
            return f"gave up after {most} attempts: {last}"
        if clients is None or any(client.serves(task.use_case) for client in clients):
            return None
        online = [f"{c.name} ({', '.join(sorted(c.use_cases or ()))})" for c in clients]
        there = f"online are {'; '.join(online[:10])}" if online else "no node is online"
        return (
            f"no node with data for {task.use_case!r} came within {waited_s:.0f} s; {there}: start"
            " one, or name another use case"
        )
