"""Schedules worked out by hand. Models load in 4 s unless stated; times are in seconds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedloom.scheduling.policy import Policy
from fedloom.scheduling.problem import NEVER, Problem, Schedule
from fedloom.scheduling.simulate.engine import Core, simulate

ONE = {"m": (1, 16, 4)}
CALL = {"w": (["m"], [])}

Row = tuple[float, float, float, tuple[int, ...]]


@pytest.fixture(params=["python", "compiled"])
def core(request: pytest.FixtureRequest) -> Core:
    return request.param


def rows(schedule: Schedule) -> list[Row]:
    """Return start, switch, end and devices of each task."""
    columns = zip(
        schedule.start_us, schedule.switch_us, schedule.end_us, schedule.gpus, strict=True
    )
    return [
        (start / 1e6, switch / 1e6, end / 1e6, tuple(int(gpu) for gpu in gpus if gpu >= 0))
        for start, switch, end, gpus in columns
    ]


def fifo(problem: Problem, core: Core, **more: Any) -> Schedule:
    return simulate(problem, Policy(), core=core, **more)


def servers(*kinds: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"servers": [{"name": f"s{n}", **kind} for n, kind in enumerate(kinds)], **more}


def test_the_third_request_waits_for_the_first_device(make_problem: Any, core: Core) -> None:
    problem = make_problem(ONE, CALL, [("w", 0, [10]), ("w", 1, [10]), ("w", 2, [10])], 2)
    schedule = fifo(problem, core)
    assert rows(schedule) == [(0, 4, 14, (0,)), (1, 4, 15, (1,)), (14, 0, 24, (0,))]
    assert schedule.ready_us.tolist() == [0, 1_000_000, 2_000_000]
    assert schedule.arrival_us.tolist() == [0, 1_000_000, 2_000_000]
    assert (schedule.policy, schedule.stopped, schedule.offline) == ("fifo", "", False)


def test_a_load_that_is_not_stated_follows_from_the_memory(make_problem: Any, core: Core) -> None:
    problem = make_problem({"m": (1, 24, None)}, CALL, [("w", 0, [1])], 1)
    assert rows(fifo(problem, core)) == [(0, 3.5, 4.5, (0,))]  # 24 GB / 16 + 2


def test_a_loaded_model_draws_its_task(make_problem: Any, core: Core) -> None:
    # At 20 both are idle, 1 the longer; but 0 holds b.
    problem = make_problem(
        {"a": (1, 70, 4), "b": (1, 70, 4)},
        {"a": (["a"], []), "b": (["b"], [])},
        [("b", 0, [10]), ("a", 0, [5]), ("b", 20, [1])],
        2,
    )
    assert rows(fifo(problem, core)) == [(0, 4, 14, (0,)), (0, 4, 9, (1,)), (20, 0, 21, (0,))]


def test_two_models_share_a_device_and_the_third_evicts_the_least_recently_used(
    make_problem: Any, core: Core
) -> None:
    models = dict.fromkeys("abc", (1, 16, 1))
    workflows = {name: ([name], []) for name in "abc"}
    calls = [(name, 10 * number, [1]) for number, name in enumerate("abacba")]
    problem = make_problem(models, workflows, calls, servers({"gpus": 1, "gpu_memory_gb": 40}))
    assert [switch for _, switch, _, _ in rows(fifo(problem, core))] == [
        1,  # a
        1,  # b beside it
        0,  # a is there
        2,  # c: b goes (1 s), c comes (1 s)
        2,  # b: a goes, although it came first of all; c was used later
        2,  # a: c goes
    ]


def test_evicting_as_much_as_is_needed_and_no_more(make_problem: Any, core: Core) -> None:
    models = {"a": (1, 8, 1), "b": (1, 16, 1), "c": (1, 16, 1), "d": (1, 40, 1)}
    workflows = {name: ([name], []) for name in models}
    calls = [(name, 10 * number, [1]) for number, name in enumerate("abcdac")]
    problem = make_problem(models, workflows, calls, servers({"gpus": 1, "gpu_memory_gb": 60}))
    switches = [switch for _, switch, _, _ in rows(fifo(problem, core))]
    # d needs 20 GB more: a and b go (24 GB, 1.5 s); a fits again where 4 GB are free but for c.
    assert switches == [1, 1, 1, 2.5, 2, 3.5]


def test_a_gang_waits_for_its_devices_and_holds_up_the_queue(make_problem: Any, core: Core) -> None:
    problem = make_problem(
        {"m": (1, 16, 4), "g": (2, 32, 4)},
        {"w": (["m"], []), "gang": (["g"], [])},
        [("w", 0, [10]), ("gang", 1, [10]), ("w", 2, [1])],
        2,
    )
    expected = [(0, 4, 14, (0,)), (14, 4, 28, (0, 1)), (28, 0, 29, (0,))]
    assert rows(fifo(problem, core)) == expected


def test_a_gang_that_loses_one_share_loads_anew(make_problem: Any, core: Core) -> None:
    # g holds 15 GB on both; s (10 GB) does not fit beside it on 20 GB.
    problem = make_problem(
        {"g": (2, 30, 4), "s": (1, 10, 1)},
        {"g": (["g"], []), "s": (["s"], [])},
        [("g", 0, [1]), ("g", 10, [1]), ("s", 20, [1]), ("g", 30, [1])],
        servers({"gpus": 2, "gpu_memory_gb": 20}),
    )
    assert rows(fifo(problem, core)) == [
        (0, 4, 5, (0, 1)),
        (10, 0, 11, (0, 1)),
        (20, 1.9375, 22.9375, (0,)),  # 15/16 + 1
        (30, 4.625, 35.625, (0, 1)),  # s leaves device 0: 10/16; device 1 is empty
    ]


def test_a_gang_makes_room_on_each_of_its_devices(make_problem: Any, core: Core) -> None:
    # 40 GB each: h has 15 GB on both, s 20 GB on one of them; g needs 30 GB on both. That h leaves
    # both devices is not enough where s is.
    problem = make_problem(
        {"h": (2, 30, 1), "s": (1, 20, 1), "g": (2, 60, 1)},
        {name: ([name], []) for name in "hsg"},
        [("h", 0, [1]), ("s", 10, [1]), ("g", 20, [1]), ("s", 30, [1])],
        servers({"gpus": 2, "gpu_memory_gb": 40}),
    )
    assert rows(fifo(problem, core)) == [
        (0, 1, 2, (0, 1)),
        (10, 1, 12, (0,)),
        (20, 3.1875, 24.1875, (0, 1)),  # on device 0: 15 and 20 GB leave, g comes
        (30, 2.875, 33.875, (0,)),  # 30 GB leave
    ]


def test_a_gang_of_other_devices_is_another_instance(make_problem: Any, core: Core) -> None:
    # Single tasks take 2 (empty, idle longest) and then 0, which stays busy until 41.
    problem = make_problem(
        {"g": (2, 60, 4), "s": (1, 10, 1)},
        {"g": (["g"], []), "s": (["s"], [])},
        [
            ("g", 0, [1]),
            ("s", 10, [1]),
            ("s", 10, [30]),
            ("g", 11, [1]),
            ("g", 50, [1]),
        ],
        servers({"gpus": 3, "gpu_memory_gb": 80}),
    )
    assert rows(fifo(problem, core)) == [
        (0, 4, 5, (0, 1)),
        (10, 1, 12, (2,)),
        (10, 1, 41, (0,)),
        (12, 4, 17, (1, 2)),
        (50, 0, 51, (1, 2)),  # both gangs are there; this one has been idle since 17
    ]


def test_the_faster_device_with_the_faster_link_is_taken_first(
    make_problem: Any, core: Core
) -> None:
    cluster = servers(
        {"gpus": 1, "gpu_memory_gb": 80},
        {"gpus": 1, "gpu_memory_gb": 80, "speed": 2, "link_gb_per_s": 32},
    )
    problem = make_problem(ONE, CALL, [("w", 0, [10]), ("w", 1, [10])], cluster)
    assert rows(fifo(problem, core)) == [(0, 2, 7, (1,)), (1, 4, 15, (0,))]


def test_a_model_that_fits_only_one_kind_waits_for_it(make_problem: Any, core: Core) -> None:
    cluster = servers({"gpus": 1, "gpu_memory_gb": 8}, {"gpus": 1, "gpu_memory_gb": 80})
    problem = make_problem(ONE, CALL, [("w", 0, [10]), ("w", 1, [10])], cluster)
    assert rows(fifo(problem, core)) == [(0, 4, 14, (1,)), (14, 0, 24, (1,))]


def test_a_gang_stays_within_a_server_unless_it_may_span(make_problem: Any, core: Core) -> None:
    models = {"m": (1, 16, 4), "g": (2, 32, 4)}
    workflows = {"w": (["m"], []), "gang": (["g"], [])}
    calls = [("w", 0, [10]), ("gang", 0, [10])]
    pairs = ({"gpus": 2, "gpu_memory_gb": 80}, {"gpus": 2, "gpu_memory_gb": 80})
    within = make_problem(models, workflows, calls, servers(*pairs))
    assert rows(fifo(within, core))[1] == (0, 4, 14, (2, 3))
    singles = ({"gpus": 1, "gpu_memory_gb": 80}, {"gpus": 1, "gpu_memory_gb": 80})
    spanning = servers(*singles, allow_span=True, span_slowdown=1.5)
    apart = make_problem(models, workflows, calls, spanning)
    assert rows(fifo(apart, core))[1] == (14, 4, 33, (0, 1))  # 10 s × 1.5


def test_a_gang_is_as_fast_as_its_slowest_device(make_problem: Any, core: Core) -> None:
    cluster = servers(
        {"gpus": 1, "gpu_memory_gb": 80, "speed": 0.5, "link_gb_per_s": 8},
        {"gpus": 1, "gpu_memory_gb": 80},
        allow_span=True,
    )
    problem = make_problem({"g": (2, 32, 4)}, {"w": (["g"], [])}, [("w", 0, [10])], cluster)
    assert rows(fifo(problem, core)) == [(0, 8, 28, (0, 1))]


def test_a_fork_runs_side_by_side_and_a_join_waits_for_both(make_problem: Any, core: Core) -> None:
    edges = [(0, 1), (0, 2), (1, 3), (2, 3)]
    problem = make_problem(ONE, {"w": (["m"] * 4, edges)}, [("w", 0, [1, 2, 3, 1])], 2)
    assert rows(fifo(problem, core)) == [
        (0, 4, 5, (0,)),
        (5, 0, 7, (0,)),
        (5, 4, 12, (1,)),
        (12, 0, 13, (0,)),  # idle since 7, longer than device 1
    ]


def test_nodes_without_devices_run_beside_them_at_once(make_problem: Any, core: Core) -> None:
    models = {"m": (1, 16, 4), "u": (0, 1, None)}
    graph = {"w": (["u", "m", "u"], [(0, 1), (1, 2)])}
    calls = [("w", 0, [2, 10, 0.5]), ("w", 0, [0, 10, 0.5])]
    schedule = fifo(make_problem(models, graph, calls, 1), core)
    assert rows(schedule) == [
        (0, 0, 2, ()),
        (14, 0, 24, (0,)),
        (24, 0, 24.5, ()),
        (0, 0, 0, ()),
        (0, 4, 14, (0,)),
        (14, 0, 14.5, ()),
    ]
    assert schedule.ready_us[1] == 2_000_000


def test_a_closed_loop_asks_again_after_the_answer(make_problem: Any, core: Core) -> None:
    calls = [("w", 0, [10]), ("w", 3, [1]), ("w", 15, [1])]
    problem = make_problem(ONE, CALL, calls, 1, after=[-1, -1, 0], think_s=[0, 0, 0.5])
    schedule = fifo(problem, core)
    assert rows(schedule) == [(0, 4, 14, (0,)), (14, 0, 15, (0,)), (15, 0, 16, (0,))]
    assert schedule.arrival_us.tolist() == [0, 3_000_000, 14_500_000]
    assert schedule.ready_us[2] == 14_500_000


def test_a_closed_loop_without_thinking_asks_at_once(make_problem: Any, core: Core) -> None:
    calls = [("w", 0, [10]), ("w", 1, [10]), ("w", 15, [1])]
    problem = make_problem(ONE, CALL, calls, 1, after=[-1, -1, 0], think_s=[0, 0, 0])
    schedule = fifo(problem, core)
    assert schedule.arrival_us[2] == 14_000_000
    assert rows(schedule)[1:] == [(14, 0, 24, (0,)), (24, 0, 25, (0,))]


def test_times_of_zero_and_equal_times(make_problem: Any, core: Core) -> None:
    models = {"m": (1, 16, 0)}
    graph = {"w": (["m", "m"], [(0, 1)])}
    problem = make_problem(models, graph, [("w", 0, [0, 0])] * 3, 1)
    assert {row[:3] for row in rows(fifo(problem, core))} == {(0, 0, 0)}


def test_the_order_is_by_readiness_not_by_arrival(make_problem: Any, core: Core) -> None:
    # The second node of the first request is ready at 5, after the second request.
    graph = {"w": (["m", "m"], [(0, 1)])}
    problem = make_problem(ONE, graph, [("w", 0, [1, 1]), ("w", 2, [1, 1])], 1)
    assert [row[0] for row in rows(fifo(problem, core))] == [0, 6, 5, 7]


def test_what_runs_when_time_is_up_counts_as_never_run(make_problem: Any, core: Core) -> None:
    problem = make_problem(ONE, CALL, [("w", 0, [10]), ("w", 1, [10]), ("w", 99, [1])], 1)
    schedule = fifo(problem, core, until_us=14_000_000)
    assert rows(schedule)[0] == (0, 4, 14, (0,))
    assert schedule.end_us[1:].tolist() == [NEVER, NEVER]
    assert schedule.start_us[1:].tolist() == [NEVER, NEVER]
    assert (schedule.gpus[1:] == -1).all()
    assert schedule.ready_us.tolist() == [0, 1_000_000, NEVER]
    assert schedule.arrival_us.tolist() == [0, 1_000_000, 99_000_000]
    assert "2 of 3 tasks" in schedule.stopped
    assert "14.000000 s" in schedule.stopped
    assert fifo(problem, core, until_us=10**12).stopped == ""


def test_estimates_decide_where_and_true_times_when(make_problem: Any, core: Core) -> None:
    # Told 1 s, the loaded slow device looks best (2 s against 4.5 s); in truth it takes 40 s.
    cluster = servers(
        {"gpus": 1, "gpu_memory_gb": 80, "speed": 0.5}, {"gpus": 1, "gpu_memory_gb": 80, "speed": 2}
    )
    estimates = [[100.0], [1.0], [1.0]]
    calls = [("w", 0, [1]), ("w", 0, [1]), ("w", 20, [20])]
    problem = make_problem(ONE, CALL, calls, cluster, estimates=estimates)
    assert rows(fifo(problem, core)) == [(0, 4, 4.5, (1,)), (0, 4, 6, (0,)), (20, 0, 30, (1,))]


def test_the_progress_is_told(make_problem: Any, core: Core) -> None:
    problem = make_problem(ONE, CALL, [("w", 0, [1])] * 5, 2)
    heard: list[tuple[int, int]] = []
    fifo(problem, core, progress=lambda done, tasks: heard.append((done, tasks)))
    assert heard[0] == (0, 5)
    assert heard[-1] == (5, 5)


def test_the_columns_are_as_promised(make_problem: Any, core: Core) -> None:
    models = {"m": (1, 16, 4), "g": (2, 32, 4)}
    problem = make_problem(models, CALL, [("w", 0, [1])], 2)
    schedule = fifo(problem, core)
    assert schedule.gpus.dtype == np.int32
    assert schedule.gpus.tolist() == [[0, -1]]
    columns = (schedule.ready_us, schedule.start_us, schedule.switch_us, schedule.end_us)
    assert all(column.dtype == np.int64 for column in columns)
