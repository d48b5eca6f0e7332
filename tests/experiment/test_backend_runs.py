"""`fedloom generate --backend`: the same run on each framework, each in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

LIMIT_S = 600
FLAGS = (
    "--clients 2 --rounds 2 --epochs 1 --sample-size 120 --partition iid --fleet process "
    "--local-evaluation sample --weights none --model mlp --hidden 8"
).split()


def generate(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fedloom", "generate", "--output-dir", str(folder)]
    return subprocess.run(
        [*command, "--output", "run.csv", *flags],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env={**os.environ, "COLUMNS": "200"},
        cwd=folder,
    )


def read_rounds(folder: Path) -> pl.DataFrame:
    (found,) = folder.rglob("rounds*.csv")
    return pl.read_csv(found)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("jax")
    done = generate(folder, *FLAGS)
    assert done.returncode == 0, done.stderr
    return read_rounds(folder)


@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_a_run_is_the_same_as_on_jax(backend, tmp_path, expected):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    flags = [flag for flag in FLAGS if flag not in ("--fleet", "process")]
    done = generate(tmp_path, *flags, "--backend", backend)
    assert done.returncode == 0, done.stderr
    rounds = read_rounds(tmp_path)
    assert set(rounds["backend"]) == {backend}
    assert rounds["participants"].to_list() == [2, 2]
    assert rounds["global_loss"].to_list() == pytest.approx(
        expected["global_loss"].to_list(), rel=1e-4
    )


def test_lanes_of_another_backend_are_refused(tmp_path):
    done = generate(tmp_path, "--backend", "torch", "--fleet", "simulated")
    assert done.returncode == 2
    assert "the lanes of fleet simulated are programs of JAX" in " ".join(done.stderr.split())
    assert list(tmp_path.iterdir()) == []
