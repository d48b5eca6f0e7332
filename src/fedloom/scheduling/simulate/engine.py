"""Simulating a policy on a problem."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Protocol

import numpy as np

from fedloom.scheduling.foresight import KnownArrivals
from fedloom.scheduling.policy import Policy, Setting
from fedloom.scheduling.problem import Problem, Schedule
from fedloom.scheduling.simulate.cores import Core, choose_core
from fedloom.scheduling.simulate.errors import policy_errors
from fedloom.scheduling.simulate.loop import EventLoop
from fedloom.scheduling.simulate.record import Record
from fedloom.workload.units import to_seconds

__all__ = ["simulate"]

_EVENTS = 10_000
"""Between two reports of progress."""


class _Loop(Protocol):
    @property
    def record(self) -> Record: ...

    @property
    def done(self) -> int: ...

    def advance(self, events: int) -> bool: ...

    def has_more(self) -> bool: ...

    def first_waiting(self) -> int | None: ...


def simulate(
    problem: Problem,
    policy: Policy,
    *,
    setting: Setting | None = None,
    offline: bool = False,
    until_us: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    core: Core = "auto",
) -> Schedule:
    """Return the schedule that a policy makes of a problem.

    Args:
        problem: what is to be done, and where.
        policy: who decides. It is prepared anew, so one object may serve several simulations.
        setting: what the policy learns beforehand; its tenants' weights default to the problem's,
            and its foresight is set here.
        offline: whether the policy is told the future.
        until_us: when to stop; what has not ended by then counts as never run. None: at the end.
        progress: is called now and then with the tasks that have ended and all tasks.
        core: ``compiled`` serves policies that keep the placement and the eviction of `Policy`, and
            its order or one that `rank_all` states beforehand; ``python`` serves all; ``auto``
            takes the compiled one where it can and there are enough tasks. Both give the same
            schedule.

    Raises:
        PolicyError: the policy failed, or asked for what cannot be.
        InputError: the policy refuses its options, or the compiled core cannot serve it.
    """
    began = perf_counter()
    foresight = KnownArrivals(problem) if offline else None
    weights = dict(zip(problem.tenants, problem.tenant_weights, strict=True))
    setting = (setting or Setting())._replace(foresight=foresight)
    if not setting.tenant_weights:
        setting = setting._replace(tenant_weights=weights)
    with policy_errors(policy):
        policy.prepare(setting)
    with policy_errors(policy):
        loop = _begin(problem, policy, until_us, core)
    report = progress or _say_nothing
    more = True
    while more:
        report(loop.done, problem.tasks)
        with policy_errors(policy):
            more = loop.advance(_EVENTS)
    report(loop.done, problem.tasks)
    stopped = _why_stopped(problem, policy, loop, until_us)
    return loop.record.schedule(policy.name, perf_counter() - began, offline, stopped)


def _begin(problem: Problem, policy: Policy, until_us: int | None, core: Core) -> _Loop:
    if choose_core(problem, policy, core) == "python":
        return EventLoop(problem, policy, until_us)
    from fedloom.scheduling.simulate.compiled import CompiledLoop

    return CompiledLoop(problem, policy, until_us)


def _say_nothing(done: int, tasks: int) -> None:
    """Report nothing."""


def _why_stopped(problem: Problem, policy: Policy, loop: _Loop, until_us: int | None) -> str:
    left = problem.tasks - loop.done
    if not left:
        return ""
    many = f"{left:,} of {problem.tasks:,} tasks"
    if until_us is not None and loop.has_more():
        return f"the simulation was to end at {to_seconds(until_us):.6f} s, with {many} not done"
    first = loop.first_waiting()
    assert first is not None, "tasks are left over, yet none waits"
    return (
        f"policy {policy.name} placed nothing more though all GPUs were idle, with {many} not "
        f"done; first in the queue was {_describe(problem, first)}"
    )


def _describe(problem: Problem, task: int) -> str:
    request = int(np.searchsorted(problem.first_task, task, side="right")) - 1
    node = task - int(problem.first_task[request])
    workflow = int(problem.workflow[request])
    model = problem.models[problem.node_models[workflow][node]]
    name = problem.workflows[workflow].nodes[node].node_id
    devices = "1 GPU" if model.gpus == 1 else f"{model.gpus} GPUs"
    return f"{name} of {problem.request_ids[request]}: {model.model_id} on {devices}"
