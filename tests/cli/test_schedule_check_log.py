"""`fedloom schedule --check`: logs of ours and of the studied system, whole, wrong and cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedloom.cli import main

PROBLEM = ["-c", "minimal.json", "-r", "w_requests.jsonl", "--gpus", "2"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a workload and the log of its schedule."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        flags = "-c minimal.json --format jsonl --num-requests 30 -q -o w --duration 3"
        assert main(["workload", "generate", *flags.split()]) == 0
        assert main(["schedule", *PROBLEM, "-q"]) == 0
        assert main(["schedule", *PROBLEM, "-q", "--log-format", "parquet"]) == 0
    return folder


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for path in made.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())


def execution(request: str, node: str, gpu: int, start: float, end: float) -> dict[str, Any]:
    """Return an execution as the studied system logs it."""
    return {
        "request_id": request,
        "workflow_id": "workflow1",
        "node_id": node,
        "model_name": "llm7b",
        "gpu_id": gpu,
        "start_time": start,
        "end_time": end,
        "execution_time": end - start - 0.5,
        "estimated_time": end - start,
        "switch_time": 0.5,
        "waiting_time": 0.0,
    }


def old_log(*executions: dict[str, Any], **more: Any) -> str:
    summary = {
        "total_requests": 2,
        "completed_requests": 2,
        "total_nodes_executed": len(executions),
        "mode": "online",
        "simulate": False,
        "gpus": 2,
        "makespan": max(e["end_time"] for e in executions),
        "total_model_switches": 3,
        "total_switch_time": 1.5,
        "avg_waiting_time": 0.0,
        "p99_waiting_time": 0.0,
        "avg_response_time": 5.0,
        "p99_response_time": 9.0,
        "avg_request_response_time": 7.0,
    }
    return json.dumps({"summary": summary, "executions": list(executions), **more})


SOUND = (
    execution("req_0000", "node1", 0, 0.0, 4.0),
    execution("req_0000", "node2", 1, 4.0, 6.0),
    execution("req_0001", "node1", 0, 4.0, 9.0),
)
OVERLAPPING = (*SOUND[:2], execution("req_0001", "node1", 0, 3.0, 9.0))


def test_a_sound_log_of_the_studied_system(capsys: pytest.CaptureFixture[str]) -> None:
    Path("old.json").write_text(old_log(*SOUND, gpu_assignments={"0": ["llm7b"]}))
    assert main(["schedule", "--check", "old.json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert lines[0] == "old.json: 3 executions of 2 requests"
    assert lines[-1] == "no violation"
    assert all(line.startswith("not checked: ") for line in lines[1:-1])


def test_an_overlap_of_the_studied_system_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    Path("old.json").write_text(old_log(*OVERLAPPING))
    assert main(["schedule", "--check", "old.json"]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    overlap = next(line for line in lines if line.startswith("overlap: "))
    assert "req_0000" in overlap
    assert "req_0001" in overlap
    assert lines[-1] == "1 violation"
    assert main(["schedule", "--check", "old.json", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["counts"] == {"overlap": 1}
    assert report["violations"][0]["kind"] == "overlap"
    assert main(["schedule", "--check", "old.json", "--quiet"]) == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_our_own_log_alone_and_with_its_problem(
    suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log = f"schedule_fifo_execution_log.{suffix}"
    assert main(["schedule", "--check", log]) == 0
    assert "not checked" in capsys.readouterr().out
    assert main(["schedule", "--check", log, *PROBLEM]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith(" executions of 30 requests")
    assert lines[1] == "no violation"


def test_a_log_that_was_tampered_with(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("schedule_fifo_execution_log.json")
    log = json.loads(path.read_text())
    log["executions"][3]["start_time"] -= 2
    del log["executions"][7]
    path.write_text(json.dumps(log))
    assert main(["schedule", "--check", str(path), *PROBLEM, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert sum(report["counts"].values()) >= 2


def test_the_problem_of_another_log(capsys: pytest.CaptureFixture[str]) -> None:
    log = "schedule_fifo_execution_log.json"
    other = [*PROBLEM[:-1], "1"]
    assert main(["schedule", "--check", log, *other]) == 1
    assert "gang: " in capsys.readouterr().out


def test_a_log_that_was_cut_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    whole = Path("schedule_fifo_execution_log.json").read_bytes().rstrip()
    for size in range(0, len(whole), 997):
        Path("cut.json").write_bytes(whole[:size])
        assert main(["schedule", "--check", "cut.json"]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("fedloom: error: cut.json ")
        assert captured.err.count("\n") == 1
    assert "ends in the middle of execution " in captured.err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--check nowhere", "cannot read nowhere: No such file or directory"),
        ("--check .", "cannot read .: Is a directory"),
        ("--check w_requests.jsonl", "w_requests.jsonl"),
        ("--check w_stats.json", "w_stats.json is no execution log"),
        ("--check old.json --gpus 2", "needs --config and --requests as well"),
        ("--check old.json -c minimal.json", "or give the log alone"),
        ("--check old.json -c minimal.json -r nowhere --gpus 2", "cannot read nowhere"),
    ],
)
def test_a_wrong_check_is_one_line(
    flags: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("old.json").write_text(old_log(*SOUND))
    assert main(["schedule", *flags.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert words in captured.err
