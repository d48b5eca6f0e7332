"""Affinity, best fit and greedy cost, on schedules worked out by hand; times are in seconds."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from fedloom.scheduling.policies.best_fit import BestFit
from fedloom.scheduling.policies.demand import Demand
from fedloom.scheduling.policies.registry import read_policy
from fedloom.scheduling.policy import Setting
from fedloom.scheduling.problem import Problem, Schedule
from fedloom.scheduling.simulate.engine import simulate
from fedloom.scheduling.task import Task

# Two of these do not fit on a device of 80 GB together.
LARGE = dict.fromkeys("abc", (1, 64, 3))
CALLS = {name: ([name], []) for name in "abc"}

Row = tuple[float, float, float, tuple[int, ...]]


def run(problem: Problem, policy: str, *, offline: bool = False) -> Schedule:
    named = read_policy(policy)
    return simulate(problem, named.make(), setting=Setting(options=named.options), offline=offline)


def rows(schedule: Schedule) -> list[Row]:
    """Return start, switch, end and devices of each task."""
    columns = zip(
        schedule.start_us, schedule.switch_us, schedule.end_us, schedule.gpus, strict=True
    )
    return [
        (start / 1e6, switch / 1e6, end / 1e6, tuple(int(gpu) for gpu in gpus if gpu >= 0))
        for start, switch, end, gpus in columns
    ]


def starts(schedule: Schedule) -> list[float]:
    return [start / 1e6 for start in schedule.start_us.tolist()]


def switches(schedule: Schedule) -> int:
    return int((schedule.switch_us > 0).sum())


def servers(*kinds: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"servers": [{"name": f"s{n}", **kind} for n, kind in enumerate(kinds)], **more}


# Affinity


def test_affinity_serves_what_is_loaded_first(make_problem: Any) -> None:
    # a loads (3) and serves all its calls; then b: 64/16 = 4 to move a out, 3 to load.
    calls = [(name, 0, [1]) for name in "ababa"]
    problem = make_problem(LARGE, CALLS, calls, 1)
    assert rows(run(problem, "affinity")) == [
        (0, 3, 4, (0,)),
        (6, 7, 14, (0,)),
        (4, 0, 5, (0,)),
        (14, 0, 15, (0,)),
        (5, 0, 6, (0,)),
    ]
    assert switches(run(problem, "fifo")) == 5


def test_affinity_switches_once_per_model(make_problem: Any) -> None:
    draw = Random(1)
    calls = [(draw.choice("abc"), 0, [draw.randint(1, 9)]) for _ in range(60)]
    one = make_problem(LARGE, CALLS, calls, 1)
    assert switches(run(one, "affinity:patience=1000000")) == 3
    for gpus in (2, 3):  # no device waits while anything does, so each may come to load all three
        more = make_problem(LARGE, CALLS, calls, gpus)
        assert switches(run(more, "affinity:patience=1000000")) <= 3 * gpus
        assert switches(run(more, "fifo")) > 4 * gpus


def test_affinity_takes_the_cheapest_switch(make_problem: Any) -> None:
    # Waiting at 4 are b (3 s to load) and, later in line, c (1 s): c goes first.
    models = {"a": (1, 64, 3), "b": (1, 64, 3), "c": (1, 64, 1)}
    calls = [("a", 0, [1]), ("b", 1, [1]), ("c", 2, [1])]
    problem = make_problem(models, CALLS, calls, 1)
    assert starts(run(problem, "affinity")) == [0, 10, 4]


def test_affinity_takes_the_loaded_device_even_if_another_is_faster(make_problem: Any) -> None:
    # At 20 device 1 is idle and would end at 20 + 1.5 + 2.5; device 0 holds a and ends at 30.
    cluster = servers(
        {"gpus": 1, "gpu_memory_gb": 64},
        {"gpus": 1, "gpu_memory_gb": 80, "speed": 4, "link_gb_per_s": 32},
    )
    models = {"a": (1, 64, 3), "b": (1, 70, 1)}
    calls = [("b", 0, [40]), ("a", 1, [1]), ("a", 20, [10])]
    problem = make_problem(models, {"a": (["a"], []), "b": (["b"], [])}, calls, cluster)
    assert rows(run(problem, "affinity"))[2] == (20, 0, 30, (0,))
    assert rows(run(problem, "fifo"))[2][3] == (1,)


def test_patience_bounds_who_may_overtake(make_problem: Any) -> None:
    # One call of b at 1 s, and one of a each second, which takes a second: a never pauses.
    calls = [("a", 0, [1]), ("b", 1, [1]), *[("a", second, [1]) for second in range(2, 60)]]
    problem = make_problem(LARGE, CALLS, calls, 1)
    b_starts = {
        patience: starts(run(problem, f"affinity:patience={patience}"))[1]
        for patience in (0, 5, 20, 1000)
    }
    # The a of second s starts at s + 2; b after those that became ready by 1 + patience.
    assert b_starts == {0: 4, 5: 9, 20: 24, 1000: 62}


def test_patience_holds_others_up_for_a_gang(make_problem: Any) -> None:
    # Singles of 4 s keep both devices busy in turns, from which the gang would never be free.
    models = {"a": (1, 10, 0), "g": (2, 20, 0)}
    workflows = {"a": (["a"], []), "g": (["g"], [])}
    calls = [("a", 0, [2]), ("a", 0, [4]), ("g", 1, [1])]
    calls += [("a", 1 + 2 * number, [4]) for number in range(1, 30)]
    problem = make_problem(models, workflows, calls, 2)
    by_patience = [
        starts(run(problem, f"affinity:patience={patience}"))[2] for patience in (0, 6, 1000)
    ]
    # 0: both are free at 4. 6: the singles of 3, 5 and 7 go before it; the last ends at 11.
    assert by_patience[0] == 4
    assert by_patience[1] == 11
    assert by_patience[2] > 60


def test_nobody_starves_under_affinity(make_problem: Any) -> None:
    draw = Random(5)
    models = {**LARGE, "g": (2, 100, 3)}
    workflows = {**CALLS, "g": (["g"], [])}
    calls = [
        (draw.choice("aaaaabcg"), round(number * 0.4, 6), [draw.randint(1, 4)])
        for number in range(400)
    ]
    problem = make_problem(models, workflows, calls, 2)
    schedule = run(problem, "affinity:patience=10")
    for task, (start, ready) in enumerate(zip(schedule.start_us, schedule.ready_us, strict=True)):
        overtaking = (schedule.start_us < start) & (schedule.ready_us > ready + 10_000_000)
        assert not overtaking.any(), task


def test_offline_affinity_keeps_what_is_called_next(make_problem: Any) -> None:
    # Two of three fit. When c comes, a was used last but b is called again first.
    models = dict.fromkeys("abc", (1, 30, 1))
    calls = [("b", 0, [1]), ("a", 10, [1]), ("c", 20, [1]), ("b", 30, [1]), ("a", 90, [1])]
    problem = make_problem(models, CALLS, calls, 1)
    online, offline = run(problem, "affinity"), run(problem, "affinity", offline=True)
    assert [switch > 0 for switch in online.switch_us] == [True, True, True, True, True]
    assert [switch > 0 for switch in offline.switch_us] == [True, True, True, False, True]


# Best fit


def test_best_fit_fills_the_tightest_gap(make_problem: Any) -> None:
    # 20 GB go to the device of 24; 60 need the one of 80; 30 go to the one of 40.
    cluster = servers(
        {"gpus": 1, "gpu_memory_gb": 80},
        {"gpus": 1, "gpu_memory_gb": 24},
        {"gpus": 1, "gpu_memory_gb": 40},
    )
    models = {"a": (1, 20, 1), "b": (1, 60, 1), "c": (1, 30, 1)}
    problem = make_problem(models, CALLS, [("a", 0, [9]), ("b", 1, [9]), ("c", 2, [9])], cluster)
    assert [row[3] for row in rows(run(problem, "best-fit"))] == [(1,), (0,), (2,)]
    fifo = rows(run(problem, "fifo"))
    assert [row[3] for row in fifo] == [(0,), (0,), (2,)]
    assert fifo[1][0] == 10


def test_best_fit_uses_what_is_loaded_before_it_fills_a_gap(make_problem: Any) -> None:
    # a goes to the tight device; while that is busy the wide one loads it too. At 20 both are idle
    # and hold it: the tight one has less to spare. b fits beside a on the wide one, so that nothing
    # need leave the tight one.
    cluster = servers({"gpus": 1, "gpu_memory_gb": 80}, {"gpus": 1, "gpu_memory_gb": 24})
    models = {"a": (1, 20, 1), "b": (1, 22, 1)}
    workflows = {"a": (["a"], []), "b": (["b"], [])}
    calls = [("a", 0, [5]), ("a", 1, [5]), ("a", 20, [1]), ("b", 30, [1]), ("a", 40, [1])]
    problem = make_problem(models, workflows, calls, cluster)
    found = [(row[1], row[3]) for row in rows(run(problem, "best-fit"))]
    assert found == [(1, (1,)), (1, (0,)), (0, (1,)), (1, (0,)), (0, (1,))]


def test_best_fit_evicts_only_where_it_must(make_problem: Any) -> None:
    # b would leave 4 GB over where a goes, 60 GB on the wide one: the wide one is taken.
    cluster = servers({"gpus": 1, "gpu_memory_gb": 80}, {"gpus": 1, "gpu_memory_gb": 24})
    models = {"a": (1, 20, 1), "b": (1, 20, 1)}
    workflows = {"a": (["a"], []), "b": (["b"], [])}
    problem = make_problem(models, workflows, [("a", 0, [1]), ("b", 10, [1])], cluster)
    assert [row[3] for row in rows(run(problem, "best-fit"))] == [(1,), (0,)]


def test_best_fit_places_gangs_by_what_they_leave(make_problem: Any) -> None:
    cluster = servers({"gpus": 2, "gpu_memory_gb": 80}, {"gpus": 2, "gpu_memory_gb": 40})
    problem = make_problem(
        {"g": (2, 60, 1)}, {"w": (["g"], [])}, [("w", 0, [1]), ("w", 0, [1])], cluster
    )
    assert [row[3] for row in rows(run(problem, "best-fit"))] == [(2, 3), (0, 1)]


def test_best_fit_keeps_the_order_of_readiness(make_problem: Any) -> None:
    calls = [("a", 0, [5]), ("b", 1, [1]), ("a", 2, [1])]
    problem = make_problem(LARGE, CALLS, calls, 1)
    assert starts(run(problem, "best-fit")) == [0, 8, 16]


# Greedy cost


def test_greedy_waiting_alone_is_first_come_first_served(make_problem: Any) -> None:
    only = "greedy:switch=0,future=0,balance=0"
    calls = [(name, number, [1]) for number, name in enumerate("ababcab")]
    problem = make_problem(LARGE, CALLS, calls, 1)
    assert starts(run(problem, only)) == starts(run(problem, "fifo"))


def test_the_weight_of_switching(make_problem: Any) -> None:
    # At 4 b has waited for 3 s, the second a for 2 s, and b costs 7 s of switching: with the weight
    # 0.1 that is 0.7 s, less than b is ahead; with 1 it is more.
    calls = [("a", 0, [1]), ("b", 1, [1]), ("a", 2, [1])]
    problem = make_problem(LARGE, CALLS, calls, 1)
    other = "wait=1,future=0,balance=0"
    assert starts(run(problem, f"greedy:switch=0,{other}")) == [0, 4, 12]
    assert starts(run(problem, f"greedy:switch=0.1,{other}")) == [0, 4, 12]
    assert starts(run(problem, f"greedy:switch=1,{other}")) == [0, 5, 4]


def test_the_weight_of_waiting_ends_the_preference(make_problem: Any) -> None:
    # An a each second for ever; b, ready at 1, is ahead of the oldest waiting a by one second more
    # with each second. The a at hand was ready 2 s before: b goes when w · (t − 1) > w · 2 + 7.
    calls = [("a", 0, [1]), ("b", 1, [1]), *[("a", second, [1]) for second in range(2, 40)]]
    problem = make_problem(LARGE, CALLS, calls, 1)
    for wait, expected in ((1, 11), (2, 7), (0.5, 18)):
        policy = f"greedy:wait={wait},switch=1,future=0,balance=0"
        # t − 1 > 2 + 7/w, t whole; a tie keeps the order of readiness, in which b is first.
        assert starts(run(problem, policy))[1] == pytest.approx(max(4, 3 + -(-7 // wait)), abs=1)
        assert starts(run(problem, policy))[1] == pytest.approx(expected, abs=1)
    never = "greedy:wait=0,switch=1,future=0,balance=0"
    assert starts(run(problem, never))[1] == 42


def test_the_weight_of_the_future(make_problem: Any) -> None:
    # Both devices are idle at 10; device 0 holds a, device 1 holds b; c must replace one, and two
    # calls of a are waiting behind it. Without the weight the longest idle goes.
    calls = [("a", 0, [1]), ("b", 0, [5]), ("c", 10, [20]), ("a", 10, [1]), ("a", 10, [1])]
    problem = make_problem(LARGE, CALLS, calls, 2)
    plain = rows(run(problem, "greedy:wait=0,switch=0,future=0,balance=0"))
    minded = rows(run(problem, "greedy:wait=0,switch=0,future=1,balance=0"))
    assert plain[2][3] == (0,)
    assert [minded[3][3], minded[4][3]] == [(0,), (0,)]
    assert minded[2] == (10, 7, 37, (1,))


def test_the_weight_of_balance(make_problem: Any) -> None:
    # a is on device 0 from the first call on. At 20 it goes there again, unless it is to be spread.
    calls = [("a", 0, [10]), ("a", 20, [10]), ("a", 40, [10])]
    problem = make_problem(LARGE, CALLS, calls, 2)
    other = "wait=1,switch=1,future=0"
    gathered = [row[3] for row in rows(run(problem, f"greedy:balance=0,{other}"))]
    spread = [row[3] for row in rows(run(problem, f"greedy:balance=1,{other}"))]
    assert gathered == [(0,), (0,), (0,)]
    # Device 0 is 5 s ahead of the mean, device 1 behind it by as much: 10 s against 3 s of loading.
    assert spread == [(0,), (1,), (0,)]


def test_greedy_looks_only_so_far(make_problem: Any) -> None:
    # While a runs, two of b and one of a come to wait; with a lookahead of 2 the a is not seen.
    calls = [("a", 0, [1]), ("b", 1, [1]), ("b", 2, [1]), ("a", 3, [1])]
    problem = make_problem(LARGE, CALLS, calls, 1)
    weights = "wait=0,switch=1,future=0,balance=0"
    assert starts(run(problem, f"greedy:lookahead=2,{weights}")) == [0, 4, 12, 13]
    assert starts(run(problem, f"greedy:lookahead=3,{weights}")) == [0, 5, 13, 4]
    assert starts(run(problem, f"greedy:lookahead=0,{weights}")) == [0, 4, 12, 13]  # at least 1


def test_greedy_passes_over_a_gang_that_finds_too_few_devices(make_problem: Any) -> None:
    models = {"a": (1, 10, 0), "g": (2, 20, 0)}
    workflows = {"a": (["a"], []), "g": (["g"], [])}
    calls = [("a", 0, [5]), ("g", 1, [1]), ("a", 2, [1])]
    problem = make_problem(models, workflows, calls, 2)
    assert starts(run(problem, "greedy")) == [0, 5, 2]
    assert starts(run(problem, "fifo")) == [0, 5, 6]


# Eviction with foresight


class _Future:
    """Calls of models at known times."""

    def __init__(self, calls: dict[str, list[int]]) -> None:
        self.calls = calls
        self.asked = 0

    def next_use_us(self, model: str, after_us: int) -> int | None:
        self.asked += 1
        return min((at for at in self.calls.get(model, []) if at > after_us), default=None)


def test_what_is_called_last_leaves_first() -> None:
    future = _Future({"a": [10, 50], "b": [20, 30], "c": [], "d": [60]})
    demand = Demand(future)
    assert demand.order(["a", "b", "c", "d"], 0) == ["c", "d", "b", "a"]
    assert demand.order(["a", "b", "c", "d"], 9) == ["c", "d", "b", "a"]
    assert future.asked == 4  # nothing has come yet, so nobody was asked anew
    assert demand.order(["a", "b", "c", "d"], 10) == ["c", "d", "a", "b"]
    assert demand.order(["a", "b", "d"], 35) == ["b", "d", "a"]
    assert demand.order(["b", "c"], 70) == ["b", "c"]  # neither comes: the order of use
    waiting = Task(0, 0, "r", "n", "c", 1, 1, 0, 0, 1, 1)
    demand.enter(waiting)
    assert demand.order(["a", "c", "d"], 35) == ["d", "a", "c"]
    demand.leave(waiting)
    assert demand.order(["a", "c", "d"], 35) == ["c", "d", "a"]


@pytest.mark.parametrize("policy", ["affinity", "best-fit", "greedy", "backfill"])
def test_an_object_may_serve_offline_and_then_online(make_problem: Any, policy: str) -> None:
    draw = Random(2)
    models = dict.fromkeys("abc", (1, 30, 1))
    calls = [(draw.choice("abc"), 5 * number, [1]) for number in range(60)]
    problem = make_problem(models, CALLS, calls, 1)
    made = read_policy(policy).make()
    found = [rows(simulate(problem, made, offline=offline)) for offline in (False, True, False)]
    assert found[0] == found[2]
    assert sum(row[1] for row in found[1]) < sum(row[1] for row in found[0])


class _Newest(BestFit):
    """Evicts what was used last, whether it knows the future or not."""

    def evict(self, resident: Any, devices: Any, gpu: int) -> Any:
        return resident[::-1]


@pytest.mark.parametrize("offline", [False, True])
def test_who_builds_on_a_policy_may_evict_otherwise(make_problem: Any, offline: bool) -> None:
    models = dict.fromkeys("abc", (1, 30, 1))
    calls = [(name, 10 * number, [1]) for number, name in enumerate("abca")]
    problem = make_problem(models, CALLS, calls, 1)
    found = [row[1] > 0 for row in rows(simulate(problem, _Newest(), offline=offline))]
    assert found == [True, True, True, False]  # c replaces b, not a
