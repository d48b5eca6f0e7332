"""Times: of each task by itself, arrivals (also of closed loops), and the order of dependencies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.check.answer import LATEST_US, UNSTATED, Answer
from fedloom.scheduling.check.demand import Demand, seconds
from fedloom.scheduling.check.violation import Violation, ViolationKind, Violations
from fedloom.scheduling.problem import NEVER

__all__ = ["Ran", "check_accounted", "check_order", "check_times"]

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Ran:
    """What ran.

    Attributes:
        sound: [T] whether a task ran and its own times make sense.
        begun: [R] whether any task of a request ran.
        complete: [R] whether all tasks of a request ran.
        end_us: [R] when a complete request ended.
    """

    sound: Flags
    begun: Flags
    complete: Flags
    end_us: Whole


def check_times(demand: Demand, answer: Answer, found: Violations) -> Ran:
    """Check each task's own times: all there or none, in order, and none negative."""
    start, switch, end = answer.start_us, answer.switch_us, answer.end_us
    ran = end != NEVER
    left = ~ran & ((start != NEVER) | (switch != NEVER) | (answer.gpus >= 0).any(axis=1))
    sound = ran & (start >= 0) & (end >= start) & (end <= LATEST_US) & (switch >= 0)
    sound &= switch <= end - np.where(sound, start, end)
    wrong = np.flatnonzero(left | (ran & ~sound))

    def describe(task: int) -> Violation:
        times = f"start {start[task]}, switch {switch[task]}, end {end[task]} µs"
        if end[task] == NEVER:
            what = "did not run, yet it has a time or devices"
        else:
            what = "ran, but its times cannot be: 0 ≤ start, 0 ≤ switch, start + switch ≤ end"
        return demand.violation(ViolationKind.TIMES, task, f"{what} ({times})")

    found.report(ViolationKind.TIMES, wrong, describe)
    if demand.problem.requests == 0:
        return Ran(sound, ran, ran, end)
    bounds = demand.problem.first_task[:-1]
    return Ran(
        sound,
        np.logical_or.reduceat(ran, bounds),
        np.logical_and.reduceat(ran, bounds),
        np.maximum.reduceat(end, bounds),
    )


def check_accounted(demand: Demand, answer: Answer, ran: Ran, found: Violations) -> None:
    """Check that each request is completed, or named as unfinished, and not both."""
    first_task, ids = demand.problem.first_task, demand.problem.request_ids
    lost = np.flatnonzero(~ran.complete & ~answer.named)

    def describe(request: int) -> Violation:
        low, high = int(first_task[request]), int(first_task[request + 1])
        ended = int((answer.end_us[low:high] != NEVER).sum())
        return Violation(
            ViolationKind.UNACCOUNTED,
            f"{ids[request]}: {ended} of {high - low} tasks ran, "
            "and nothing says that it was left unfinished",
            request=ids[request],
            numbers={"ran": ended, "tasks": high - low},
        )

    found.report(ViolationKind.UNACCOUNTED, lost, describe)


def check_order(demand: Demand, answer: Answer, ran: Ran, found: Violations) -> None:
    """Check arrivals, dependencies and, where they are stated, the times of becoming ready."""
    arrival = _arrivals(demand, ran)
    _check_stated_arrivals(demand, answer, ran, arrival, found)
    ready = arrival[demand.request]
    _check_arrivals(demand, answer, ran, ready, found)
    for before, after in demand.edges():
        _check_edge(demand, answer, ran, before, after, found)
        ready[after] = np.maximum(ready[after], answer.end_us[before])
    if answer.ready_us is not None:
        _check_ready(demand, answer.ready_us, ran, ready, found)


def _arrivals(demand: Demand, ran: Ran) -> Whole:
    """Return when each request arrived; `NEVER` where the one it waits for did not end."""
    problem = demand.problem
    waits = problem.after >= 0
    before = np.where(waits, problem.after, 0)
    if not waits.any():
        return problem.arrival_us
    known = waits & ran.complete[before]
    arrival = np.where(waits, NEVER, problem.arrival_us)
    arrival[known] = ran.end_us[before[known]] + problem.think_us[known]
    return arrival


def _check_stated_arrivals(
    demand: Demand, answer: Answer, ran: Ran, arrival: Whole, found: Violations
) -> None:
    if (stated := answer.arrival_us) is None:
        return
    problem, ids = demand.problem, demand.problem.request_ids

    def describe(request: int) -> Violation:
        return Violation(
            ViolationKind.ARRIVAL_TIME,
            f"{ids[request]} arrives at {seconds(arrival[request])}, "
            f"but {seconds(stated[request])} is stated",
            request=ids[request],
            numbers={"arrival_s": arrival[request] / 1e6, "stated_s": stated[request] / 1e6},
        )

    # What has not arrived when the simulation is stopped, in a closed loop, never arrives.
    excused = (stated == UNSTATED) | ((stated == NEVER) & (problem.after >= 0) & ~ran.begun)
    wrong = np.flatnonzero((arrival != NEVER) & (stated != arrival) & ~excused)
    found.report(ViolationKind.ARRIVAL_TIME, wrong, describe)


def _check_arrivals(
    demand: Demand, answer: Answer, ran: Ran, arrival: Whole, found: Violations
) -> None:
    def describe(task: int) -> Violation:
        start = answer.start_us[task]
        if arrival[task] == NEVER:
            what = "whose request never arrived: the one it waits for did not end"
        else:
            what = f"before its request arrived at {seconds(arrival[task])}"
        numbers = {"start_s": start / 1e6, "arrival_s": arrival[task] / 1e6}
        text = f"starts at {seconds(start)}, {what}"
        return demand.violation(ViolationKind.ARRIVAL, task, text, numbers)

    early = ran.sound & ((answer.start_us < arrival) | (arrival == NEVER))
    found.report(ViolationKind.ARRIVAL, np.flatnonzero(early), describe)


def _check_edge(
    demand: Demand, answer: Answer, ran: Ran, before: Whole, after: Whole, found: Violations
) -> None:
    end, start = answer.end_us[before], answer.start_us[after]
    broken = np.flatnonzero(ran.sound[after] & ((end == NEVER) | (start < end)))

    def describe(row: int) -> Violation:
        cause = int(before[row])
        when = "never ended" if end[row] == NEVER else f"ended at {seconds(end[row])}"
        numbers = {"start_s": start[row] / 1e6, "end_s": end[row] / 1e6}
        text = f"starts at {seconds(start[row])}, but {demand.name(cause)}, its input, {when}"
        return demand.violation(ViolationKind.DEPENDENCY, int(after[row]), text, numbers)

    found.report(ViolationKind.DEPENDENCY, broken, describe)


def _check_ready(demand: Demand, stated: Whole, ran: Ran, ready: Whole, found: Violations) -> None:
    def describe(task: int) -> Violation:
        numbers = {"ready_s": ready[task] / 1e6, "stated_s": stated[task] / 1e6}
        text = f"was ready at {seconds(ready[task])}, but {seconds(stated[task])} is stated"
        return demand.violation(ViolationKind.READY, task, text, numbers)

    wrong = np.flatnonzero(ran.sound & (stated != ready))
    found.report(ViolationKind.READY, wrong, describe)
