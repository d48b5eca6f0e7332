"""The checker on random schedules: valid ones pass, and whatever breaks one is noticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fedloom.scheduling.check.schedule import check_schedule
from fedloom.scheduling.policy import Policy
from fedloom.scheduling.problem import NEVER, Problem, Schedule
from fedloom.scheduling.simulate.engine import simulate

MakeProblem = Callable[..., Problem]
SEEDS = st.integers(0, 1 << 32)
COMMON = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def random_problem(make_problem: MakeProblem, seed: int) -> Problem:
    """Return a small problem with a bit of everything: speeds, links, gangs, spans, loops."""
    draw = Random(seed)
    servers = [
        {
            "name": f"s{number}",
            "gpus": draw.randint(1, 4),
            "gpu_memory_gb": draw.choice([40, 80]),
            "speed": draw.choice([1, 1, 0.5, 1.7, 2]),
            "link_gb_per_s": draw.choice([16, 8, 7.3]),
        }
        for number in range(draw.randint(1, 3))
    ]
    span = draw.random() < 0.4
    cluster: dict[str, Any] = {"servers": servers, "allow_span": span}
    if span:
        cluster["span_slowdown"] = draw.choice([1, 1.3])
    sizes = [server["gpus"] for server in servers]
    largest = sum(sizes) if span else max(sizes)
    models = {}
    for number in range(draw.randint(1, 6)):
        gpus = min(draw.choice([0, 1, 1, 1, 2, 3]), largest)
        gb = draw.choice([0.001, 5, 13.3, 20, 33]) * max(1, gpus)
        models[f"m{number}"] = (gpus, gb, draw.choice([None, 0, 1.3, 5]))
    workflows = {}
    for number in range(draw.randint(1, 3)):
        count = draw.randint(1, 5)
        nodes = [draw.choice(list(models)) for _ in range(count)]
        pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
        workflows[f"w{number}"] = (nodes, [pair for pair in pairs if draw.random() < 0.4])
    closed, now = draw.random() < 0.4, 0.0
    requests, after, think = [], [], []
    for number in range(draw.randint(1, 30)):
        now = round(now + (draw.expovariate(1) * draw.choice([0, 1, 3]) if number else 0), 6)
        name = draw.choice(list(workflows))
        seconds = [round(draw.choice([0, draw.random() * 5]), 6) for _ in workflows[name][0]]
        requests.append((name, now, seconds))
        waits = closed and number and draw.random() < 0.5
        after.append(draw.randrange(number) if waits else -1)
        think.append(round(draw.random() * 3, 6))
    return make_problem(models, workflows, requests, cluster, after=after, think_s=think)


def naive_schedule(problem: Problem, draw: Random) -> Schedule:
    """Return a schedule made request by request on random devices of one server each.

    Written apart from the simulator: plain lists, the oldest model is evicted first.
    """
    cluster, tasks = problem.cluster, problem.tasks
    columns = {
        name: np.full(tasks, NEVER, np.int64) for name in ("ready", "start", "switch", "end")
    }
    gpus = np.full((tasks, max([1, *(model.gpus for model in problem.models)])), -1, np.int32)
    free_at = [0] * len(cluster.gpus)
    residents: list[dict[Any, int]] = [{} for _ in cluster.gpus]
    arrival = problem.arrival_us.tolist()
    done: list[int] = []
    for request in range(problem.requests):
        if (before := int(problem.after[request])) >= 0:
            arrival[request] = done[before] + int(problem.think_us[request])
        workflow = int(problem.workflow[request])
        ends: dict[int, int] = {}
        for node in problem.workflows[workflow].order:
            task = int(problem.first_task[request]) + node
            model = problem.models[problem.node_models[workflow][node]]
            inputs = problem.workflows[workflow].predecessors[node]
            ready = max([arrival[request], *(ends[other] for other in inputs)])
            gang: list[int] = []
            if model.gpus:
                room = [
                    [gpu.index for gpu in server if gpu.memory_mb >= model.memory_mb]
                    for server in cluster.by_server
                ]
                room = [server for server in room if len(server) >= model.gpus]
                if not room:
                    assume(False)
                gang = draw.sample(draw.choice(room), model.gpus)
            start = max([ready, *(free_at[gpu] for gpu in gang)])
            name = (model.model_id, tuple(sorted(gang)))
            switch = 0.0
            if gang and name not in residents[gang[0]]:
                for gpu in gang:
                    device, here = cluster.gpus[gpu], residents[gpu]
                    moved = 0
                    while sum(here.values()) + model.memory_mb > device.memory_mb:
                        oldest = next(iter(here))
                        moved += here[oldest]
                        for other in oldest[1]:
                            del residents[other][oldest]
                    load = model.memory_mb * 1000 / device.link_gb_per_s
                    load += cluster.switch_overhead_us
                    if model.load_time_us is not None:
                        load = model.load_time_us * 16 / device.link_gb_per_s
                    switch = max(switch, load + moved * 1000 / device.link_gb_per_s)
                for gpu in gang:
                    residents[gpu][name] = model.memory_mb
            speed = min((cluster.gpus[gpu].speed for gpu in gang), default=1)
            end = start + round(switch) + round(int(problem.duration_us[task]) / speed)
            for gpu in gang:
                free_at[gpu] = end
            ends[node] = end
            gpus[task, : len(gang)] = gang
            for column, value in zip(
                columns.values(), (ready, start, round(switch), end), strict=True
            ):
                column[task] = value
        done.append(max(ends.values()))
    return Schedule("naive", *columns.values(), gpus, np.array(arrival, np.int64))


def fifo_schedule(problem: Problem, draw: Random) -> Schedule:
    until = draw.choice([None, None, 10_000_000])
    return simulate(problem, Policy(), until_us=until, core="python")


SCHEDULERS = pytest.mark.parametrize("schedule_of", [naive_schedule, fifo_schedule])


@SCHEDULERS
@given(seed=SEEDS)
@COMMON
def test_what_could_have_happened_passes(
    make_problem: MakeProblem, schedule_of: Callable[..., Schedule], seed: int
) -> None:
    problem = random_problem(make_problem, seed)
    schedule = schedule_of(problem, Random(seed))
    assert list(check_schedule(problem, schedule).lines()) == []


# Each of these breaks a schedule for certain, or returns False where it does not apply.


def shift_end(problem: Problem, schedule: Schedule, task: int, draw: Random) -> bool:
    schedule.end_us[task] += draw.choice([-5_000, -3, 3, 100, 10**9])
    return True


def shift_start(problem: Problem, schedule: Schedule, task: int, draw: Random) -> bool:
    schedule.start_us[task] += draw.choice([-5_000, -3, 3, 100])
    return True


def shift_switch(problem: Problem, schedule: Schedule, task: int, draw: Random) -> bool:
    schedule.switch_us[task] += draw.choice([-5_000, -3, 3, 100])
    return True


def start_before_ready(problem: Problem, schedule: Schedule, task: int, draw: Random) -> bool:
    by = int(schedule.start_us[task] - schedule.ready_us[task]) + draw.choice([1, 1000])
    schedule.start_us[task] -= by
    schedule.end_us[task] -= by
    return True


def misstate_ready(problem: Problem, schedule: Schedule, task: int, draw: Random) -> bool:
    schedule.ready_us[task] += draw.choice([-1, 1])
    return True


def misstate_arrival(problem: Problem, schedule: Schedule, task: int, draw: Random) -> bool:
    request = np.searchsorted(problem.first_task, task, side="right") - 1
    schedule.arrival_us[request] += draw.choice([-1, 1])
    return True


def break_gang(problem: Problem, schedule: Schedule, task: int, draw: Random) -> bool:
    used = int((schedule.gpus[task] >= 0).sum())
    wrong = [-1, len(problem.cluster.gpus), 99, -2]
    if used > 1:
        wrong.append(int(schedule.gpus[task, 0]))
    schedule.gpus[task, max(0, used - 1)] = draw.choice(wrong[0 if used else 1 :])
    return True


def add_device(problem: Problem, schedule: Schedule, task: int, draw: Random) -> bool:
    used = int((schedule.gpus[task] >= 0).sum())
    if used == schedule.gpus.shape[1]:
        return False
    schedule.gpus[task, used] = draw.randrange(len(problem.cluster.gpus))
    return True


def move_onto_a_busy_device(problem: Problem, schedule: Schedule, task: int, draw: Random) -> bool:
    start, end = schedule.start_us[task], schedule.end_us[task]
    meets = (schedule.start_us < end) & (schedule.end_us > start) & (schedule.gpus[:, 0] >= 0)
    meets[task] = False
    meets &= (schedule.gpus == schedule.gpus[task, 0]).sum(axis=1) == 0
    others = np.flatnonzero(meets)
    if end <= start or schedule.gpus[task, 0] < 0 or len(others) == 0:
        return False
    schedule.gpus[task, 0] = schedule.gpus[draw.choice(others.tolist()), 0]
    return True


def forget(problem: Problem, schedule: Schedule, task: int, draw: Random) -> bool:
    for column in (schedule.ready_us, schedule.start_us, schedule.switch_us, schedule.end_us):
        column[task] = NEVER
    schedule.gpus[task] = -1
    return not schedule.stopped


def half_forget(problem: Problem, schedule: Schedule, task: int, draw: Random) -> bool:
    schedule.end_us[task] = NEVER
    return True


def models_of(problem: Problem) -> list[int]:
    return [model for workflow in problem.workflow for model in problem.node_models[workflow]]


def skip_the_first_load(problem: Problem, schedule: Schedule, task: int, draw: Random) -> bool:
    gang = np.sort(schedule.gpus, axis=1)
    same = (gang == gang[task]).all(axis=1) & (schedule.end_us != NEVER)
    models = models_of(problem)
    same &= np.array(models) == models[task]
    first = int(np.flatnonzero(same)[np.argmin(schedule.start_us[same])])
    if schedule.switch_us[first] < 10 or problem.models[models[task]].load_time_us == 0:
        return False
    schedule.end_us[first] -= schedule.switch_us[first]
    schedule.switch_us[first] = 0
    return True


def load_too_fast(problem: Problem, schedule: Schedule, task: int, draw: Random) -> bool:
    if schedule.switch_us[task] < 10 or problem.models[models_of(problem)[task]].load_time_us == 0:
        return False
    schedule.end_us[task] -= schedule.switch_us[task] - 1
    schedule.switch_us[task] = 1
    return True


BREAKS = [
    shift_end,
    shift_start,
    shift_switch,
    start_before_ready,
    misstate_ready,
    misstate_arrival,
    break_gang,
    add_device,
    move_onto_a_busy_device,
    forget,
    half_forget,
    skip_the_first_load,
    load_too_fast,
]


@pytest.mark.parametrize("break_it", BREAKS)
@given(seed=SEEDS)
@settings(COMMON, max_examples=25)
def test_whatever_breaks_a_schedule_is_noticed(
    make_problem: MakeProblem, break_it: Callable[..., bool], seed: int
) -> None:
    problem, draw = random_problem(make_problem, seed), Random(seed)
    valid = fifo_schedule(problem, draw)
    ran = np.flatnonzero(valid.end_us != NEVER)
    assume(len(ran))
    copies = {
        name: getattr(valid, name).copy()
        for name in ("ready_us", "start_us", "switch_us", "end_us", "gpus", "arrival_us")
    }
    broken = replace(valid, **copies)
    tasks = draw.sample(ran.tolist(), len(ran))
    assume(any(break_it(problem, broken, task, draw) for task in tasks))
    assert check_schedule(problem, broken)
