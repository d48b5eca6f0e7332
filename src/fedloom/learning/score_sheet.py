"""From the sums over scored rows to a mean loss and a score."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from fedloom.data.dataset import Dataset, Task
from fedloom.federation.fleet import Evaluation
from fedloom.learning.scored_rows import ScoredRows, arrange_test_rows

__all__ = ["EVALUATION_BATCH", "EvaluationSums", "ScoreSheet"]

EVALUATION_BATCH = 64
"""Rows scored at once; keeps the patches of a convolution near a core's cache."""


class EvaluationSums(NamedTuple):
    """Sums over scored rows: of their losses, and of 1.0 per right class."""

    loss: Any
    hits: Any


class ScoreSheet:
    """The test part in the order in which weights are scored on it, and what sums over it mean.

    Args:
        dataset: whose test part.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._variances: dict[int, float] = {}

    @cached_property
    def rows(self) -> ScoredRows:
        """The test part, filled up to whole batches."""
        return arrange_test_rows(self._dataset, EVALUATION_BATCH)

    def summarise(self, sums: EvaluationSums, row_count: int) -> Evaluation:
        """Turn sums over the first `row_count` of `rows` into a mean loss and a score.

        The score is the accuracy, or R² = 1 - squared errors / squares about the mean; 0 where
        all labels are equal.
        """
        loss = float(sums.loss) / row_count
        if self._dataset.task is Task.CLASSIFICATION:
            return Evaluation(loss, float(sums.hits) / row_count)
        variance = self._label_variance(row_count)
        return Evaluation(loss, 1.0 - loss / variance if variance > 0 else 0.0)

    def _label_variance(self, row_count: int) -> float:
        if row_count not in self._variances:
            labels = self.rows.labels[:row_count].astype(np.float64)
            self._variances[row_count] = float(labels.var())
        return self._variances[row_count]
