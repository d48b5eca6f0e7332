"""Backfilling: the classical example by hand, and EASY written once more, by counts alone."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedloom.scheduling.policies.backfill import Backfill
from fedloom.scheduling.policies.registry import read_policy
from fedloom.scheduling.policies.reservation import Reservations
from fedloom.scheduling.policy import Devices, Setting
from fedloom.scheduling.problem import Problem, Schedule
from fedloom.scheduling.simulate.engine import simulate
from fedloom.scheduling.task import Task

# Nothing takes time to load, and all models fit beside each other, so only devices are counted.
MODELS = {f"m{gpus}": (gpus, gpus, 0) for gpus in (1, 2, 3, 4)}
CALLS = {f"w{gpus}": ([f"m{gpus}"], []) for gpus in (1, 2, 3, 4)}

Call = tuple[str, float, list[float]]
COMMON = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def run(problem: Problem, policy: str = "backfill") -> Schedule:
    named = read_policy(policy)
    return simulate(problem, named.make(), setting=Setting(options=named.options))


def starts(schedule: Schedule) -> list[float]:
    return [start / 1e6 for start in schedule.start_us.tolist()]


def test_the_classical_example(make_problem: Any) -> None:
    """Four devices: A takes three until 10; B needs all four and is promised 10.

    C (9 s) comes at 2 and would end at 11: it waits. D (7 s) comes at 3 and ends in time, on the
    free device. E (4 s) comes at 4 and finds none. In plain order all three wait for the end of B.
    """
    calls: list[Call] = [
        ("w3", 0, [10]),
        ("w4", 1, [5]),
        ("w1", 2, [9]),
        ("w1", 3, [7]),
        ("w1", 4, [4]),
    ]
    problem = make_problem(MODELS, CALLS, calls, 4)
    assert starts(run(problem)) == [0, 10, 15, 3, 15]
    assert starts(run(problem, "fifo")) == [0, 10, 15, 15, 15]


def test_a_long_task_starts_on_a_device_that_is_not_reserved(make_problem: Any) -> None:
    # Two of four devices are busy until 10. The gang of three takes them and one more: one is over.
    calls: list[Call] = [("w2", 0, [10]), ("w3", 1, [5]), ("w1", 2, [60]), ("w1", 3, [60])]
    problem = make_problem(MODELS, CALLS, calls, 4)
    # The second long one would take what is left of the three.
    assert starts(run(problem)) == [0, 10, 2, 15]


def test_what_ends_in_time_leaves_the_free_device_to_others(make_problem: Any) -> None:
    # As above, with a task of 5 s in between: it ends at 7, so it may use a reserved device, and
    # the long one still finds one that is not.
    calls: list[Call] = [("w2", 0, [10]), ("w3", 1, [5]), ("w1", 2, [5]), ("w1", 3, [60])]
    problem = make_problem(MODELS, CALLS, calls, 4)
    assert starts(run(problem)) == [0, 10, 2, 3]


def test_switches_count_for_what_ends_in_time(make_problem: Any) -> None:
    # The gang is promised 10. Loading takes 4 s, so a task of 5 s may start by 1, not by 2.
    models = {**MODELS, "m1": (1, 1, 4)}
    for at, expected in ((1, 1), (2, 15)):
        calls: list[Call] = [("w2", 0, [10]), ("w3", 0.5, [5]), ("w1", at, [5])]
        problem = make_problem(models, CALLS, calls, 3)
        assert starts(run(problem)) == [0, 10, expected]


def test_the_estimates_decide_and_may_be_wrong(make_problem: Any) -> None:
    # The single task says 5 s and takes 20: the gang, promised 10, starts at 22.
    calls: list[Call] = [("w2", 0, [10]), ("w3", 1, [5]), ("w1", 2, [20])]
    told = [[10.0], [5.0], [5.0]]
    problem = make_problem(MODELS, CALLS, calls, 3, estimates=told)
    assert starts(run(problem)) == [0, 22, 2]


def test_tasks_that_are_late_count_as_free_now(make_problem: Any) -> None:
    # The first says 2 s and takes 10. From 2 on the gang could start "now", so nothing passes it.
    calls: list[Call] = [("w2", 0, [10]), ("w3", 1, [5]), ("w1", 3, [1])]
    told = [[2.0], [5.0], [1.0]]
    problem = make_problem(MODELS, CALLS, calls, 3, estimates=told)
    assert starts(run(problem)) == [0, 10, 15]


def test_the_reservation_is_in_one_server(make_problem: Any) -> None:
    # Server 0 is free at 10, server 1 at 20; a gang of two is promised 10 on server 0. A single of
    # 30 s may use the idle device of server 1, not that of server 0.
    two = {"servers": [{"name": "s", "count": 2, "gpus": 2, "gpu_memory_gb": 80}]}
    calls: list[Call] = [
        ("w1", 0, [10]),
        ("w1", 0, [40]),
        ("w1", 0, [20]),
        ("w2", 1, [5]),
        ("w1", 2, [30]),
        ("w1", 3, [30]),
    ]
    problem = make_problem(MODELS, CALLS, calls, two)
    schedule = run(problem)
    # Devices 0 (10 s), 1 (40 s), 2 (20 s): the gang needs 2 and 3, at 20.
    assert schedule.gpus[:3, 0].tolist() == [0, 1, 2]
    assert starts(schedule) == [0, 0, 0, 20, 10, 25]
    assert schedule.gpus[3, :2].tolist() == [2, 3]


def test_a_gang_that_may_span_is_promised_devices_anywhere(make_problem: Any) -> None:
    spread = {
        "servers": [{"name": "s", "count": 2, "gpus": 2, "gpu_memory_gb": 80}],
        "allow_span": True,
    }
    calls: list[Call] = [("w1", 0, [10]), ("w1", 0, [40]), ("w3", 1, [5]), ("w1", 2, [30])]
    problem = make_problem(MODELS, CALLS, calls, spread)
    # Idle are 2 and 3; with 0 the gang has three at 10, so the single has to wait for its end.
    assert starts(run(problem)) == [0, 0, 10, 15]


def test_devices_that_are_too_small_are_not_reserved(make_problem: Any) -> None:
    cluster = {
        "servers": [
            {"name": "large", "gpus": 1, "gpu_memory_gb": 80},
            {"name": "small", "gpus": 1, "gpu_memory_gb": 8},
        ]
    }
    models = {"l": (1, 40, 0), "s": (1, 4, 0)}
    workflows = {"l": (["l"], []), "s": (["s"], [])}
    calls: list[Call] = [("l", 0, [10]), ("l", 1, [5]), ("s", 2, [60]), ("s", 3, [7])]
    problem = make_problem(models, workflows, calls, cluster)
    # The small device is of no use to the second large task, so it takes the 60 s at once.
    assert starts(run(problem)) == [0, 10, 2, 15]


def test_looking_no_further_than_asked(make_problem: Any) -> None:
    calls: list[Call] = [("w3", 0, [10]), ("w4", 1, [5]), *[("w1", 2, [60])] * 3, ("w1", 2, [1])]
    problem = make_problem(MODELS, CALLS, calls, 4)
    assert starts(run(problem, "backfill:lookahead=3"))[5] == 15
    assert starts(run(problem, "backfill:lookahead=4"))[5] == 2
    assert starts(run(problem, "backfill:lookahead=0")) == starts(run(problem, "fifo"))


class _Watched(Backfill):
    """Notes when the first task of the queue is promised to start, and when it does."""

    def prepare(self, setting: Setting) -> None:
        super().prepare(setting)
        self.promised: dict[int, list[int]] = {}

    def choose(self, queue: Any, devices: Devices) -> Any:
        yield from super().choose(queue, devices)
        head = queue.first()
        if head is not None and self._reservations is not None:
            _, start_us = self._reservations.reserve(head, devices)
            self.promised.setdefault(head.index, []).append(start_us)


def random_calls(draw: Random, most: int) -> list[Call]:
    count = draw.randint(1, 40)
    times = sorted(draw.choice([0, draw.randint(0, 60)]) for _ in range(count))
    return [(f"w{draw.choice([1, 1, 1, 2, most])}", at, [draw.randint(0, 20)]) for at in times]


def easy(devices: int, calls: list[Call]) -> list[float]:
    """Return the starts of calls by EASY, as Lifka describes it: counts of alike devices."""
    queue: list[int] = []
    running: list[tuple[float, int]] = []
    found = [-1.0] * len(calls)
    gpus = [int(name[1:]) for name, _, _ in calls]
    coming = list(range(len(calls)))
    now = 0.0

    def start(call: int) -> None:
        found[call] = now
        running.append((now + calls[call][2][0], gpus[call]))
        queue.remove(call)

    while coming or queue:
        moments = [end for end, _ in running] + [calls[call][1] for call in coming[:1]]
        now = min(moments)
        running = [(end, size) for end, size in running if end > now]
        while coming and calls[coming[0]][1] == now:
            queue.append(coming.pop(0))
        free = devices - sum(size for _, size in running)
        while queue and gpus[queue[0]] <= free:
            free -= gpus[queue[0]]
            start(queue[0])
        if not queue:
            continue
        shadow, there = now, free
        for end, size in sorted(running):
            if there >= gpus[queue[0]] and end > shadow:
                break
            shadow, there = end, there + size
        extra = there - gpus[queue[0]]
        for call in queue[1:65]:
            in_time = now + calls[call][2][0] <= shadow
            if gpus[call] <= free and (in_time or gpus[call] <= extra):
                free -= gpus[call]
                extra -= 0 if in_time else gpus[call]
                start(call)
    return found


@COMMON
@given(seed=st.integers(0, 1 << 32), gpus=st.integers(2, 8))
def test_it_is_easy_where_devices_are_alike(make_problem: Any, seed: int, gpus: int) -> None:
    draw = Random(seed)
    calls = [
        (name, at, [seconds + 1.0 for seconds in times])  # what takes no time has its own order
        for name, at, times in random_calls(draw, min(gpus, 4))
    ]
    problem = make_problem(MODELS, CALLS, calls, gpus)
    assert starts(run(problem)) == easy(gpus, calls)


@COMMON
@given(seed=st.integers(0, 1 << 32))
def test_promises_are_kept(make_problem: Any, seed: int) -> None:
    """Where estimates are exact, nobody starts later than was promised when it became first."""
    draw = Random(seed)
    sizes = [draw.randint(1, 4) for _ in range(draw.randint(1, 3))]
    cluster = {
        "servers": [
            {
                "name": f"s{number}",
                "gpus": size,
                "gpu_memory_gb": draw.choice([2, 5, 80]),
                "speed": draw.choice([0.5, 1, 3]),
            }
            for number, size in enumerate(sizes)
        ],
        "allow_span": draw.random() < 0.3,
    }
    models = {name: (size, gb, draw.choice([0, 1, 3])) for name, (size, gb, _) in MODELS.items()}
    most = min(4, sum(sizes) if cluster["allow_span"] else max(sizes))
    calls = [call for call in random_calls(draw, most) if int(call[0][1:]) <= most]
    if not calls:
        return
    problem = make_problem(models, CALLS, calls, cluster)
    policy = _Watched()
    schedule = simulate(problem, policy)
    assert schedule.stopped == ""
    for task, promises in policy.promised.items():
        assert promises == sorted(promises, reverse=True)
        assert schedule.start_us[task] <= promises[-1]


class _Fixed:
    """Devices of which only the present and the order of idling are asked."""

    def __init__(self, now_us: int, idle: list[int]) -> None:
        self.now_us = now_us
        self.idle = idle


@COMMON
@given(seed=st.integers(0, 1 << 32))
def test_reservations_against_trying_every_moment(make_problem: Any, seed: int) -> None:
    draw = Random(seed)
    kinds = [
        {"name": f"s{n}", "gpus": draw.randint(1, 4), "gpu_memory_gb": draw.choice([10, 20])}
        for n in range(draw.randint(1, 4))
    ]
    cluster = make_problem(
        MODELS, CALLS, [("w1", 0, [1])], {"servers": kinds, "allow_span": draw.random() < 0.3}
    ).cluster
    reservations = Reservations(cluster)
    free_at: dict[int, int] = {gpu.index: 0 for gpu in cluster.gpus}
    idle = list(free_at)
    draw.shuffle(idle)
    for now_us in range(0, 100, 10):
        for gpu in [gpu for gpu in free_at if gpu not in idle and draw.random() < 0.3]:
            reservations.ended([gpu])  # early, in time or late
            idle.append(gpu)
        for gpu in [gpu for gpu in idle if draw.random() < 0.5]:
            free_at[gpu] = now_us + draw.randint(0, 50)
            reservations.started([gpu], free_at[gpu])
            idle.remove(gpu)
        pools = [cluster.gpus] if cluster.allow_span else list(cluster.by_server)
        memory_mb = draw.choice([5_000, 15_000])
        fits = [[g.index for g in pool if g.memory_mb >= memory_mb] for pool in pools]
        if not max(map(len, fits)):
            continue
        gpus = draw.randint(1, max(map(len, fits)))
        task = Task(0, 0, "r", "n", "m", gpus, memory_mb, 0, 0, 1, 1)

        def free(pool: list[int], at_us: int) -> set[int]:
            return {gpu for gpu in pool if gpu in idle or free_at[gpu] <= at_us}

        first = min(
            at_us
            for at_us in range(now_us, 200)
            if any(len(free(pool, at_us)) >= gpus for pool in fits)
        )
        reserved = reservations.reserve(task, _Fixed(now_us, idle))  # type: ignore[arg-type]
        assert reserved.start_us == first
        assert len(reserved.gpus) == gpus
        pool = next(set(pool) for pool in fits if reserved.gpus <= set(pool))
        there = free(list(pool), first)
        assert reserved.gpus <= there
        # Idle devices are only taken where busy ones do not suffice, and those idle longest stay.
        taken = [gpu for gpu in idle if gpu in reserved.gpus]
        assert len(taken) == max(0, gpus - len(there - set(idle)))
        usable = [gpu for gpu in idle if gpu in there]
        assert taken == usable[len(usable) - len(taken) :]


@pytest.mark.parametrize("gpus", [1, 3])
def test_backfilling_singles_is_first_come_first_served(make_problem: Any, gpus: int) -> None:
    draw = Random(9)
    calls = [("w1", number // 3, [draw.randint(1, 9)]) for number in range(60)]
    problem = make_problem(MODELS, CALLS, calls, gpus)
    assert starts(run(problem)) == starts(run(problem, "fifo"))
