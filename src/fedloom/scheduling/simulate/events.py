"""What happens by itself: requests arrive, and their tasks become ready."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

import numpy as np

from fedloom.scheduling.problem import NEVER, Problem
from fedloom.scheduling.simulate.graph import predecessor_counts, remaining_us, task_requests
from fedloom.scheduling.simulate.record import Record
from fedloom.scheduling.task import Task

__all__ = ["Arrivals", "Progress", "TaskMaker"]


class Arrivals:
    """Requests in the order in which they arrive.

    Args:
        problem: whose requests.
        record: where arrivals of closed loops are written.
    """

    def __init__(self, problem: Problem, record: Record) -> None:
        open_ = np.flatnonzero(problem.after < 0)
        self._requests = open_.tolist()
        self._times_us = problem.arrival_us[open_].tolist()
        self._next = 0
        self._think_us = problem.think_us
        self._arrival_us = record.arrival_us
        self._later: list[tuple[int, int]] = []
        self._followers: dict[int, list[int]] = {}
        for request in np.flatnonzero(problem.after >= 0).tolist():
            self._followers.setdefault(int(problem.after[request]), []).append(request)

    def next_us(self) -> int | None:
        """Return when the next request arrives, as far as can be said now; None: none will."""
        open_us = self._times_us[self._next] if self._next < len(self._times_us) else None
        if not self._later:
            return open_us
        later_us = self._later[0][0]
        return later_us if open_us is None else min(open_us, later_us)

    def pop(self, now_us: int) -> int | None:
        """Take a request that arrives now; None where there is no further one."""
        request = None
        if self._later and self._later[0][0] == now_us:
            request = self._later[0][1]
        if self._next < len(self._times_us) and self._times_us[self._next] == now_us:
            opened = self._requests[self._next]
            if request is None or opened < request:
                self._next += 1
                return opened
        if request is not None:
            heappop(self._later)
            self._arrival_us[request] = now_us
        return request

    def ended(self, request: int, now_us: int) -> None:
        """Let those who waited for a request think, and ask again."""
        for follower in self._followers.get(request, ()):
            heappush(self._later, (now_us + int(self._think_us[follower]), follower))


class Progress:
    """How far the requests have come.

    Args:
        problem: whose requests.
    """

    def __init__(self, problem: Problem) -> None:
        # Memory views give and take plain whole numbers, several times faster than arrays.
        self._waiting = predecessor_counts(problem).data
        self._first = problem.first_task.data
        self._request = task_requests(problem).data
        self._left = np.diff(problem.first_task).data
        self._workflow = problem.workflow.data
        self._successors = [workflow.successors for workflow in problem.workflows]
        self._roots = [
            [node for node, before in enumerate(workflow.predecessors) if not before]
            for workflow in problem.workflows
        ]

    def begin(self, request: int) -> Sequence[int]:
        """Return the tasks that are ready when a request arrives."""
        first = self._first[request]
        return [first + node for node in self._roots[self._workflow[request]]]

    def end(self, task: int) -> tuple[int, Sequence[int]]:
        """Return the request that this task completes, or -1; and the tasks that are now ready."""
        request = self._request[task]
        first = self._first[request]
        ready = []
        for node in self._successors[self._workflow[request]][task - first]:
            self._waiting[first + node] -= 1
            if self._waiting[first + node] == 0:
                ready.append(first + node)
        self._left[request] -= 1
        return (request if self._left[request] == 0 else -1), ready


class TaskMaker:
    """Makes tasks, as policies see them, of those that are ready.

    Args:
        problem: whose tasks.
        record: from which arrivals are read.
    """

    def __init__(self, problem: Problem, record: Record) -> None:
        self._first = problem.first_task.data
        self._request = task_requests(problem).data
        self._workflow = problem.workflow.data
        self._ids = problem.request_ids
        self._arrival_us = record.arrival_us.data
        self._planned_us = problem.arrival_us.data
        self._estimate_us = problem.estimate_us.data
        self._remaining_us = remaining_us(problem).data
        self._deadline_us = problem.deadline_us.data
        self._priority = problem.priority.data
        self._tenant = problem.tenant.data
        self._tenants = (*problem.tenants, "")  # the last is that of -1
        needs = [[problem.models[m] for m in models] for models in problem.node_models]
        self._nodes = [
            [
                (node.node_id, need.model_id, need.gpus, need.memory_mb)
                for node, need in zip(workflow.nodes, models, strict=True)
            ]
            for workflow, models in zip(problem.workflows, needs, strict=True)
        ]

    def make(self, index: int, ready_us: int) -> Task:
        """Return the task with this index, which is ready now."""
        request = self._request[index]
        node = self._nodes[self._workflow[request]][index - self._first[request]]
        deadline_us = self._deadline_us[request]
        late_us = self._arrival_us[request] - self._planned_us[request]  # in a closed loop
        return Task(
            index,
            request,
            self._ids[request],
            *node,
            self._arrival_us[request],
            ready_us,
            self._estimate_us[index],
            self._remaining_us[index],
            None if deadline_us == NEVER else deadline_us + late_us,
            self._priority[request],
            self._tenants[self._tenant[request]],
        )
