"""Checking a schedule against the problem that it answers."""

from __future__ import annotations

from fedloom.scheduling.check.answer import Answer, answer_of, check_shape
from fedloom.scheduling.check.demand import Demand, demand_of
from fedloom.scheduling.check.eviction import check_evictions
from fedloom.scheduling.check.memory import check_memory
from fedloom.scheduling.check.overlap import check_overlap
from fedloom.scheduling.check.placement import check_execution, check_gangs
from fedloom.scheduling.check.residency import find_stays
from fedloom.scheduling.check.times import Ran, check_accounted, check_order, check_times
from fedloom.scheduling.check.violation import SHOWN_PER_KIND, Violations
from fedloom.scheduling.problem import Problem, Schedule

__all__ = ["check_answer", "check_schedule"]


def check_schedule(
    problem: Problem, schedule: Schedule, *, shown_per_kind: int = SHOWN_PER_KIND
) -> Violations:
    """Return all that makes a schedule impossible; an empty list if it could have happened.

    Checked are: every request completed or said to be unfinished, arrivals (also of closed loops),
    dependencies, gangs, servers, execution times, one task at a time on a device, loads, evictions
    and memory.

    Args:
        problem: what was to be scheduled.
        schedule: what is claimed.
        shown_per_kind: violations of a kind that are kept; `Violations.counts` counts all.
    """
    found = Violations(shown_per_kind)
    check_shape(problem, schedule, found)
    if not found.total:
        check_answer(demand_of(problem), answer_of(problem, schedule), found)
    return found


def check_answer(
    demand: Demand, answer: Answer, found: Violations, *, devices_checked: bool = False
) -> Ran:
    """Run every check on an answer, put what is wrong into `found`, and return what ran.

    Args:
        demand: what the problem demands.
        answer: what is claimed.
        found: where violations go.
        devices_checked: that each task's own times and overlaps on devices were reported already.
    """
    ran = check_times(demand, answer, Violations(0) if devices_checked else found)
    check_accounted(demand, answer, ran, found)
    check_order(demand, answer, ran, found)
    occupied = check_gangs(demand, answer, ran, found)
    check_execution(demand, answer, occupied, found)
    if not devices_checked:
        times = (answer.start_us, answer.end_us)
        names = (demand.name, demand.request_id, demand.gpu_name)
        check_overlap(occupied.task, occupied.gpu, times, names, found)
    stays = find_stays(demand, answer, occupied, found)
    loads = check_memory(demand, answer, stays, found)
    if loads is not None and answer.own_prices and answer.gangs_known:
        check_evictions(demand, answer, stays, loads, found)
    return ran
