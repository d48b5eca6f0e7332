"""Policies that differ in the order of the queue alone: who is next starts where it ends first."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedloom.randomness import derive_generator
from fedloom.scheduling.policies.options import read_numbers
from fedloom.scheduling.policy import Devices, Policy, Rank, Setting
from fedloom.scheduling.task import Task

if TYPE_CHECKING:
    from fedloom.scheduling.task_columns import TaskColumns

__all__ = ["EarliestDeadline", "Fifo", "Prioritised", "Random", "ShortestJob", "ShortestPath"]


class _Ordered(Policy):
    """Strictly in order of rank; without options."""

    def prepare(self, setting: Setting) -> None:
        read_numbers(self.name, setting.options, {})


class Fifo(_Ordered):
    """First come, first served: in the order in which tasks became ready."""

    name = "fifo"


class ShortestJob(_Ordered):
    """The task that is expected to run shortest comes first; favours the mean, starves the long."""

    name = "sjf"

    def rank(self, task: Task) -> Rank:
        """Return the expected time."""
        return task.estimate_us

    def rank_all(self, tasks: TaskColumns) -> NDArray[np.int64]:
        """Return the ranks of all tasks."""
        return tasks.estimate_us


class ShortestPath(_Ordered):
    """The task whose request has the shortest way to go comes first.

    What remains of a request is its longest path from this task on; the rule is the DAG's form of
    shortest remaining processing time (Schrage, "A proof of the optimality of the shortest
    remaining processing time discipline", Operations Research 16, 1968).
    """

    name = "srcp"

    def rank(self, task: Task) -> Rank:
        """Return what remains of the request, along its longest path."""
        return task.remaining_us

    def rank_all(self, tasks: TaskColumns) -> NDArray[np.int64]:
        """Return the ranks of all tasks."""
        return tasks.remaining_us


class EarliestDeadline(_Ordered):
    """The earliest deadline first (Liu and Layland, 1973); tasks without one come last."""

    name = "edf"

    def rank(self, task: Task) -> Rank:
        """Return the deadline of the request."""
        return inf if task.deadline_us is None else task.deadline_us

    def rank_all(self, tasks: TaskColumns) -> NDArray[np.int64]:
        """Return the ranks of all tasks."""
        return tasks.deadline_us


class Prioritised(_Ordered):
    """The most urgent first; equal ones in the order in which they became ready."""

    name = "priority"

    def rank(self, task: Task) -> Rank:
        """Return the priority, the most urgent smallest."""
        return -task.priority

    def rank_all(self, tasks: TaskColumns) -> NDArray[np.int64]:
        """Return the ranks of all tasks."""
        return -tasks.priority


class Random(_Ordered):
    """Any task on any devices: the floor that a policy should stay above."""

    name = "random"

    def prepare(self, setting: Setting) -> None:
        """Begin the draws, which the seed decides."""
        super().prepare(setting)
        self._draws = derive_generator(setting.seed, "policy random")

    def rank(self, task: Task) -> Rank:  # noqa: ARG002 - chance alone decides
        """Return a random number."""
        return self._draws.random()

    def place(self, task: Task, devices: Devices) -> tuple[int, ...] | None:
        """Return one of the possible sets of devices, each as likely."""
        possible = list(devices.candidates(task))
        return possible[int(self._draws.integers(len(possible)))] if possible else None
