from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from fedloom.cli import main

from .small_package import make_package


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project, with a package in `client`; also the current folder."""
    folder = tmp_path / "my project"
    make_package(folder / "client")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def seed(project: Path) -> Path:
    assert main(["run", "build", "--path", "client"]) == 0
    return project / "seed.npz"


def test_the_four_commands_of_the_guide(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "build", "--path", "client"]) == 0
    assert main(["run", "startup", "--path", "client", "--keep-venv"]) == 0
    train = ["--input", "seed.npz", "--output", "model_update.npz"]
    assert main(["run", "train", "--path", "client", *train]) == 0
    validate = ["-i", "model_update.npz", "-o", "out/validation.json", "--timeout", "60"]
    assert main(["run", "validate", "-p", "client", "-v", "--cold", *validate]) == 0
    out, err = capfd.readouterr()
    assert out == "built\nfetched\ntrained\n"
    assert (project / "seed.npz-metadata").read_text() == "{}"
    assert np.load(project / "model_update.npz")["0"].sum() == 6
    assert (project / "out" / "validation.json").is_file()
    assert "model_update.npz: 1 array, 6 parameters, num_examples 7" in err
    assert "validation.json: loss 0.5" in err


def test_metadata_that_is_there_is_kept(seed: Path) -> None:
    seed.with_name("seed.npz-metadata").write_text('{"rate": 0.1}')
    (seed.parent / "client" / "train.py").write_text(
        "import sys; print(open(sys.argv[1] + '-metadata').read())"
    )
    assert main(["run", "train", "-p", "client", "-i", "seed.npz", "-o", "x.npz"]) == 1
    assert seed.with_name("seed.npz-metadata").read_text() == '{"rate": 0.1}'


def fail(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command that is to fail; return its exit code and its last line."""
    code = main(["run", *arguments])
    return code, capfd.readouterr().err.splitlines()[-1]


TRAIN = ("train", "--path", "client", "--input", "seed.npz", "--output", "update.npz")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("raise ValueError('no data')", "train ended with exit code 1: ValueError: no data"),
        ("", "train ended well, but update.npz"),
        (
            "import sys, shutil; shutil.copy(*sys.argv[1:])",
            "train ended well, but update.npz-metadata",
        ),
        ("import time; time.sleep(60)", "train was stopped at its time limit, after 2"),
        ("import os; os.kill(os.getpid(), 9)", "train was ended by SIGKILL"),
    ],
)
def test_a_train_that_fails(
    seed: Path, capfd: pytest.CaptureFixture[str], script: str, reason: str
) -> None:
    (seed.parent / "client" / "train.py").write_text(script)
    code, line = fail(capfd, *TRAIN, "--timeout", "2")
    assert code == 1
    assert line.startswith(f"fedloom: error: {reason}")


def test_an_update_of_another_shape(seed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = seed.parent / "client" / "train.py"
    script.write_text(script.read_text().replace("array + 1", "array[:1]"))
    code, line = fail(capfd, *TRAIN)
    assert code == 1
    assert "train ended well, but" in line
    assert "shape (1, 2)" in line


def test_an_update_of_yesterday_does_not_count(
    seed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *TRAIN]) == 0
    (seed.parent / "client" / "train.py").write_text("")
    code, line = fail(capfd, *TRAIN)
    assert code == 1
    assert "train ended well, but left" in line
    assert line.endswith("update.npz as it was")


def test_metrics_that_are_no_json(seed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (seed.parent / "client" / "validate.py").write_text(
        "import sys; open(sys.argv[2], 'w').write('loss: 3')"
    )
    code, line = fail(capfd, "validate", "-p", "client", "-i", "seed.npz", "-o", "m.json")
    assert code == 1
    assert "validate ended well, but m.json" in line


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("build", "--path", "nowhere"), "package folder nowhere does not exist"),
        (("build", "--path", "."), ""),
        (("train", "-p", "client", "-i", "no.npz", "-o", "x.npz"), "no.npz: 'fedloom run build'"),
        (("predict", "-p", "client", "-i", "a", "-o", "b"), "'entry_points.predict' is missing"),
        (("train", "-p", "client"), "missing option '--input'"),
        (("build", "--timeout", "-1"), "--timeout"),
        (("trian", "-p", "client"), "No such command 'trian'. Did you mean 'train'?".lower()[:20]),
        ((), "missing command"),
    ],
)
def test_a_wrong_request(
    project: Path, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], reason: str
) -> None:
    if not reason:
        assert main(["run", *arguments]) == 0  # the package is found below
        return
    code, line = fail(capfd, *arguments)
    assert code == 2
    assert reason in line


def test_warnings_of_the_project_are_shown(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (project / "client" / "scaleout.yaml").open("a") as file:
        file.write("\nversion: 3\n")
    assert main(["run", "startup", "--path", "client"]) == 0
    assert "fedloom: warning: " in capfd.readouterr().err


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_a_signal_leaves_no_process(project: Path, number: signal.Signals) -> None:
    (project / "client" / "data.py").write_text(
        "import os, subprocess, sys, time\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(120)']\n"
        "child = subprocess.Popen(sleep, start_new_session=True)\n"
        "print(os.getpid(), child.pid)\n"
        "time.sleep(120)"
    )
    command = [sys.executable, "-m", "fedloom", "run", "startup", "--path", "client"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=project
    ) as running:
        assert running.stdout is not None
        pids = [int(pid) for pid in running.stdout.readline().split()]
        os.kill(running.pid, number)
        _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert err.splitlines()[-1] == "fedloom: interrupted"
    assert len(pids) == 2
    until = time.monotonic() + 10
    while any(lives(pid) for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.02)


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
