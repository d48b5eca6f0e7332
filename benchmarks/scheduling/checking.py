"""What follows a simulation: checking the schedule, measuring it, writing its log."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from fedloom.scheduling.check.schedule import check_schedule
from fedloom.scheduling.log.write import write_log
from fedloom.scheduling.metrics.measure import measure
from fedloom.scheduling.policies.ordered import Fifo
from fedloom.scheduling.problem import Problem, Schedule
from harness.rate_times import RateTimes, make_times, parse_rate_options, print_rates
from harness.turns import take_turns
from scheduling.first_version import Execution, find_faults, list_calls, list_executions
from scheduling.problems import make_problem
from scheduling.simulating import run_policy

__all__ = ["measure_checking"]

_TASKS = 1_000_000
_FEWER = 10
"""So many times fewer executions does the first version of the checker look through."""


def measure_checking(repeats: int, tasks: int = _TASKS) -> list[RateTimes]:
    """Time the checker beside one that knows fewer rules, the metrics and the log.

    Args:
        repeats: timed calls of each kind.
        tasks: of the schedule.
    """
    problem = make_problem(tasks)
    schedule = run_policy(problem, Fifo, "auto")
    few = make_problem(tasks // _FEWER)
    rows = list_executions(list_calls(few), run_policy(few, Fifo, "auto"))
    turns = take_turns(partial(_check, problem, schedule), partial(_check_plainly, rows), repeats)
    times = [make_times("check", problem.tasks, turns, len(rows))]
    metrics = measure(problem, schedule)
    turns = take_turns(partial(measure, problem, schedule), None, repeats, untimed=0)
    times.append(make_times("measure", problem.tasks, turns))
    with TemporaryDirectory(prefix="fedloom-bench-") as name:
        for kind in ("json", "parquet"):
            act = partial(write_log, Path(name, f"log.{kind}"), problem, schedule, metrics)
            turns = take_turns(act, None, repeats, untimed=0)
            times.append(make_times(f"log-{kind}", problem.tasks, turns))
    return times


def _check(problem: Problem, schedule: Schedule) -> None:
    if found := check_schedule(problem, schedule):
        raise SystemExit(f"the checker finds fault with fifo: {found[0]}")


def _check_plainly(rows: list[Execution]) -> None:
    if found := find_faults(rows):
        raise SystemExit(f"the first version of the checker finds fault with fifo: {found[0]}")


def main() -> None:
    """Run what the command line says."""
    print_rates(measure_checking(parse_rate_options().repeats))


if __name__ == "__main__":
    main()
