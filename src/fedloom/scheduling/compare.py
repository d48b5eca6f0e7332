"""Policies side by side: each is simulated, checked and measured on the same problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from fedloom.errors import InputError
from fedloom.page.tables import name_apart
from fedloom.scheduling.check.schedule import check_schedule
from fedloom.scheduling.comparison import Comparison, Outcome
from fedloom.scheduling.foresight import KnownArrivals
from fedloom.scheduling.metrics.measure import measure
from fedloom.scheduling.policies.registry import NamedPolicy
from fedloom.scheduling.policy import Setting
from fedloom.scheduling.problem import Problem
from fedloom.scheduling.save import save_comparison
from fedloom.scheduling.simulate.engine import simulate
from fedloom.scheduling.simulate.errors import policy_errors

__all__ = ["Comparison", "Outcome", "compare_policies", "save_comparison"]

Progress = Callable[[int, int], None]


def compare_policies(
    problem: Problem,
    policies: Sequence[NamedPolicy],
    *,
    seed: int = 42,
    offline: bool = False,
    until_s: float | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Simulate, check and measure each policy in turn.

    All policies are made and read their options before the first is simulated.

    Args:
        problem: the workload on its cluster.
        policies: from `read_policies`; those whose labels are the same are numbered.
        seed: for policies that draw.
        offline: whether policies know the future.
        until_s: stop the simulation there; what is not done by then counts as unfinished.
        progress: hears how many tasks are done, and of how many, over all policies.

    Raises:
        InputError: there is no policy, its options are wrong, or a user's policy fails or places
            what cannot be placed.
    """
    if not policies:
        raise InputError("there are no policies to compare; name one, fifo for example")
    if until_s is not None and not 0 < until_s < 1e12:
        raise InputError(f"--until is {until_s:g} s; give a positive time")
    until_us = None if until_s is None else round(until_s * 1e6)
    settings = [
        Setting(seed=seed, tenant_weights=_weights(problem), options=named.options)
        for named in policies
    ]
    _try_settings(problem, policies, settings, offline=offline)
    labels = name_apart(named.label for named in policies)
    outcomes = []
    for number, (named, label) in enumerate(zip(policies, labels, strict=True)):
        schedule = simulate(
            problem,
            named.make(),
            setting=settings[number],
            offline=offline,
            until_us=until_us,
            progress=_shifted(progress, number * problem.tasks, len(policies) * problem.tasks),
        )
        schedule = replace(schedule, policy=label)
        checked = check_schedule(problem, schedule)
        outcomes.append(Outcome(label, schedule, measure(problem, schedule), checked))
    return Comparison(problem, tuple(outcomes))


def _try_settings(
    problem: Problem, policies: Sequence[NamedPolicy], settings: Sequence[Setting], *, offline: bool
) -> None:
    """Let every policy read its options, so that a wrong one costs no simulation."""
    foresight = KnownArrivals(problem) if offline else None
    for named, setting in zip(policies, settings, strict=True):
        policy = named.make()
        with policy_errors(policy):
            policy.prepare(setting._replace(foresight=foresight))


def _weights(problem: Problem) -> Mapping[str, float]:
    return dict(zip(problem.tenants, problem.tenant_weights, strict=True))


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, _: progress(before + done, total)
