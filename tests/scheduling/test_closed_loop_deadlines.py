"""Deadlines in closed loops: who is kept waiting asks later, and has as long as ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedloom.errors import InputError
from fedloom.scheduling.log.write import write_log
from fedloom.scheduling.metrics.measure import measure
from fedloom.scheduling.policies.ordered import EarliestDeadline, Fifo
from fedloom.scheduling.policy import Setting
from fedloom.scheduling.problem import Problem, deadlines_of
from fedloom.scheduling.simulate.engine import simulate
from fedloom.scheduling.task import Task


@pytest.fixture
def kept_waiting(make_problem: Any) -> Problem:
    """One GPU: another's 20 s go first, so the user's second request comes at 32 s, not at 13 s."""
    return make_problem(
        {"m": (1, 10, 0.0)},
        {"w": (["m"], [])},
        [("w", 0, [20]), ("w", 1, [10]), ("w", 13, [5])],
        1,
        deadline_s=[None, None, 21],
        after=[-1, -1, 1],
        think_s=[0, 0, 2],
    )


def test_the_deadline_moves_with_the_arrival(kept_waiting: Problem, tmp_path: Path) -> None:
    schedule = simulate(kept_waiting, Fifo(), setting=Setting())
    np.testing.assert_array_equal(schedule.arrival_us, [0, 1_000_000, 32_000_000])
    np.testing.assert_array_equal(deadlines_of(kept_waiting, schedule), [-1, -1, 40_000_000])
    metrics = measure(kept_waiting, schedule)
    assert (metrics.deadlines.due, metrics.deadlines.met) == (1, 1)
    write_log(tmp_path / "log.json", kept_waiting, schedule, metrics)
    last = json.loads((tmp_path / "log.json").read_text())["executions"][-1]
    assert last["deadline"] == 40.0
    assert last["deadline_met"] is True


def test_policies_see_the_deadline_that_holds(kept_waiting: Problem) -> None:
    seen = []

    class Looking(EarliestDeadline):
        def rank(self, task: Task) -> float:
            seen.append(task.deadline_us)
            return 0.0

    simulate(kept_waiting, Looking(), setting=Setting())
    assert seen == [None, None, 40_000_000]


def test_the_compiled_core_does_not_rank_by_deadlines_that_move(kept_waiting: Problem) -> None:
    with pytest.raises(InputError, match="core=compiled: policy edf"):
        simulate(kept_waiting, EarliestDeadline(), setting=Setting(), core="compiled")
    assert simulate(kept_waiting, EarliestDeadline(), setting=Setting(), core="auto").stopped == ""


def test_a_request_whose_turn_never_came_keeps_its_deadline(kept_waiting: Problem) -> None:
    schedule = simulate(kept_waiting, Fifo(), setting=Setting(), until_us=25_000_000)
    assert deadlines_of(kept_waiting, schedule)[2] == 21_000_000
    assert measure(kept_waiting, schedule).deadlines.met == 0
