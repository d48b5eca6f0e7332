"""First come, first served on the compiled core, from few tasks to a million."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from fedloom.scheduling.policies.ordered import Fifo
from fedloom.scheduling.policy import Policy
from fedloom.scheduling.problem import Problem, Schedule
from fedloom.scheduling.simulate.cores import Core
from fedloom.scheduling.simulate.engine import simulate
from harness.rate_times import RateTimes, make_times, parse_rate_options, print_rates
from harness.turns import Turns, take_turns
from scheduling.first_version import Call, list_calls, simulate_plainly
from scheduling.problems import make_problem

__all__ = ["compare_ends", "measure_fifo", "run_policy"]

_BESIDE = {"fifo-2k": 2_000, "fifo-4k": 4_000}
_ALONE = {"fifo-10k": 10_000, "fifo-100k": 100_000, "fifo-1m": 1_000_000}
_AT_ONCE = 100_000
"""Fewer tasks than that are simulated several times in a call, so that it takes some time."""


def measure_fifo(repeats: int, share: float = 1.0) -> list[RateTimes]:
    """Time the simulation of problems with more tasks than the GPUs can do.

    The compiled code is on disk or made beforehand; `scheduling.compiling` tells that apart.

    Args:
        repeats: timed calls of each kind.
        share: of the tasks that are wanted.
    """
    run_policy(make_problem(100), Fifo, "compiled")
    times = []
    for figure, tasks in _BESIDE.items():
        problem = make_problem(round(tasks * share))
        turns = compare_ends(problem, Fifo, "compiled", lambda _: 0, repeats)
        times.append(make_times(figure, problem.tasks, turns, problem.tasks))
    for figure, tasks in _ALONE.items():
        problem = make_problem(round(tasks * share))
        calls = max(1, _AT_ONCE // tasks)
        turns = take_turns(partial(_run_often, problem, calls), None, repeats)
        times.append(make_times(figure, problem.tasks * calls, turns))
    return times


def compare_ends(
    problem: Problem,
    kind: type[Policy],
    core: Core,
    rank: Callable[[Call], float],
    repeats: int,
) -> Turns:
    """Time a policy and the first version in turn; the tasks must end at the same instants.

    Args:
        problem: what both simulate.
        kind: the policy.
        core: which core simulates it.
        rank: the policy's order for the first version.
        repeats: timed turns.
    """
    calls, gpus = list_calls(problem), len(problem.cluster.gpus)
    own = run_policy(problem, kind, core)
    _compare(own.end_us.tolist(), simulate_plainly(calls, gpus, rank))
    return take_turns(
        partial(run_policy, problem, kind, core),
        partial(simulate_plainly, calls, gpus, rank),
        repeats,
        untimed=0,
    )


def run_policy(problem: Problem, kind: type[Policy], core: Core) -> Schedule:
    """Return the schedule of a policy, which must leave nothing over."""
    schedule = simulate(problem, kind(), core=core)
    if schedule.stopped:
        raise SystemExit(schedule.stopped)
    return schedule


def _run_often(problem: Problem, calls: int) -> None:
    for _ in range(calls):
        run_policy(problem, Fifo, "compiled")


def _compare(own: Sequence[int], other: Sequence[int]) -> None:
    if own != other:
        raise SystemExit(
            f"the simulators disagree: makespans are {max(own)} and {max(other)} µs, and "
            f"{sum(a != b for a, b in zip(own, other, strict=True)):,} tasks end at other times"
        )


def main() -> None:
    """Run what the command line says."""
    print_rates(measure_fifo(parse_rate_options().repeats))


if __name__ == "__main__":
    main()
