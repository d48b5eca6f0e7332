"""However a run on Ray ends, its cluster ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest

import fedloom
from fedloom.fleet.ray.local_cluster import LocalCluster
from fedloom.fleet.ray.session import list_session

LIMIT_S = 240.0
OPTIONS = {"dataset": "iris", "clients": 3, "model": "logistic", "epochs": 1, "seed": 7}


@pytest.fixture(autouse=True)
def _compiled(compiled_once) -> None:
    """Processes of these tests share what they compile."""


@contextmanager
def generating(
    folder: Path, rounds: int, *more: str, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Run `fedloom generate --fleet ray` in a process."""
    flags = [f"--{name}={value}" for name, value in OPTIONS.items()]
    command = [sys.executable, "-m", "fedloom", "generate", "--fleet=ray", "--workers=2", *flags]
    command += [f"--rounds={rounds}", "--output=r.csv", f"--output-dir={folder}", *more]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def wait_for_keeper(process: subprocess.Popen[str], folder: Path) -> psutil.Process:
    """Wait until a round is done; return the process that holds the cluster."""
    until = monotonic() + LIMIT_S
    while not list(folder.rglob("checkpoint*")):
        assert process.poll() is None, process.communicate()[0]
        assert monotonic() < until
        sleep(0.1)
    (keeper,) = [
        child
        for child in psutil.Process(process.pid).children()
        if "fedloom.fleet.ray.keeper" in child.cmdline()
    ]
    assert len(list_session(keeper.pid)) > 4
    return keeper


def wait_until_gone(session: int) -> None:
    until = monotonic() + 60
    while left := list_session(session):
        assert monotonic() < until, left
        sleep(0.1)


def test_a_killed_program_leaves_no_process(tmp_path):
    with generating(tmp_path, 100_000) as process:
        keeper = wait_for_keeper(process, tmp_path)
        process.kill()
        process.wait(60)
        wait_until_gone(keeper.pid)


def test_an_interrupted_program_leaves_no_process(tmp_path):
    with generating(tmp_path, 100_000) as process:
        keeper = wait_for_keeper(process, tmp_path)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 130, output
        assert "Traceback" not in output
        assert not list_session(keeper.pid)


def test_where_the_cluster_is_killed_one_line_says_so(tmp_path):
    with generating(tmp_path, 100_000) as process:
        keeper = wait_for_keeper(process, tmp_path)
        (words,) = [
            child.cmdline()
            for child in psutil.Process(process.pid).children()
            if "fedloom.fleet.ray.last_words" in child.cmdline()
        ]
        folder = Path(words[-1])
        assert folder.is_dir()
        keeper.kill()
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 1, output
        assert "the cluster is gone" in output
        assert "Traceback" not in output
        assert not list_session(keeper.pid)
        assert not folder.exists()


def test_a_cluster_of_others_is_used_and_left_alone(tmp_path):
    cluster = LocalCluster(0)
    try:
        others = {
            "RAY_ADDRESS": cluster.address,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": cluster.token,
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        }
        with generating(tmp_path, 2, **others) as process:
            output, _ = process.communicate(timeout=LIMIT_S)
            assert process.returncode == 0, output
        assert cluster.alive
    finally:
        cluster.close()
    run = fedloom.open_run(tmp_path / "r.csv")
    expected = fedloom.simulate(**OPTIONS, rounds=2)
    measured = ["loss", "score"]
    names = [c for c in run.rounds.columns if c in measured or c.endswith(("_loss", "_score"))]
    assert names
    for name in names:
        assert run.rounds[name].to_list() == pytest.approx(
            expected.rounds[name].to_list(), abs=1e-5
        )
