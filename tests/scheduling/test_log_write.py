"""Writing logs: fields, layout, both formats."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fedloom.errors import OutputError
from fedloom.scheduling.log.read import read_log
from fedloom.scheduling.log.write import write_log
from fedloom.scheduling.metrics.measure import measure
from fedloom.scheduling.problem import NEVER, Problem, Schedule

MakeProblem = Callable[..., Problem]
S = 1_000_000

OLD_SUMMARY = [
    "total_requests",
    "completed_requests",
    "total_nodes_executed",
    "mode",
    "simulate",
    "gpus",
    "makespan",
    "total_model_switches",
    "total_switch_time",
    "avg_waiting_time",
    "p99_waiting_time",
    "avg_response_time",
    "p99_response_time",
    "avg_request_response_time",
    "p99_request_response_time",
]
OLD_FIELDS = [
    "request_id",
    "workflow_id",
    "node_id",
    "model_name",
    "gpu_id",
    "start_time",
    "end_time",
    "execution_time",
    "estimated_time",
    "switch_time",
    "waiting_time",
]


@pytest.fixture
def solved(make_problem: MakeProblem) -> tuple[Problem, Schedule]:
    """Return three requests, of which the last is unfinished: a, a gang g, and u without a GPU."""
    problem = make_problem(
        {"a": (1, 32, 2.0), "g": (2, 40, 1.0), "u": (0, 1, None)},
        {"w": (["a", "g", "u"], [(0, 1), (1, 2)]), "v": (["a"], [])},
        [("w", 0, [4, 6, 0.5]), ("v", 1.5, [5]), ("v", 2, [5])],
        3,
        estimates=[[4, 6, 1], [5.25], [5]],
        tenants={"x": 1.0, 'quoted "ü"': 3.0},
        tenant=[0, 1, -1],
        priority=[0, 7, 0],
        deadline_s=[None, 7, 9],
    )
    times = np.array(
        [
            [0, 0, 2, 6],
            [6, 7, 1, 14],
            [14, 14, 0, 14.5],
            [1.5, 6, 0, 11],
            [NEVER / S] * 4,
        ]
    )
    gpus = np.array([[0, -1], [1, 2], [-1, -1], [0, -1], [-1, -1]], np.int32)
    columns = np.rint(times.T * S).astype(np.int64)
    schedule = Schedule("by-hand", *columns, gpus, problem.arrival_us.copy(), stopped="enough")
    return problem, schedule


def write(path: Path, solved: tuple[Problem, Schedule]) -> Path:
    write_log(path, *solved, measure(*solved))
    return path


def test_the_fields_of_an_execution_by_hand(
    tmp_path: Path, solved: tuple[Problem, Schedule]
) -> None:
    log = json.loads(write(tmp_path / "p_execution_log.json", solved).read_text("utf-8"))
    assert list(log) == ["summary", "unfinished_requests", "executions"]
    assert log["unfinished_requests"] == ["req_0002"]
    assert [(e["request_id"], e["node_id"]) for e in log["executions"]] == [
        ("req_0000", "n0"),
        ("req_0001", "n0"),
        ("req_0000", "n1"),
        ("req_0000", "n2"),
    ]
    assert log["executions"][1] == {
        "request_id": "req_0001",
        "workflow_id": "v",
        "node_id": "n0",
        "model_name": "a",
        "gpu_id": 0,
        "start_time": 6.0,
        "end_time": 11.0,
        "execution_time": 5.0,
        "estimated_time": 5.25,
        "switch_time": 0.0,
        "waiting_time": 4.5,
        "gpu_ids": [0],
        "ready_time": 1.5,
        "arrival_time": 1.5,
        "tenant": 'quoted "ü"',
        "priority": 7,
        "deadline": 7.0,
        "deadline_met": False,
    }
    assert log["executions"][2]["gpu_ids"] == [1, 2]
    assert log["executions"][2]["gpu_id"] == 1
    assert log["executions"][3]["gpu_id"] is None
    assert log["executions"][3]["gpu_ids"] == []
    assert log["executions"][3]["deadline_met"] is None


def test_a_line_of_the_file(tmp_path: Path, solved: tuple[Problem, Schedule]) -> None:
    text = write(tmp_path / "log.json", solved).read_text("utf-8")
    assert text.splitlines()[-3] == (
        '    {"request_id": "req_0000", "workflow_id": "w", "node_id": "n2", "model_name": "u", '
        '"gpu_id": null, "start_time": 14.000000, "end_time": 14.500000, '
        '"execution_time": 0.500000, "estimated_time": 1.000000, "switch_time": 0.000000, '
        '"waiting_time": 0.000000, "gpu_ids": [], "ready_time": 14.000000, '
        '"arrival_time": 0.000000, "tenant": "x", "priority": 0, "deadline": null, '
        '"deadline_met": null}'
    )
    assert text.startswith('{\n  "summary": {\n    "total_requests": 3,\n')
    assert text.endswith("}\n  ]\n}\n")


def test_the_names_of_the_studied_system_come_first(
    tmp_path: Path, solved: tuple[Problem, Schedule]
) -> None:
    log = json.loads(write(tmp_path / "log.json", solved).read_text("utf-8"))
    summary = log["summary"]
    assert list(summary)[: len(OLD_SUMMARY)] == OLD_SUMMARY
    assert all(list(row)[: len(OLD_FIELDS)] == OLD_FIELDS for row in log["executions"])
    assert (summary["total_requests"], summary["completed_requests"]) == (3, 2)
    assert (summary["total_nodes_executed"], summary["gpus"]) == (4, 3)
    assert (summary["mode"], summary["simulate"], summary["makespan"]) == ("online", True, 14.5)
    assert (summary["total_model_switches"], summary["total_switch_time"]) == (2, 3.0)
    # Waiting 0, 1, 0, 4.5 s; ready to end 6, 8, 0.5 and 9.5 s; requests 14.5 and 9.5 s.
    assert summary["avg_waiting_time"] == 1.375
    assert summary["avg_response_time"] == 6.0
    assert summary["avg_request_response_time"] == 12.0
    assert summary["policy"] == "by-hand"
    assert summary["stopped"] == "enough"
    assert summary["unfinished_requests"] == 1


def test_the_time_that_the_simulation_took_is_not_in_the_file(
    tmp_path: Path, solved: tuple[Problem, Schedule]
) -> None:
    problem, schedule = solved
    first = write(tmp_path / "a.json", solved).read_bytes()
    again = write(tmp_path / "b.json", (problem, replace(schedule, seconds=9.0))).read_bytes()
    assert first == again


@pytest.mark.parametrize("suffix", [".json", ".parquet"])
def test_what_was_written_reads_back(
    tmp_path: Path, solved: tuple[Problem, Schedule], suffix: str
) -> None:
    problem, schedule = solved
    log = read_log(write(tmp_path / f"log{suffix}", solved))
    assert len(log) == 4
    assert log.is_ours
    assert log.unfinished == ("req_0002",)
    order = [0, 3, 1, 2]
    for name, column in {
        "start_time": schedule.start_us,
        "end_time": schedule.end_us,
        "switch_time": schedule.switch_us,
        "ready_time": schedule.ready_us,
        "execution_time": schedule.end_us - schedule.start_us - schedule.switch_us,
        "estimated_time": problem.estimate_us,
    }.items():
        times = log.times(name)
        assert times is not None
        assert times.tolist() == column[order].tolist()
    assert log.gpus.tolist() == schedule.gpus[order].tolist()
    assert log.executions["tenant"].to_list() == ["x", 'quoted "ü"', "x", "x"]
    assert log.executions["gpu_id"].to_list() == [0, 0, 1, None]
    assert log.executions["deadline"].to_list() == [None, 7 * S, None, None]
    assert log.executions["deadline_met"].to_list() == [None, False, None, None]
    assert log.summary == json.loads(json.dumps(dict(log.summary)))
    assert log.summary["total_requests"] == 3


def test_both_formats_say_the_same(tmp_path: Path, solved: tuple[Problem, Schedule]) -> None:
    text = read_log(write(tmp_path / "log.json", solved))
    table = read_log(write(tmp_path / "log.parquet", solved))
    assert text.executions.equals(table.executions)
    assert text.summary == table.summary
    frame = pl.read_parquet(tmp_path / "log.parquet")
    rows = json.loads((tmp_path / "log.json").read_text("utf-8"))["executions"]
    assert frame.to_dicts() == rows


@pytest.mark.parametrize("suffix", [".json", ".parquet"])
def test_a_schedule_in_which_nothing_ran(
    tmp_path: Path, make_problem: MakeProblem, suffix: str
) -> None:
    problem = make_problem({"a": (1, 1, 1.0)}, {"w": (["a"], [])}, [("w", 0, [1])])
    never = np.full(1, NEVER)
    schedule = Schedule(
        "none", never, never, never, never, np.full((1, 1), -1, np.int32),
        problem.arrival_us.copy(), stopped="nothing was placed",
    )  # fmt: skip
    log = read_log(write(tmp_path / f"log{suffix}", (problem, schedule)))
    assert len(log) == 0
    assert log.gpus.shape == (0, 1)
    assert log.unfinished == ("req_0000",)


def test_names_that_json_must_escape(tmp_path: Path, make_problem: MakeProblem) -> None:
    problem = make_problem(
        {'m"\\\n': (1, 1, 0.0)}, {"w, {": (['m"\\\n'], [])}, [("w, {", 0, [1])], 1
    )
    problem = replace(problem, request_ids=['},\n"é\t'])
    column = [np.array([value]) for value in (0, 0, 0, S)]
    schedule = Schedule("p", *column, np.zeros((1, 1), np.int32), problem.arrival_us.copy())
    log = read_log(write(tmp_path / "log.json", (problem, schedule)))
    row: dict[str, Any] = log.executions.row(0, named=True)
    assert (row["request_id"], row["workflow_id"]) == ('},\n"é\t', "w, {")
    assert row["model_name"] == 'm"\\\n'


def test_a_wrong_suffix_or_an_impossible_name_is_refused(
    tmp_path: Path, solved: tuple[Problem, Schedule]
) -> None:
    with pytest.raises(OutputError, match=r"must end in \.json or \.parquet"):
        write(tmp_path / "log.yaml", solved)
    problem, schedule = solved
    odd = replace(problem, request_ids=["a", "b\ud800", "c"])
    with pytest.raises(OutputError, match="is not valid text"):
        write(tmp_path / "log.json", (odd, schedule))
    assert list(tmp_path.iterdir()) == []


def test_many_rows_are_written_in_chunks(
    tmp_path: Path, make_problem: MakeProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 700
    problem = make_problem(
        {"a": (1, 1, 0.0)}, {"w": (["a"], [])}, [("w", n, [1]) for n in range(count)], 1
    )
    start = problem.arrival_us
    zero = np.zeros(count, np.int64)
    gpus = np.zeros((count, 1), np.int32)
    schedule = Schedule("p", start, start, zero, start + S, gpus, start)
    whole = write(tmp_path / "whole.json", (problem, schedule)).read_bytes()
    from fedloom.scheduling.log import rows

    monkeypatch.setattr(rows.execution_rows, "__defaults__", (64,))
    assert write(tmp_path / "parts.json", (problem, schedule)).read_bytes() == whole
    assert len(json.loads(whole)["executions"]) == count
