"""Metrics of schedules written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from fedloom.scheduling.metrics.groups import jain_index
from fedloom.scheduling.metrics.measure import measure
from fedloom.scheduling.metrics.spread import Spread, exact_sum, spread_of, spread_of_times
from fedloom.scheduling.problem import NEVER, Problem, Schedule

MakeProblem = Callable[..., Problem]
S = 1_000_000


def schedule_of(
    problem: Problem, rows: Sequence[Sequence[Any] | None], stopped: str = ""
) -> Schedule:
    """Return a schedule from (ready, start, switch, end, devices) in seconds; None: did not run."""
    times = np.full((4, len(rows)), NEVER, np.int64)
    gpus = np.full((len(rows), 2), -1, np.int32)
    for task, row in enumerate(rows):
        if row is not None:
            times[:, task] = [round(value * S) for value in row[:4]]
            gpus[task, : len(row[4])] = row[4]
    return Schedule("by hand", *times, gpus, problem.arrival_us.copy(), stopped=stopped)


@pytest.fixture
def shared(make_problem: MakeProblem) -> tuple[Problem, Schedule]:
    """Return three requests of two tenants on three GPUs; the last one is not finished.

    a is one device, g a gang of two; w is a → g, v is a alone.
    """
    problem = make_problem(
        {"a": (1, 32, 2.0), "g": (2, 40, 1.0)},
        {"w": (["a", "g"], [(0, 1)]), "v": (["a"], [])},
        [("w", 0, [4, 6]), ("v", 1, [5]), ("w", 2, [4, 6])],
        3,
        tenants={"x": 1.0, "y": 3.0},
        tenant=[0, 1, 1],
        deadline_s=[17, 7, 100],
    )
    rows = [
        (0, 0, 2, 6, (0,)),
        (6, 7, 1, 14, (1, 2)),
        (1, 6, 0, 11, (0,)),
        (2, 11, 0, 15, (0,)),
        None,
    ]
    return problem, schedule_of(problem, rows, "the policy stopped placing")


def test_what_is_done_and_what_is_not(shared: tuple[Problem, Schedule]) -> None:
    metrics = measure(*shared)
    assert (metrics.requests, metrics.completed_requests, metrics.unfinished_requests) == (3, 2, 1)
    assert (metrics.tasks, metrics.executed_tasks) == (5, 4)
    assert metrics.stopped == "the policy stopped placing"
    assert metrics.makespan_us == 15 * S
    assert metrics.makespan_ratio is None


def test_waiting_and_response_are_spans_not_moments(shared: tuple[Problem, Schedule]) -> None:
    metrics = measure(*shared)
    # Waiting 0, 1, 5 and 9 s; requests waited 0, 5 and 9 s for their first task.
    assert metrics.waiting.mean == 3.75
    assert metrics.waiting.p50 == 3.0
    assert metrics.waiting.max == 9.0
    assert metrics.request_waiting.mean == pytest.approx(14 / 3)
    # From ready to end: 6, 8, 10 and 13 s; completed requests took 14 and 10 s.
    assert metrics.task_response.mean == 9.25
    assert metrics.response.to_dict() == {
        "mean": 12.0,
        "p50": 12.0,
        "p95": 13.8,
        "p99": 13.96,
        "max": 14.0,
    }


def test_slowdown_is_against_the_critical_path(shared: tuple[Problem, Schedule]) -> None:
    metrics = measure(*shared)
    # 14 s of 4 + 6, and 10 s of 5; no less than 10 s: 14 of 10, and 10 of 10.
    assert metrics.slowdown.mean == pytest.approx((1.4 + 2.0) / 2)
    assert metrics.bounded_slowdown.mean == pytest.approx((1.4 + 1.0) / 2)


def test_an_unfinished_request_missed_its_deadline(shared: tuple[Problem, Schedule]) -> None:
    metrics = measure(*shared)
    assert (metrics.deadlines.due, metrics.deadlines.met) == (3, 1)
    assert metrics.deadlines.attainment == pytest.approx(1 / 3)
    assert metrics.goodput_per_s == pytest.approx(1 / 15)
    assert metrics.throughput_per_s == pytest.approx(2 / 15)


def test_without_deadlines_what_is_completed_is_good(make_problem: MakeProblem) -> None:
    problem = make_problem({"a": (1, 1, 1.0)}, {"w": (["a"], [])}, [("w", 0, [3])], 1)
    metrics = measure(problem, schedule_of(problem, [(0, 0, 1, 4, (0,))]))
    assert metrics.goodput_per_s == 0.25
    assert metrics.deadlines.attainment is None
    assert metrics.makespan_ratio == pytest.approx(4 / 3)
    assert metrics.fairness_slowdown is None


def test_every_second_of_a_device_is_accounted_for(shared: tuple[Problem, Schedule]) -> None:
    metrics = measure(*shared)
    first, second, third = metrics.utilisation["by_gpu"]
    # GPU 0: 4 + 5 + 4 s of 15 executing, 2 switching. GPUs 1 and 2: 6 and 1.
    assert first == {
        "gpu": "server-0/0",
        "index": 0,
        "executing": pytest.approx(13 / 15, abs=1e-6),
        "switching": pytest.approx(2 / 15, abs=1e-6),
        "idle": 0.0,
    }
    assert second["executing"] == third["executing"] == 0.4
    assert metrics.utilisation["mean"] == pytest.approx(25 / 45, abs=1e-6)
    assert metrics.gpu_us == 25 * S
    assert (metrics.switches, metrics.switch_us, metrics.switch_gpu_us) == (2, 3 * S, 4 * S)


def test_tenants_are_measured_apart(shared: tuple[Problem, Schedule]) -> None:
    metrics = measure(*shared)
    x, y = metrics.tenants["x"], metrics.tenants["y"]
    assert (x["requests"], x["completed_requests"], x["gpu_seconds"]) == (1, 1, 16.0)
    assert (y["requests"], y["completed_requests"], y["gpu_seconds"]) == (2, 1, 9.0)
    assert (x["share"], y["share"]) == (0.64, 0.36)
    assert (x["mean_response_s"], y["mean_slowdown"]) == (14.0, 2.0)
    # Slowdowns 1.4 and 2.0; GPU-time ÷ weight 16 and 3.
    assert metrics.fairness_slowdown == pytest.approx(3.4**2 / (2 * (1.4**2 + 2.0**2)))
    assert metrics.fairness_gpu_time == pytest.approx(19**2 / (2 * (16**2 + 3**2)))


def test_a_tenant_that_got_nothing_is_infinitely_slow(make_problem: MakeProblem) -> None:
    problem = make_problem(
        {"a": (1, 1, 0.0)},
        {"w": (["a"], [])},
        [("w", 0, [1]), ("w", 0, [1])],
        1,
        tenants={"x": 1.0, "y": 1.0, "idle": 1.0},
        tenant=[0, 1],
    )
    metrics = measure(problem, schedule_of(problem, [(0, 0, 0, 1, (0,)), None], "starved"))
    assert metrics.fairness_slowdown == 0.5
    assert metrics.fairness_gpu_time == 0.5
    assert metrics.tenants["idle"]["requests"] == 0
    assert metrics.tenants["y"]["mean_response_s"] is None


def test_requests_without_a_tenant_stand_apart(make_problem: MakeProblem) -> None:
    problem = make_problem(
        {"a": (1, 1, 0.0)},
        {"w": (["a"], [])},
        [("w", 0, [1]), ("w", 0, [1])],
        2,
        tenants={"x": 1.0},
        tenant=[0, -1],
    )
    metrics = measure(problem, schedule_of(problem, [(0, 0, 0, 1, (0,)), (0, 0, 0, 1, (1,))]))
    assert [metrics.tenants[name]["requests"] for name in ("x", "")] == [1, 1]


def test_workflows_and_models_are_measured_apart(shared: tuple[Problem, Schedule]) -> None:
    metrics = measure(*shared)
    w, v = metrics.workflows["w"], metrics.workflows["v"]
    assert (w["requests"], w["completed_requests"], v["requests"]) == (2, 1, 1)
    assert w["waiting_s"]["mean"] == pytest.approx(10 / 3, abs=1e-6)
    assert v["waiting_s"]["mean"] == 5.0
    a, g = metrics.models["a"], metrics.models["g"]
    assert (a["tasks"], a["executed_tasks"], a["gpu_seconds"]) == (3, 3, 13.0)
    assert (g["tasks"], g["executed_tasks"], g["gpu_seconds"]) == (2, 1, 12.0)
    assert (a["switches"], g["switch_seconds"]) == (1, 1.0)


def test_in_a_closed_loop_response_counts_from_the_real_arrival(make_problem: MakeProblem) -> None:
    problem = make_problem(
        {"a": (1, 1, 0.0)}, {"w": (["a"], [])}, [("w", 0, [1]), ("w", 2, [1])], 1,
        after=[-1, 0], think_s=[0, 1],
    )  # fmt: skip
    schedule = schedule_of(problem, [(0, 3, 0, 4, (0,)), (5, 5, 0, 6, (0,))])
    schedule.arrival_us[1] = 5 * S
    metrics = measure(problem, schedule)
    assert metrics.response.max == 4.0
    assert metrics.response.mean == 2.5


def test_the_result_can_be_written_as_json(shared: tuple[Problem, Schedule]) -> None:
    metrics = measure(*shared).to_dict()
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert {
        "completed_requests",
        "unfinished_requests",
        "makespan_s",
        "makespan_lower_bound_s",
        "waiting_s",
        "response_s",
        "slowdown",
        "deadline_attainment",
        "fairness_slowdown",
        "utilisation",
        "switches",
        "switch_seconds",
        "goodput_per_s",
        "tenants",
        "workflows",
    } <= set(metrics)


def test_nothing_at_all_has_metrics_too(make_problem: MakeProblem) -> None:
    problem = make_problem({"a": (1, 1, 1.0)}, {"w": (["a"], [])}, [])
    metrics = measure(problem, schedule_of(problem, []))
    assert metrics.makespan_us == 0
    assert metrics.response == Spread()
    assert metrics.utilisation["idle"] == 1.0
    json.dumps(metrics.to_dict(), allow_nan=False)


def test_nothing_done_has_metrics_too(make_problem: MakeProblem) -> None:
    problem = make_problem({"a": (1, 1, 1.0)}, {"w": (["a"], [])}, [("w", 0, [1])])
    metrics = measure(problem, schedule_of(problem, [None], "no policy"))
    assert metrics.response.to_dict() == dict.fromkeys(["mean", "p50", "p95", "p99", "max"])
    assert metrics.unfinished_requests == 1
    json.dumps(metrics.to_dict(), allow_nan=False)


# Spreads


def test_a_spread_by_hand() -> None:
    spread = spread_of_times(np.arange(0, 101 * S, S))
    assert spread == Spread(50.0, 50.0, 95.0, 99.0, 100.0)
    assert spread_of(np.array([2.0])) == Spread(2.0, 2.0, 2.0, 2.0, 2.0)


def test_nothing_is_not_shared_fairly(make_problem: MakeProblem) -> None:
    problem = make_problem(
        {"a": (1, 1, 0.0)},
        {"w": (["a"], [])},
        [("w", 0, [1]), ("w", 0, [1])],
        1,
        tenants={"x": 1.0, "y": 1.0},
        tenant=[0, 1],
    )
    metrics = measure(problem, schedule_of(problem, [None, None], "nothing placed"))
    assert metrics.fairness_slowdown is None
    assert metrics.fairness_gpu_time is None
    assert metrics.to_dict()["fairness_slowdown"] is None


def test_sums_are_exact_beyond_64_bits() -> None:
    values = np.array([1 << 62, 1 << 62, 1 << 62, 3, -5], np.int64)
    assert exact_sum(values) == 3 * (1 << 62) - 2


@pytest.mark.parametrize(
    ("values", "index"),
    [
        ([], None),
        ([5.0], 1.0),
        ([1.0, 1.0, 1.0], 1.0),
        ([1.0, 0.0, 0.0, 0.0], 0.25),
        ([0.0, 0.0], 1.0),
        ([1.0, 3.0], 0.8),
        ([1.0, np.inf], 0.5),
        ([np.inf, np.inf], None),
    ],
)
def test_jains_index_by_hand(values: list[float], index: float | None) -> None:
    assert jain_index(values) == index
