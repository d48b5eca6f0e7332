"""A problem: a workload on a cluster as arrays; and a schedule, which is its answer.

Tasks are numbered request by request, in the order of arrival, and within a request in the order of
its workflow's nodes. Times are whole microseconds since the first request's arrival.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.cluster.description import Cluster
from fedloom.workload.config.workflow import Workflow

__all__ = ["NEVER", "ModelNeeds", "Problem", "Schedule", "deadlines_of"]

NEVER = -1
"""Stands for a time that does not come: no deadline, never started."""

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ModelNeeds:
    """What a service model needs of a cluster.

    Attributes:
        model_id: its key in the configuration.
        type: its type.
        gpus: devices that a call takes at once; 0 runs beside them.
        memory_mb: on each device, its share of the whole model.
        load_time_us: over the reference link; None: it follows from the memory.
    """

    model_id: str
    type: str
    gpus: int
    memory_mb: int
    load_time_us: int | None = None


@dataclass(frozen=True)
class Problem:
    """Everything that a scheduler is to place, and where.

    R requests, T tasks. The task of node k of request r is ``first_task[r] + k``.

    Attributes:
        cluster: where to.
        models: the service models.
        workflows: the graphs; nodes refer to models by id.
        node_models: for each workflow, the position in `models` of each node.
        tenants: ids; empty: there are none.
        tenant_weights: share of each tenant, as the configuration has it.
        request_ids: [R] names.
        workflow: [R] positions in `workflows`.
        arrival_us: [R], ascending; for a request of a closed loop, when it would arrive if the one
            before it never waited.
        tenant: [R] positions in `tenants`; −1: none.
        priority: [R]; 0 unless stated.
        deadline_us: [R]; `NEVER`: none. That of a closed loop's request belongs to `arrival_us`,
            and moves with it (`deadlines_of`).
        after: [R] the request whose end it waits for in a closed loop; −1: none.
        think_us: [R] time between that end and its arrival.
        first_task: [R + 1] offsets.
        duration_us: [T] time on a device of speed 1.
        estimate_us: [T] what an online policy is told; the same unless errors were asked for.
    """

    cluster: Cluster
    models: tuple[ModelNeeds, ...]
    workflows: tuple[Workflow, ...]
    node_models: tuple[tuple[int, ...], ...]
    request_ids: Sequence[str]
    workflow: Whole
    arrival_us: Whole
    first_task: Whole
    duration_us: Whole
    estimate_us: Whole
    tenant: Whole
    priority: Whole
    deadline_us: Whole
    after: Whole
    think_us: Whole
    tenants: tuple[str, ...] = ()
    tenant_weights: tuple[float, ...] = ()
    start_us: int = 0
    """When the first request arrives, microseconds since 1970; what all other times count from."""

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return int(self.first_task[-1])

    @property
    def requests(self) -> int:
        """How many requests there are."""
        return len(self.request_ids)


@dataclass(frozen=True)
class Schedule:
    """What ran where and when. [T] columns; `NEVER` where a task did not run (to its end).

    A task occupies its devices from `start_us` to `end_us`: first the switch (evicting and
    loading), then the execution. What runs when the simulation stops counts as never run: it was
    ready, and waits.

    Attributes:
        policy: its name.
        ready_us: when all that it waited for had ended, and its request had arrived; kept also
            where the task did not run, `NEVER` only where that did not come about.
        start_us: when it took its devices.
        switch_us: how long models were evicted and loaded for it; part of start … end.
        end_us: when it was done.
        gpus: [T, largest gang] devices, −1 beyond the task's own number.
        arrival_us: [R] when each request arrived: the problem's, but for closed loops; `NEVER` for
            one of a closed loop whose turn did not come.
        seconds: how long the simulation took on the host.
        offline: whether the policy knew the future.
        stopped: why tasks were left over; "" where none were.
    """

    policy: str
    ready_us: Whole
    start_us: Whole
    switch_us: Whole
    end_us: Whole
    gpus: NDArray[np.int32]
    arrival_us: Whole
    seconds: float = field(default=0.0, compare=False)
    offline: bool = False
    stopped: str = ""


def deadlines_of(problem: Problem, schedule: Schedule) -> Whole:
    """Return [R] the deadlines as they were in a schedule; `NEVER`: none.

    A request of a closed loop that arrives later than planned has as long as if it had not.
    """
    known = (problem.deadline_us != NEVER) & (schedule.arrival_us != NEVER)
    late_us = schedule.arrival_us - problem.arrival_us
    return np.where(known, problem.deadline_us + late_us, problem.deadline_us)
