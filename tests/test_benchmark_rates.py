"""The benchmarks of workloads and scheduling: their arithmetic, and what they compare with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedloom.scheduling.build import build_problem
from fedloom.scheduling.check.schedule import check_schedule
from fedloom.scheduling.policies.ordered import Fifo
from fedloom.workload.formats.file_format import FileFormat
from fedloom.workload.formats.read import read_requests
from fedloom.workload.save import save_workload

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from harness.children import Ended
from harness.commands import CommandTimes, measure_commands
from harness.package_times import PackageTimes
from harness.rate_figures import RATE_FIGURES, RATE_GROUPS
from harness.rate_runs import measure_rates, read_rate_report
from harness.rate_times import RateTimes, describe_rate, print_rates
from harness.result import Result, load_result
from harness.study import Trial
from harness.targets import judge
from harness.turns import take_turns
from request_files.first_version import WRITERS, generate
from request_files.memory import measure_memory
from request_files.reading import PARSERS, measure_reading
from request_files.workload import CONFIG, make_workload, read_own_config
from request_files.writing import measure_writing
from scheduling import compiling
from scheduling.building import measure_building
from scheduling.checking import measure_checking
from scheduling.first_version import (
    Call,
    Execution,
    find_faults,
    list_calls,
    list_executions,
    simulate_plainly,
)
from scheduling.own_policies import ShortestFirst, measure_own_policies
from scheduling.problems import make_problem, minutes_of_overload
from scheduling.simulating import compare_ends, measure_fifo, run_policy

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def make_rate(figure: str, seconds: float = 2.0, count: int = 600_000, **more: Any) -> RateTimes:
    return RateTimes(figure, count, (seconds,), **more)


# Arithmetic


def test_how_many_times_as_many_is_taken_within_a_turn() -> None:
    # A tenth of the count in 2, 1 and 5 times the time; the machine drifted from turn to turn.
    times = RateTimes("jsonl", 100, (1.0, 3.0, 20.0), (), 10, (2.0, 3.0, 100.0))
    assert times.speedup == pytest.approx(20.0)
    assert times.per_second == pytest.approx(100 / 3)
    assert times.beside_per_second == pytest.approx(10 / 3)


@pytest.mark.parametrize(
    ("times", "measured", "met"),
    [
        (make_rate("jsonl", 2.0), "300,000/s", True),
        (make_rate("jsonl", 2.1), "285,714/s", False),
        (make_rate("jsonl", 1.0, beside_count=6000, beside=(0.5,)), "600,000/s, 50.0×", True),
        (make_rate("json", 4.1), "146,341/s", False),
        (make_rate("yaml", 6.0), "100,000/s", True),
        (make_rate("memory-jsonl", memory_mb=200.0), "200 MB", True),
        (make_rate("memory-json", memory_mb=201.0), "201 MB", False),
        (make_rate("read-yaml", 21.0), "28,571/s", False),
        (make_rate("fifo-1m", 5.0, 1_000_000), "200,000/s", True),
        (make_rate("own-100k", 5.1, 100_000), "19,608/s", False),
        (make_rate("check", 2.0, 1_000_000), "500,000/s", True),
        (RateTimes("check", failure="exit code 1: no"), "exit code 1: no", False),
    ],
)
def test_targets_of_rates(times: RateTimes, measured: str, met: bool) -> None:
    (verdict,) = judge([], [], [], [times])
    assert verdict.measured.startswith(measured)
    assert verdict.met == met


def test_a_target_tells_when_others_had_the_core() -> None:
    quiet, busy = (make_rate("check", 2.0, cpu_seconds=(used,)) for used in (1.9, 1.0))
    told = [verdict.measured for verdict in judge([], [], [], [quiet, busy])]
    assert told == ["300,000/s", "300,000/s (600,000 per CPU-s)"]


def test_target_of_growth_needs_both_ends() -> None:
    # Processor time: 900,000 in 1 s beside 1,000,000 in 2 s. Others had the core for a while.
    few = make_rate("fifo-10k", 7.0, 900_000, cpu_seconds=(1.0,))
    many, slow = (make_rate("fifo-1m", 2.0, 1_000_000, cpu_seconds=(used,)) for used in (2.0, 2.5))
    assert len(judge([], [], [], [few])) == 0
    growth = judge([], [], [], [few, many])[-1]
    assert (growth.wanted, growth.measured, growth.met) == ("≤ 2×", "1.80×", True)
    slower = judge([], [], [], [few, slow])[-1]
    assert (slower.measured, slower.met) == ("2.25×", False)


def test_targets_of_help() -> None:
    fast = CommandTimes("fedloom schedule --help", (0.29,), 50.0)
    slow = CommandTimes("fedloom workload --help", (0.31,), 50.0)
    assert [(v.wanted, v.met) for v in judge([], [fast, slow])] == [
        ("< 0.3 s", True),
        ("< 0.3 s", False),
    ]


def test_help_is_timed() -> None:
    times = measure_commands(1, ["requests", "scheduling"])
    assert [one.command for one in times] == ["fedloom workload --help", "fedloom schedule --help"]
    assert all(one.seconds and not one.failure for one in times)


def test_turns_swap_places_and_the_first_is_not_counted() -> None:
    called: list[str] = []
    turns = take_turns(lambda: called.append("own"), lambda: called.append("other"), 2)
    assert called == ["own", "other", "other", "own", "own", "other"]
    assert (len(turns.seconds), len(turns.cpu_seconds), len(turns.beside)) == (2, 2, 2)
    alone = take_turns(lambda: called.append("own"), None, 3, untimed=0)
    assert (len(called), len(alone.seconds), alone.beside) == (9, 3, ())


def test_turns_know_who_is_who() -> None:
    turns = take_turns(lambda: sum(range(300_000)), lambda: None, 3)
    assert min(turns.seconds) > max(turns.beside)


# Catalogue, report, result


def test_every_figure_has_a_module_and_a_row() -> None:
    assert len({figure.name for figure in RATE_FIGURES}) == len(RATE_FIGURES)
    assert {figure.group for figure in RATE_FIGURES} == set(RATE_GROUPS)
    files = {BENCHMARKS / f"{figure.module.replace('.', '/')}.py" for figure in RATE_FIGURES}
    assert all(file.is_file() for file in files)
    rates = [make_rate(figure.name, cpu_seconds=(2.0,)) for figure in RATE_FIGURES]
    page = Result({"cores": 2}, rates=rates).render()
    assert all(f"| {figure.title}" in page for figure in RATE_FIGURES)
    assert all(f"### {group}\n" in page for group in RATE_GROUPS)
    assert "300,000" in page


def test_a_row_tells_what_is_beside_it() -> None:
    rates = [
        RateTimes("json", 1000, (0.5,), (0.4,), 10, (1.0,)),
        RateTimes("compile", 1, (0.5,), (0.4,), 1, (20.0,)),
        RateTimes("memory-json", 1000, (0.5,), (0.4,), memory_mb=20.4),
    ]
    page = " ".join(Result({"cores": 2}, rates=rates).render().split())
    assert "| 0.4000 | 2,000 | – | first version, `json.dump` | 10 | 10 | 200.0 |" in page
    assert "| – | 0.5000 | 0.5000–0.5000 | 0.4000 | – | – | nothing compiled yet |" in page
    assert "| 20.00 s | 40.0 |" in page
    assert "| 2,000 | 20 | – | – | – | – |" in page


def test_rates_are_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    times = RateTimes("jsonl", 1000, (0.5,), (0.4,), 10, (1.0,))
    assert describe_rate(times) == ("jsonl: 0.5000 s, 2,000 per second, 200.0× what is beside it")
    print_rates([times])
    printed = f"a library's own line\n{capsys.readouterr().out}"
    ended = Ended(0, printed, "", 1.0, 1.0)
    assert read_rate_report("request_files.writing", "", ended, 60) == [times]


def test_rates_that_failed_say_why() -> None:
    ended = Ended(1, "", "Traceback\nKeyError: 'x'\n", 1.0, 1.0)
    times = read_rate_report("request_files.memory", "json", ended, 60)
    assert [one.figure for one in times] == ["memory-json"]
    result = Result({"cores": 2}, rates=times)
    assert result.failed
    assert result.render().count("exit code 1: KeyError: 'x'") == 2  # target and row
    late = read_rate_report("scheduling.checking", "", Ended(None, "", "", 9.0, 1.0), 9)
    assert {one.failure for one in late} == {"more than 9 s"}
    assert len(late) == 4


def test_rates_beyond_their_time_limit_fail_figure_by_figure() -> None:
    times = list(measure_rates("requests", 1, quick=True, limit=0.05))
    wanted = [figure.name for figure in RATE_FIGURES if figure.group == "requests"]
    assert [one.figure for one in times] == wanted
    assert all(one.failure for one in times)


def test_rates_are_saved_and_kept_by_group(tmp_path: Path) -> None:
    earlier = Result({"images": "real"}, rates=[make_rate("json"), make_rate("check")])
    earlier.commands = [CommandTimes("fedloom --help", (0.2,), 50.0)]
    earlier.packages = [PackageTimes("archive", (2.0,), megabytes=300.0)]
    earlier.save(tmp_path / "made" / "latest.json")
    read = load_result(tmp_path / "made" / "latest.json")
    assert read.rates == earlier.rates
    assert read.render() == earlier.render()
    again = Result({"cores": 2}, rates=[make_rate("yaml", 1.0)])
    again.commands = [CommandTimes("fedloom schedule --help", (0.2,), 50.0)]
    again.trials = [Trial("mlp-10", "pfl", 1, reason="no", failed=True)]
    again.keep_from(read, {"mlp-10"})
    assert [one.figure for one in again.rates] == ["yaml", "check"]
    assert len(again.commands) == 2
    assert again.machine == {"images": "real", "cores": 2}


def test_a_measuring_process_has_one_core() -> None:
    code = (
        "import os; from harness.rate_times import parse_rate_options as p; "
        "print(p(), len(os.sched_getaffinity(0)))"
    )
    words = ["json", "--repeats", "2", "--quick"]
    ended = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=BENCHMARKS, capture_output=True, check=True
    )
    told = ended.stdout.decode().strip()
    assert told == "RateOptions(repeats=2, quick=True, part='json') 1"


def test_folders_of_benchmarks_hide_no_library() -> None:
    # Engines are run with this folder first on the path; Flower imports `requests`, for one.
    folders = {path.name for path in BENCHMARKS.iterdir() if (path / "__init__.py").exists()}
    assert "request_files" in folders
    code = f"import importlib.util as u; print([n for n in {sorted(folders)} if u.find_spec(n)])"
    ended = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, check=True, env=_bare_environment()
    )
    assert ended.stdout.decode().strip() == "[]"


def _bare_environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


# Requests


def test_first_version_writes_the_same_fields_in_the_same_order(tmp_path: Path) -> None:
    workload = make_workload(read_own_config(), 50)
    for kind in (FileFormat.JSON, FileFormat.JSONL, FileFormat.YAML):
        path = tmp_path / f"first.{kind}"
        WRITERS[kind](path, CONFIG, 50)
        own = save_workload(workload, tmp_path / "own", [kind]).paths[0]
        own_rows, other_rows = (list(read_requests(p).requests) for p in (own, path))
        assert len(own_rows) == len(other_rows) == 50
        shapes = [
            {row.workflow_id: _shape(row.to_dict()) for row in rows}
            for rows in (own_rows, other_rows)
        ]
        assert shapes[0] == shapes[1]
        assert len(shapes[0]) == 2


def _shape(value: Any) -> Any:
    """Return a request without its values: keys in order, and kinds."""
    if isinstance(value, dict):
        return [(key, _shape(part)) for key, part in value.items()]
    return type(value).__name__


def test_first_version_writes_rows_to_csv(tmp_path: Path) -> None:
    WRITERS["csv"](tmp_path / "first.csv", CONFIG, 20)
    lines = (tmp_path / "first.csv").read_text().splitlines()
    assert len(lines) == 21
    assert lines[0].startswith("request_id,timestamp,workflow_id,input_data,")


def test_first_version_draws_from_the_same_laws() -> None:
    requests = list(generate(CONFIG, 2000))
    times = [request["node_execution_times"] for request in requests]
    assert np.mean([one["write"] for one in times]) == pytest.approx(400 / 60, rel=0.03)
    assert np.mean([one["paint"] for one in times]) == pytest.approx(3.5, rel=0.03)
    (row,) = (block for block in make_workload(read_own_config(), 2000).blocks())
    by_node = {node.node.node_id: node.time_us for node in row.workflows[0].nodes}
    assert np.mean(by_node["write"]) / 1e6 == pytest.approx(400 / 60, rel=0.03)
    assert np.mean(by_node["paint"]) / 1e6 == pytest.approx(3.5, rel=0.03)
    for request in requests[:100]:
        total = sum(request["node_execution_times"].values())
        assert request["metadata"]["critical_path_time"] == pytest.approx(total)  # two in a chain


def test_writing_is_timed_in_every_format() -> None:
    times = measure_writing(2, requests=4000)
    assert {one.figure for one in times} == set(FileFormat)
    assert all(len(one.seconds) == 2 and one.count == 4000 for one in times)
    assert {one.figure: one.beside_count for one in times} == {
        "jsonl": 400,
        "json": 200,
        "yaml": 20,
        "csv": 400,
        "parquet": 0,
    }


def test_reading_is_timed_beside_parsers_that_find_as_many() -> None:
    times = measure_reading(1, requests=400)
    assert [one.figure for one in times] == [
        figure.name for figure in RATE_FIGURES if figure.module == "request_files.reading"
    ]
    assert {one.figure: one.beside_count for one in times if one.beside} == {
        "read-yaml": 33,
        "read-yaml-plain": 4,
        "read-json": 400,
        "read-jsonl": 400,
    }


def test_a_parser_that_loses_requests_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARSERS, "read-json", lambda _: [])
    with pytest.raises(SystemExit, match="0 requests were read from a file of 200"):
        measure_reading(1, requests=200)


@pytest.mark.parametrize("part", ["jsonl", "json", "first-version"])
def test_memory_figures(part: str) -> None:
    times = measure_memory(part, 2000)
    figure = next(figure for figure in RATE_FIGURES if figure.name == times.figure)
    assert (figure.part, times.count) == (part, 2000)
    assert times.memory_mb >= 0


# Scheduling


def test_problem_from_columns_is_that_of_the_file(tmp_path: Path) -> None:
    problem, config = make_problem(400), read_own_config()
    workload = make_workload(config, 200, minutes_of_overload(200))
    path = save_workload(workload, tmp_path / "own", [FileFormat.JSON]).paths[0]
    built = build_problem(config, read_requests(path).requests, problem.cluster)
    assert problem.start_us == built.start_us
    assert list(problem.request_ids) == list(built.request_ids)
    assert _steps(problem) == _steps(built)
    for name in ("arrival_us", "first_task", "duration_us", "estimate_us", "tenant", "priority"):
        assert np.array_equal(getattr(problem, name), getattr(built, name)), name
    for name in ("deadline_us", "after", "think_us"):
        assert np.array_equal(getattr(problem, name), getattr(built, name)), name


def _steps(problem: Any) -> list[tuple[str, list[Any]]]:
    """Return workflow and models of each request, in whichever order the problem keeps them."""
    return [
        (problem.workflows[w].workflow_id, [problem.models[m] for m in problem.node_models[w]])
        for w in problem.workflow.tolist()
    ]


def test_queues_grow_in_the_problem() -> None:
    problem = make_problem(4000)
    schedule = run_policy(problem, Fifo, "python")
    assert schedule.end_us.max() > 2 * problem.arrival_us[-1]


def make_call(index: int, arrival: int, run: int, model: str, *before: int) -> Call:
    memory_mb = {"a": 16_000, "b": 8_000}[model]
    return Call(index, list(before), arrival, run, model, load_us=1_000_000, memory_mb=memory_mb)


def test_first_version_of_the_simulator_by_hand() -> None:
    # GPU 0 loads a (1 s) and runs until 3; GPU 1 loads b and runs until 6. The second call of
    # the first request finds GPU 0, which holds a: 16 GB out takes 1 s, b in 1 s, run 2: 7.
    # The last arrives at 4 and waits for GPU 1 (idle at 6): b out 0.5 s, a in 1 s, run 1: 8.5.
    calls = [
        make_call(0, 0, 2_000_000, "a"),
        make_call(1, 0, 2_000_000, "b", 0),
        make_call(2, 0, 5_000_000, "b"),
        make_call(3, 4_000_000, 1_000_000, "a"),
    ]
    assert simulate_plainly(calls, 2) == [3_000_000, 7_000_000, 6_000_000, 8_500_000]


def test_first_version_of_the_simulator_ranks() -> None:
    calls = [
        make_call(number, 0, run, "a")
        for number, run in enumerate((3_000_000, 2_000_000, 1_000_000))
    ]
    assert simulate_plainly(calls, 1) == [4_000_000, 6_000_000, 7_000_000]
    ends = simulate_plainly(calls, 1, lambda call: call.run_us)
    assert ends == [7_000_000, 4_000_000, 2_000_000]


@pytest.mark.parametrize("gpus", [1, 3, 8, 64])
def test_both_simulators_agree(gpus: int) -> None:
    problem = make_problem(600, gpus)
    assert len(compare_ends(problem, Fifo, "python", lambda _: 0, 1).beside) == 1
    assert compare_ends(problem, ShortestFirst, "python", lambda call: call.run_us, 1).seconds


def test_simulators_that_disagree_are_found_out() -> None:
    with pytest.raises(SystemExit, match="the simulators disagree: makespans are"):
        compare_ends(make_problem(200, 4), Fifo, "python", lambda call: call.run_us, 1)


def make_executions() -> list[Execution]:
    problem = make_problem(200, 4)
    return list_executions(list_calls(problem), run_policy(problem, Fifo, "python"))


def test_both_checkers_find_nothing() -> None:
    problem = make_problem(200, 4)
    assert not check_schedule(problem, run_policy(problem, Fifo, "python"))
    assert find_faults(make_executions()) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda row: {"arrival_us": row["start_us"] + 1}, "starts before it arrives"),
        (lambda row: {"before": [199]}, "does not wait for those before it"),
        (lambda row: {"run_us": row["run_us"] + 1}, "takes another time"),
        (lambda row: {"end_us": row["end_us"] + 10**9}, "overlap on GPU"),
    ],
)
def test_first_version_of_the_checker_finds_faults(
    change: Callable[[Execution], Execution], fault: str
) -> None:
    rows = make_executions()
    rows[0] |= change(rows[0])
    assert any(fault in found for found in find_faults(rows))


def test_fifo_is_timed_from_few_to_many() -> None:
    times = measure_fifo(1, share=0.02)
    assert [one.figure for one in times] == [
        figure.name for figure in RATE_FIGURES if figure.module == "scheduling.simulating"
    ]
    assert [one.count for one in times] == [40, 80, 2000, 2000, 20_000]  # the third ten times
    assert [bool(one.beside) for one in times] == [True, True, False, False, False]


def test_own_policies_are_timed() -> None:
    times = measure_own_policies(1, share=0.01)
    assert [(one.figure, one.count) for one in times] == [
        ("own-4k", 40),
        ("own-100k", 1000),
        ("choose-100k", 1000),
        ("example-10k", 100),
    ]


def test_checking_and_building_are_timed() -> None:
    check, *others = measure_checking(1, tasks=1000)
    assert (check.count, check.beside_count) == (1000, 100)
    assert [one.figure for one in others] == ["measure", "log-json", "log-parquet"]
    assert measure_building(100).count == 100


def test_compiling_is_what_the_first_process_does(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([20.0, 1.0])

    def run_child(command: list[str], **_: Any) -> Ended:
        row = {"seconds": [next(seconds)], "cpu_seconds": [0.5]}
        return Ended(0, f"RESULT {json.dumps(row)}\n", "", 1.0, 1.0)

    monkeypatch.setattr(compiling, "run_command", run_child)
    times = compiling.measure_compiling()
    assert (times.seconds, times.beside, times.speedup) == ((1.0,), (20.0,), 20.0)
