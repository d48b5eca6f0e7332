"""Every policy, online and offline, on random problems: nothing it makes could not have happened.

The judge is the independent checker, which shares no code with the simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedloom.scheduling.check.schedule import check_schedule
from fedloom.scheduling.metrics.measure import measure
from fedloom.scheduling.policies.registry import POLICIES, read_policy
from fedloom.scheduling.policy import Devices, Foresight, Policy, Queue, Setting
from fedloom.scheduling.problem import NEVER, Problem, Schedule
from fedloom.scheduling.simulate.engine import simulate
from fedloom.scheduling.task import Task

MakeProblem = Callable[..., Problem]
SEEDS = st.integers(0, 1 << 32)
EXTREMES = [
    "affinity:patience=0",
    "affinity:patience=1e9",
    "backfill:lookahead=0",
    "backfill:lookahead=1",
    "greedy:wait=0,switch=0,future=0,balance=0",
    "greedy:lookahead=1000,future=100",
    "greedy:switch=1e12,balance=1e12,wait=1e12",
]


def examples(count: int) -> Any:
    return settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


def random_problem(make_problem: MakeProblem, seed: int) -> Problem:
    """Return a small problem with a bit of everything."""
    draw = Random(seed)
    servers = [
        {
            "name": f"s{number}",
            "gpus": draw.randint(1, 4),
            "gpu_memory_gb": draw.choice([33, 40, 80]),
            "speed": draw.choice([1, 1, 0.5, 1.7, 2]),
            "link_gb_per_s": draw.choice([16, 8, 7.3]),
        }
        for number in range(draw.randint(1, 3))
    ]
    sizes = [server["gpus"] for server in servers]
    span = draw.random() < 0.4
    cluster: dict[str, Any] = {"servers": servers, "allow_span": span}
    cluster["span_slowdown"] = draw.choice([1, 1.3]) if span else 1
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
    calls = random_calls(draw, workflows)
    closed, count = draw.random() < 0.4, len(calls)
    tenants = {f"t{n}": draw.choice([0, 0.5, 1, 3]) for n in range(draw.randint(0, 3))}
    wrong = draw.choice([0, 0, 0.5, 2])
    return make_problem(
        models,
        workflows,
        calls,
        cluster,
        after=[
            draw.randrange(n) if closed and n and draw.random() < 0.5 else -1 for n in range(count)
        ],
        think_s=[round(draw.random() * 3, 6) for _ in range(count)],
        tenants=tenants,
        tenant=[draw.randint(-1, len(tenants) - 1) for _ in range(count)],
        priority=[draw.randint(-2, 2) for _ in range(count)],
        deadline_s=[draw.choice([None, 0.5, draw.random() * 99]) for _ in range(count)],
        estimates=[
            [round(s * draw.lognormvariate(0, wrong), 6) for s in times] for _, _, times in calls
        ],
    )


def random_calls(
    draw: Random, workflows: Mapping[str, tuple[Sequence[str], Any]]
) -> list[tuple[str, float, list[float]]]:
    now, calls = 0.0, []
    pace = draw.choice([0, 0.3, 3])
    for number in range(draw.randint(1, 30)):
        now = round(now + (draw.expovariate(1) * pace if number else 0), 6)
        name = draw.choice(list(workflows))
        seconds = [round(draw.choice([0, draw.random() * 5]), 6) for _ in workflows[name][0]]
        calls.append((name, now, seconds))
    return calls


def run(problem: Problem, policy: str, *, offline: bool = False, **more: Any) -> Schedule:
    named = read_policy(policy)
    setting = Setting(seed=3, options=named.options)
    return simulate(problem, named.make(), setting=setting, offline=offline, **more)


def numbers(value: Any) -> Iterator[float]:
    """Yield all numbers in metrics."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from numbers(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, int | float):
        yield value


def assert_good(problem: Problem, schedule: Schedule) -> None:
    """The checker finds nothing, all is done, no bound is undercut, and numbers are numbers."""
    found = check_schedule(problem, schedule)
    assert list(found.lines()) == []
    assert schedule.stopped == ""
    assert (schedule.end_us != NEVER).all()
    metrics = measure(problem, schedule)
    assert metrics.unfinished_requests == 0
    assert metrics.makespan_us >= metrics.bounds.makespan_us
    assert all(isfinite(number) for number in numbers(metrics.to_dict()))


@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
@pytest.mark.parametrize("policy", [*POLICIES, *EXTREMES])
@examples(12)
@given(seed=SEEDS)
def test_every_policy_makes_schedules_that_could_happen(
    make_problem: MakeProblem, policy: str, offline: bool, seed: int
) -> None:
    problem = random_problem(make_problem, seed)
    assert_good(problem, run(problem, policy, offline=offline))


