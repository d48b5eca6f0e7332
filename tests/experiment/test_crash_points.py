"""A run that died at any point of a round goes on and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fedloom

from .tiny_runs import TINY, assert_same_run

POINTS = (
    "after the plan",
    "before the first checkpoint",
    "before the weights",
    "after the weights",
    "in the first table",
    "between the tables",
    "in the table of rounds",
    "before the checkpoint",
    "in the checkpoint",
    "after the checkpoint",
    "before the Parquet files",
)
# What a run has to remember: nothing, the server's moments, a variate of every client.
KINDS = [(a, c) for a in ("FedAvg", "FedAdam", "Scaffold") for c in ("fedloom", "mlaas")]
CASES = [(p, *KINDS[(i + k) % 6]) for i, p in enumerate(POINTS) for k in (0, 3)]


def options_of(algorithm: str, columns: str, **more: Any) -> dict[str, Any]:
    chosen = {"algorithm": algorithm, "columns": columns, "rounds": 4, "cohort": 2, "dropout": 0.2}
    return TINY | chosen | more


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the remains of all cases, made by one process."""
    place = tmp_path_factory.mktemp("crashed")
    work = [
        (point, options_of(algorithm, columns, output=f"{number}", output_dir=str(place)))
        for number, (point, algorithm, columns) in enumerate(CASES)
    ]
    ended = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("crash_points.py"))],
        input=json.dumps(work),
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    return place


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], fedloom.Run]:
    """An uninterrupted run of each kind."""
    place = str(tmp_path_factory.mktemp("whole"))
    return {
        kind: fedloom.simulate(**options_of(*kind, output="-".join(kind), output_dir=place))
        for kind in KINDS
    }


@pytest.mark.parametrize(("point", "algorithm", "columns"), CASES)
def test_a_run_that_died_goes_on_to_the_same_end(
    point: str,
    algorithm: str,
    columns: str,
    crashed: Path,
    whole: dict[tuple[str, str], fedloom.Run],
) -> None:
    number = CASES.index((point, algorithm, columns))
    options = options_of(algorithm, columns, output=f"{number}", output_dir=str(crashed))
    run = fedloom.simulate(**options, resume=True)
    assert_same_run(run.path, whole[algorithm, columns].path)
    lines = [r.client_csv.read_text().splitlines() for r in (run, whole[algorithm, columns])]
    assert len(lines[0]) == len(lines[1])
    assert lines[0][0] == lines[1][0]
    leftovers = [p.name for p in run.path.rglob(".*") if p.name != ".lock"]
    assert leftovers == []
