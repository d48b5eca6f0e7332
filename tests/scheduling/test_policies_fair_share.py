"""Fair share: who had least for its weight is next; nobody claims back what it left unused."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from fedloom.scheduling.policies.registry import read_policy
from fedloom.scheduling.problem import Problem, Schedule
from fedloom.scheduling.simulate.engine import simulate

MODELS = {"m": (1, 10, 0), "g": (2, 20, 0)}  # loading takes no time
CALL = {"w": (["m"], []), "gang": (["g"], [])}


def run(problem: Problem, **more: Any) -> Schedule:
    return simulate(problem, read_policy("fair-share").make(), **more)


def order(problem: Problem, schedule: Schedule) -> str:
    """Return the tenants, by their first letter, in the order in which their tasks start."""
    started = np.argsort(schedule.start_us, kind="stable")
    return "".join(problem.tenants[problem.tenant[task]][0] for task in started)


def device_time(problem: Problem, schedule: Schedule, until_s: float) -> list[float]:
    """Return the GPU-seconds of executions that each tenant had by a moment."""
    begin = schedule.start_us + schedule.switch_us
    ran = np.clip(np.minimum(schedule.end_us, until_s * 1e6) - begin, 0, None) / 1e6
    gpus = (schedule.gpus >= 0).sum(axis=1)
    tenant = np.repeat(problem.tenant, np.diff(problem.first_task))
    return np.bincount(tenant, ran * gpus, minlength=len(problem.tenants)).tolist()


def test_equal_tenants_take_turns(make_problem: Any) -> None:
    problem = make_problem(
        MODELS, CALL, [("w", 0, [1])] * 6, 1, tenants={"a": 1, "b": 1}, tenant=[0, 0, 0, 0, 1, 1]
    )
    assert order(problem, run(problem)) == "ababaa"


def test_weights_set_the_proportion(make_problem: Any) -> None:
    # Served ÷ weight after each: a ½ | b 1 | a 1 | a 3/2 (tie: a) | b 2 | a 2 | a 5/2 | b 3 | b | b
    problem = make_problem(
        MODELS,
        CALL,
        [("w", 0, [1])] * 10,
        1,
        tenants={"a": 2, "b": 1},
        tenant=[0, 1] * 5,
    )
    assert order(problem, run(problem)) == "abaabaabbb"


def test_a_gang_is_charged_for_all_its_devices(make_problem: Any) -> None:
    calls = [("gang", 0, [1]), ("gang", 0, [1]), *[("w", 0, [1])] * 4]
    problem = make_problem(
        MODELS, CALL, calls, 2, tenants={"a": 1, "b": 1}, tenant=[0, 0, 1, 1, 1, 1]
    )
    # a's gang (2), then b twice side by side (2), a's second gang, b twice.
    assert order(problem, run(problem)) == "abbabb"


def test_a_gang_is_charged_when_it_starts(make_problem: Any) -> None:
    # a's gang is charged 2 · 10 / 2 at once, so the third device serves b until the gang ends.
    calls = [("gang", 0, [10]), *[("w", 0, [1])] * 40]
    problem = make_problem(
        MODELS, CALL, calls, 3, tenants={"a": 2, "b": 1}, tenant=[0, *[0, 1] * 20]
    )
    assert order(problem, run(problem))[:11] == "a" + "b" * 10


def test_a_long_task_counts_for_its_length(make_problem: Any) -> None:
    calls = [("w", 0, [3]), ("w", 0, [3]), *[("w", 0, [1])] * 6]
    problem = make_problem(
        MODELS, CALL, calls, 1, tenants={"a": 1, "b": 1}, tenant=[0, 0, 1, 1, 1, 1, 1, 1]
    )
    assert order(problem, run(problem)) == "abbbabbb"


@pytest.mark.parametrize("gpus", [2, 4])
@pytest.mark.parametrize("error", [False, True])
def test_under_overload_device_time_goes_two_to_one(
    make_problem: Any, gpus: int, error: bool
) -> None:
    # Each tenant alone asks for three times what there is; with errors, the first tenant's tasks
    # are told to be five times shorter than they are.
    draw = Random(3)
    calls, tenant, told = [], [], []
    for number in range(600 * gpus):
        who = number % 2
        seconds = draw.choice([1, 2, 3]) if who else draw.choice([2, 4])
        calls.append(("w", round(number / (3 * gpus), 6), [seconds]))
        tenant.append(who)
        told.append([seconds / 5 if error and not who else seconds])
    problem = make_problem(
        MODELS, CALL, calls, gpus, tenants={"a": 2, "b": 1}, tenant=tenant, estimates=told
    )
    had = device_time(problem, run(problem), 300)
    assert sum(had) == pytest.approx(300 * gpus, rel=0.01)  # no device was idle
    assert had[0] / had[1] == pytest.approx(2, rel=0.04)


def test_a_tenant_that_comes_back_does_not_claim_back(make_problem: Any) -> None:
    # b is served first at 0, then pauses until 50; from then on they take turns.
    calls = [*[("w", 0, [1])] * 101, *[("w", 50, [1])] * 20]
    problem = make_problem(
        MODELS, CALL, calls, 1, tenants={"a": 1, "b": 1}, tenant=[1, *[0] * 100, *[1] * 20]
    )
    served = order(problem, run(problem))
    assert served[0:3] == "aba"
    assert served[50:90] in ("ab" * 20, "ba" * 20)
    # What is b's own from 0 on would be 25 in a row.
    assert "bb" not in served[50:89]


def test_a_tenant_that_is_ahead_stays_ahead_over_a_short_pause(make_problem: Any) -> None:
    # a runs 5 s alone and is charged at once; b comes at 1, a again at 2. b catches up first.
    calls = [("w", 0, [5]), *[("w", 1, [1])] * 4, ("w", 2, [1])]
    problem = make_problem(
        MODELS, CALL, calls, 1, tenants={"a": 1, "b": 1}, tenant=[0, 1, 1, 1, 1, 0]
    )
    assert order(problem, run(problem)) == "abbbba"


def test_a_tenant_of_weight_0_is_served_when_no_other_waits(make_problem: Any) -> None:
    calls = [("w", 0, [1])] * 6
    problem = make_problem(
        MODELS, CALL, calls, 1, tenants={"a": 0, "b": 1, "c": 0}, tenant=[0, 0, 2, 1, 1, 1]
    )
    assert order(problem, run(problem)) == "bbbaca"


def test_tasks_without_a_tenant_weigh_1(make_problem: Any) -> None:
    calls = [("w", 0, [1])] * 9
    problem = make_problem(
        MODELS, CALL, calls, 1, tenants={"a": 2}, tenant=[0, -1, 0, -1, 0, -1, 0, -1, 0]
    )
    tenants = [int(problem.tenant[task]) for task in np.argsort(run(problem).start_us)]
    assert tenants == [-1, 0, 0, -1, 0, 0, -1, 0, -1]


def test_many_tenants_take_turns(make_problem: Any) -> None:
    many = 300
    names = {f"t{number:03d}": 1.0 for number in range(many)}
    tenant = [number for number in range(many) for _ in range(3)]
    problem = make_problem(
        MODELS, CALL, [("w", 0, [1])] * (3 * many), 1, tenants=names, tenant=tenant
    )
    schedule = run(problem)
    served = problem.tenant[np.argsort(schedule.start_us, kind="stable")]
    for turn in range(3):
        assert sorted(served[turn * many : (turn + 1) * many].tolist()) == list(range(many))


def test_the_same_object_may_serve_twice(make_problem: Any) -> None:
    problem = make_problem(
        MODELS, CALL, [("w", 0, [1])] * 8, 1, tenants={"a": 3, "b": 1}, tenant=[0, 1] * 4
    )
    policy = read_policy("fair-share").make()
    first, second = simulate(problem, policy), simulate(problem, policy)
    assert first.start_us.tolist() == second.start_us.tolist()
