"""Chrome traces of schedules."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedloom.scheduling.log.chrome import chrome_trace
from fedloom.scheduling.problem import NEVER, Problem, Schedule

MakeProblem = Callable[..., Problem]
S = 1_000_000


@pytest.fixture
def solved(make_problem: MakeProblem) -> tuple[Problem, Schedule]:
    """Return a → g (a gang of two) → u (no GPU), and a request that did not run."""
    servers = [{"name": "big", "gpus": 2, "gpu_memory_gb": 80}, {"name": "é", "gpus": 1,
               "gpu_memory_gb": 80}]  # fmt: skip
    problem = make_problem(
        {'a"': (1, 32, 2.0), "g": (2, 40, 1.0), "u": (0, 1, None)},
        {"w": (['a"', "g", "u"], [(0, 1), (1, 2)])},
        [("w", 0, [4, 6, 0.5]), ("w", 1, [4, 6, 0.5])],
        {"servers": servers},
        tenants={"x": 1.0},
        tenant=[0, -1],
    )
    rows = [[0, 0, 2, 6], [6, 7, 1, 14], [14, 14, 0, 14.5], *[[NEVER / S] * 4] * 3]
    gpus = np.full((6, 2), -1, np.int32)
    gpus[0, 0] = 2
    gpus[1] = (0, 1)
    columns = np.rint(np.array(rows).T * S).astype(np.int64)
    return problem, Schedule("p", *columns, gpus, problem.arrival_us.copy(), stopped="enough")


def events(path: Path, solved: tuple[Problem, Schedule], **options: Any) -> list[dict[str, Any]]:
    chrome_trace(path, *solved, **options)
    trace = json.loads(path.read_text("utf-8"))
    assert trace["displayTimeUnit"] == "ms"
    found: list[dict[str, Any]] = trace["traceEvents"]
    return found


def test_servers_are_processes_and_devices_threads(
    tmp_path: Path, solved: tuple[Problem, Schedule]
) -> None:
    found = events(tmp_path / "trace.json", solved)
    names = {
        (event["pid"], event["tid"]): event["args"]["name"]
        for event in found
        if event["ph"] == "M" and "name" in event["args"]
    }
    assert names == {
        (1, 0): "big",
        (2, 0): "é",
        (3, 0): "beside the GPUs",
        (1, 1): "big/0",
        (1, 2): "big/1",
        (2, 3): "é/0",
    }


def test_each_device_has_its_switch_and_its_execution(
    tmp_path: Path, solved: tuple[Problem, Schedule]
) -> None:
    found = events(tmp_path / "trace.json", solved)
    slices = [
        (e["cat"], e["name"], e["pid"], e["tid"], e["ts"], e["dur"])
        for e in found
        if e["ph"] == "X"
    ]
    assert sorted(slices) == [
        ("execution", 'a"', 2, 3, 2 * S, 4 * S),
        ("execution", "g", 1, 1, 8 * S, 6 * S),
        ("execution", "g", 1, 2, 8 * S, 6 * S),
        ("switch", 'load a"', 2, 3, 0, 2 * S),
        ("switch", "load g", 1, 1, 7 * S, S),
        ("switch", "load g", 1, 2, 7 * S, S),
    ]
    gang = next(e for e in found if e["ph"] == "X" and e["name"] == "g")
    assert gang["args"] == {
        "request": "req_0000",
        "workflow": "w",
        "node": "n1",
        "model": "g",
        "tenant": "x",
        "waiting_s": 1.0,
    }


def test_what_has_no_device_stands_beside(tmp_path: Path, solved: tuple[Problem, Schedule]) -> None:
    begin, end = (e for e in events(tmp_path / "t.json", solved) if e.get("cat") == "beside")
    assert (begin["ph"], begin["ts"], begin["pid"], begin["name"]) == ("b", 14 * S, 3, "u")
    assert (end["ph"], end["ts"], end["id"]) == ("e", 14.5 * S, begin["id"])


def test_arrows_on_request(tmp_path: Path, solved: tuple[Problem, Schedule]) -> None:
    assert not [e for e in events(tmp_path / "t.json", solved) if e["ph"] in "sf"]
    leave, reach = (e for e in events(tmp_path / "t.json", solved, flows=True) if e["ph"] in "sf")
    assert (leave["ph"], leave["ts"], leave["tid"]) == ("s", 6 * S - 1, 3)
    assert (reach["ph"], reach["ts"], reach["tid"], reach["bp"]) == ("f", 7 * S, 1, "e")
    assert leave["id"] == reach["id"]


def test_nothing_ran(tmp_path: Path, make_problem: MakeProblem) -> None:
    problem = make_problem({"a": (1, 1, 1.0)}, {"w": (["a"], [])}, [])
    none = np.zeros(0, np.int64)
    schedule = Schedule("p", none, none, none, none, np.zeros((0, 1), np.int32), none)
    assert {e["ph"] for e in events(tmp_path / "t.json", (problem, schedule), flows=True)} == {"M"}
