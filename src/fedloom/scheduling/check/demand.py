"""What a problem demands of each task, as columns; and the names of tasks for messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.check.violation import Violation, ViolationKind
from fedloom.scheduling.problem import Problem
from fedloom.workload.units import to_seconds

__all__ = ["Demand", "demand_of", "seconds"]

Whole = NDArray[np.int64]


def seconds(time_us: int | float) -> str:
    """Return microseconds as messages spell them: seconds with six decimals."""
    return f"{to_seconds(int(time_us)):.6f} s"


@dataclass(frozen=True)
class Demand:
    """The demands of a problem. [T] columns.

    Attributes:
        problem: where they are from.
        request: number of the request of each task.
        model: position of its model in the problem's.
        gpus: how many devices it takes.
        memory_mb: share of its model on each of them.
        firsts: for each workflow, the first tasks of its requests.
    """

    problem: Problem
    request: Whole
    model: Whole
    gpus: Whole
    memory_mb: Whole
    firsts: tuple[Whole, ...]

    def edges(self) -> Iterator[tuple[Whole, Whole]]:
        """Yield, for each edge of each workflow, the tasks before and after it."""
        for workflow, first in zip(self.problem.workflows, self.firsts, strict=True):
            if len(first):
                for before, after in workflow.edges:
                    yield first + before, first + after

    def request_id(self, task: int) -> str:
        """Return the name of a task's request."""
        return self.problem.request_ids[int(self.request[task])]

    def name(self, task: int) -> str:
        """Return what messages call a task: ``request/node``."""
        problem, request = self.problem, int(self.request[task])
        node = task - int(problem.first_task[request])
        workflow = problem.workflows[int(problem.workflow[request])]
        return f"{problem.request_ids[request]}/{workflow.nodes[node].node_id}"

    def model_id(self, task: int) -> str:
        """Return the name of a task's model."""
        return self.problem.models[int(self.model[task])].model_id

    def gpu_name(self, gpu: int) -> str:
        """Return what messages call a device."""
        gpus = self.problem.cluster.gpus
        return f"GPU {gpu} ({gpus[gpu].name})" if 0 <= gpu < len(gpus) else f"GPU {gpu}"

    def violation(
        self,
        kind: ViolationKind,
        task: int,
        text: str,
        numbers: Mapping[str, float] | None = None,
        gpu: int | None = None,
    ) -> Violation:
        """Return a violation by one task; its message starts with the task's name."""
        request = self.request_id(task)
        message = f"{self.name(task)} {text}"
        return Violation(kind, message, int(task), request, gpu, numbers or {})


def demand_of(problem: Problem) -> Demand:
    """Return what a problem demands; linear in its tasks."""
    counts = np.diff(problem.first_task)
    model = np.empty(problem.tasks, np.int64)
    by_workflow = np.argsort(problem.workflow, kind="stable")
    bounds = np.searchsorted(
        problem.workflow[by_workflow], np.arange(len(problem.workflows) + 1), side="left"
    )
    firsts = tuple(problem.first_task[by_workflow[low:high]] for low, high in pairwise(bounds))
    for first, models in zip(firsts, problem.node_models, strict=True):
        for node, position in enumerate(models):
            model[first + node] = position
    return Demand(
        problem=problem,
        request=np.repeat(np.arange(problem.requests, dtype=np.int64), counts),
        model=model,
        gpus=_of_models(problem, [needs.gpus for needs in problem.models], model),
        memory_mb=_of_models(problem, [needs.memory_mb for needs in problem.models], model),
        firsts=firsts,
    )


def _of_models(problem: Problem, values: list[int], model: Whole) -> Whole:
    return np.array(values, np.int64)[model] if problem.tasks else np.zeros(0, np.int64)
