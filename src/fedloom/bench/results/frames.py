"""The three tables from which charts are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

__all__ = ["CELLS", "CLIENTS", "KEY", "ROUNDS", "StudyResults"]

KEY = {
    "backend": pl.String,
    "strategy": pl.String,
    "clients": pl.Int64,
    "repeat": pl.Int64,
}
"""What names a cell in each table."""

CELLS = pl.Schema(
    {
        **KEY,
        "seed": pl.Int64,
        "status": pl.String,
        "reason": pl.String,
        "rounds": pl.Int64,
        "started": pl.String,
        "seconds": pl.Float64,
        "ready_seconds": pl.Float64,
        "target_score": pl.Float64,
        "target_seconds": pl.Float64,
    }
)
"""A row per cell; see `fedloom.bench.outcome.CellOutcome`."""

ROUNDS = pl.Schema(
    {
        **KEY,
        "round": pl.Int64,  # 0 is the evaluation of the initial weights
        "loss": pl.Float64,  # central
        "score": pl.Float64,
        "distributed_loss": pl.Float64,  # of the clients' own evaluation, weighted by rows
        "distributed_score": pl.Float64,
        "recorded_score": pl.Float64,  # imported logs only: the score as it stands there
        "elapsed_seconds": pl.Float64,  # from the first round's start to this central evaluation
        "fit_seconds": pl.Float64,
        "evaluate_seconds": pl.Float64,  # central evaluation
        "validate_seconds": pl.Float64,  # evaluation by the clients
        "round_seconds": pl.Float64,  # from the start of fit to the end of the clients' evaluation
    }
)
"""A row per cell and round."""

CLIENTS = pl.Schema(
    {
        **KEY,
        "round": pl.Int64,
        "client": pl.String,
        "num_examples": pl.Int64,
        "fit_seconds": pl.Float64,
        "fit_cpu_percent": pl.Float64,  # of its own process; 100 is one core
        "fit_machine_cpu_percent": pl.Float64,  # of all cores together; 100 is all of them
        "fit_memory_bytes": pl.Int64,
        "fit_waiting_seconds": pl.Float64,
        "evaluate_seconds": pl.Float64,
        "evaluate_cpu_percent": pl.Float64,
        "evaluate_machine_cpu_percent": pl.Float64,
        "evaluate_memory_bytes": pl.Int64,
        "evaluate_waiting_seconds": pl.Float64,
        "loss": pl.Float64,  # of the round's new global weights on its own evaluation rows
        "score": pl.Float64,
        "download_bytes": pl.Int64,
        "upload_bytes": pl.Int64,
        "failure": pl.String,
    }
)
"""A row per cell, round and client."""


@dataclass(frozen=True, eq=False)
class StudyResults:
    """All results of a study.

    Attributes:
        name: the run's id, or the imported folder's name.
        cells: with the columns of `CELLS`.
        rounds: with the columns of `ROUNDS`.
        clients: with the columns of `CLIENTS`; a value that was not measured is null.
        baselines: scores without federated learning: a mapping per backend, clients and repeat.
        warnings: what is missing or doubtful, each a sentence.
        about: what all cells have in common: a label and its value, such as the data set's name.
    """

    name: str
    cells: pl.DataFrame
    rounds: pl.DataFrame
    clients: pl.DataFrame
    baselines: Sequence[Mapping[str, Any]] = field(default_factory=list)
    warnings: Sequence[str] = field(default_factory=list)
    about: Mapping[str, str] = field(default_factory=dict)
