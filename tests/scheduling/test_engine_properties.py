"""Random problems: every schedule keeps the rules, and both cores make the same one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedloom.scheduling.check.schedule import check_schedule
from fedloom.scheduling.policy import Devices, Placement, Policy, Queue
from fedloom.scheduling.problem import NEVER, Problem, Schedule
from fedloom.scheduling.simulate.engine import simulate
from fedloom.scheduling.task import Task
from fedloom.scheduling.task_columns import TaskColumns

FIXED = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Shortest(Policy):
    """Another order, which the compiled core can keep, too."""

    name = "shortest"

    def rank(self, task: Task) -> int:
        return task.estimate_us

    def rank_all(self, tasks: TaskColumns) -> NDArray[np.int64]:
        return tasks.estimate_us


class Jumbled(Policy):
    """Takes any task of several lines on any devices it is offered, and evicts backwards."""

    name = "jumbled"

    def group(self, task: Task) -> str:
        return task.model

    def rank(self, task: Task) -> tuple[int, int]:
        return (-task.priority, -task.index)

    def choose(self, queue: Queue, devices: Devices) -> Iterator[Placement]:
        for task in queue.in_order(4):
            offered = list(devices.candidates(task))
            found = devices.find(task)
            assert (found is None) == (not offered)
            if offered:
                ends = [devices.switch_us(task, g) + devices.run_us(task, g) for g in offered]
                assert found is not None
                best = devices.switch_us(task, found) + devices.run_us(task, found)
                assert best == min(ends)
                yield Placement(task, offered[task.index % len(offered)])

    def evict(self, resident: Sequence[str], devices: Devices, gpu: int) -> Sequence[str]:
        return list(resident)[::-1]


seconds = st.sampled_from([0.0, 0.1, 0.5, 1.0, 1.5, 2.0, 3.000001, 7.0])


@st.composite
def problems(draw: Any) -> dict[str, Any]:
    """Draw what `make_problem` needs; every model fits somewhere."""
    kinds = draw(st.integers(1, 3))
    servers = [
        {
            "name": f"s{n}",
            "count": draw(st.integers(1, 2)),
            "gpus": draw(st.integers(2, 3)),
            "gpu_memory_gb": draw(st.sampled_from([20, 32, 80.5])),
            "speed": draw(st.sampled_from([1.0, 1.0, 0.7, 2.0])),
            "link_gb_per_s": draw(st.sampled_from([16.0, 16.0, 7.0, 32.0])),
        }
        for n in range(kinds)
    ]
    cluster = {
        "servers": servers,
        "allow_span": draw(st.booleans()),
        "span_slowdown": draw(st.sampled_from([1.0, 1.3])),
        "switch_overhead_seconds": draw(st.sampled_from([0.0, 0.5])),
    }
    wide = cluster["allow_span"] and sum(each["count"] * each["gpus"] for each in servers) >= 3
    sizes = st.sampled_from([0, 1, 1, 1, 1, 2, 2, 3 if wide else 2])
    models = {}
    for n in range(draw(st.integers(1, 5))):
        gpus = draw(sizes)
        share = draw(st.sampled_from([5, 9, 12.5, 20]))
        models[f"m{n}"] = (gpus, share * max(gpus, 1), draw(st.sampled_from([None, 0.0, 1, 4])))
    workflows = {}
    for n in range(draw(st.integers(1, 3))):
        nodes = draw(st.lists(st.sampled_from(sorted(models)), min_size=1, max_size=4))
        pairs = [(a, b) for b in range(len(nodes)) for a in range(b)]
        edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
        workflows[f"w{n}"] = (nodes, edges)
    count = draw(st.integers(1, 25))
    at, requests, after, think = 0.0, [], [], []
    for number in range(count):
        name = draw(st.sampled_from(sorted(workflows)))
        size = len(workflows[name][0])
        times = draw(st.lists(seconds, min_size=size, max_size=size))
        requests.append((name, at, times))
        at += draw(seconds)
        loops = number > 0 and draw(st.integers(0, 3)) == 0
        after.append(draw(st.integers(0, number - 1)) if loops else -1)
        think.append(draw(seconds) if loops else 0)
    estimates = None
    if draw(st.booleans()):
        estimates = [
            draw(st.lists(seconds, min_size=len(t), max_size=len(t))) for *_, t in requests
        ]
    return {
        "models": models,
        "workflows": workflows,
        "requests": requests,
        "cluster": cluster,
        "after": after,
        "think_s": think,
        "estimates": estimates,
        "priority": [draw(st.integers(0, 2)) for _ in requests],
    }


def check_rules(problem: Problem, schedule: Schedule) -> None:
    """Check, plainly and slowly, that a whole schedule keeps the rules."""
    start, end, switch = schedule.start_us, schedule.end_us, schedule.switch_us
    assert schedule.stopped == ""
    assert (end >= start).all()
    assert (start >= schedule.ready_us).all()
    assert (switch >= 0).all()
    uses: list[tuple[int, int, int]] = []
    cluster = problem.cluster
    for request in range(problem.requests):
        first, workflow = int(problem.first_task[request]), int(problem.workflow[request])
        arrival = problem.arrival_us[request]
        if (before := problem.after[request]) >= 0:
            tasks = slice(problem.first_task[before], problem.first_task[before + 1])
            arrival = end[tasks].max() + problem.think_us[request]
        assert schedule.arrival_us[request] == arrival
        for node, model in enumerate(problem.node_models[workflow]):
            task = first + node
            needs = problem.models[model]
            before_us = [end[first + p] for p in problem.workflows[workflow].predecessors[node]]
            assert schedule.ready_us[task] == max([arrival, *before_us])
            gpus = [int(gpu) for gpu in schedule.gpus[task] if gpu >= 0]
            assert len(set(gpus)) == needs.gpus
            assert gpus == sorted(gpus)
            places = {cluster.gpus[gpu].server for gpu in gpus}
            assert len(places) <= 1 or cluster.allow_span
            assert all(cluster.gpus[gpu].memory_mb >= needs.memory_mb for gpu in gpus)
            speed = min((cluster.gpus[gpu].speed for gpu in gpus), default=1.0)
            slowdown = cluster.span_slowdown if len(places) > 1 else 1.0
            run = round(problem.duration_us[task] / speed * slowdown)
            assert end[task] - start[task] - switch[task] == run
            uses += [(gpu, int(start[task]), int(end[task])) for gpu in gpus]
    uses.sort()
    for (gpu, _, until), (other, since, _) in pairwise(uses):
        assert gpu != other or since >= until


@given(problems())
@FIXED
def test_both_cores_make_the_same_schedule_and_it_keeps_the_rules(
    make_problem: Any, drawn: dict[str, Any]
) -> None:
    problem = make_problem(**drawn)
    for policy in (Policy(), Shortest()):
        plain = simulate(problem, policy, core="python")
        check_rules(problem, plain)
        assert check_schedule(problem, plain) == []
        fast = simulate(problem, policy, core="compiled")
        for column in ("ready_us", "start_us", "switch_us", "end_us", "gpus", "arrival_us"):
            first, second = getattr(plain, column), getattr(fast, column)
            assert first.dtype == second.dtype
            np.testing.assert_array_equal(first, second, column)
        until_us = int(np.median(plain.end_us))
        cut, also = (
            simulate(problem, policy, core=core, until_us=until_us)
            for core in ("python", "compiled")
        )
        for column in ("ready_us", "start_us", "switch_us", "end_us", "gpus", "arrival_us"):
            np.testing.assert_array_equal(getattr(cut, column), getattr(also, column), column)
        assert check_schedule(problem, cut) == []
        ready = np.where(plain.ready_us <= until_us, plain.ready_us, NEVER)
        np.testing.assert_array_equal(cut.ready_us, ready)
        np.testing.assert_array_equal(
            cut.end_us, np.where(plain.end_us <= until_us, plain.end_us, NEVER)
        )
        assert cut.stopped == also.stopped


@given(problems())
@FIXED
def test_any_choice_of_what_is_offered_keeps_the_rules(
    make_problem: Any, drawn: dict[str, Any]
) -> None:
    problem = make_problem(**drawn)
    schedule = simulate(problem, Jumbled(), core="python")
    check_rules(problem, schedule)
    assert check_schedule(problem, schedule) == []


@pytest.mark.parametrize("offline", [False, True])
def test_the_same_problem_gives_the_same_schedule(make_problem: Any, offline: bool) -> None:
    models = {"a": (1, 30, 1), "b": (1, 60, 2), "g": (2, 60, 4)}
    workflows = {"w": (["a", "b", "g"], [(0, 1), (0, 2)])}
    requests = [("w", n / 7, [1 + n % 3, 2, 1]) for n in range(60)]
    problem = make_problem(models, workflows, requests, 4)
    first, second = (simulate(problem, Policy(), offline=offline) for _ in range(2))
    np.testing.assert_array_equal(first.end_us, second.end_us)
    assert first.offline is offline
