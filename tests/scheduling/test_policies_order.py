"""Policies that order the queue, on schedules worked out by hand; times are in seconds."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedloom.scheduling.policies.registry import POLICIES, read_policy
from fedloom.scheduling.policy import Setting
from fedloom.scheduling.problem import Problem, Schedule
from fedloom.scheduling.simulate.cores import is_static
from fedloom.scheduling.simulate.engine import Core, simulate

# Loads take 1 s, and stay: all fit beside each other.
MODELS = {"m": (1, 10, 1), "n": (1, 10, 1), "g": (2, 20, 1), "u": (0, 1, None)}
CALL = {"w": (["m"], []), "gang": (["g"], [])}

Row = tuple[float, float, tuple[int, ...]]


def run(
    problem: Problem, policy: str, *, core: Core = "python", seed: int = 1, offline: bool = False
) -> Schedule:
    named = read_policy(policy)
    setting = Setting(seed=seed, options=named.options)
    return simulate(problem, named.make(), setting=setting, core=core, offline=offline)


def rows(schedule: Schedule) -> list[Row]:
    """Return start, end and devices of each task."""
    columns = zip(schedule.start_us, schedule.end_us, schedule.gpus, strict=True)
    return [
        (start / 1e6, end / 1e6, tuple(int(gpu) for gpu in gpus if gpu >= 0))
        for start, end, gpus in columns
    ]


def starts(schedule: Schedule) -> list[float]:
    return [start / 1e6 for start in schedule.start_us.tolist()]


@pytest.fixture(params=["python", "compiled"])
def core(request: pytest.FixtureRequest) -> Core:
    return request.param


def test_fifo_keeps_the_order_of_readiness(make_problem: Any, core: Core) -> None:
    calls = [("w", 0, [5]), ("w", 1, [9]), ("w", 2, [1]), ("w", 3, [4])]
    problem = make_problem(MODELS, CALL, calls, 1)
    assert starts(run(problem, "fifo", core=core)) == [0, 6, 15, 16]


def test_sjf_takes_the_shortest_that_waits(make_problem: Any, core: Core) -> None:
    # The long first one runs to its end (6); then 1, 4 and, tied, the two of 9 in their order.
    calls = [("w", 0, [5]), ("w", 1, [9]), ("w", 2, [1]), ("w", 3, [4]), ("w", 3, [9])]
    problem = make_problem(MODELS, CALL, calls, 1)
    assert starts(run(problem, "sjf", core=core)) == [0, 11, 6, 7, 20]


def test_sjf_believes_the_estimates(make_problem: Any, core: Core) -> None:
    calls = [("w", 0, [5]), ("w", 1, [9]), ("w", 2, [1])]
    problem = make_problem(MODELS, CALL, calls, 1, estimates=[[5.0], [2.0], [3.0]])
    assert starts(run(problem, "sjf", core=core)) == [0, 6, 15]


def test_sjf_waits_for_a_gang_that_is_shorter(make_problem: Any, core: Core) -> None:
    # At 2 the gang (1 s) is first and waits for both devices; nobody passes it.
    calls = [("w", 0, [5]), ("gang", 1, [1]), ("w", 2, [4])]
    problem = make_problem(MODELS, CALL, calls, 2)
    assert rows(run(problem, "sjf", core=core)) == [(0, 6, (0,)), (6, 8, (0, 1)), (8, 12, (0,))]


def test_srcp_looks_along_the_longest_path(make_problem: Any, core: Core) -> None:
    # Paths: a chain 1 + 8 = 9; a fork whose longer arm makes 3 + 4 = 7; a single task of 8.
    workflows = {
        "w": (["m"], []),
        "chain": (["m", "m"], [(0, 1)]),
        "fork": (["m", "m", "m"], [(0, 1), (0, 2)]),
    }
    calls = [("w", 0, [2]), ("chain", 1, [1, 8]), ("fork", 1, [3, 1, 4]), ("w", 1, [8])]
    problem = make_problem(MODELS, workflows, calls, 1)
    # 3: the fork's root (7). 6: its short arm (1), then the long one (4). 11: 8 before 9.
    assert starts(run(problem, "srcp", core=core)) == [0, 19, 20, 3, 6, 7, 11]
    # By single tasks the chain's root (1) is first; of the two of 8 the one that was ready first.
    assert starts(run(problem, "sjf", core=core)) == [0, 3, 20, 4, 7, 8, 12]


def test_srcp_counts_the_work_beside_the_devices(make_problem: Any, core: Core) -> None:
    workflows = {"w": (["m"], []), "late": (["m", "u"], [(0, 1)])}
    calls = [("w", 0, [1]), ("late", 0.5, [1, 9]), ("w", 1, [5])]
    problem = make_problem(MODELS, workflows, calls, 1)
    # The second would be the shortest, but 9 s of it are still to come.
    assert starts(run(problem, "srcp", core=core)) == [0, 7, 8, 2]


def test_edf_takes_the_earliest_deadline_and_those_without_last(
    make_problem: Any, core: Core
) -> None:
    calls = [("w", 0, [5]), ("w", 1, [1]), ("w", 1, [1]), ("w", 2, [1]), ("w", 3, [1])]
    problem = make_problem(MODELS, CALL, calls, 1, deadline_s=[None, None, 30, 20, 20])
    assert starts(run(problem, "edf", core=core)) == [0, 9, 8, 6, 7]


def test_edf_serves_all_nodes_of_an_urgent_request(make_problem: Any, core: Core) -> None:
    workflows = {"w": (["m"], []), "chain": (["m", "m"], [(0, 1)])}
    calls = [("w", 0, [1]), ("w", 0, [1]), ("chain", 1, [1, 1])]
    problem = make_problem(MODELS, workflows, calls, 1, deadline_s=[None, 50, 9])
    assert starts(run(problem, "edf", core=core)) == [4, 0, 2, 3]


def test_priority_takes_the_most_urgent_and_keeps_the_order_of_equals(
    make_problem: Any, core: Core
) -> None:
    calls = [("w", 0, [5]), ("w", 1, [1]), ("w", 2, [1]), ("w", 3, [1]), ("w", 4, [1])]
    problem = make_problem(MODELS, CALL, calls, 1, priority=[0, -1, 2, 0, 2])
    assert starts(run(problem, "priority", core=core)) == [0, 9, 6, 8, 7]


def test_equal_ranks_keep_the_order_of_readiness_not_of_arrival(make_problem: Any) -> None:
    # The second node of the first request is ready at 6, after the second request (5).
    workflows = {"w": (["m"], []), "chain": (["m", "m"], [(0, 1)])}
    calls = [("chain", 0, [5, 1]), ("w", 5, [1]), ("w", 5.5, [1])]
    problem = make_problem(MODELS, workflows, calls, 1)
    for policy in ("sjf", "edf", "priority"):
        assert starts(run(problem, policy)) == [0, 8, 6, 7]


def test_random_draws_from_its_seed(make_problem: Any) -> None:
    calls = [("w", 0, [1])] * 40
    problem = make_problem(MODELS, CALL, calls, 4)
    first = run(problem, "random", seed=7)
    assert same(run(problem, "random", seed=7), first)
    assert not same(run(problem, "random", seed=8), first)
    assert starts(first) != sorted(starts(first))


def test_random_takes_any_devices(make_problem: Any) -> None:
    # One call at a time: first come, first served would stay on device 0 for ever.
    calls = [("w", 10 * number, [1]) for number in range(60)]
    kinds = [{"name": f"s{n}", "gpus": 1, "gpu_memory_gb": 80, "speed": n + 1} for n in range(4)]
    problem = make_problem(MODELS, CALL, calls, {"servers": kinds})
    used = np.bincount(run(problem, "random").gpus[:, 0], minlength=4)
    assert (used >= 5).all()  # 15 each on average
    assert set(run(problem, "fifo").gpus[:, 0].tolist()) == {3}


def same(one: Schedule, other: Schedule) -> bool:
    """Return whether two schedules are equal in every column."""
    names = ("ready_us", "start_us", "switch_us", "end_us", "gpus", "arrival_us")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


STATIC = ["fifo", "sjf", "srcp", "edf", "priority"]


def test_which_policies_the_compiled_core_serves() -> None:
    assert [name for name, kind in POLICIES.items() if is_static(kind())] == STATIC


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 1 << 32))
@pytest.mark.parametrize("policy", STATIC)
def test_the_compiled_core_gives_the_same_schedule(
    make_problem: Any, policy: str, seed: int
) -> None:
    draw = Random(seed)
    workflows = {
        "w": (["m"], []),
        "chain": (["m", "n", "g"], [(0, 1), (1, 2)]),
        "fork": (["u", "n", "m", "g"], [(0, 1), (0, 2), (1, 3), (2, 3)]),
    }
    names = [draw.choice(list(workflows)) for _ in range(draw.randint(1, 40))]
    calls = [
        (name, round(number * draw.choice([0, 0.5, 1]), 6), [draw.randint(0, 4) for _ in nodes])
        for number, (name, nodes) in enumerate((name, workflows[name][0]) for name in names)
    ]
    calls.sort(key=lambda call: call[1])
    count = len(calls)
    problem = make_problem(
        MODELS,
        workflows,
        calls,
        {"servers": [{"name": "s", "gpus": 3, "gpu_memory_gb": draw.choice([10, 20, 80])}]},
        priority=[draw.randint(-2, 2) for _ in range(count)],
        deadline_s=[draw.choice([None, 1, draw.randint(1, 50)]) for _ in range(count)],
        estimates=[[draw.randint(0, 5) for _ in times] for _, _, times in calls],
    )
    python = run(problem, policy)
    assert same(run(problem, policy, core="compiled"), python)
    assert python.stopped == ""
