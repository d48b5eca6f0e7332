"""The benchmarks' own arithmetic: a wrong ratio would be believed."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from fedloom.package import PackageEnvironment, Project

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from harness.assignment import parse_assignment
from harness.catalogue import ENGINES, build_command
from harness.children import Ended, run_command
from harness.commands import CommandTimes
from harness.package_times import FIGURES, PackageTimes, print_times
from harness.packages import PACKAGES, measure_packages, read_report
from harness.process_tree import measure_cpu_seconds, measure_peak_mb
from harness.reference import compute_logits, make_initial_weights, score_weights
from harness.result import Result, load_result
from harness.rows import ClientRows
from harness.stopwatch import Stopwatch
from harness.study import Settings, Trial, plan_trials
from harness.summary import find_figures, summarise
from harness.targets import judge
from harness.workloads import WORKLOADS, ModelName, find_workload
from packages import environment as environment_figure
from packages.archive import measure_archive
from packages.entry_point import measure_starts
from packages.environment import measure_environment
from packages.model_files import measure_model_files


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
    commands = [CommandTimes("fedloom --help", (0.2,), 50.0)]
    packages = [PackageTimes("save", (0.3, 0.1), (0.2, 0.2), 100.0)]
    result = Result({"cores": 2}, trials, commands, packages)
    result.save(tmp_path / "latest.json")
    again = load_result(tmp_path / "latest.json")
    assert again.render() == result.render()
    assert again.packages == packages
    assert not again.failed


def test_keeping_other_workloads() -> None:
    earlier = Result({}, [make_trial("pfl", 1, 1.0), make_trial("pfl", 1, 1.0, workload="cnn-10")])
    result = Result({})
    result.keep_from(earlier, {"mlp-10"})
    assert [trial.workload for trial in result.trials] == ["cnn-10"]


def test_keeping_packages_unless_they_are_measured_again() -> None:
    earlier = Result({}, packages=[PackageTimes("archive", (2.0,), megabytes=300.0)])
    without, again = Result({}), Result({}, packages=[PackageTimes("archive", (1.0,))])
    without.keep_from(earlier, set())
    again.keep_from(earlier, set())
    assert [result.packages[0].seconds for result in (without, again)] == [(2.0,), (1.0,)]


def test_a_result_from_before_packages_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "latest.json").write_text('{"machine": {}, "trials": [], "commands": []}')
    assert load_result(tmp_path / "latest.json").packages == []


def test_ratio_of_packages_is_taken_within_a_turn() -> None:
    # Twice as long in two of three turns; the machine was ten times as slow in the last of them.
    times = PackageTimes("save", (2.0, 1.0, 20.0), (1.0, 1.0, 10.0), megabytes=100.0)
    assert times.ratio == pytest.approx(2.0)
    assert times.median_seconds == pytest.approx(2.0)
    assert times.pace == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("times", "measured", "met"),
    [
        (PackageTimes("train", (3.0, 3.0), (0.1, 0.1)), "30.0×", True),
        (PackageTimes("train", (2.9,), (0.1,)), "29.0×", False),
        (PackageTimes("archive", (2.0,), megabytes=300.0), "150 MB/s", True),
        (PackageTimes("archive", (2.5,), megabytes=300.0), "120 MB/s", False),
        (PackageTimes("save", (0.3,), (0.2,), 100.0), "1.50×", True),
        (PackageTimes("load", (0.4,), (0.2,), 100.0), "2.00×", False),
        (PackageTimes("environment", (0.1, 0.1, 3.0)), "0.1000 s", True),
        (PackageTimes("environment", (0.2,)), "0.2000 s", False),
        (PackageTimes("environment", failure="exit code 1: no uv"), "exit code 1: no uv", False),
    ],
)
def test_targets_of_packages(times: PackageTimes, measured: str, met: bool) -> None:
    (verdict,) = judge([], [], [times])
    assert (verdict.measured, verdict.met) == (measured, met)


def test_every_package_figure_has_a_target_and_a_row() -> None:
    packages = [PackageTimes(figure.name, (0.2,), (0.1,), 100.0) for figure in FIGURES]
    assert len(judge([], [], packages)) == len(FIGURES)
    page = " ".join(Result({"cores": 2}, packages=packages).render().split())
    assert all(f"| {figure.title} | 0.2000 |" in page for figure in FIGURES)
    assert "`numpyhelper` save | 0.2000 | 0.2000–0.2000 | 500 | `np.savez` | 0.1000 | " in page


def test_packages_that_failed_say_why() -> None:
    ended = Ended(1, "", "Traceback\nfedloom.errors.PackageError: no uv\n", 1.0, 1.0)
    times = read_report("model_files", ended, 60)
    assert [one.figure for one in times] == ["save", "load"]
    result = Result({"cores": 2}, packages=times)
    assert result.failed
    assert result.render().count("exit code 1: fedloom.errors.PackageError: no uv") == 4
    (late,) = read_report("archive", Ended(None, "", "", 60.0, 1.0), 60)
    assert late.failure == "more than 60 s"


def test_packages_tell_their_times_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    times = PackageTimes("save", (0.3, 0.1), (0.2, 0.2), 100.0)
    print_times(times)
    printed = f"a library's own line\n{capsys.readouterr().out}"
    assert read_report("model_files", Ended(0, printed, "", 1.0, 1.0), 60) == [times]


def test_packages_run_no_engine_and_every_module_is_there() -> None:
    assert list(plan_trials(Settings(workloads=(PACKAGES,)))) == []
    assert PACKAGES not in {workload.name for workload in WORKLOADS}
    folder = Path(sys.modules[measure_archive.__module__].__file__ or "").parent
    assert all((folder / f"{figure.module}.py").is_file() for figure in FIGURES)


def test_packages_beyond_their_time_limit_fail_figure_by_figure() -> None:
    times = list(measure_packages(1, limit_seconds=0.05))
    assert [one.figure for one in times] == [figure.name for figure in FIGURES]
    assert all(one.failure for one in times)


def test_archive_figure_counts_all_input() -> None:
    times = measure_archive(repeats=2, megabytes=3)
    assert len(times.seconds) == 2
    assert times.megabytes == pytest.approx(3.0, abs=0.001)  # and the project file


def test_model_figures_time_both_sides() -> None:
    save, load = measure_model_files(repeats=3, megabytes=1)
    assert (save.figure, load.figure) == ("save", "load")
    assert all(len(one.seconds) == len(one.beside) == 3 for one in (save, load))


def write_client(folder: Path, script: str) -> Path:
    folder.mkdir()
    (folder / "fedloom.yaml").write_text("entry_points:\n  train: python train.py\n")
    (folder / "train.py").write_text(script)
    return folder


def test_starts_are_timed_cold_and_warm(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from fedloom.package.helpers import get_helper, save_metadata\n"
        "helper = get_helper('numpyhelper')\n"
        "helper.save(helper.load(sys.argv[1]), sys.argv[2])\n"
        "save_metadata({'num_examples': 1}, sys.argv[2])\n"
    )
    times = measure_starts(2, Path(sys.executable), write_client(tmp_path / "client", script))
    assert len(times.seconds) == len(times.beside) == 2
    assert times.ratio > 1


def test_starts_of_a_script_that_fails_are_not_timed(tmp_path: Path) -> None:
    client = write_client(tmp_path / "client", "raise SystemExit('no rows')")
    with pytest.raises(SystemExit, match="train ended with exit code 1: no rows"):
        measure_starts(1, Path(sys.executable), client)


def test_starts_need_the_peers() -> None:
    with pytest.raises(SystemExit, match=r"nowhere/python is not there: .*setup_peers.sh makes it"):
        measure_starts(1, Path("/nowhere/python"))


def fake_environments(monkeypatch: pytest.MonkeyPatch, *created: bool) -> None:
    made = iter(created)

    def prepare(project: Project, *, cache_dir: Path) -> PackageEnvironment:
        return PackageEnvironment(Path(sys.executable), cache_dir / project.folder.name, next(made))

    monkeypatch.setattr(environment_figure, "prepare_environment", prepare)


def test_environment_figure_does_not_count_the_making(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_environments(monkeypatch, True, False, False)
    assert len(measure_environment(2).seconds) == 2


def test_environment_that_is_made_again_is_no_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_environments(monkeypatch, True, False, True)
    with pytest.raises(SystemExit, match="was made again"):
        measure_environment(2)


def test_names_of_workloads_are_unique() -> None:
    assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS)
    assert len({engine.name for engine in ENGINES}) == len(ENGINES)
