"""The log of a cell's server, in the messages of Flower 1.5 that old extractors look for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from fedloom.bench.logs.log_file import LogFile

__all__ = ["ServerLog"]

_PLACE = "server_log.py:1"
_START, _INITIAL, _BEGIN = "Starting Flower server", "initial parameters (", "FL starting"


class ServerLog:
    """Writes what happens; a cell that goes on adds to what its earlier server wrote.

    Args:
        path: of the file.
        backend: what computes.
        strategy: the federated algorithm.

    Raises:
        OutputError: the file cannot be read or written; so may every call.
    """

    def __init__(self, path: Path, backend: str, strategy: str) -> None:
        self._file = LogFile(path, backend, strategy, _PLACE)

    def start(self, rounds: int, *, secured: bool = False) -> None:
        """Note that the server starts.

        Args:
            rounds: how many there will be.
            secured: whether clients come over TLS.
        """
        if self._file.has(_START):
            return
        config = f"ServerConfig(num_rounds={rounds}, round_timeout=None)"
        on = "enabled" if secured else "disabled"
        self._file.write(
            f"{_START}, config: {config}",
            f"Flower ECE: gRPC server running ({rounds} rounds), SSL is {on}",
            "Initializing global parameters",
            "Using initial parameters provided by strategy",
            "Evaluating initial parameters",
        )

    def initial(self, loss: float, score: float) -> None:
        """Note the score of the weights that the first round starts with."""
        self._file.cut(lambda line: f"| {_INITIAL}" in line)
        self._file.write(f"{_INITIAL}loss, other metrics): {loss}, {{'accuracy': {score}}}")

    def begin(self) -> None:
        """Note that the first round begins."""
        if not self._file.has(_BEGIN):
            self._file.write(_BEGIN)

    def fit_begun(self, number: int, sampled: int, total: int) -> None:
        """Note that clients are about to train."""
        self._file.cut(lambda line: _read_round(line) >= number)
        self._file.write(f"fit_round {number}: strategy sampled {sampled} clients (out of {total})")

    def fit_ended(self, number: int, results: int, failures: int) -> None:
        """Note that clients have trained."""
        self._file.write(f"fit_round {number} received {results} results and {failures} failures")

    def progress(self, number: int, loss: float, score: float, elapsed_s: float) -> None:
        """Note the score of a round's new weights, and the seconds since the first round began."""
        self._file.write(f"fit progress: ({number}, {loss}, {{'accuracy': {score}}}, {elapsed_s})")

    def evaluate_begun(self, number: int, sampled: int, total: int) -> None:
        """Note that clients are about to score."""
        self._file.write(
            f"evaluate_round {number}: strategy sampled {sampled} clients (out of {total})"
        )

    def evaluate_ended(self, number: int, results: int, failures: int) -> None:
        """Note that clients have scored."""
        self._file.write(
            f"evaluate_round {number} received {results} results and {failures} failures"
        )

    def end(
        self,
        elapsed_s: float,
        distributed_losses: Sequence[tuple[int, float]],
        central_losses: Sequence[tuple[int, float]],
        central_scores: Sequence[tuple[int, float]],
    ) -> None:
        """Note the end, and all losses and scores by round."""
        self._file.cut(lambda line: "| FL finished in " in line)
        self._file.write(
            f"FL finished in {elapsed_s}",
            f"app_fit: losses_distributed {list(distributed_losses)}",
            "app_fit: metrics_distributed_fit {}",
            "app_fit: metrics_distributed {}",
            f"app_fit: losses_centralized {list(central_losses)}",
            f"app_fit: metrics_centralized {{'accuracy': {list(central_scores)}}}",
        )


_ROUND = re.compile(r"\| (?:fit_round|evaluate_round|fit progress:) \(?(\d+)")


def _read_round(line: str) -> int:
    """Return the round that a line is about; 0 for none, and more than any round for the end."""
    if "| FL finished in " in line:
        return 2**62
    found = _ROUND.search(line)
    return int(found[1]) if found else 0
