"""The benchmarks' own arithmetic: a wrong ratio would be believed."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from harness.assignment import parse_assignment
from harness.catalogue import ENGINES, build_command
from harness.children import run_command
from harness.commands import CommandTimes
from harness.process_tree import measure_cpu_seconds, measure_peak_mb
from harness.reference import compute_logits, make_initial_weights, score_weights
from harness.result import Result, load_result
from harness.rows import ClientRows
from harness.stopwatch import Stopwatch
from harness.study import Settings, Trial, plan_trials
from harness.summary import find_figures, summarise
from harness.targets import judge
from harness.workloads import WORKLOADS, ModelName, find_workload


def make_trial(engine: str, repeat: int, seconds: float, **report: Any) -> Trial:
    given = {
        "round_seconds": [seconds, seconds, 9 * seconds],
        "first_round_seconds": 1.0,
        "launch_seconds": 2.0,
        "cpu_seconds": 0.1,
        "peak_mb": 100.0,
        "loss": 0.8,
        "accuracy": 0.7,
    }
    return Trial(report.pop("workload", "mlp-10"), engine, repeat, given | report)


def test_ratio_is_taken_within_a_repeat() -> None:
    # Fedloom 0.1 then 1.0 (the machine slowed down tenfold), pfl 0.3 then 3.0: three times slower.
    trials = [
        make_trial("fedloom", 1, 0.1),
        make_trial("pfl", 1, 0.3),
        make_trial("fedloom", 2, 1.0),
        make_trial("pfl", 2, 3.0),
    ]
    pfl = find_figures(summarise(trials), "mlp-10", "pfl")
    assert pfl is not None
    assert pfl.ratio == pytest.approx(3.0)
    assert pfl.seconds == pytest.approx(1.65)
    assert (pfl.fastest, pfl.slowest) == pytest.approx((0.3, 27.0))


def test_without_fedloom_there_is_no_ratio() -> None:
    pfl = find_figures(summarise([make_trial("pfl", 1, 0.3)]), "mlp-10", "pfl")
    assert pfl is not None
    assert pfl.ratio is None


def test_one_failure_is_a_failure() -> None:
    trials = [make_trial("pfl", 1, 0.3), Trial("mlp-10", "pfl", 2, reason="boom", failed=True)]
    (figures,) = summarise(trials)
    assert figures.failed
    assert figures.reason == "boom"
    assert find_figures([figures], "mlp-10", "pfl") is None


def test_a_loss_unlike_the_others_is_marked() -> None:
    trials = [
        make_trial("fedloom", 1, 0.1, loss=2.3),
        make_trial("pfl", 1, 0.1, loss=0.81),
        make_trial("torch-loop", 1, 0.1, loss=0.79),
    ]
    assert {f.engine: f.agrees for f in summarise(trials)} == {
        "fedloom": False,
        "pfl": True,
        "torch-loop": True,
    }
    assert "**differs from the others**" in Result({"cores": 2}, trials).render()


def test_targets_look_at_peers_and_not_at_yardsticks() -> None:
    trials = [
        make_trial("fedloom", 1, 0.1),
        make_trial("flower", 1, 0.7),
        make_trial("pfl", 1, 0.19),
        make_trial("torch-pool", 1, 0.11),
    ]
    verdicts = {v.target: v for v in judge(summarise(trials), [])}
    fastest = verdicts["mlp-10: against the fastest peer"]
    assert (fastest.measured, fastest.met) == ("1.9× (pfl)", False)
    flower = verdicts["mlp-10: against Flower"]
    assert (flower.measured, flower.met) == ("7.0×", True)


def test_targets_of_growth() -> None:
    trials = [
        make_trial("fedloom", 1, 0.001, workload="small-10", peak_mb=500.0),
        make_trial("fedloom", 1, 0.1, workload="small-1000"),
        make_trial("fedloom", 1, 1.1, workload="small-10000", peak_mb=801.0),
    ]
    memory, growth = judge(summarise(trials), [])
    assert (memory.measured, memory.met) == ("301 MB", False)
    assert (growth.measured, growth.met) == ("1.10×", True)


def test_targets_of_commands() -> None:
    quick = CommandTimes("fedloom --help", (0.1, 0.2, 0.9), 50.0)
    broken = CommandTimes("fedloom merge three.csv", failure="exit code 2: no")
    assert [v.met for v in judge([], [quick, broken])] == [True, False]


def test_turns_rotate_and_optional_workloads_wait_to_be_named() -> None:
    settings = Settings(workloads=("mlp-10",), engines=("fedloom", "flower", "pfl"), repeats=2)
    turns = [(repeat, engine.name) for _, engine, repeat in plan_trials(settings)]
    assert [name for repeat, name in turns if repeat == 1] == ["fedloom", "flower", "pfl"]
    assert [name for repeat, name in turns if repeat == 2] == ["flower", "pfl", "fedloom"]
    assert "cnn-100" not in {workload.name for workload, _, _ in plan_trials(Settings())}


def test_every_engine_understands_its_command_line() -> None:
    for engine in ENGINES:
        command = build_command(engine, find_workload("cnn-10"), (1, 2), cores=2, device="cpu")
        assignment = parse_assignment(command[command.index("cnn-10") :])
        assert (assignment.warm, assignment.rounds, assignment.cores) == (1, 2, 2)
        assert assignment.threads == (2 if engine.threaded else 1)
        assert assignment.layout == engine.layout


def test_no_engine_stops_before_the_check_round() -> None:
    assert parse_assignment(["cnn-10", "--rounds", "1", "--warm", "1"]).total_rounds == 3


def test_batches_of_a_round() -> None:
    # 600 rows are 18 batches of 32 and one of 24; 40 rows are two batches.
    assert find_workload("mlp-100").batches == 1900
    assert find_workload("small-10000").batches == 20000


def test_reference_of_a_model_that_knows_nothing() -> None:
    rows = ClientRows(np.ones((2, 3, 64), np.float32), np.array([[0, 1, 2], [3, 4, 0]]))
    weights = [np.zeros((64, 10), np.float32), np.zeros(10, np.float32)]
    loss, accuracy = score_weights(ModelName.LOGISTIC, weights, rows)
    assert loss == pytest.approx(math.log(10))
    assert accuracy == pytest.approx(2 / 6)


def test_reference_cnn_by_hand() -> None:
    # Both convolutions pass their first channel on, the pools keep the brightest of 16 pixels, and
    # the dense layers pass the first value of the 7×7 image to class 3: its bias 0.5 + 1 × 4.
    weights = [np.zeros_like(array) for array in make_initial_weights(ModelName.CNN)]
    weights[0][2, 2, 0, 0] = 1
    weights[2][2, 2, 0, 0] = 1
    weights[4][0, 0] = 1
    weights[6][0, 3] = 1
    weights[7][3] = 0.5
    image = np.zeros((1, 28, 28), np.float32)
    image[0, 3, 3] = 4  # within the first block of 4×4
    image[0, 4, 4] = 9  # outside of it
    logits = compute_logits(ModelName.CNN, weights, image.reshape(1, 784))
    np.testing.assert_allclose(logits, [[0, 0, 0, 4.5, 0, 0, 0, 0, 0, 0]], atol=1e-6)


def test_initial_weights_are_the_same_on_every_call() -> None:
    for model in ModelName:
        first, second = make_initial_weights(model), make_initial_weights(model)
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert sum(w.size for w in make_initial_weights(ModelName.MLP)) == 199_210
    assert sum(w.size for w in make_initial_weights(ModelName.CNN)) == 1_663_370


def test_stopwatch_counts_rounds_and_keeps_the_checked_weights(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stopwatch = Stopwatch(parse_assignment(["small-10", "--rounds", "3", "--warm", "1"]))
    kernel, bias = np.zeros((64, 10), np.float32), np.zeros(10, np.float32)
    for number in range(1, 5):
        assert not stopwatch.finished
        stopwatch.start_round()
        bias[0] = 100.0 if number == 4 else 0.0  # after the check round: must not be scored
        stopwatch.end_round(lambda: [kernel, bias])
    assert stopwatch.finished
    rows = ClientRows(np.ones((1, 2, 64), np.float32), np.array([[1, 2]]))
    stopwatch.print_report(rows)
    line = capsys.readouterr().out
    assert line.startswith('RESULT {"launch_seconds"')
    assert f'"loss": {math.log(10):.3f}'[:-1] in line
    assert line.count(",") >= 8


def test_a_command_that_takes_too_long_is_ended_with_its_children() -> None:
    ended = run_command(["/bin/sh", "-c", "sleep 60 & echo $!; wait"], limit_seconds=0.3)
    assert ended.code is None
    assert 0.3 <= ended.seconds < 10
    child = int(ended.output)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_command_gives_code_output_and_memory() -> None:
    code = "import sys; print('out'); sys.exit('err')"
    ended = run_command([sys.executable, "-c", code], limit_seconds=30)
    assert (ended.code, ended.output, ended.errors) == (1, "out\n", "err\n")
    assert ended.seconds < 20


def test_memory_of_a_command_is_its_own_and_not_its_parents() -> None:
    held = np.ones(30_000_000)  # 240 MB here
    small = run_command([sys.executable, "-c", "import time; time.sleep(0.2)"], limit_seconds=30)
    code = "import time; held = b'1' * 150_000_000; time.sleep(0.2)"
    large = run_command([sys.executable, "-c", code], limit_seconds=30)
    assert held.sum() == 30_000_000
    assert 2 < small.peak_mb < 100
    assert 150 < large.peak_mb - small.peak_mb + 5 < 175


def test_process_tree_measures_this_process() -> None:
    assert measure_cpu_seconds() > 0
    assert 10 < measure_peak_mb() < 20_000


def test_a_saved_result_gives_the_same_page(tmp_path: Path) -> None:
    trials = [make_trial("fedloom", 1, 0.1), make_trial("flower", 1, 0.7)]
    result = Result({"cores": 2}, trials, [CommandTimes("fedloom --help", (0.2,), 50.0)])
    result.save(tmp_path / "latest.json")
    again = load_result(tmp_path / "latest.json")
    assert again.render() == result.render()
    assert not again.failed


def test_keeping_other_workloads() -> None:
    earlier = Result({}, [make_trial("pfl", 1, 1.0), make_trial("pfl", 1, 1.0, workload="cnn-10")])
    result = Result({})
    result.keep_from(earlier, {"mlp-10"})
    assert [trial.workload for trial in result.trials] == ["cnn-10"]


def test_names_of_workloads_are_unique() -> None:
    assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS)
    assert len({engine.name for engine in ENGINES}) == len(ENGINES)
