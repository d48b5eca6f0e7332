"""What cannot be done is refused in one clear line, with exit code 2, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedloom.cli import main

from .tiny_runs import TINY, flags_of, run_tiny


def refuse(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """Run `fedloom generate` and return the one line that it must answer with."""
    before = sorted(Path.cwd().rglob("*"))
    assert main(["generate", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    line, *more = captured.err.splitlines()
    assert more == []
    assert line.startswith("fedloom: error: ")
    assert "Traceback" not in line
    assert sorted(Path.cwd().rglob("*")) == before
    return line.removeprefix("fedloom: error: ")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--dataset digitz", "unknown data set 'digitz': did you mean 'digits'?"),
        ("--model mpl", "did you mean 'mlp'?"),
        ("--algorithm fedadom", "did you mean 'FedAdam'?"),
        ("--partition dirichlit", "did you mean 'dirichlet'?"),
        ("--optimizer adams", "did you mean 'adam'?"),
        ("--backend jx", "did you mean 'jax'?"),
        ("--fleet simulate", "did you mean 'simulated'?"),
        ("--devices mobil", "did you mean 'mobile'?"),
        ("--task clasification", "did you mean 'classification'?"),
        ("--weights globl", "did you mean 'global'?"),
        ("--columns mlas", "did you mean 'mlaas'?"),
        ("--local-evaluation samples", "did you mean 'sample'?"),
        ("--rouns 3", "--rounds"),
        ("--model nowhere:build", "nowhere"),
        ("--model none.py", "none.py"),
        ("--dataset csv:none.csv --label-column y", "none.csv"),
        ("--dataset npz:none.npz", "none.npz"),
        ("--dataset images:none", "none"),
        ("--distribution none.json --partition custom", "none.json"),
        ("--plan none.yaml", "none.yaml"),
    ],
)
def test_unknown_names(flags: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert words in refuse(capsys, *flags.split())


COUNTS = (
    "clients rounds epochs batch-size min-samples sample-size image-size lanes workers hidden"
).split()
NUMBERS = "learning-rate partition-param sample-frac test-fraction client-timeout-s".split()


@pytest.mark.parametrize("value", ["0", "-1", "nan", "1e400", "ten", "1.5", ""])
@pytest.mark.parametrize("flag", COUNTS)
def test_impossible_counts(flag: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert flag in refuse(capsys, f"--{flag}={value}")


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e400", "ten", ""])
@pytest.mark.parametrize("flag", NUMBERS)
def test_impossible_numbers(flag: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"--{flag}" in refuse(capsys, f"--{flag}={value}")


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e400", "ten", "2.5", "21"])
def test_impossible_cohorts(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--cohort" in refuse(capsys, f"--cohort={value}")


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("dropout", "-0.1"),
        ("dropout", "1.1"),
        ("dropout", "nan"),
        ("seed", "-1"),
        ("seed", "1.5"),
        ("sample-frac", "1.1"),
        ("test-fraction", "1"),
        ("epochs", "100001"),
        ("hidden", "64,0"),
        ("hidden", "64,,3"),
        ("hidden", "70000"),
        ("client-timeout-s", "1e300"),
    ],
)
def test_numbers_out_of_range(flag: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"--{flag}" in refuse(capsys, f"--{flag}={value}")


ALGORITHM_FLAGS = [
    ("FedProx", "proximal-mu"),
    ("FedAvg", "server-learning-rate"),
    ("FedAvgM", "server-momentum"),
    ("FedAdam", "beta-1"),
    ("FedAdam", "beta-2"),
    ("FedAdam", "tau"),
    ("FedTrimmedAvg", "trim-fraction"),
    ("Krum", "num-byzantine"),
    ("MultiKrum", "num-selected"),
    ("DPFedAvg", "clip-norm"),
    ("DPFedAvg", "noise-multiplier"),
    ("DPFedAvg", "privacy-delta"),
]


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "ten"])
@pytest.mark.parametrize(("algorithm", "flag"), ALGORITHM_FLAGS)
def test_impossible_parameters(
    algorithm: str, flag: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"--{flag}" in refuse(capsys, "--algorithm", algorithm, f"--{flag}={value}")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--sample-size 30 --sample-frac 0.5", "exclude each other"),
        ("--overwrite --resume", "exclude each other"),
        ("--clients 1439", "1438"),
        ("--clients 99999999999999999999", "1438"),
        ("--clients 5 --cohort 6", "from 1 to 5"),
        ("--algorithm krum --clients 4", "needs a cohort of 2 × num_byzantine + 3 = 5"),
        ("--algorithm bulyan --clients 20 --cohort 6", "4 × num_byzantine + 3 = 7"),
        ("--partition custom", "belong together"),
        ("--beta-1 0.5", "FedAvg does not take it; it takes server_learning_rate"),
        ("--dataset digits --label-column y", "label_column is for csv:PATH only"),
        ("--devices {speed:1}", "no valid JSON"),
        ('--devices {"speed":1}', "unknown device setting 'speed'"),
        ('--devices {"availability":"x"}', "availability"),
        ("--dataset iris --task regression --model cnn", ""),
    ],
)
def test_what_does_not_go_together(
    flags: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refuse(capsys, *flags.split())


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("who.json", '{"a": {"0": 5}', "line 1"),
        ("who.json", '{"a": {"0": -5}}', "-5"),
        ("who.json", '{"a": {"x": 5}}', "label 'x'"),
        ("who.json", "[]", "who.json"),
        ("plan.yaml", "clients: [3", "line 1"),
        ("plan.yaml", "clients: 3\nclient: 4", "did you mean 'clients'?"),
        ("plan.yaml", "- 3", "no mapping"),
        ("plan.yaml", "clients: true", "clients=True"),
        ("plan.yaml", "clients: many", "clients='many'"),
        ("plan.yaml", "1: 2", "the key 1 is no name"),
        ("plan.yaml", "plan: 3", "holds no mapping"),
        ("plan.yaml", "devices: 3", "devices"),
        ("plan.yaml", "distribution: 3", "distribution"),
        ("plan.yaml", "hidden: {a: 1}", "hidden"),
        ("data.csv", "", "data.csv"),
        ("data.csv", "x,y\n1,a\n2\n", "line 3"),
        ("data.csv", "x,y\n1,a\nnan,b\n3,a\n4,b\n", "data.csv"),
        ("data.csv", "x,z\n1,2\n", "'y'"),
        ("data.npz", "junk", "data.npz"),
    ],
)
def test_malformed_files(
    name: str, content: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_text(content)
    flags = {
        "who.json": "--partition custom --clients 1 --distribution who.json",
        "plan.yaml": "--plan plan.yaml",
        "data.csv": "--dataset csv:data.csv --label-column y --clients 2",
        "data.npz": "--dataset npz:data.npz --clients 2",
    }[name]
    assert words in refuse(capsys, *flags.split())


def test_damaged_images(capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        Path(f"{part}-ubyte").write_bytes(b"\0\0\x08\x03\0\0\0\x05junk")
    words = refuse(capsys, "--dataset", "mnist", "--data-dir", ".")
    assert "train-images-idx3-ubyte" in words


def test_features_that_are_no_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    features = np.ones((20, 3), np.float32)
    features[4, 1] = np.nan
    np.savez("nan.npz", x_train=features, y_train=np.arange(20) % 2)
    assert "nan" in refuse(capsys, "--dataset", "npz:nan.npz", "--clients", "2").casefold()


# Outputs


@pytest.mark.parametrize(
    "output", ["../../x", "/tmp/fedloom-elsewhere/x.csv", "a/../../../x", "link/x", "linked"]
)
def test_outputs_that_leave_their_folder(
    output: str, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    runs = Path("outputs/runs")
    runs.mkdir(parents=True)
    (runs / "link").symlink_to(elsewhere)
    (runs / "linked").symlink_to(elsewhere)
    words = refuse(capsys, *flags_of(TINY), "--output", output)
    assert "leaves the folder outputs; name the folder with --output-dir" in words
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("output", ["", ".", "..", "/", ".csv", "x" * 300])
def test_outputs_that_are_no_names(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    refuse(capsys, *flags_of(TINY), "--output", output)


def test_an_output_is_not_replaced_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    table = run_tiny(output="x").client_csv
    before = table.read_bytes()
    words = refuse(capsys, *flags_of(TINY), "--output", "x")
    assert "exists already; --overwrite replaces it, --resume goes on with it" in words
    assert table.read_bytes() == before


def test_a_file_where_the_folder_must_be(capsys: pytest.CaptureFixture[str]) -> None:
    Path("outputs/runs").mkdir(parents=True)
    Path("outputs/runs/x").write_text("mine")
    for more in ([], ["--overwrite"], ["--resume"]):
        assert "is a file where" in refuse(capsys, *flags_of(TINY), "--output", "x", *more)


def test_a_file_where_outputs_must_be(capsys: pytest.CaptureFixture[str]) -> None:
    Path("outputs").write_text("mine")
    assert "cannot write" in refuse(capsys, *flags_of(TINY), "--output", "x")


def test_a_folder_that_is_no_run_is_not_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    Path("outputs/runs/x").mkdir(parents=True)
    Path("outputs/runs/x/thesis.txt").write_text("years of work")
    words = refuse(capsys, *flags_of(TINY), "--output", "x", "--overwrite")
    assert "is no run of Fedloom: remove it yourself" in words


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that nobody can write to")
def test_a_place_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    words = refuse(capsys, *flags_of(TINY), "--output", "x", "--output-dir", "/proc/none")
    assert words.startswith("cannot write /proc/none/x: ")


def test_a_run_in_which_every_client_failed(capsys: pytest.CaptureFixture[str]) -> None:
    flags = flags_of(TINY | {"learning_rate": 1e30, "model": "mlp", "output": "bad"})
    assert main(["generate", *flags]) == 1
    captured = capsys.readouterr()
    *rounds, last = captured.err.splitlines()
    assert len(rounds) == 2
    assert "every client failed in every round; the first: client_1 diverged: " in last
    rows = Path("outputs/runs/bad.csv").read_text().splitlines()
    assert len(rows) == 7
    assert all(",False,diverged," in row for row in rows[1:])


def test_two_runs_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The second comes while the first is at work, after its first round."""
    answers: list[str] = []

    def come_second(*_: Any) -> None:
        if not answers:
            for more in (["--overwrite"], ["--resume"]):
                assert main(["generate", *flags_of(TINY), "--output", "x", *more]) == 2
                answers.append(capsys.readouterr().err)

    run = run_tiny(output="x", observer=come_second)
    assert all("another run is writing to" in a and a.count("\n") == 1 for a in answers)
    assert len(answers) == 2
    assert run.rounds.height == 2


def test_a_run_that_ended_while_another_was_getting_ready_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from fedloom.experiment import parts as home

    prepare = home.assemble
    quicker: list[Any] = []

    def let_another_finish(*args: Any) -> Any:
        parts = prepare(*args)
        if not quicker:
            quicker.append(None)
            quicker[0] = run_tiny(output="x", seed=1)
        return parts

    monkeypatch.setattr(home, "assemble", let_another_finish)
    from fedloom.errors import OutputError

    with pytest.raises(OutputError, match="exists already"):
        run_tiny(output="x")
    assert quicker[0].rounds.height == 2


def test_nothing_asks_the_network_for_what_is_in_the_box(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_all(*_: Any) -> Any:
        raise OSError("no network here")

    monkeypatch.setattr(socket, "create_connection", refuse_all)
    assert run_tiny().rounds.height == 2
    assert json.dumps(os.environ.get("FEDLOOM_OUTPUT_DIR")) == "null"
