"""Policies of users, which the compiled core does not know: plain Python, and long queues."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fedloom.scheduling.policies.registry import read_policy
from fedloom.scheduling.policy import Devices, Placement, Policy, Queue
from fedloom.scheduling.task import Task
from harness.rate_times import RateTimes, make_times, parse_rate_options, print_rates
from harness.turns import take_turns
from scheduling.problems import make_problem
from scheduling.simulating import compare_ends, run_policy

__all__ = ["ShortestFirst", "WaitRatio", "measure_own_policies"]

_EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "policies" / "response_ratio.py"
_FEW, _SOME, _MANY = 4_000, 10_000, 100_000
_LOOKAHEAD = 32


class ShortestFirst(Policy):
    """What is expected to take the shortest time comes first."""

    name = "shortest-first"

    def rank(self, task: Task) -> float:
        """Return the expected time."""
        return task.estimate_us


class WaitRatio(Policy):
    """Of the first tasks in the queue, that comes first which has waited longest for its length."""

    name = "wait-ratio"

    def choose(self, queue: Queue, devices: Devices) -> Iterator[Placement]:
        """Yield what starts now."""
        while devices.idle:
            waiting = sorted(
                queue.in_order(_LOOKAHEAD),
                key=lambda task: (devices.now_us - task.ready_us) / max(1, task.estimate_us),
                reverse=True,
            )
            for task in waiting:
                if (gpus := devices.find(task)) is not None:
                    yield Placement(task, gpus)
                    break
            else:
                return


def measure_own_policies(repeats: int, share: float = 1.0) -> list[RateTimes]:
    """Time a policy of one method, one that looks through the queue by itself, and the example.

    Args:
        repeats: timed calls of each kind.
        share: of the tasks that are wanted.
    """
    few, some, many = (make_problem(round(tasks * share)) for tasks in (_FEW, _SOME, _MANY))
    turns = compare_ends(few, ShortestFirst, "python", lambda call: call.run_us, repeats)
    times = [make_times("own-4k", few.tasks, turns, few.tasks)]
    example = read_policy(f"{_EXAMPLE}:ResponseRatio").kind
    for figure, kind, problem in (
        ("own-100k", ShortestFirst, many),
        ("choose-100k", WaitRatio, many),
        ("example-10k", example, some),
    ):
        run_policy(make_problem(100), kind, "python")
        turns = take_turns(partial(run_policy, problem, kind, "python"), None, repeats, untimed=0)
        times.append(make_times(figure, problem.tasks, turns))
    return times


def main() -> None:
    """Run what the command line says."""
    print_rates(measure_own_policies(parse_rate_options().repeats))


if __name__ == "__main__":
    main()
