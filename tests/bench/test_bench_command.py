"""The command `fedloom bench`: its words, its answers, its exit codes; nothing is started."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fedloom.bench.outcome import CellStatus
from fedloom.bench.places import RunPlace
from fedloom.bench.study_file import read_study
from fedloom.cli.program import main

from .bench_world import FakeProvider

EXACT = "bench --backend jax --n_client_instances 5"
SMALL = "--model logistic --sample-size 400 --no-baselines"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, in which cells end by themselves."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("fedloom.bench.local.LocalProvider", FakeProvider)
    return tmp_path


def run(words: str) -> int:
    return main(words.split())


def only_run(folder: Path) -> RunPlace:
    (path,) = (folder / "federated-learning-results").iterdir()
    return RunPlace(path)


@pytest.mark.parametrize(
    ("more", "rounds", "strategies"),
    [
        ("", 10, ("FedAvg", "FedAvgM", "FedAdagrad", "FedAdam")),
        ("--num_rounds 3", 3, ("FedAvg", "FedAvgM", "FedAdagrad", "FedAdam")),
        ("--num_rounds 4 --strategy FedAvg FedAvgM FedAdaGrad FedAdam", 4,
         ("FedAvg", "FedAvgM", "FedAdagrad", "FedAdam")),
        ("--strategy FedAdam --num-rounds=2", 2, ("FedAdam",)),
    ],
)  # fmt: skip
def test_the_original_line_carries_out_the_strategies_in_sequence(here, more, rounds, strategies):
    assert run(f"{EXACT} {more} --no-baselines") == 0
    study = read_study(only_run(here).study)
    assert (study.num_rounds, study.strategy) == (rounds, strategies)
    assert (study.backend, study.n_client_instances) == (("jax",), (5,))


def test_every_flag_of_the_grid_takes_a_list(here, capsys):
    words = (
        "bench --backend jax torch tensorflow --n_client_instances 2 5 --strategy FedAvg FedAdam"
    )
    assert run(f"{words} {SMALL} --repeats 2 --json") == 0
    said = json.loads(capsys.readouterr().out)
    assert len(said["cells"]) == 3 * 2 * 2 * 2
    assert {cell["status"] for cell in said["cells"]} == {"finished"}
    assert said["warnings"] == []


def test_options_of_the_experiment_reach_the_plan(here):
    words = (
        "--dataset digits --model mlp --partition dirichlet --partition-param 0.3 --cohort 0.5 "
        "--epochs 3 --batch_size 16 --learning-rate 0.2 --optimizer sgd --seed 9 "
        "--target_score 0.8 --run mine --dir results"
    )
    assert run(f"{EXACT} {words} --no-baselines") == 0
    study = read_study(RunPlace(here / "results" / "mine").study)
    plan = study.plan
    assert (plan.model, plan.partition, plan.partition_param) == ("mlp", "dirichlet", 0.3)
    assert (plan.cohort, plan.epochs, plan.batch_size) == (0.5, 3, 16)
    assert (plan.learning_rate, plan.optimizer) == (0.2, "sgd")
    assert (study.seed, study.target_score) == (9, 0.8)


def test_a_file_says_what_flags_leave_open(here):
    Path("study.yaml").write_text(
        "n_client_instances: [2]\nnum_rounds: 7\nplan: {model: logistic, epochs: 4}\n"
    )
    assert run("bench --plan study.yaml --num_rounds 2 --epochs 1 --no-baselines") == 0
    study = read_study(only_run(here).study)
    assert (study.num_rounds, study.plan.epochs, study.plan.model) == (2, 1, "logistic")


def test_a_dry_run_starts_and_writes_nothing(here, capsys):
    assert run(f"{EXACT} --dry-run") == 0
    printed = capsys.readouterr().out
    assert "jax-FedAdam-5" in printed
    assert "4 cells on local; time unknown" in printed
    assert "nothing was started" in printed
    assert list(here.iterdir()) == []
    assert run(f"{EXACT} --dry-run --json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["seconds"] is None
    assert said["cells"][0] == {
        **{"cell": "jax-FedAvg-5", "processes": 6, "rounds": 10, "seed": 42, "seconds": None}
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("bench --backend jax", "n_client_instances: missing"),
        ("bench --backend jaxx --n_client_instances 2", "did you mean 'jax'"),
        ("bench --n_client_instances 2 --strategy FedAvg FedFoo", "unknown strategy 'FedFoo'"),
        ("bench --n_client_instances 0", "n_client_instances=0"),
        ("bench --n_client_instances two", "'two' is not a valid int"),
        ("bench --n_client_instances 46", "45 batches of 32 rows"),
        ("bench --n_client_instances 2 --cohort 3", "cohort"),
        ("bench --n_client_instances 2 --provider azure", "unknown provider 'azure'"),
        ("bench --n_client_instances 2 --run ../up", "run=../up"),
        ("bench --n_client_instances 2 --plan none.yaml", "none.yaml does not exist"),
        ("bench --resume", "begin one without --resume"),
        ("bench --n_client_instances 2 --num_round 3", "--num-rounds"),
    ],
)
def test_bad_input_is_one_line_and_nothing_starts(here, capsys, words, said):
    assert run(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert list(here.iterdir()) == []


def test_a_missing_backend_names_its_extra(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fedloom.learning.backend.find_spec", lambda _: None)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    assert run("bench --backend torch --n_client_instances 2") == 2
    assert "pip install 'fedloom[torch]'" in capsys.readouterr().err
    assert not list(tmp_path.rglob("cell.json"))


def test_a_run_goes_on_without_saying_again_what_it_is(here, capsys):
    assert run(f"{EXACT} {SMALL} --run one") == 0
    place = only_run(here)
    gone = place.cell(list(read_study(place.study).cells())[2])
    gone.outcome.unlink()
    assert run(f"{EXACT} {SMALL} --run one") == 2
    assert "--resume goes on with it" in capsys.readouterr().err
    assert run("bench --resume --no-baselines") == 0
    assert gone.outcome.exists()
    assert run("bench --resume --num_rounds 3") == 2
    assert "other values of num_rounds" in capsys.readouterr().err


def test_the_exit_code_says_whether_all_cells_finished(here, monkeypatch, capsys):
    ends = {"jax-FedAvgM-5": CellStatus.DIVERGED}

    def build(*given: Any) -> FakeProvider:
        return FakeProvider(*given, ends=ends)

    monkeypatch.setattr("fedloom.bench.local.LocalProvider", build)
    assert run(f"{EXACT} {SMALL}") == 1
    printed = capsys.readouterr()
    assert "jax-FedAvgM-5" in printed.out
    assert "diverged" in printed.out
    assert "jax-FedAdam-5: finished after 2 rounds, 10.0 s" in printed.err


def test_an_interrupt_says_how_to_go_on(here, monkeypatch, capsys):
    def build(*given: Any) -> FakeProvider:
        return FakeProvider(*given, dies_before="jax-FedAvgM-5")

    monkeypatch.setattr("fedloom.bench.local.LocalProvider", build)
    assert run(f"{EXACT} {SMALL} --run one") == 130
    expected = "go on with: fedloom bench --resume --run one --dir federated-learning-results"
    assert expected in capsys.readouterr().err


def test_help_knows_all_commands_and_imports_no_framework():
    code = (
        "import sys; from fedloom.cli.program import main; main(['bench', '--help']);"
        "found = {'keras', 'jax', 'flwr', 'boto3', 'polars', 'torch'} & sys.modules.keys();"
        "sys.exit(f'imported {found}' if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--n-client-instances" in done.stdout
    assert "report" in done.stdout
