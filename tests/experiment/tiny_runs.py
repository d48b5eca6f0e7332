"""Runs of a second, and how to compare two of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl

import fedloom
from fedloom.records import read_records, read_rounds

TINY: dict[str, Any] = {
    "dataset": "iris",
    "model": "logistic",
    "clients": 3,
    "rounds": 2,
    "epochs": 1,
}


def run_tiny(**options: Any) -> fedloom.Run:
    """Simulate three small clients for two rounds, unless `options` say otherwise."""
    return fedloom.simulate(**TINY | options)


def flags_of(options: dict[str, Any]) -> list[str]:
    """Return options as flags of `fedloom generate`."""
    return [part for k, v in options.items() for part in (f"--{k.replace('_', '-')}", str(v))]


def drop_measured(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that the plan determines: all but what was measured on the host."""
    measured = ("_seconds", "_bytes", "_percent")
    return frame.select(
        name
        for name in frame.columns
        if name.startswith("simulated_") or not name.endswith(measured)
    )


def records_of(place: Path) -> list[pl.DataFrame]:
    """Return both tables of a run, given its folder, without what was measured."""
    return [drop_measured(read_records(place)), drop_measured(read_rounds(place))]


def weights_of(place: Path) -> dict[str, bytes]:
    """Return the bytes of every array kept in a run's folder, by file and name."""
    import numpy as np

    found = {}
    for file in sorted((place / "weights").rglob("*.npz")):
        with np.load(file) as arrays:
            for name in arrays.files:
                found[f"{file.relative_to(place)}:{name}"] = arrays[name].tobytes()
    return found


def assert_same_run(left: Path, right: Path) -> None:
    """Check that two runs agree in all that the plan determines."""
    for ours, theirs in zip(records_of(left), records_of(right), strict=True):
        assert ours.equals(theirs)
    assert weights_of(left) == weights_of(right)


def call(
    code: str, *, timeout: float = 120, preparing: Any = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a piece of Python in a process of its own, in the working directory."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        preexec_fn=preparing,
    )


def start_program(*arguments: str, **settings: Any) -> subprocess.Popen[str]:
    """Start `fedloom` in a process and a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "fedloom", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **settings,
    )
