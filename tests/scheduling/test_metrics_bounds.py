"""Lower bounds: by hand, and against the best schedule of all on tiny problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, permutations
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedloom.scheduling.metrics.bounds import Bounds, lower_bounds
from fedloom.scheduling.policy import Policy
from fedloom.scheduling.problem import Problem
from fedloom.scheduling.simulate.engine import simulate

MakeProblem = Callable[..., Problem]
S = 1_000_000
COMMON = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def test_work_over_capacity(make_problem: MakeProblem) -> None:
    problem = make_problem(
        {"a": (1, 1, 1.0), "g": (2, 2, 1.0), "u": (0, 1, 1.0)},
        {"w": (["a", "g", "u"], [])},
        [("w", 0, [4, 6, 3])] * 2,
        4,
    )
    # (4 + 2 × 6) × 2 requests = 32 GPU-seconds on 4 GPUs; a gang of 2 has two places: 12 / 2.
    assert lower_bounds(problem) == Bounds(8 * S, 8 * S, 6 * S, 6 * S)
    assert lower_bounds(problem).makespan_us == 8 * S


def test_late_work_cannot_be_done_early(make_problem: MakeProblem) -> None:
    problem = make_problem(
        {"a": (1, 1, 1.0)},
        {"w": (["a"], [])},
        [("w", 0, [2]), ("w", 10, [4]), ("w", 10, [4])],
        1,
    )
    bounds = lower_bounds(problem)
    assert (bounds.work_us, bounds.arrivals_us) == (10 * S, 18 * S)
    assert bounds.critical_path_us == 14 * S


def test_a_critical_path_counts_from_its_arrival(make_problem: MakeProblem) -> None:
    edges = [(0, 1), (0, 2), (1, 3), (2, 3)]
    problem = make_problem(
        {"a": (1, 1, 1.0)}, {"w": (["a"] * 4, edges)}, [("w", 5, [1, 2, 7, 1])], 8
    )
    assert lower_bounds(problem).critical_path_us == 14 * S


def test_the_fastest_devices_that_can_hold_a_gang_count(make_problem: MakeProblem) -> None:
    servers = [
        {"name": "big", "gpus": 2, "gpu_memory_gb": 80},
        {"name": "fast", "gpus": 2, "gpu_memory_gb": 40, "speed": 4},
    ]
    models = {"large": (1, 60, 1.0), "small": (1, 20, 1.0), "trio": (3, 30, 1.0)}
    workflows = {name: ([name], []) for name in models}
    cluster = {"servers": servers}
    large = make_problem(models, workflows, [("large", 0, [10])] * 4, cluster)
    small = make_problem(models, workflows, [("small", 0, [10])] * 4, cluster)
    # A microsecond is left for rounding where times are scaled.
    assert lower_bounds(large).gangs_us == pytest.approx(20 * S, abs=10)
    assert lower_bounds(large).critical_path_us == pytest.approx(10 * S, abs=10)
    assert lower_bounds(small).work_us == pytest.approx(4 * S, abs=10)
    assert lower_bounds(small).critical_path_us == pytest.approx(2.5 * S, abs=10)
    spanning = make_problem(
        models, workflows, [("trio", 0, [10])] * 2, {**cluster, "allow_span": True}
    )
    # Three of four devices are one gang at a time, at the speed of the slowest.
    assert lower_bounds(spanning).gangs_us == pytest.approx(20 * S, abs=10)


def test_a_closed_loop_may_arrive_earlier_than_planned(make_problem: MakeProblem) -> None:
    servers = [{"gpus": 1, "gpu_memory_gb": 80, "speed": 2}]
    problem = make_problem(
        {"a": (1, 1, 0.0)},
        {"w": (["a"], [])},
        [("w", 0, [4]), ("w", 5, [4])],
        {"servers": servers},
        after=[-1, 0],
        think_s=[0, 1],
    )
    bounds = lower_bounds(problem)
    assert bounds.critical_path_us == pytest.approx(5 * S, abs=10)
    schedule = simulate(problem, Policy(), core="python")
    assert bounds.makespan_us <= schedule.end_us.max() == 5 * S


def test_nothing_is_bounded_by_nothing(make_problem: MakeProblem) -> None:
    problem = make_problem({"a": (1, 1, 1.0)}, {"w": (["a"], [])}, [])
    assert lower_bounds(problem).makespan_us == 0
    beside = make_problem({"u": (0, 1, 1.0)}, {"w": (["u"], [])}, [("w", 1, [2])])
    assert lower_bounds(beside).makespan_us == 3 * S


# Against the best of all schedules


def tiny_problem(make_problem: MakeProblem, draw: Random) -> Problem:
    """Return at most five tasks on at most three devices; models load in no time and all fit."""
    servers: list[dict[str, Any]] = [
        {"name": f"s{n}", "gpus": draw.randint(1, 2), "gpu_memory_gb": draw.choice([40, 80])}
        for n in range(draw.randint(1, 2))
    ]
    for server in servers:
        server["speed"] = draw.choice([1, 1, 2, 0.7])
    span = draw.random() < 0.3
    room = [s["gpus"] for s in servers]
    gang = min(draw.choice([1, 2]), sum(room) if span else max(room))
    models = {"a": (1, 5, 0.0), "g": (gang, 6 * gang, 0.0), "u": (0, 1, 0.0)}
    if draw.random() < 0.5 and any(server["gpu_memory_gb"] == 80 for server in servers):
        models["large"] = (1, 50, 0.0)
    workflows = {
        "one": ([draw.choice(list(models))], []),
        "two": ([draw.choice(list(models)) for _ in range(2)], draw.choice([[], [(0, 1)]])),
    }
    requests: list[Any] = []
    left, now = draw.randint(1, 5), 0
    while left > 0:
        name = draw.choice(["one", "two"])
        requests.append((name, now, [draw.randint(0, 6) for _ in workflows[name][0]]))
        left -= len(workflows[name][0])
        now += draw.choice([0, 0, 1, 5])
    cluster = {"servers": servers, "allow_span": span}
    return make_problem(models, workflows, requests, cluster)


def best_makespan(problem: Problem) -> float:
    """Return the least makespan: every order of the tasks, each on every gang, as early as can be.

    Some order of starts of the best schedule is among them, and so is that schedule.
    """
    cluster = problem.cluster
    nodes = [
        (request, node)
        for request, workflow in enumerate(problem.workflow)
        for node in range(len(problem.workflows[workflow].nodes))
    ]
    gangs = [list(_gangs(problem, request, node)) for request, node in nodes]
    best = float("inf")

    def place(rest: tuple[int, ...], free: dict[int, float], ends: dict[Any, float]) -> None:
        nonlocal best
        if max(ends.values(), default=0) >= best:
            return
        if not rest:
            best = max(ends.values())
            return
        task = rest[0]
        request, node = nodes[task]
        inputs = problem.workflows[int(problem.workflow[request])].predecessors[node]
        ready = max([problem.arrival_us[request], *(ends[request, i] for i in inputs)])
        for gang in gangs[task]:
            start = max([ready, *(free[gpu] for gpu in gang)])
            speed = min((cluster.gpus[gpu].speed for gpu in gang), default=1)
            end = start + round(problem.duration_us[task] / speed)
            place(rest[1:], {**free, **dict.fromkeys(gang, end)}, {**ends, (request, node): end})

    waits = {
        (nodes.index((request, a)), nodes.index((request, b)))
        for request, workflow in enumerate(problem.workflow)
        for a, b in problem.workflows[workflow].edges
    }
    for order in permutations(range(len(nodes))):
        if all(order.index(a) < order.index(b) for a, b in waits):
            place(order, {gpu.index: 0.0 for gpu in cluster.gpus}, {})
    return best


def _gangs(problem: Problem, request: int, node: int) -> Iterator[tuple[int, ...]]:
    model = problem.models[problem.node_models[int(problem.workflow[request])][node]]
    gpus = [gpu for gpu in problem.cluster.gpus if gpu.memory_mb >= model.memory_mb]
    for gang in combinations(gpus, model.gpus):
        if problem.cluster.allow_span or len({gpu.server for gpu in gang}) <= 1:
            yield tuple(gpu.index for gpu in gang)


@given(seed=st.integers(0, 1 << 32))
@COMMON
def test_no_schedule_of_a_tiny_problem_beats_the_bound(
    make_problem: MakeProblem, seed: int
) -> None:
    problem = tiny_problem(make_problem, Random(seed))
    bounds = lower_bounds(problem)
    assert bounds.makespan_us <= best_makespan(problem)
    assert bounds.work_us <= bounds.arrivals_us


def test_the_oracle_finds_what_is_best(make_problem: MakeProblem) -> None:
    problem = make_problem(
        {"a": (1, 1, 0.0)}, {"w": (["a"], [])}, [("w", 0, [n]) for n in (3, 3, 2, 2, 2)], 2
    )
    assert best_makespan(problem) == 6 * S == lower_bounds(problem).makespan_us