@pytest.mark.parametrize("policy", POLICIES)
@examples(6)
@given(seed=SEEDS)
def test_the_same_seed_gives_the_same_schedule(
    make_problem: MakeProblem, policy: str, seed: int
) -> None:
    problem = random_problem(make_problem, seed)
    first, second = (run(problem, policy) for _ in range(2))
    for name in ("ready_us", "start_us", "switch_us", "end_us", "gpus", "arrival_us"):
        assert np.array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("policy", POLICIES)
@examples(6)
@given(seed=SEEDS, until_s=st.floats(0.1, 60))
def test_a_simulation_that_is_cut_short_names_what_is_left(
    make_problem: MakeProblem, policy: str, seed: int, until_s: float
) -> None:
    problem = random_problem(make_problem, seed)
    whole = run(problem, policy)
    until_us = round(until_s * 1e6)
    cut = run(problem, policy, until_us=until_us)
    assert list(check_schedule(problem, cut).lines()) == []
    done = whole.end_us <= until_us
    assert ((cut.end_us != NEVER) == done).all()
    assert (cut.end_us[done] == whole.end_us[done]).all()
    assert bool(cut.stopped) == (not done.all())
    assert measure(problem, cut).unfinished_requests == 0 or cut.stopped


@pytest.mark.parametrize("policy", POLICIES)
@examples(6)
@given(seed=SEEDS)
def test_online_policies_know_nothing_of_the_future(
    make_problem: MakeProblem, policy: str, seed: int
) -> None:
    """What has happened by a moment is the same whatever arrives after it."""
    problem = random_problem(make_problem, seed)
    if (problem.after >= 0).any() or problem.requests < 2:
        return
    kept = problem.requests // 2
    cut_us = int(problem.arrival_us[kept])
    tasks = int(problem.first_task[kept])
    shorter = make_shorter(problem, kept)
    whole, half = run(problem, policy), run(shorter, policy)
    started = whole.start_us[:tasks] < cut_us
    assert (started == (half.start_us < cut_us)).all()
    assert (whole.start_us[:tasks][started] == half.start_us[started]).all()
    assert (whole.switch_us[:tasks][started] == half.switch_us[started]).all()


def make_shorter(problem: Problem, requests: int) -> Problem:
    """Return the problem of the first requests."""
    from dataclasses import replace

    tasks = int(problem.first_task[requests])
    by_request = (
        "workflow",
        "arrival_us",
        "tenant",
        "priority",
        "deadline_us",
        "after",
        "think_us",
    )
    return replace(
        problem,
        request_ids=problem.request_ids[:requests],
        first_task=problem.first_task[: requests + 1],
        duration_us=problem.duration_us[:tasks],
        estimate_us=problem.estimate_us[:tasks],
        **{name: getattr(problem, name)[:requests] for name in by_request},
    )


# Work conservation: no device idles while a task waits that could run there by itself.


def idle_while_waiting(problem: Problem, schedule: Schedule) -> list[tuple[int, int]]:
    """Return (task, device) where a single-device task waits and a device it fits on idles."""
    needs = [
        problem.models[problem.node_models[workflow][node]]
        for workflow in problem.workflow.tolist()
        for node in range(len(problem.node_models[workflow]))
    ]
    busy: dict[int, list[tuple[int, int]]] = {gpu.index: [] for gpu in problem.cluster.gpus}
    for task, gpus in enumerate(schedule.gpus):
        for gpu in gpus[gpus >= 0].tolist():
            busy[gpu].append((int(schedule.start_us[task]), int(schedule.end_us[task])))
    found = []
    for task, need in enumerate(needs):
        if need.gpus != 1:
            continue
        since, until = int(schedule.ready_us[task]), int(schedule.start_us[task])
        for gpu in problem.cluster.gpus:
            if gpu.memory_mb < need.memory_mb:
                continue
            free_from = since
            for start, end in sorted(busy[gpu.index]):
                if free_from < min(start, until):
                    found.append((task, gpu.index))
                    break
                free_from = max(free_from, end)
            else:
                if free_from < until:
                    found.append((task, gpu.index))
    return found


