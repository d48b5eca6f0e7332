"""The checker on schedules written by hand: what is right passes, each fault has its kind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedloom.scheduling.check.schedule import check_schedule
from fedloom.scheduling.check.violation import Violation, ViolationKind, Violations
from fedloom.scheduling.problem import NEVER, Problem, Schedule

MakeProblem = Callable[..., Problem]
S = 1_000_000

Row = tuple[float, float, float, float, tuple[int, ...]] | None


def schedule_of(problem: Problem, rows: list[Row], **changes: Any) -> Schedule:
    """Return a schedule from (ready, start, switch, end, devices) in seconds; None: did not run."""
    widest = max([1, *(len(row[4]) for row in rows if row)])
    gpus = np.full((len(rows), widest), -1, np.int32)
    times = np.full((4, len(rows)), NEVER, np.int64)
    for task, row in enumerate(rows):
        if row is not None:
            times[:, task] = [round(value * S) for value in row[:4]]
            gpus[task, : len(row[4])] = row[4]
    schedule = Schedule("by hand", *times, gpus, problem.arrival_us.copy())
    return replace(schedule, **changes)


def kinds(problem: Problem, schedule: Schedule) -> set[str]:
    return {str(violation.kind) for violation in check_schedule(problem, schedule)}


@pytest.fixture
def chain(make_problem: MakeProblem) -> Problem:
    """Return two requests of a → b on two GPUs of 80 GB; a takes 3 s to load, b 2 + 32/16 = 4."""
    return make_problem(
        {"a": (1, 60, 3.0), "b": (1, 32, None)},
        {"w": (["a", "b"], [(0, 1)])},
        [("w", 0, [10, 1]), ("w", 1, [10, 1])],
    )


CHAIN: list[Row] = [
    (0, 0, 3, 13, (0,)),
    (13, 13, 4, 18, (1,)),
    (1, 13, 0, 23, (0,)),
    (23, 23, 0, 24, (1,)),
]


def with_row(task: int, row: Row, rows: list[Row] = CHAIN) -> list[Row]:
    return [row if number == task else old for number, old in enumerate(rows)]


def test_a_schedule_that_could_have_happened_has_no_violation(chain: Problem) -> None:
    assert check_schedule(chain, schedule_of(chain, CHAIN)) == []


@pytest.mark.parametrize(
    ("task", "row", "kind"),
    [
        (0, (0, 0, 3, 12, (0,)), "execution"),
        (0, (0, 0, 2, 12, (0,)), "switch"),
        (0, (0, 0, 0, 10, (0,)), "not-loaded"),
        (0, (0, 0, 3, 13, (1, 0)), "gang"),
        (0, (0, 0, 3, 13, (2,)), "gang"),
        (0, (0, 0, 3, 13, ()), "gang"),
        (0, (0.5, 0, 3, 13, (0,)), "ready"),
        (1, (12, 12, 4, 17, (1,)), "dependency"),
        (1, (13, 17, 4, 16, (1,)), "times"),
        (1, (13, 13, -1, 13, (1,)), "times"),
        (2, (1, 0.5, 0, 10.5, (1,)), "arrival"),
        (2, (1, 12, 0, 22, (0,)), "overlap"),
        (3, None, "unaccounted"),
    ],
)
def test_each_fault_has_its_kind(chain: Problem, task: int, row: Row, kind: str) -> None:
    schedule = schedule_of(chain, with_row(task, row))
    assert kind in kinds(chain, schedule)


def test_a_message_holds_the_names_and_the_numbers(chain: Problem) -> None:
    schedule = schedule_of(chain, with_row(1, (13, 12, 4, 17, (1,))))
    (violation,) = check_schedule(chain, schedule)
    assert violation.kind is ViolationKind.DEPENDENCY
    assert violation.task == 1
    assert violation.request == "req_0000"
    assert violation.numbers == {"start_s": 12.0, "end_s": 13.0}
    assert str(violation) == (
        "dependency: req_0000/n1 starts at 12.000000 s, but req_0000/n0, its input, "
        "ended at 13.000000 s"
    )


def test_an_overlap_names_both_tasks_and_the_device(chain: Problem) -> None:
    schedule = schedule_of(chain, with_row(2, (1, 12, 0, 22, (0,))))
    message = str(next(v for v in check_schedule(chain, schedule) if v.kind == "overlap"))
    assert message == (
        "overlap: req_0001/n0 starts at 12.000000 s on GPU 0 (server-0/0), "
        "which req_0000/n0 occupies until 13.000000 s"
    )


def test_what_is_left_over_is_fine_where_the_schedule_says_why(chain: Problem) -> None:
    rows = with_row(3, None)
    assert kinds(chain, schedule_of(chain, rows)) == {"unaccounted"}
    assert kinds(chain, schedule_of(chain, rows, stopped="the policy stopped placing")) == set()


def test_a_task_cannot_run_when_what_it_waits_for_did_not(chain: Problem) -> None:
    schedule = schedule_of(chain, with_row(2, None), stopped="enough")
    assert "dependency" in kinds(chain, schedule)


def test_half_of_the_times_of_a_task_is_a_fault(chain: Problem) -> None:
    schedule = schedule_of(chain, with_row(3, None), stopped="enough")
    schedule.gpus[3, 0] = 1
    assert kinds(chain, schedule) == {"times"}
    schedule.gpus[3, 0], schedule.start_us[3] = -1, 5
    assert kinds(chain, schedule) == {"times"}


def test_an_arrival_must_be_the_one_of_the_problem(chain: Problem) -> None:
    schedule = schedule_of(chain, CHAIN)
    schedule.arrival_us[1] += 1
    assert kinds(chain, schedule) == {"arrival-time"}


def test_columns_of_another_size_are_told_before_anything_else(chain: Problem) -> None:
    schedule = schedule_of(chain, CHAIN, start_us=np.zeros(3, np.int64))
    (violation,) = check_schedule(chain, schedule)
    assert str(violation) == (
        "shape: start_us has shape (3,) of int64; the problem needs 4 whole numbers"
    )
    floats = schedule_of(chain, CHAIN, end_us=np.zeros(4))
    assert kinds(chain, floats) == {"shape"}
    assert kinds(chain, schedule_of(chain, CHAIN, gpus=np.zeros(4, np.int32))) == {"shape"}


def test_times_beyond_all_bounds_are_told_not_added_up(chain: Problem) -> None:
    schedule = schedule_of(chain, CHAIN)
    schedule.end_us[0] = np.iinfo(np.int64).max
    schedule.start_us[2] = np.iinfo(np.int64).min
    assert "times" in kinds(chain, schedule)


def test_a_schedule_of_nothing_is_fine(make_problem: MakeProblem) -> None:
    problem = make_problem({"a": (1, 1, 1.0)}, {"w": (["a"], [])}, [])
    schedule = schedule_of(problem, [], gpus=np.zeros((0, 1), np.int32))
    assert check_schedule(problem, schedule) == []


# Closed loops


def test_in_a_closed_loop_a_request_arrives_after_the_end_of_the_one_before(
    make_problem: MakeProblem,
) -> None:
    problem = make_problem(
        {"a": (1, 1, 1.0)},
        {"w": (["a"], [])},
        [("w", 0, [2]), ("w", 5, [2])],
        1,
        after=[-1, 0],
        think_s=[0, 3],
    )
    rows: list[Row] = [(0, 0, 1, 3, (0,)), (6, 6, 0, 8, (0,))]
    arrival = np.array([0, 6 * S])
    assert kinds(problem, schedule_of(problem, rows, arrival_us=arrival)) == set()
    assert kinds(problem, schedule_of(problem, rows)) == {"arrival-time"}
    early: list[Row] = [rows[0], (6, 5, 0, 7, (0,))]
    assert kinds(problem, schedule_of(problem, early, arrival_us=arrival)) == {"arrival"}
    alone: list[Row] = [None, (6, 6, 1, 9, (0,))]
    never = schedule_of(problem, alone, arrival_us=arrival, stopped="enough")
    assert "arrival" in kinds(problem, never)
    never = schedule_of(problem, [rows[0], None], stopped="at 4 s")
    never.arrival_us[1] = NEVER
    assert kinds(problem, never) == set()


# Gangs, servers and speed


@pytest.fixture
def servers(make_problem: MakeProblem) -> Callable[..., Problem]:
    """Return a maker of one task of two devices on two servers, the second twice as fast."""

    def make(**cluster: Any) -> Problem:
        return make_problem(
            {"g": (2, 40, 1.0)},
            {"w": (["g"], [])},
            [("w", 0, [6])],
            {
                "servers": [
                    {"name": "old", "gpus": 2, "gpu_memory_gb": 40},
                    {"name": "new", "gpus": 2, "gpu_memory_gb": 40, "speed": 2},
                ],
                **cluster,
            },
        )

    return make


def test_a_gang_runs_at_the_speed_of_its_slowest_device(servers: Callable[..., Problem]) -> None:
    problem = servers(allow_span=True, span_slowdown=1.5)
    assert kinds(problem, schedule_of(problem, [(0, 0, 1, 7, (0, 1))])) == set()
    assert kinds(problem, schedule_of(problem, [(0, 0, 1, 4, (2, 3))])) == set()
    assert kinds(problem, schedule_of(problem, [(0, 0, 1, 10, (0, 2))])) == set()
    assert kinds(problem, schedule_of(problem, [(0, 0, 1, 7, (0, 2))])) == {"execution"}
    assert kinds(problem, schedule_of(problem, [(0, 0, 1, 7, (2, 3))])) == {"execution"}


def test_a_gang_within_one_server_unless_it_may_span(servers: Callable[..., Problem]) -> None:
    problem = servers()
    assert kinds(problem, schedule_of(problem, [(0, 0, 1, 7, (0, 2))])) == {"span"}
    assert kinds(problem, schedule_of(problem, [(0, 0, 1, 7, (0, 0))])) == {"gang"}
    assert kinds(problem, schedule_of(problem, [(0, 0, 1, 7, (0,))])) == {"gang"}


def test_one_microsecond_of_rounding_is_let_through(make_problem: MakeProblem) -> None:
    cluster = {"servers": [{"name": "s", "gpus": 1, "gpu_memory_gb": 80, "speed": 3}]}
    problem = make_problem({"a": (1, 1, 0.9)}, {"w": (["a"], [])}, [("w", 0, [1])], cluster)
    for end, wrong in ((1.233332, True), (1.233333, False), (1.233334, False), (1.233335, True)):
        found = kinds(problem, schedule_of(problem, [(0, 0, 0.9, end, (0,))]))
        assert ("execution" in found) == wrong


def test_a_task_without_devices_runs_beside_them(make_problem: MakeProblem) -> None:
    problem = make_problem({"u": (0, 1, 5.0)}, {"w": (["u"], [])}, [("w", 0, [2]), ("w", 0, [2])])
    assert kinds(problem, schedule_of(problem, [(0, 0, 0, 2, ()), (0, 0, 0, 2, ())])) == set()
    assert "gang" in kinds(problem, schedule_of(problem, [(0, 0, 0, 2, (0,)), (0, 0, 0, 2, ())]))
    assert "switch" in kinds(problem, schedule_of(problem, [(0, 0, 1, 3, ()), (0, 0, 0, 2, ())]))


# Memory


@pytest.fixture
def crowded(make_problem: MakeProblem) -> Problem:
    """Return three calls, of a, b and a, on one GPU of 80 GB that holds only one of them."""
    return make_problem(
        {"a": (1, 48, 3.0), "b": (1, 64, 4.0)},
        {"a": (["a"], []), "b": (["b"], [])},
        [("a", 0, [1]), ("b", 0, [1]), ("a", 0, [1])],
        1,
    )


def test_evictions_must_have_been_paid_for(crowded: Problem) -> None:
    # Moving a out takes 48/16 = 3 s, b 64/16 = 4 s.
    paid: list[Row] = [(0, 0, 3, 4, (0,)), (0, 4, 7, 12, (0,)), (0, 12, 7, 20, (0,))]
    assert kinds(crowded, schedule_of(crowded, paid)) == set()
    # Of 80 GB, 64 + 48 = 112 leave no way but to move out 32 GB at least, which takes 2 s.
    barely: list[Row] = [(0, 0, 3, 4, (0,)), (0, 4, 6, 11, (0,)), (0, 11, 6, 18, (0,))]
    assert "eviction" not in kinds(crowded, schedule_of(crowded, barely))
    unpaid: list[Row] = [(0, 0, 3, 4, (0,)), (0, 4, 4, 9, (0,)), (0, 9, 7, 17, (0,))]
    (violation,) = check_schedule(crowded, schedule_of(crowded, unpaid))
    assert violation.kind is ViolationKind.EVICTION
    assert violation.task == 1
    assert violation.numbers == {"needed_mb": 112_000, "memory_mb": 80_000}


def test_a_model_that_is_used_again_without_a_switch_was_there_all_along(crowded: Problem) -> None:
    rows: list[Row] = [(0, 0, 3, 4, (0,)), (0, 4, 7, 12, (0,)), (0, 12, 0, 13, (0,))]
    (violation,) = check_schedule(crowded, schedule_of(crowded, rows))
    assert violation.kind is ViolationKind.MEMORY
    assert str(violation) == (
        "memory: req_0001/n0 starts at 4.000000 s on GPU 0 (server-0/0), where a, b must be "
        "resident together: 112000 MB of 80000 MB"
    )


def test_models_that_fit_together_stay_together(make_problem: MakeProblem) -> None:
    problem = make_problem(
        {"a": (1, 48, 3.0), "b": (1, 32, 4.0)},
        {"a": (["a"], []), "b": (["b"], [])},
        [("a", 0, [1]), ("b", 0, [1]), ("a", 0, [1]), ("b", 0, [1])],
        1,
    )
    rows: list[Row] = [
        (0, 0, 3, 4, (0,)),
        (0, 4, 4, 9, (0,)),
        (0, 9, 0, 10, (0,)),
        (0, 10, 0, 11, (0,)),
    ]
    assert kinds(problem, schedule_of(problem, rows)) == set()


def test_a_gang_on_other_devices_is_another_instance(make_problem: MakeProblem) -> None:
    problem = make_problem(
        {"g": (2, 100, 1.0)}, {"w": (["g"], [])}, [("w", 0, [1]), ("w", 0, [1])], 3
    )
    same: list[Row] = [(0, 0, 1, 2, (0, 1)), (0, 2, 0, 3, (1, 0))]
    assert kinds(problem, schedule_of(problem, same)) == set()
    other: list[Row] = [(0, 0, 1, 2, (0, 1)), (0, 2, 0, 3, (1, 2))]
    assert kinds(problem, schedule_of(problem, other)) == {"not-loaded"}
    # GPU 1 cannot hold two shares of 50 GB, so one went; perhaps unpaid, as GPU 0 was cleared.
    unpaid: list[Row] = [
        (0, 0, 1, 2, (0, 1)),
        (0, 2, 1, 4, (1, 2)),
    ]
    assert kinds(problem, schedule_of(problem, unpaid)) == set()


def test_a_share_that_never_fits(make_problem: MakeProblem) -> None:
    problem = make_problem({"a": (1, 81, 1.0)}, {"w": (["a"], [])}, [("w", 0, [1])], 1)
    assert kinds(problem, schedule_of(problem, [(0, 0, 1, 2, (0,))])) == {"memory"}


def test_loads_scale_with_the_link(make_problem: MakeProblem) -> None:
    cluster = {"servers": [{"gpus": 1, "gpu_memory_gb": 80, "link_gb_per_s": 32}]}
    problem = make_problem({"a": (1, 64, 4.0)}, {"w": (["a"], [])}, [("w", 0, [1])], cluster)
    assert kinds(problem, schedule_of(problem, [(0, 0, 2, 3, (0,))])) == set()
    assert kinds(problem, schedule_of(problem, [(0, 0, 1.9, 2.9, (0,))])) == {"switch"}


def test_loads_that_take_no_time_cannot_be_told_from_none(make_problem: MakeProblem) -> None:
    problem = make_problem(
        {"a": (1, 60, 0.0), "b": (1, 60, 0.0)},
        {"a": (["a"], []), "b": (["b"], [])},
        [("a", 0, [1]), ("b", 0, [1]), ("a", 0, [0]), ("a", 0, [0])],
        1,
    )
    rows: list[Row] = [
        (0, 0, 0, 1, (0,)),
        (0, 1, 3.75, 5.75, (0,)),
        (0, 5.75, 3.75, 9.5, (0,)),
        (0, 9.5, 0, 9.5, (0,)),
    ]
    assert kinds(problem, schedule_of(problem, rows)) == set()


# Counting


def test_some_of_a_kind_are_shown_and_all_are_counted(make_problem: MakeProblem) -> None:
    count = 50
    problem = make_problem({"a": (1, 1, 1.0)}, {"w": (["a"], [])}, [("w", 0, [1])] * count, 1)
    rows: list[Row] = [(0, 2 * r, 1, 2 * r + 2, (0,)) for r in range(count)]
    assert kinds(problem, schedule_of(problem, rows)) == set()
    rows = [(0, 0, 1, 2, (0,)) for _ in range(count)]
    found = check_schedule(problem, schedule_of(problem, rows), shown_per_kind=3)
    assert len(found) == 3
    assert found.counts == {ViolationKind.OVERLAP: count - 1}
    assert found.total == count - 1
    *_, last = found.lines()
    assert last == "overlap: 46 more like these"


def test_violations_of_one_kind_reported_twice_share_their_room() -> None:
    found = Violations(2)
    for _ in range(2):
        found.report(
            ViolationKind.READY, [0, 1, 2], lambda row: Violation(ViolationKind.READY, str(row))
        )
    assert [violation.message for violation in found] == ["0", "1"]
    assert found.total == 6


def test_the_checker_shares_no_code_with_what_it_checks() -> None:
    code = (
        "import sys\n"
        "import fedloom.scheduling.check.schedule, fedloom.scheduling.check.log\n"
        "parts = ('simulate', 'queue', 'policies', 'cluster.devices', 'cluster.residency',\n"
        "         'cluster.costs', 'metrics.measure')\n"
        "print([m for m in sys.modules if m.startswith(tuple(\n"
        "    'fedloom.scheduling.' + part for part in parts))])\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.stdout == "[]\n", ended.stderr
