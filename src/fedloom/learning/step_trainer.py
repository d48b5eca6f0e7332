"""What every backend's trainer offers to whoever trains a client step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fedloom.data.dataset import Dataset
from fedloom.federation.fleet import Evaluation
from fedloom.federation.objective import Objective
from fedloom.federation.weights import Weights
from fedloom.learning.local_training import LocalTraining
from fedloom.learning.score_sheet import EvaluationSums
from fedloom.learning.scored_rows import ScoredRows

__all__ = ["StepTrainer"]


class StepTrainer(Protocol):
    """Local training and scoring of one Keras model on one data set, on one backend.

    A client's round is ``begin``, one call of the compiled step per batch, ``finish``. Weights go
    in and come out as NumPy arrays; what lies between is the backend's own.
    """

    dataset: Dataset
    settings: LocalTraining
    objective: Objective

    @property
    def initial_weights(self) -> Weights:
        """The weights that the model was built with; they do not depend on the backend."""

    @property
    def trainable_indices(self) -> tuple[int, ...]:
        """Positions of the trainable arrays among the weights."""

    @property
    def test_rows(self) -> ScoredRows:
        """The test part in the order in which weights are scored on it."""

    def check_model(self) -> None:
        """Raise `ModelError` where the model's own code raises in training."""

    def place(self, arrays: Any) -> list[Any]:
        """Bring a list of arrays to where the backend computes."""

    def begin(self, weights: Sequence[Any], key: NDArray[np.uint32]) -> Any:
        """Return the state in which a client starts a round, from placed weights."""

    def compile_step(self) -> Callable[..., tuple[Any, Any]]:
        """Return the compiled step.

        It takes the state, the placed trainable weights that the round started with, the placed
        client state and shared state of the objective, the rows and labels of a batch, and how
        many of them carry weight. It gives the new state, and the mean loss before the step.
        """

    def finish(self, state: Any) -> Weights:
        """Return the weights a client ends its round with."""

    def compile_score(self) -> Callable[[Any, Any, Any, int], EvaluationSums]:
        """Return the compiled scorer: (placed weights, rows, labels, count) → sums."""

    def summarise(self, sums: EvaluationSums, row_count: int) -> Evaluation:
        """Turn sums over the first `row_count` of `test_rows` into a mean loss and a score."""
