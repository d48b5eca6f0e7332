"""Cells as processes on this machine: carried out, killed, gone on with; nothing outlives them."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

import fedloom
from fedloom.bench.local import LocalProvider
from fedloom.bench.manifest import find_manifest_faults
from fedloom.bench.outcome import CellStatus
from fedloom.bench.places import RunPlace
from fedloom.bench.provider import CellNews, Stage
from fedloom.bench.run import StudyRun
from fedloom.bench.study_file import read_study
from fedloom.records import read_rounds

from .bench_world import LIMIT_S, find_processes, program, small_study, wait_for

LINE = (
    "bench --n_client_instances 2 --strategy FedAvg FedAvgM --num_rounds 2 --model logistic "
    "--sample-size 400 --learning-rate 0.05 --no-baselines --run one"
)


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return what runs for a run in a folder: servers, clients, SuperLinks."""
    return find_processes(str(folder))


def test_a_killed_launcher_leaves_nothing_and_the_run_goes_on(tmp_path):
    results = tmp_path / "results"
    words = [*LINE.split(), "--dir", str(results)]
    place = RunPlace(results / "one")
    with program(*words, folder=tmp_path) as launcher:
        first = place.path / "jax" / "FedAvg" / "2"
        wait_for(lambda: (first / "records" / "checkpoint.npz").exists() or launcher.poll())
        assert launcher.poll() is None
        assert len(processes_of(tmp_path)) >= 5  # launcher, server, SuperLink, two clients
        launcher.send_signal(signal.SIGKILL)
        launcher.wait(LIMIT_S)
    wait_for(lambda: not processes_of(tmp_path))

    with program("bench", "--resume", "--dir", str(results), "--no-baselines", "--json",
                 folder=tmp_path) as again:  # fmt: skip
        printed, errors = again.communicate(timeout=LIMIT_S)
    assert (again.returncode, errors) == (0, "")
    cells = json.loads(printed)["cells"]
    assert [(c["cell"], c["status"], c["rounds"]) for c in cells] == [
        ("jax-FedAvg-2", "finished", 2),
        ("jax-FedAvgM-2", "finished", 2),
    ]
    assert not processes_of(tmp_path)
    assert find_manifest_faults(place) == []
    for cell in read_study(place.study).cells():
        assert read_rounds(place.cell(cell).records.path)["round"].to_list() == [1, 2]
        assert place.cell(cell).server_log.exists()
        assert place.cell(cell).client_log("2").exists()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_launcher_that_is_asked_to_end_ends_all_it_has_started(tmp_path, end):
    words = [*LINE.split(), "--dir", str(tmp_path / "results")]
    with program(*words, folder=tmp_path) as launcher:
        wait_for(lambda: len(processes_of(tmp_path)) >= 3 or launcher.poll() is not None)
        launcher.send_signal(end)
        _, errors = launcher.communicate(timeout=LIMIT_S)
    assert launcher.returncode == 130
    assert "go on with: fedloom bench --resume --run one" in errors
    assert errors.endswith("interrupted\n")
    wait_for(lambda: not processes_of(tmp_path))


def test_a_client_that_dies_fails_its_cell_and_the_next_one_is_carried_out(tmp_path):
    study = small_study(strategy=("FedAvg", "FedAvgM"))
    place = RunPlace(tmp_path / "one")
    killed: list[int] = []

    def kill_a_client(news: CellNews) -> None:
        if news.stage is not Stage.WAITING or killed or news.cell.strategy != "FedAvg":
            return
        for process in processes_of(tmp_path):
            words = " ".join(process.cmdline())
            if "take_part" in words and "--index 1 " in words:
                killed.append(process.pid)
                os.kill(process.pid, signal.SIGKILL)

    run = StudyRun(study, place)
    with run.opened(resume=False):
        first, second = run.carry_out(LocalProvider(study, place, kill_a_client))
    assert killed
    assert (first.status, second.status) == (CellStatus.FAILED, CellStatus.FINISHED)
    assert first.reason.startswith("client_2 was killed by signal 9")
    assert not processes_of(tmp_path)
    assert find_manifest_faults(place) == []


def test_a_server_that_cannot_start_fails_its_cell_with_its_last_line(tmp_path, monkeypatch):
    study = small_study()
    place = RunPlace(tmp_path / "one")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "flwr.py").write_text("raise SystemExit('no such library')\n")
    run = StudyRun(study, place)
    with run.opened(resume=False):
        (outcome,) = run.carry_out(LocalProvider(study, place))
    assert outcome.status is CellStatus.FAILED
    assert outcome.reason.startswith("the server ended with exit code")
    assert "no such library" in outcome.reason
    assert (place.cell(next(study.cells())).path / "output" / "server.txt").exists()


def test_a_full_disk_is_one_line_and_the_run_can_go_on(tmp_path, monkeypatch):
    from fedloom.bench.local import cell_run
    from fedloom.errors import OutputError

    def full(path: Path, _: Any) -> None:
        raise OutputError(f"cannot write {path}: No space left on device; free space")

    study, place = small_study(), RunPlace(tmp_path / "one")
    monkeypatch.setattr(cell_run, "write_outcome", full)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "flwr.py").write_text("raise SystemExit(2)\n")
    run = StudyRun(study, place)
    with run.opened(resume=False), pytest.raises(OutputError, match="No space left"):
        run.carry_out(LocalProvider(study, place))
    assert run.left() == list(study.cells())


def test_a_cell_on_ray_is_one_process_and_learns_the_same(tmp_path):
    study = small_study(fleet="ray", n_client_instances=(3,))
    place = RunPlace(tmp_path / "one")
    run = StudyRun(study, place)
    with run.opened(resume=False):
        (outcome,) = run.carry_out(LocalProvider(study, place))
    assert (outcome.status, outcome.reason, outcome.rounds) == (CellStatus.FINISHED, "", 2)
    cell = next(study.cells())
    alike = fedloom.simulate(plan=study.plan_of(cell), fleet="simulated")
    ours = read_rounds(place.cell(cell).records.path)["global_loss"].to_list()
    assert ours == pytest.approx(alike.rounds["global_loss"].to_list(), rel=1e-5)
    assert not processes_of(tmp_path)
