"""Sweeps over devices: sorting and running maxima by segment, and numbers of instances."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.scheduling.check.schedule import check_schedule
from fedloom.scheduling.check.segments import running_maximum, sort_by
from fedloom.scheduling.problem import Problem, Schedule

MakeProblem = Callable[..., Problem]

VALUES = st.one_of(st.integers(-9, 9), st.integers(-(1 << 61), 1 << 61))
PAIRS = st.lists(st.tuples(st.integers(0, 5), VALUES), max_size=30)


@given(pairs=PAIRS)
@settings(max_examples=200, deadline=None)
def test_sorting_by_segment_and_time_keeps_equal_ones_in_order(
    pairs: list[tuple[int, int]],
) -> None:
    segment = np.array([s for s, _ in pairs], np.int64)
    time = np.array([t for _, t in pairs], np.int64)
    expected = sorted(range(len(pairs)), key=lambda i: pairs[i])
    assert sort_by(segment, time).tolist() == expected


@given(pairs=PAIRS)
@settings(max_examples=200, deadline=None)
def test_a_running_maximum_starts_anew_in_each_segment(pairs: list[tuple[int, int]]) -> None:
    pairs = sorted(pairs, key=lambda pair: pair[0])
    expected, largest = [], dict[int, int]()
    for segment, value in pairs:
        largest[segment] = max(value, largest.get(segment, value))
        expected.append(largest[segment])
    values = np.array([value for _, value in pairs], np.int64)
    segments = np.array([segment for segment, _ in pairs], np.int64)
    assert running_maximum(values, segments).tolist() == expected


def test_large_gangs_in_large_clusters_are_told_apart(make_problem: MakeProblem) -> None:
    cluster = {
        "servers": [{"name": "s", "count": 20, "gpus": 50, "gpu_memory_gb": 80}],
        "allow_span": True,
    }
    count = 40
    problem = make_problem(
        {"g": (16, 16, 1.0)}, {"w": (["g"], [])}, [("w", 0, [1])] * (2 * count), cluster
    )
    draw = np.random.Generator(np.random.Philox(1))
    gangs = np.stack([draw.choice(1000, 16, replace=False) for _ in range(count)])
    gpus = np.concatenate([gangs, gangs[:, ::-1]]).astype(np.int32)
    # Each gang once with its load and once, in another order, without.
    start = np.arange(2 * count) * 2_000_000
    switch = np.where(np.arange(2 * count) < count, 1_000_000, 0)
    zero = np.zeros(2 * count, np.int64)
    schedule = Schedule(
        "by hand", zero, start, switch, start + switch + 1_000_000, gpus, problem.arrival_us
    )
    assert list(check_schedule(problem, schedule).lines()) == []
    schedule.gpus[-1, 0] = next(g for g in range(1000) if g not in gangs[-1])
    assert {str(violation.kind) for violation in check_schedule(problem, schedule)} == {
        "not-loaded"
    }
