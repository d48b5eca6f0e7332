"""Rounds of a cell of `fedloom bench` beside a plain Flower app that does the same work.

Both: two clients, each in a process of its own, half of digits each, the same convolutional model
in Keras with Adam, one epoch a round; after each round the new weights are scored by the server and
by both clients. A round lasts from one score of the server to the next.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from federation.stock import run_stock_app
from harness.federation_times import (
    FederationTimes,
    parse_federation_options,
    print_federation,
)

__all__ = ["measure_study"]

_CLIENTS, _BATCH_ROWS, _RATE = 2, 32, 0.001
_WARM, _OWN_ROUNDS, _STOCK_ROUNDS = 2, 10, 3
_LIMIT_SECONDS = 400.0
_PROGRESS = re.compile(r"fit progress: \(\d+, .*, (\d[\d.e+-]*)\)$", re.MULTILINE)


def measure_study(backend: str, repeats: int, *, quick: bool) -> FederationTimes:
    """Time both in turn; a value is the median of a turn's rounds after two.

    Args:
        backend: what Keras computes with: jax, torch or tensorflow.
        repeats: turns.
        quick: fewer rounds.
    """
    own, beside = [], []
    for _ in range(repeats):
        own.append(_time_cell(backend, 5 if quick else _OWN_ROUNDS))
        rounds = _WARM + (1 if quick else _STOCK_ROUNDS)
        told = run_stock_app(
            "stock_keras_app",
            _CLIENTS,
            {"rounds": rounds},
            _LIMIT_SECONDS,
            {"KERAS_BACKEND": backend},
        )
        beside.append(_time_rounds(told["moments"], rounds))
    return FederationTimes(f"study-{backend}", tuple(own), tuple(beside))


def _time_cell(backend: str, rounds: int) -> float:
    with TemporaryDirectory(prefix="fedloom-bench-") as folder:
        words = ["--backend", backend, "--n_client_instances", str(_CLIENTS)]
        words += ["--strategy", "FedAvg", "--num_rounds", str(_WARM + rounds), "--model", "cnn"]
        words += ["--batch-size", str(_BATCH_ROWS), "--learning-rate", str(_RATE)]
        words += ["--no-baselines", "--quiet", "--dir", folder, "--run", "timed"]
        ended = subprocess.run(
            [sys.executable, "-m", "fedloom", "bench", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT_SECONDS,
            check=False,
        )
        if ended.returncode:
            raise SystemExit(f"fedloom bench ended with {ended.returncode}: {ended.stdout[-500:]}")
        log = Path(folder, "timed", backend, "FedAvg", str(_CLIENTS), "server_log.log")
        # The time of the start stands for the score of the initial weights.
        moments = [0.0, *map(float, _PROGRESS.findall(log.read_text("utf-8")))]
        return _time_rounds(moments, _WARM + rounds)


def _time_rounds(moments: Sequence[float], rounds: int) -> float:
    """Return the median of the rounds after those in which programs are compiled.

    Args:
        moments: of each score, that of the initial weights the first.
        rounds: that there must be.
    """
    if len(moments) != 1 + rounds:
        raise SystemExit(f"{rounds} rounds were asked for, {len(moments) - 1} were done")
    return median(after - before for before, after in pairwise(moments[_WARM:]))


def main() -> None:
    """Run what the command line says."""
    given = parse_federation_options()
    print_federation(measure_study(given.part, given.repeats, quick=given.quick))


if __name__ == "__main__":
    main()
