"""Checking logs: alone, with their problem, and those of the studied system."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedloom.scheduling.check.log import CheckReport, check_log
from fedloom.scheduling.log.read import read_log
from fedloom.scheduling.log.write import write_log
from fedloom.scheduling.metrics.measure import measure
from fedloom.scheduling.policy import Policy
from fedloom.scheduling.problem import NEVER, Problem, Schedule
from fedloom.scheduling.simulate.engine import simulate

MakeProblem = Callable[..., Problem]
S = 1_000_000


@pytest.fixture
def problem(make_problem: MakeProblem) -> Problem:
    """Return three requests on three GPUs: a → g (a gang of two), and a alone."""
    return make_problem(
        {"a": (1, 32, 2.0), "g": (2, 40, 1.0), "u": (0, 1, None)},
        {"w": (["a", "g", "u"], [(0, 1), (1, 2)]), "v": (["a"], [])},
        [("w", 0, [4, 6, 0.5]), ("v", 1.5, [5]), ("v", 2, [5])],
        3,
        deadline_s=[None, 7, 9],
    )


@pytest.fixture
def log(tmp_path: Path, problem: Problem) -> dict[str, Any]:
    """Return the log of a simulation of that, as a mapping to change."""
    schedule = simulate(problem, Policy(), core="python")
    write_log(tmp_path / "ours.json", problem, schedule, measure(problem, schedule))
    found: dict[str, Any] = json.loads((tmp_path / "ours.json").read_text("utf-8"))
    return found


@pytest.fixture
def check(tmp_path: Path, problem: Problem) -> Callable[..., CheckReport]:
    def check(log: dict[str, Any], *, alone: bool = False) -> CheckReport:
        path = tmp_path / "log.json"
        path.write_text(json.dumps(log), "utf-8")
        return check_log(read_log(path), None if alone else problem)

    return check


Check = Callable[..., CheckReport]


def kinds(report: CheckReport) -> set[str]:
    return {str(kind) for kind in report.violations.counts}


def row_of(log: dict[str, Any], name: str) -> dict[str, Any]:
    request, node = name.split("/")
    return next(
        row for row in log["executions"] if (row["request_id"], row["node_id"]) == (request, node)
    )


def make_old(log: dict[str, Any]) -> dict[str, Any]:
    """Return a log as the studied system has it: without our fields."""
    ours = (
        "gpu_ids",
        "ready_time",
        "arrival_time",
        "tenant",
        "priority",
        "deadline",
        "deadline_met",
    )
    for row in log["executions"]:
        for name in ours:
            del row[name]
    del log["unfinished_requests"]
    return log


def test_our_own_log_is_right(log: dict[str, Any], check: Check) -> None:
    for report in (check(log), check(log, alone=True)):
        assert list(report.violations.lines()) == []
        assert report.ok
        assert (report.executions, report.requests) == (5, 3)
    assert check(log).not_checked == ()
    (skipped,) = check(log, alone=True).not_checked
    assert "dependencies" in skipped


def test_a_log_of_the_studied_system_says_what_could_not_be_checked(
    log: dict[str, Any], check: Check
) -> None:
    report = check(make_old(log))
    assert report.ok
    assert len(report.not_checked) == 2
    assert "first device of a gang" in report.not_checked[0]
    assert "prices" in report.not_checked[1]
    assert len(check(log, alone=True).not_checked) == 2


def test_models_may_be_there_from_the_start_in_a_log_of_others(
    log: dict[str, Any], check: Check
) -> None:
    for row in make_old(log)["executions"]:
        row["end_time"] -= row["switch_time"]
        row["switch_time"] = 0.0
    assert kinds(check(log)) == {"summary"}


@pytest.mark.parametrize(
    ("name", "changes", "alone", "together"),
    [
        # Ends before it starts.
        ("req_0000/n1", {"end_time": 0.5}, "times", "times"),
        ("req_0000/n1", {"switch_time": -1.0}, "times", "times"),
        # Longer work than time.
        ("req_0001/n0", {"execution_time": 8.0}, "occupation", "occupation"),
        ("req_0001/n0", {"waiting_time": 0.25}, "ready", "ready"),
        ("req_0001/n0", {"ready_time": 1.0}, "ready", "ready"),
        ("req_0000/n1", {"gpu_ids": [1, 1]}, "gang", "gang"),
        ("req_0000/n1", {"gpu_ids": [2]}, "gang", "gang"),
        ("req_0000/n1", {"gpu_ids": []}, "gang", "gang"),
        # What the log alone cannot show.
        ("req_0000/n1", {"gpu_ids": [0, 1, 2], "gpu_id": 0}, None, "gang"),
        ("req_0001/n0", {"gpu_ids": [3], "gpu_id": 3}, None, "gang"),
        ("req_0001/n0", {"arrival_time": 1.4, "ready_time": 1.5}, None, "arrival-time"),
        ("req_0001/n0", {"request_id": "req_9"}, None, "unknown"),
        ("req_0001/n0", {"node_id": "n9"}, None, "unknown"),
        ("req_0001/n0", {"workflow_id": "w"}, None, "unknown"),
        ("req_0001/n0", {"model_name": "g"}, None, "unknown"),
    ],
)
def test_each_fault_is_found(
    log: dict[str, Any],
    check: Check,
    name: str,
    changes: dict[str, Any],
    alone: str | None,
    together: str,
) -> None:
    row_of(log, name).update(changes)
    assert together in kinds(check(log))
    if alone is not None:
        assert alone in kinds(check(log, alone=True))


def test_an_overlap_shows_without_the_problem(log: dict[str, Any], check: Check) -> None:
    first, second = row_of(log, "req_0000/n0"), row_of(log, "req_0001/n0")
    second |= {"gpu_id": first["gpu_id"], "gpu_ids": first["gpu_ids"]}
    report = check(log, alone=True)
    assert kinds(report) == {"overlap"}
    assert str(report.violations[0]) == (
        "overlap: req_0001/n0 starts at 1.500000 s on GPU 0, "
        "which req_0000/n0 occupies until 6.000000 s"
    )
    assert check(log).violations.counts["overlap"] == 1
    assert "overlap" in kinds(check(make_old(log), alone=True))


def test_dependencies_and_arrivals_are_found_in_logs_of_others(
    log: dict[str, Any], check: Check
) -> None:
    make_old(log)
    node = row_of(log, "req_0000/n2")
    node |= {"start_time": 1.0, "end_time": 1.5}
    early = row_of(log, "req_0002/n0")
    by = early["start_time"] - 1.0
    early |= {"start_time": 1.0, "end_time": early["end_time"] - by}
    assert kinds(check(log)) >= {"dependency", "arrival"}


def test_a_request_that_nobody_speaks_of(log: dict[str, Any], check: Check) -> None:
    log["executions"].remove(row_of(log, "req_0000/n2"))
    report = check(log)
    assert kinds(report) == {"unaccounted", "summary"}
    assert str(next(v for v in report.violations if v.kind == "unaccounted")) == (
        "unaccounted: req_0000: 2 of 3 tasks ran, and nothing says that it was left unfinished"
    )
    log["unfinished_requests"] = ["req_0000"]
    log["summary"] |= {"total_nodes_executed": 4, "completed_requests": 2}
    log["summary"]["makespan"] = max(row["end_time"] for row in log["executions"])
    assert check(log).ok


def test_what_is_called_unfinished_is_unfinished_and_known(
    log: dict[str, Any], check: Check
) -> None:
    log["unfinished_requests"] = ["req_0001", "nobody"]
    assert kinds(check(log)) == {"summary", "unknown"}


def test_a_task_that_was_executed_twice(log: dict[str, Any], check: Check) -> None:
    again = dict(row_of(log, "req_0000/n2"))
    log["executions"].append(again)
    log["summary"]["total_nodes_executed"] += 1
    for report in (check(log), check(log, alone=True)):
        assert kinds(report) == {"duplicate"}
        assert str(report.violations[0]) == (
            "duplicate: req_0000/n2 was executed again (execution 6)"
        )


@pytest.mark.parametrize(
    "name",
    ["total_nodes_executed", "total_model_switches", "total_switch_time", "makespan"],
)
def test_a_summary_that_does_not_add_up(log: dict[str, Any], check: Check, name: str) -> None:
    log["summary"][name] += 1
    (violation,) = check(log, alone=True).violations
    assert str(violation).startswith(f"summary: the summary says {name} is ")
    assert violation.numbers["stated"] == violation.numbers["counted"] + 1
    del log["summary"][name]
    assert check(log).ok


def test_a_report_reads_as_text_and_as_json(log: dict[str, Any], check: Check) -> None:
    report = check(log)
    first, *_, last = report.lines()
    assert first.endswith("log.json: 5 executions of 3 requests")
    assert last == "no violation"
    log["summary"]["makespan"] += 1
    report = check(log)
    assert list(report.lines())[-1] == "1 violation"
    saved = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert saved["counts"] == {"summary": 1}
    assert saved["violations"][0]["kind"] == "summary"
    assert not saved["ok"]


def test_nothing_ran(tmp_path: Path, problem: Problem, check: Check) -> None:
    never = np.full(problem.tasks, NEVER)
    gpus = np.full((problem.tasks, 2), -1, np.int32)
    schedule = Schedule(
        "none", never, never, never, never, gpus, problem.arrival_us, stopped="at 0 s"
    )
    write_log(tmp_path / "none.json", problem, schedule, measure(problem, schedule))
    assert check_log(read_log(tmp_path / "none.json"), problem).ok
    assert check_log(read_log(tmp_path / "none.json")).ok
    bare = check({"executions": []})
    assert bare.violations.counts["unaccounted"] == 3


def test_a_closed_loop_in_a_log(tmp_path: Path, make_problem: MakeProblem) -> None:
    problem = make_problem(
        {"a": (1, 1, 1.0)}, {"w": (["a"], [])}, [("w", 0, [2]), ("w", 5, [2])], 1,
        after=[-1, 0], think_s=[0, 3],
    )  # fmt: skip
    schedule = simulate(problem, Policy(), core="python")
    write_log(tmp_path / "log.parquet", problem, schedule, measure(problem, schedule))
    assert check_log(read_log(tmp_path / "log.parquet"), problem).ok