def singles(make_problem: MakeProblem, seed: int) -> Problem:
    """Return a problem whose tasks take one device, or none, and fit on every one."""
    draw = Random(seed)
    models = {f"m{n}": (1, draw.choice([5, 20, 30]), draw.choice([0, 2, None])) for n in range(4)}
    models["u"] = (0, 1, None)
    workflows = {
        "one": (["m0"], []),
        "chain": (["m1", "m2", "u", "m3"], [(0, 1), (1, 2), (2, 3)]),
        "fork": (["m3", "m0", "m1"], [(0, 1), (0, 2)]),
    }
    kinds = [
        {"name": f"s{n}", "gpus": 2, "gpu_memory_gb": draw.choice([30, 60]), "speed": n + 1}
        for n in range(draw.randint(1, 2))
    ]
    calls = random_calls(draw, workflows)
    return make_problem(models, workflows, calls, {"servers": kinds})


@pytest.mark.parametrize("policy", POLICIES)
@examples(12)
@given(seed=SEEDS)
def test_no_device_idles_while_a_task_waits_if_all_take_one_device(
    make_problem: MakeProblem, policy: str, seed: int
) -> None:
    problem = singles(make_problem, seed)
    assert idle_while_waiting(problem, run(problem, policy)) == []


@pytest.mark.parametrize("policy", ["affinity:patience=1e9", "greedy:lookahead=1e6"])
@examples(40)
@given(seed=SEEDS)
def test_policies_that_hold_nobody_up_conserve_work_beside_gangs(
    make_problem: MakeProblem, policy: str, seed: int
) -> None:
    problem = random_problem(make_problem, seed)
    assert idle_while_waiting(problem, run(problem, policy)) == []


@pytest.mark.parametrize(
    "policy",
    [
        *("fifo", "sjf", "srcp", "edf", "priority", "fair-share", "best-fit", "random"),
        *("affinity:patience=0", "backfill", "greedy:lookahead=1"),
    ],
)
def test_policies_that_hold_up_others_for_a_gang(make_problem: MakeProblem, policy: str) -> None:
    # One of two devices is busy until 10; a gang of two is first by any rule, and the other device
    # waits for it with it. The single task is longer, later, less urgent, and ends after 10.
    problem = make_problem(
        {"m": (1, 10, 0), "g": (2, 20, 0)},
        {"w": (["m"], []), "gang": (["g"], [])},
        [("w", 0, [10]), ("gang", 1, [1]), ("w", 2, [20])],
        2,
        tenants={"t": 1},
        tenant=[0, 0, 0],
        priority=[0, 1, 0],
        deadline_s=[5, 6, 99],
    )
    for seed in range(20):  # random: until the gang is drawn first
        schedule = simulate(
            problem,
            read_policy(policy).make(),
            setting=Setting(seed=seed, options=read_policy(policy).options),
        )
        if idle_while_waiting(problem, schedule) == [(2, 1)]:
            return
    pytest.fail("nobody was held up")


# What a policy is given.


class _Curious(Policy):
    """Takes a look at all that may be asked for, and checks that it fits together."""

    def prepare(self, setting: Setting) -> None:
        self.foresight: Foresight | None = setting.foresight
        self.questions = 0

    def choose(self, queue: Queue, devices: Devices) -> Any:
        while (task := queue.first()) is not None:
            waiting = list(queue.in_order(10_000))
            assert len(waiting) == len(queue)
            assert waiting[0] is task
            assert [each.ready_us for each in waiting] == sorted(e.ready_us for e in waiting)
            self._look(task, devices)
            gpus = devices.find(task)
            if gpus is None:
                return
            yield task, gpus

    def _look(self, task: Task, devices: Devices) -> None:
        idle = list(devices.idle)
        assert len(idle) == len(set(idle))
        for gpu in devices.cluster.gpus:
            assert devices.free_at_us(gpu.index) >= devices.now_us
            used = sum(devices.resident(gpu.index).values())
            assert 0 <= used <= devices.memory_mb(gpu.index) == gpu.memory_mb
            if gpu.index in idle:
                assert devices.free_at_us(gpu.index) == devices.now_us
        offers = list(devices.candidates(task))
        assert len(offers) == len(set(offers))
        ends = []
        for gpus in offers:
            self.questions += 1
            assert set(gpus) <= set(idle)
            assert len(set(gpus)) == len(gpus) == task.gpus
            switch_us = devices.switch_us(task, gpus)
            if all(task.model in devices.resident(gpu) for gpu in gpus) and task.gpus == 1:
                assert switch_us == 0
            ends.append(switch_us + devices.run_us(task, gpus))
        found = devices.find(task)
        assert (found is None) == (not offers)
        if found is not None:
            assert devices.switch_us(task, found) + devices.run_us(task, found) == min(ends)


@examples(60)
@given(seed=SEEDS)
def test_what_devices_and_queue_say_fits_together(make_problem: MakeProblem, seed: int) -> None:
    problem = random_problem(make_problem, seed)
    assert_good(problem, simulate(problem, _Curious()))
